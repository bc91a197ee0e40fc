//! Keys and tokens: made, rotated, taken away; and what the lists of principals share.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use signoff_core::{
    actor::Actor,
    authority::Operation,
    event::{Delegation, Event, KeyOwner, KeySet, Nothing},
    fold::RowKey,
    id::KeyId,
    payload::PayloadName,
};
use signoff_store::{SecretKind, Wants};

use crate::{
    Engine, EngineError, EngineResult,
    approvals::check_limit,
    credential::{KeyShape, hash_key, hint, mint},
    idempotency::{Once, want},
    turn::{Draft, Turn, mint_id},
    view::{Caller, Page},
};

/// A page out of a list in memory; `beyond` counts items.
pub(crate) fn page<T>(items: Vec<T>, beyond: Option<u64>, limit: u32) -> EngineResult<Page<T>> {
    let limit = check_limit(limit)? as usize;
    let start = usize::try_from(beyond.unwrap_or(0)).unwrap_or(usize::MAX);
    let more = items.len() > start.saturating_add(limit);
    let items: Vec<T> = items.into_iter().skip(start).take(limit).collect();
    let next = more.then(|| (start + limit) as u64);
    Ok(Page { items, next })
}

/// Makes a key and takes the owner's other keys away. The key itself leaves only through the return value.
fn rotate_key(
    turn: &mut Turn<'_>,
    owner: KeyOwner,
    shape: KeyShape,
    actor: &Actor,
) -> EngineResult<SecretString> {
    let snapshot = turn.snapshot();
    let old: Vec<KeyId> = snapshot
        .rows
        .keys
        .values()
        .filter(|row| row.owner == owner && !row.revoked)
        .map(|row| row.id)
        .collect();
    for id in old {
        turn.bring(RowKey::Key(id));
        turn.emit(Draft::new(Event::KeyRevoked(Nothing {}), actor.clone(), id))?;
    }
    issue_key(turn, owner, shape, actor, None, None).map(|(_, key)| key)
}

/// Makes a key beside those that exist.
pub(crate) fn issue_key(
    turn: &mut Turn<'_>,
    owner: KeyOwner,
    shape: KeyShape,
    actor: &Actor,
    name: Option<&str>,
    delegation: Option<Delegation>,
) -> EngineResult<(KeyId, SecretString)> {
    let key = mint(&owner, shape);
    let id = KeyId(mint_id(turn.now()));
    let hash = hash_key(key.expose_secret()).ok_or(EngineError::Internal)?;
    let (secret, digest) = turn
        .ledger
        .tenant
        .key
        .secret(SecretKind::Key, id.0, hash.to_vec());
    let set = KeySet {
        owner,
        hint: hint(&key),
        digest,
        delegation,
    };
    let name = name.map(|name| {
        turn.ledger
            .tenant
            .key
            .seal(id.0, PayloadName::Text, name.as_bytes())
    });
    turn.emit(Draft::new(Event::KeySet(set), actor.clone(), id).with(name))?;
    turn.ledger.changes.secrets.push(secret);
    Ok((id, key))
}

/// What a creation is remembered by; the secret is not.
#[derive(Serialize, Deserialize)]
pub(crate) struct Made<Id> {
    pub(crate) id: Id,
}

impl Engine {
    pub(crate) async fn rotate(
        &self,
        tenant: &crate::tenant::Tenant,
        caller: &Caller,
        owner: KeyOwner,
        shape: KeyShape,
        key: Option<&str>,
    ) -> EngineResult<Option<SecretString>> {
        let once = Once::of(tenant, caller, "rotate_key", key, &(owner, shape))?;
        let mut wants = Wants::default();
        want(&mut wants, once.as_ref());
        let caller = caller.clone();
        self.write(tenant, wants, move |turn| {
            let actor = turn.principal(&caller, Operation::Govern)?.0.actor();
            if turn.before::<()>(once.as_ref())?.is_some() {
                return Ok(None);
            }
            let secret = rotate_key(turn, owner, shape, &actor)?;
            turn.remember(once.as_ref(), &())?;
            Ok(Some(secret))
        })
        .await
    }
}

//! Other keys for the same secrets: those of grants while the server runs, the master key while nothing is started on the
//! store.
//!
//! Deliberately absent: other keys for workspaces. Fingerprints, digests of secrets in the log, and everything sealed since
//! the first record derive from them.

use secrecy::{ExposeSecret, SecretString};
use signoff_core::{
    actor::Actor,
    authority::Operation,
    event::{Event, GrantRefreshed},
    fold::RowKey,
    id::{GrantId, WorkspaceId},
    payload::Hash32,
};
use signoff_store::{Rewrapping, SecretKind, Store, Wants};

use crate::{
    Engine, EngineResult, StartError,
    idempotency::{Once, want},
    seal::MasterKey,
    turn::{Draft, Turn},
    view::{Caller, GrantKeysRotated, Unopened},
};

/// How many grants one command seals anew: what others ask for gets its turn in between.
const GRANTS_AT_ONCE: usize = 50;
/// How often the wrapped keys are read again where somebody else replaced them meanwhile.
const ROUNDS_MAX: u32 = 3;

/// What a rotation begins with.
enum Begun {
    /// The same request was carried out before.
    Before(GrantKeysRotated),
    /// All grants, and how each of them is sealed.
    Due(Vec<(GrantId, Hash32)>),
}

impl Engine {
    /// Seals the value of every grant anew, each with another key of its own. Values and versions stay, so nothing that was
    /// approved is affected and no call is disturbed. A grant that changes meanwhile is left out, because its change sealed
    /// it anew; one that does not open is named and left as it is.
    ///
    /// # Errors
    /// If the caller may not, or the store is away; what was sealed anew by then stays so, and doing it again is harmless.
    pub async fn rotate_grant_keys(
        &self,
        caller: &Caller,
        key: Option<&str>,
    ) -> EngineResult<GrantKeysRotated> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        let once = Once::of(&tenant, caller, "rotate_grant_keys", key, &())?;
        let mut wants = Wants::default();
        want(&mut wants, once.as_ref());
        let (who, same) = (caller.clone(), once.clone());
        let begun = self.write(&tenant, wants.clone(), move |turn| {
            turn.principal(&who, Operation::Govern)?;
            if let Some(before) = turn.before(same.as_ref())? {
                return Ok(Begun::Before(before));
            }
            let snapshot = turn.snapshot();
            let rows = snapshot.rows.grants.values().filter(|row| !row.removed);
            Ok(Begun::Due(rows.map(|row| (row.id, row.digest)).collect()))
        });
        let due = match begun.await? {
            Begun::Before(before) => return Ok(before),
            Begun::Due(due) => due,
        };
        let mut all = GrantKeysRotated::default();
        for part in due.chunks(GRANTS_AT_ONCE) {
            let (who, part) = (caller.clone(), part.to_vec());
            let sealed = self.write(&tenant, Wants::default(), move |turn| {
                let actor = turn.principal(&who, Operation::Govern)?.0.actor();
                seal_anew(turn, &actor, &part)
            });
            let sealed = sealed.await?;
            all.rotated += sealed.rotated;
            all.changed += sealed.changed;
            all.unopened.extend(sealed.unopened);
        }
        if once.is_none() {
            return Ok(all);
        }
        self.write(&tenant, wants, move |turn| {
            if let Some(before) = turn.before(once.as_ref())? {
                return Ok(before);
            }
            turn.remember(once.as_ref(), &all)?;
            Ok(all.clone())
        })
        .await
    }
}

fn seal_anew(
    turn: &mut Turn<'_>,
    actor: &Actor,
    part: &[(GrantId, Hash32)],
) -> EngineResult<GrantKeysRotated> {
    let snapshot = turn.snapshot();
    let mut came_to = GrantKeysRotated::default();
    for (id, sealed_as) in part {
        let present = snapshot.grant(*id).filter(|(row, _)| row.digest == *sealed_as);
        let Some((row, _)) = present else {
            came_to.changed += 1;
            continue;
        };
        let key = &turn.ledger.tenant.key;
        let sealed = snapshot.credential(*id);
        let value = sealed.and_then(|sealed| key.open_grant(id.0, row.version, &row.grant, sealed));
        let Some(value) = value else {
            tracing::error!(grant = %id, "the value of a grant does not open: it was changed behind the log's back");
            came_to.unopened.push(Unopened {
                id: *id,
                name: row.grant.name.clone(),
            });
            continue;
        };
        let sealed = key.seal_grant(id.0, row.version, &row.grant, &value);
        let (secret, digest) = key.secret(SecretKind::Grant, id.0, sealed);
        turn.bring(RowKey::Grant(*id));
        turn.ledger.changes.secrets.push(secret);
        let event = Event::GrantRefreshed(GrantRefreshed { digest });
        turn.emit(Draft::new(event, actor.clone(), id))?;
        came_to.rotated += 1;
    }
    Ok(came_to)
}

/// What became of a rotation of the master key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotated {
    /// The keys of so many workspaces are wrapped with the new one by now.
    Anew(usize),
    /// They were before: an earlier run came that far.
    Already,
}

/// Wraps the keys of all workspaces with another master key, in one transaction. The keys themselves stay, so servers that
/// hold them go on; from its next start on each needs the new one.
///
/// The new key must be kept durably before: from the moment of the commit nothing else opens the store.
///
/// # Errors
/// [`StartError::WrongMasterKey`] if neither key opens the store, [`StartError::InvalidOption`] for a new key that is none,
/// or is the present one. Nothing was changed then.
pub async fn rotate_master_key(
    store: &dyn Store,
    present: &SecretString,
    next: &SecretString,
) -> Result<Rotated, StartError> {
    let (present, next) = (
        MasterKey::parse(present.expose_secret())?,
        MasterKey::parse(next.expose_secret())?,
    );
    if present == next {
        let why = "the new master key is the present one; nothing was changed";
        return Err(StartError::InvalidOption(why.into()));
    }
    for _ in 0..ROUNDS_MAX {
        let wrapped = wrapped_keys(store).await?;
        if wrapped.is_empty() {
            let why = "there is no workspace yet, so the master key locks nothing; start the server once";
            return Err(StartError::InvalidOption(why.into()));
        }
        let opens = |(id, key): &(WorkspaceId, Vec<u8>)| next.unwrap(*id, key).is_some();
        if wrapped.iter().all(opens) {
            return Ok(Rotated::Already);
        }
        let rewrapped: Option<Vec<_>> = wrapped
            .into_iter()
            .map(|(workspace, wrapped)| {
                let anew = present.rewrap(&next, workspace, &wrapped)?;
                Some(Rewrapping {
                    workspace,
                    present: wrapped,
                    next: anew,
                })
            })
            .collect();
        let rewrapped = rewrapped.ok_or(StartError::WrongMasterKey)?;
        if store.replace_workspace_keys(&rewrapped).await? {
            return Ok(Rotated::Anew(rewrapped.len()));
        }
    }
    let why = "somebody else changes the keys of the workspaces; nothing was changed, try again";
    Err(StartError::InvalidOption(why.into()))
}

async fn wrapped_keys(store: &dyn Store) -> Result<Vec<(WorkspaceId, Vec<u8>)>, StartError> {
    let mut all = Vec::new();
    for workspace in store.workspaces().await? {
        let wrapped = store.workspace_key(workspace).await?;
        let wrapped =
            wrapped.ok_or_else(|| StartError::Damaged(format!("the key of {workspace} is missing")))?;
        all.push((workspace, wrapped));
    }
    Ok(all)
}

//! Delegations: a part of what an agent may do, handed on with a key of its own for a while. The key is that agent's, to
//! policy and to every stop, and is refused whatever does not belong to the part.

use std::collections::BTreeSet;

use secrecy::SecretString;
use signoff_core::{
    actor::Principal,
    authority::Operation,
    event::{Delegation, Event, KeyOwner, Nothing},
    fold::RowKey,
    id::{AgentId, KeyId},
    name::check_name,
    rows::KeyRow,
    time::{Micros, Timestamp},
};
use signoff_store::Wants;

use crate::{
    Engine, EngineError, EngineResult, KeyShape,
    keys::issue_key,
    snapshot::Snapshot,
    turn::Draft,
    view::{Caller, Created, DelegationView},
};

/// How many actions one is for.
const ACTIONS_MAX: usize = 100;
/// How long one lasts.
const LIFETIME_MAX: Micros = Micros::seconds(86_400);
/// How many of one agent open something at the same time.
const LIVE_MAX: usize = 100;
/// The longest name of one, in characters.
const NAME_CHARS_MAX: usize = 200;

/// A part to hand on.
#[derive(Debug, Clone)]
pub struct Delegate {
    /// For people.
    pub name: String,
    /// Names of actions, no globs.
    pub actions: Vec<String>,
    /// How long; at most a day, and not longer than the key it is handed on with.
    pub lifetime: Micros,
}

impl Delegate {
    fn checked(&self) -> EngineResult<BTreeSet<String>> {
        if self.name.trim().is_empty()
            || self.name.chars().count() > NAME_CHARS_MAX
            || self.name.chars().any(char::is_control)
        {
            let why = format!("a delegation has a name of 1 to {NAME_CHARS_MAX} characters");
            return Err(EngineError::invalid("/name", why));
        }
        if self.actions.is_empty() || self.actions.len() > ACTIONS_MAX {
            let why = format!("a delegation is for 1 to {ACTIONS_MAX} actions, each by its name");
            return Err(EngineError::invalid("/actions", why));
        }
        for (at, action) in self.actions.iter().enumerate() {
            check_name(action).map_err(|why| EngineError::invalid(format!("/actions/{at}"), why))?;
        }
        if self.lifetime.0 <= 0 || self.lifetime > LIFETIME_MAX {
            let why = format!("a delegation lasts more than 0 s and at most {LIFETIME_MAX}");
            return Err(EngineError::invalid("/lifetime", why));
        }
        Ok(self
            .actions
            .iter()
            .map(|action| action.to_ascii_lowercase())
            .collect())
    }
}

/// The agent whose part can be handed on with this key.
fn agent(caller: &Caller) -> EngineResult<AgentId> {
    match caller.principal {
        Principal::Agent(id) => Ok(id),
        _ => Err(EngineError::Forbidden(
            "only an agent hands on a part of what it may do, with its own key".into(),
        )),
    }
}

/// The key that a part was handed on with, where that was a part itself.
fn parent(caller: &Caller) -> Option<KeyId> {
    caller.key.filter(|_| caller.part.is_some())
}

/// A delegation of this agent that comes, over however many, from this key.
fn comes_from(snapshot: &Snapshot, row: &KeyRow, parent: Option<KeyId>) -> bool {
    let above = |row: &KeyRow| row.delegation.as_ref().and_then(|part| part.parent);
    let Some(parent) = parent else { return true };
    let mut next = above(row);
    while let Some(id) = next {
        if id == parent {
            return true;
        }
        next = snapshot.rows.keys.get(&id).and_then(above);
    }
    false
}

/// What an agent handed on, whether or not it still opens anything.
pub(crate) fn delegations(snapshot: &Snapshot, agent: AgentId) -> impl Iterator<Item = &KeyRow> {
    let rows = snapshot.rows.keys.values();
    rows.filter(move |row| row.owner == KeyOwner::Agent(agent) && row.delegation.is_some())
}

fn view(row: &KeyRow, now: Timestamp) -> Option<DelegationView> {
    let part = row.delegation.clone()?;
    let KeyOwner::Agent(agent) = row.owner else {
        return None;
    };
    Some(DelegationView {
        id: row.id,
        agent,
        active: !row.revoked && now < part.expires_at,
        part,
    })
}

impl Engine {
    /// Hands on a part of what the calling agent may do. The key is shown once.
    ///
    /// # Errors
    /// If the caller is no agent, or hands on more than it has.
    pub async fn delegate(
        &self,
        caller: &Caller,
        delegate: Delegate,
    ) -> EngineResult<Created<DelegationView>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Ask)?;
        let (agent, actions) = (agent(caller)?, delegate.checked()?);
        let caller_then = caller.clone();
        let (id, secret): (KeyId, SecretString) = self
            .write(&tenant, Wants::default(), move |turn| {
                let actor = turn.principal(&caller_then, Operation::Ask)?.0.actor();
                let now = turn.now();
                let mut expires_at = now.plus(delegate.lifetime);
                if let Some(own) = &caller_then.part {
                    if let Some(beyond) = actions.iter().find(|action| !own.covers(action)) {
                        let why = format!("`{beyond}` does not belong to what this key is for");
                        return Err(EngineError::invalid("/actions", why));
                    }
                    expires_at = expires_at.min(own.expires_at);
                }
                let snapshot = turn.snapshot();
                let live = delegations(&snapshot, agent)
                    .filter(|row| view(row, now).is_some_and(|view| view.active));
                if live.count() >= LIVE_MAX {
                    let why =
                        format!("an agent has at most {LIVE_MAX} delegations at the same time; end some");
                    return Err(EngineError::invalid("", why));
                }
                let part = Delegation {
                    actions: actions.clone(),
                    expires_at,
                    parent: parent(&caller_then),
                };
                issue_key(
                    turn,
                    KeyOwner::Agent(agent),
                    KeyShape::Native,
                    &actor,
                    Some(delegate.name.trim()),
                    Some(part),
                )
            })
            .await?;
        let snapshot = tenant.snapshot();
        let row = snapshot.rows.keys.get(&id).ok_or(EngineError::Internal)?;
        Ok(Created {
            made: view(row, self.now()).ok_or(EngineError::Internal)?,
            secret: Some(secret),
        })
    }

    /// What the calling agent handed on with this key, newest first; and the part that the key itself is, if it is one.
    ///
    /// # Errors
    /// If the caller is no agent.
    pub fn delegations(
        &self,
        caller: &Caller,
    ) -> EngineResult<(Vec<DelegationView>, Option<DelegationView>)> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Ask)?;
        let (agent, parent, now) = (agent(caller)?, parent(caller), self.now());
        let snapshot = tenant.snapshot();
        let handed = delegations(&snapshot, agent).filter(|row| comes_from(&snapshot, row, parent));
        let mut handed: Vec<_> = handed.filter_map(|row| view(row, now)).collect();
        handed.sort_by_key(|view| std::cmp::Reverse(view.id));
        let own = parent.and_then(|id| snapshot.rows.keys.get(&id));
        Ok((handed, own.and_then(|row| view(row, now))))
    }

    /// Ends a delegation, and all that was handed on from it. Answers whether it was alive.
    ///
    /// # Errors
    /// If there is none, or it does not come from the caller's key.
    pub async fn end_delegation(&self, caller: &Caller, id: KeyId) -> EngineResult<bool> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Ask)?;
        let (agent, parent) = (agent(caller)?, parent(caller));
        let caller_then = caller.clone();
        self.write(&tenant, Wants::default(), move |turn| {
            let actor = turn.principal(&caller_then, Operation::Ask)?.0.actor();
            let snapshot = turn.snapshot();
            let row = delegations(&snapshot, agent).find(|row| row.id == id);
            let row = row.filter(|row| comes_from(&snapshot, row, parent));
            let row = row.ok_or_else(|| EngineError::not_found("delegation", id))?;
            let alive = view(row, turn.now()).is_some_and(|view| view.active);
            let below = delegations(&snapshot, agent).filter(|row| comes_from(&snapshot, row, Some(id)));
            for key in std::iter::once(row).chain(below).filter(|row| !row.revoked) {
                turn.bring(RowKey::Key(key.id));
                turn.emit(Draft::new(Event::KeyRevoked(Nothing {}), actor.clone(), key.id))?;
            }
            Ok(alive)
        })
        .await
    }
}

//! Calls that Signoff makes itself, with credentials that agents never see: at most once (I3), as they were judged (I2).
//!
//! An execution is durably `executing` before the first byte leaves ([`begin`], and the submit itself for what policy
//! allows), the call is made outside of any batch ([`make`]), and what came back is kept with its end. What a process left
//! in the middle is found by the next one ([`recover`]): made again where that can do no harm, else left to a person.

mod begin;
mod credential;
mod look;
mod make;
mod recover;
mod result;
mod runner;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use signoff_core::{
    action::Action,
    grant::{CredentialKind, Unfit},
    http::{Call, CallFacts},
    id::{AgentId, ExecutionId, GrantId, RunnerId},
    judge::AgentFacts,
    policy::PolicyRef,
};

pub use make::{BrokenOff, Head, Tap};
pub use result::CALL_WAIT_MAX;
pub(crate) use runner::Runners;

use crate::{EngineError, EngineResult, snapshot::Snapshot};

/// A call that is to be made, now that it says so in the log.
#[derive(Clone)]
pub(crate) struct ToMake {
    pub(crate) execution: ExecutionId,
    pub(crate) call: Arc<Call>,
    /// With the version that was looked at: what is changed between begin and first byte is another grant.
    pub(crate) grant: Option<(GrantId, u64)>,
    pub(crate) policy: Option<PolicyRef>,
    pub(crate) runner: RunnerId,
}

/// An action with the grant that its call names, if the agent holds it and may use it so. Headers that the credential takes
/// the place of are taken out. Any other action stays as it is.
///
/// # Errors
/// If the grant does not go with the call. What an agent does not hold does not exist for it.
pub(crate) fn with_grant(
    snapshot: &Snapshot,
    mut action: Action,
    agent: &AgentFacts,
) -> EngineResult<Action> {
    let Some(call) = &mut action.http else {
        return Ok(action);
    };
    // Signoff makes the call itself, so it can make another one in its place.
    action.accepts.edits = true;
    let Some(name) = call.grant() else {
        return Ok(action);
    };
    let refused = |why| EngineError::Grant {
        name: name.to_owned(),
        why,
    };
    let row = snapshot.find_grant(name).ok_or_else(|| refused(Unfit::NotHeld))?;
    let (_, prepared) = snapshot.grant(row.id).ok_or_else(|| refused(Unfit::NotHeld))?;
    prepared.fits(call, agent).map_err(refused)?;
    let sets = match &row.grant.credential {
        CredentialKind::Header { name, .. } => name.as_str(),
        _ => "authorization",
    };
    if call.headers().any(|(name, _)| name == sets) {
        Arc::make_mut(call).drop_header(sets);
    }
    action.grant = Some(row.id);
    Ok(action)
}

/// Whether the grant that a request was judged with still goes with its call: what people approve is then made.
pub(crate) fn still_fits(
    snapshot: &Snapshot,
    agent: AgentId,
    grant: Option<GrantId>,
    call: &Call,
) -> Result<(), Unfit> {
    let Some(id) = grant else { return Ok(()) };
    let (_, prepared) = snapshot.grant(id).ok_or(Unfit::NotHeld)?;
    let agent = snapshot.facts(agent).ok_or(Unfit::NotHeld)?;
    prepared.fits(call, agent)
}

/// A grant with the version that a snapshot knows; 0, which no grant ever has, for one that is gone.
pub(crate) fn versioned(snapshot: &Snapshot, grant: Option<GrantId>) -> Option<(GrantId, u64)> {
    grant.map(|id| (id, snapshot.grant(id).map_or(0, |(row, _)| row.version)))
}

/// What the log says of the call of an action.
pub(crate) fn facts(action: &Action) -> Option<CallFacts> {
    action.http.as_ref().map(|call| CallFacts {
        method: call.method().to_owned(),
        origin: call.origin(),
        grant: action.grant,
    })
}

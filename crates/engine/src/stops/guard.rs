//! The last gate: whoever forgot to judge, nothing that a stop covers goes on.

use signoff_core::{
    event::{Event, ExecutionOrigin},
    http::CallFacts,
    id::{AgentId, ApprovalId, ExecutionId, GrantId},
    stop::StopTarget,
};

use crate::{
    EngineError, EngineResult,
    snapshot::Snapshot,
    submit::stopped_sentence,
    turn::{Draft, Ledger},
};

/// The part of Signoff that ends what a stop covers, as records name it.
pub(crate) const PART: &str = "stop";

/// What is stopped, in words.
pub(crate) fn target_text(snapshot: &Snapshot, target: StopTarget) -> String {
    match target {
        StopTarget::Workspace => "the whole workspace".into(),
        StopTarget::Agent(id) => format!("the agent {}", snapshot.agent_name(id)),
        StopTarget::Grant(id) => format!("the grant {}", snapshot.grant_name(id)),
    }
}

/// Refuses what lets something go on that a stop in force covers. Costs nothing while nothing is stopped.
pub(crate) fn check(ledger: &Ledger, draft: &Draft) -> EngineResult<()> {
    if ledger.snapshot.policies.stops().is_empty() || !draft.event.lets_go_on() {
        return Ok(());
    }
    // What can't be told to be another's is not let through either.
    let Some((agent, grant)) = whose(ledger, draft) else {
        return Err(EngineError::Internal);
    };
    let name = ledger.snapshot.agent_name(agent);
    stopped_sentence(&ledger.snapshot, (agent, &name), grant)
        .map_or(Ok(()), |sentence| Err(EngineError::Stopped(sentence)))
}

/// Whose action an event lets go on, and with which grant.
fn whose(ledger: &Ledger, draft: &Draft) -> Option<(AgentId, Option<GrantId>)> {
    let (rows, subject) = (&ledger.rows, &draft.subject);
    let grant_of = |call: &Option<CallFacts>| call.as_ref().and_then(|call| call.grant);
    let execution = || {
        let row = rows.executions.get(&subject.parse::<ExecutionId>().ok()?)?;
        Some((row.agent, row.call.as_ref().and_then(|call| call.facts.grant)))
    };
    let touched = |origin: &Option<ExecutionOrigin>| match origin {
        Some(origin) => Some((origin.agent, grant_of(&origin.call))),
        None => execution(),
    };
    match &draft.event {
        Event::ActionAllowed(allowed) => Some((allowed.action.agent, grant_of(&allowed.action.call))),
        Event::ApprovalVoted(_) | Event::ApprovalEnded(_) => {
            let id: ApprovalId = subject.parse().ok()?;
            let row = rows.approvals.get(&id)?;
            Some((row.agent, grant_of(&row.call)))
        }
        Event::ExecutionConsumed(consumed) => touched(&consumed.origin),
        Event::ExecutionStarted(started) => touched(&started.origin),
        _ => execution(),
    }
}

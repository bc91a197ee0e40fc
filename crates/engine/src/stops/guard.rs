//! The last gate: whoever forgot to judge, nothing that a stop covers goes on.

use signoff_core::{
    event::Event,
    id::{AgentId, ApprovalId, ExecutionId},
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
    }
}

/// Refuses what lets something go on that a stop in force covers. Costs nothing while nothing is stopped.
pub(crate) fn check(ledger: &Ledger, draft: &Draft) -> EngineResult<()> {
    if ledger.snapshot.policies.stops().is_empty() || !draft.event.lets_go_on() {
        return Ok(());
    }
    // What can't be told to be another's is not let through either.
    let Some(agent) = agent_of(ledger, draft) else {
        return Err(EngineError::Internal);
    };
    let name = ledger.snapshot.agent_name(agent);
    stopped_sentence(&ledger.snapshot, (agent, &name))
        .map_or(Ok(()), |sentence| Err(EngineError::Stopped(sentence)))
}

/// Whose action an event lets go on.
fn agent_of(ledger: &Ledger, draft: &Draft) -> Option<AgentId> {
    let (rows, subject) = (&ledger.rows, &draft.subject);
    let execution = || rows.executions.get(&subject.parse::<ExecutionId>().ok()?);
    match &draft.event {
        Event::ActionAllowed(allowed) => Some(allowed.action.agent),
        Event::ApprovalVoted(_) | Event::ApprovalEnded(_) => {
            let id: ApprovalId = subject.parse().ok()?;
            rows.approvals.get(&id).map(|row| row.agent)
        }
        Event::ExecutionConsumed(touched) => match &touched.origin {
            Some(origin) => Some(origin.agent),
            None => execution().map(|row| row.agent),
        },
        _ => execution().map(|row| row.agent),
    }
}

//! What is pending is judged again; and the system's own steps.

use signoff_core::{
    actor::Actor,
    approval::{Command, Refusal},
    counted::Moment,
    id::ApprovalId,
    judge::ReasonCode,
    policy::Orphaned,
};

use super::{Pending, step};
use crate::{EngineError, EngineResult, stops, turn::Turn};

/// Asks policy again about a pending approval, as things are at the head of the log. Answers whether anything changed.
pub(crate) fn rejudge(turn: &mut Turn<'_>, id: ApprovalId, pending: &Pending) -> EngineResult<bool> {
    let snapshot = turn.snapshot();
    let row = turn.approval(id)?;
    if row.status.is_terminal() {
        return Ok(false);
    }
    let before = turn.ledger.head.seq;
    let actor = Actor::system("policy");
    let requested_by = pending.requested_by.as_deref();
    let agent = snapshot.rows.agents.get(&row.agent);
    if agent.is_none_or(|agent| agent.disabled) {
        step(turn, id, &Command::Withdraw, &actor, None, None)?;
        return Ok(true);
    }
    let Some(facts) = snapshot.facts(row.agent) else {
        return Ok(false);
    };
    let own = row.counted_rows();
    let past = turn.past((&pending.action, facts), None, &own)?;
    let moment = Moment {
        now: turn.now(),
        past: Some(&past),
    };
    let verdict = snapshot.policies.judge(&pending.action, facts, moment);
    let actor = if verdict.code == Some(ReasonCode::Stopped) {
        Actor::system(stops::PART)
    } else {
        actor
    };
    let orphaned = snapshot
        .rows
        .workspace
        .as_ref()
        .map_or(Orphaned::Judge, |row| row.orphaned);
    step(
        turn,
        id,
        &Command::Rejudge {
            verdict: &verdict,
            orphaned,
        },
        &actor,
        requested_by,
        None,
    )?;
    let row = turn.approval(id)?;
    let overdue = row.decide_by.is_some_and(|at| turn.now() >= at);
    if turn.ledger.head.seq != before && !row.status.is_terminal() && !overdue {
        // The votes that stand may meet the new requirement.
        step(turn, id, &Command::Tally, &actor, requested_by, None)?;
    }
    Ok(turn.ledger.head.seq != before)
}

/// Whether an event is the end that the clock brings.
pub(crate) fn is_clockwork(refusal: &EngineError) -> bool {
    matches!(
        refusal,
        EngineError::Ended { .. } | EngineError::Decision(Refusal::NotDue) | EngineError::NotFound { .. }
    )
}

/// The system's own steps: the clock's and those of a server that approves by itself.
pub(crate) fn by_system(
    turn: &mut Turn<'_>,
    id: ApprovalId,
    part: &str,
    command: &Command<'_>,
) -> EngineResult<()> {
    step(turn, id, command, &Actor::system(part), None, None)
}

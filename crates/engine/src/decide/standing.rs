//! An approver answers ahead for requests of the same kind.

use signoff_core::{
    approval::{Command, Surroundings, grant_standing},
    event::Event,
    id::StandingId,
    standing::StandingTerms,
};

use super::Voting;
use crate::{
    EngineResult,
    turn::{Draft, Turn},
};

/// Approves, and answers ahead. Where the one can't be done, nothing is.
pub(super) fn vote_and_grant(
    turn: &mut Turn<'_>,
    voting: &Voting<'_>,
    command: &Command<'_>,
    id: StandingId,
    terms: &StandingTerms,
) -> EngineResult<()> {
    // What the vote itself is refused for comes first.
    voting.try_out(turn, command)?;
    let (snapshot, row) = (turn.snapshot(), turn.approval(voting.id)?);
    let around = Surroundings {
        now: turn.now(),
        actor: voting.actor,
        roster: &*snapshot,
        selves: snapshot.selves(row.agent, voting.requested_by),
    };
    let granted = grant_standing(row, terms, &around)?;
    let policy = granted.policy.clone();
    voting.cast(turn, command)?;
    let event = Event::StandingGranted(Box::new(granted));
    turn.emit(Draft::new(event, voting.actor.clone(), id).under(Some(&policy)))?;
    Ok(())
}

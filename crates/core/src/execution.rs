//! The execution machine: `(execution, command, now) → event or refusal`. Pure.

use crate::{
    event::{
        Event, ExecutionFinished, ExecutionOrigin, ExecutionReported, ExecutionSettled, ExecutionSource,
        ExecutionState, ExecutionTouched, Nothing, ReportOutcome,
    },
    rows::ExecutionRow,
    time::Timestamp,
};

/// What can be asked of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// The agent takes it: once.
    Consume,
    /// The agent says how it went.
    Report(ReportOutcome),
    /// Signoff is about to send the first byte.
    Start,
    /// Signoff's call came to an end: executed, failed or indeterminate.
    Finish(ExecutionState),
    /// A person says what became of it: executed, failed, or ready again.
    Settle(ExecutionState),
    /// `run_by` passed.
    Lapse,
    /// Grant, agent, policy or kill switch took it back.
    Revoke,
}

/// Why a command changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It does not follow from the present state.
    #[error("the execution is {0}")]
    NotFrom(ExecutionState),
    /// `run_by` has passed, whether or not the clock's worker has run.
    #[error("the time to carry it out has passed")]
    Lapsed,
    /// The clock is early.
    #[error("the time has not come")]
    NotDue,
    /// An approved action must be consumed before it is reported.
    #[error("an approved action is consumed before it is reported")]
    NotConsumed,
    /// Not a state that this command can lead to.
    #[error("`{0}` is not an end that can be given here")]
    NotAnEnd(ExecutionState),
}

/// One step of the machine. `origin` is given for an allowed action's execution that has no row yet.
///
/// # Errors
/// Why the command changes nothing.
pub fn transition(
    row: &ExecutionRow,
    command: Command,
    now: Timestamp,
    origin: Option<ExecutionOrigin>,
) -> Result<Event, Refusal> {
    use Command as C;
    use ExecutionState as S;
    let late = now >= row.run_by;
    match (row.state, command) {
        (S::Ready, C::Consume | C::Start) if late => Err(Refusal::Lapsed),
        (S::Ready, C::Consume) => Ok(Event::ExecutionConsumed(ExecutionTouched { origin })),
        (S::Ready, C::Report(_)) if row.source == ExecutionSource::Approved => Err(Refusal::NotConsumed),
        (S::Ready | S::Consumed, C::Report(outcome)) => {
            Ok(Event::ExecutionReported(ExecutionReported { outcome, origin }))
        }
        (S::Ready, C::Start) => Ok(Event::ExecutionStarted(Nothing {})),
        (S::Ready, C::Lapse) if late => Ok(Event::ExecutionLapsed(Nothing {})),
        (S::Ready, C::Lapse) => Err(Refusal::NotDue),
        (S::Ready, C::Revoke) => Ok(Event::ExecutionRevoked(Nothing {})),
        (S::Executing, C::Finish(state)) => match state {
            S::Executed | S::Failed | S::Indeterminate => {
                Ok(Event::ExecutionFinished(ExecutionFinished { state }))
            }
            other => Err(Refusal::NotAnEnd(other)),
        },
        (S::Indeterminate, C::Settle(state)) => match state {
            S::Executed | S::Failed | S::Ready => Ok(Event::ExecutionSettled(ExecutionSettled { state })),
            other => Err(Refusal::NotAnEnd(other)),
        },
        (state, _) => Err(Refusal::NotFrom(state)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{AgentId, ExecutionId, RawId},
        payload::Hash32,
    };

    fn row(state: ExecutionState, source: ExecutionSource) -> ExecutionRow {
        ExecutionRow {
            id: ExecutionId(RawId([1; 16])),
            agent: AgentId(RawId([2; 16])),
            action: "a".into(),
            digest: Hash32([0; 32]),
            source,
            policy: None,
            state,
            submitted_seq: 1,
            created_at: Timestamp(0),
            run_by: Timestamp(100),
            consumed_at: None,
            ended_at: None,
            outcome: None,
            reported_seq: None,
        }
    }

    /// I4, as a table: every state with every command. `+` follows, anything else is refused.
    #[test]
    fn i4_every_state_with_every_command() {
        use ExecutionState as S;
        let commands = [
            Command::Consume,
            Command::Report(ReportOutcome::Success),
            Command::Start,
            Command::Finish(S::Executed),
            Command::Settle(S::Failed),
            Command::Lapse,
            Command::Revoke,
        ];
        // consume, report, start, finish, settle, lapse (early), revoke
        for (state, expected) in [
            (S::Ready, "+ + + - - - +"),
            (S::Consumed, "- + - - - - -"),
            (S::Reported, "- - - - - - -"),
            (S::Executing, "- - - + - - -"),
            (S::Executed, "- - - - - - -"),
            (S::Failed, "- - - - - - -"),
            (S::Indeterminate, "- - - - + - -"),
            (S::Lapsed, "- - - - - - -"),
            (S::Revoked, "- - - - - - -"),
        ] {
            let got: Vec<&str> = commands
                .iter()
                .map(|command| {
                    if transition(
                        &row(state, ExecutionSource::Allowed),
                        *command,
                        Timestamp(50),
                        None,
                    )
                    .is_ok()
                    {
                        "+"
                    } else {
                        "-"
                    }
                })
                .collect();
            assert_eq!(got.join(" "), expected, "{state}");
        }
    }

    #[test]
    fn approved_actions_are_consumed_before_they_are_reported_and_late_ones_lapse() {
        let ready = row(ExecutionState::Ready, ExecutionSource::Approved);
        let report = Command::Report(ReportOutcome::Success);
        assert_eq!(
            transition(&ready, report, Timestamp(50), None),
            Err(Refusal::NotConsumed)
        );
        assert_eq!(
            transition(&ready, Command::Consume, Timestamp(100), None),
            Err(Refusal::Lapsed)
        );
        assert!(transition(&ready, Command::Lapse, Timestamp(100), None).is_ok());
        assert_eq!(
            transition(&ready, Command::Lapse, Timestamp(99), None),
            Err(Refusal::NotDue)
        );
    }
}

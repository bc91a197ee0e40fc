//! The execution machine: `(execution, command, now) → event or refusal`. Pure.

use crate::{
    event::{
        CallFault, Event, ExecutionFinished, ExecutionOrigin, ExecutionRepeated, ExecutionReported,
        ExecutionRevoked, ExecutionSettled, ExecutionSource, ExecutionStarted, ExecutionState,
        ExecutionTouched, Nothing, ReportOutcome, RevokedBecause,
    },
    id::RunnerId,
    rows::{ExecutionRow, LogEpoch},
    time::Timestamp,
};

/// What can be asked of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// The agent takes it: once.
    Consume,
    /// The agent says how it went.
    Report(ReportOutcome),
    /// Signoff is about to send the first byte. With the run of the server that does.
    Start(RunnerId),
    /// This run of the server makes again what another left without an end.
    Repeat(RunnerId),
    /// Signoff's call came to an end.
    Finish(CallEnd),
    /// A person says what became of it: executed, failed, or ready again.
    Settle(ExecutionState),
    /// `run_by` passed.
    Lapse,
    /// Grant, agent, policy or kill switch took it back.
    Revoke(RevokedBecause),
    /// A person lets it go on after the log went on in another place.
    Release,
}

/// How a call of Signoff's ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallEnd {
    /// Executed, failed or indeterminate.
    pub state: ExecutionState,
    /// The status that came back.
    pub status: Option<u16>,
    /// Why none did.
    pub fault: Option<CallFault>,
    /// The run of the server that says so.
    pub runner: RunnerId,
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
    /// It was approved before the log went on in another place; a person must release it.
    #[error("the execution is held: it was approved before this server was restored or failed over")]
    Held,
    /// There is nothing to release.
    #[error("the execution is not held")]
    NotHeld,
    /// Signoff makes the call; nobody else takes it or says how it went.
    #[error("Signoff makes this call itself; ask for its result")]
    Call,
    /// The agent carries it out; Signoff has nothing to send.
    #[error("the agent carries this out itself")]
    NoCall,
    /// Another run of the server makes the call by now.
    #[error("another run of the server makes this call")]
    OtherRunner,
    /// Not a state that this command can lead to.
    #[error("`{0}` is not an end that can be given here")]
    NotAnEnd(ExecutionState),
}

/// One step of the machine. `epoch` is the log's; `origin` is given for an allowed action's execution that has no row yet.
///
/// # Errors
/// Why the command changes nothing.
pub fn transition(
    row: &ExecutionRow,
    command: Command,
    now: Timestamp,
    epoch: Option<LogEpoch>,
    origin: Option<ExecutionOrigin>,
) -> Result<Event, Refusal> {
    use Command as C;
    use ExecutionState as S;
    let late = now >= row.run_by;
    let held = row.is_held(epoch);
    match (row.state, command) {
        (S::Ready | S::Executing, C::Release) if held => Ok(Event::ExecutionReleased(Nothing {})),
        (S::Ready | S::Executing, C::Release) => Err(Refusal::NotHeld),
        (_, C::Consume | C::Report(_)) if row.call.is_some() => Err(Refusal::Call),
        (_, C::Start(_) | C::Repeat(_)) if row.call.is_none() => Err(Refusal::NoCall),
        (S::Ready, C::Consume | C::Start(_)) if late => Err(Refusal::Lapsed),
        (S::Ready, C::Consume | C::Start(_)) | (S::Executing, C::Repeat(_)) if held => Err(Refusal::Held),
        (S::Ready, C::Consume) => Ok(Event::ExecutionConsumed(ExecutionTouched { origin })),
        (S::Ready, C::Report(_)) if row.source == ExecutionSource::Approved => Err(Refusal::NotConsumed),
        (S::Ready | S::Consumed, C::Report(outcome)) => {
            Ok(Event::ExecutionReported(ExecutionReported { outcome, origin }))
        }
        (S::Ready, C::Start(runner)) => Ok(Event::ExecutionStarted(ExecutionStarted {
            origin,
            runner: Some(runner),
        })),
        (S::Executing, C::Repeat(runner)) => Ok(Event::ExecutionRepeated(ExecutionRepeated { runner })),
        (S::Ready, C::Lapse) if late => Ok(Event::ExecutionLapsed(Nothing {})),
        (S::Ready, C::Lapse) => Err(Refusal::NotDue),
        (S::Ready, C::Revoke(because)) => Ok(Event::ExecutionRevoked(ExecutionRevoked {
            // Only calls were made by releases that know reasons.
            because: row.call.is_some().then_some(because),
        })),
        (S::Executing | S::Indeterminate, C::Finish(end)) => finish(row, &end),
        (S::Indeterminate, C::Settle(state)) => match state {
            S::Executed | S::Failed | S::Ready => Ok(Event::ExecutionSettled(ExecutionSettled { state })),
            other => Err(Refusal::NotAnEnd(other)),
        },
        (state, _) => Err(Refusal::NotFrom(state)),
    }
}

/// An answer that comes after the call was given up is late, not false: it settles what nobody has settled yet.
fn finish(row: &ExecutionRow, end: &CallEnd) -> Result<Event, Refusal> {
    use ExecutionState as S;
    let is_runner = row.call.as_ref().and_then(|call| call.runner) == Some(end.runner);
    match end.state {
        S::Indeterminate if row.state == S::Indeterminate => return Err(Refusal::NotFrom(row.state)),
        S::Executed | S::Failed if !is_runner => return Err(Refusal::OtherRunner),
        S::Executed | S::Failed | S::Indeterminate => {}
        other => return Err(Refusal::NotAnEnd(other)),
    }
    Ok(Event::ExecutionFinished(ExecutionFinished {
        state: end.state,
        status: end.status,
        fault: end.fault,
        runner: Some(end.runner),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        http::CallFacts,
        id::{AgentId, ExecutionId, RawId},
        payload::Hash32,
        rows::CallRun,
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
            edited_seq: None,
            standing: None,
            created_at: Timestamp(0),
            run_by: Timestamp(100),
            consumed_at: None,
            ended_at: None,
            outcome: None,
            reported_seq: None,
            released_at: None,
            counted: None,
            call: None,
        }
    }

    const RUN: RunnerId = RunnerId(RawId([7; 16]));

    fn call(state: ExecutionState) -> ExecutionRow {
        let facts = CallFacts {
            method: "POST".into(),
            origin: "https://api.example.com".into(),
            grant: None,
        };
        ExecutionRow {
            call: Some(Box::new(CallRun {
                runner: Some(RUN),
                ..CallRun::new(facts, 1)
            })),
            ..row(state, ExecutionSource::Approved)
        }
    }

    fn end(state: ExecutionState) -> CallEnd {
        CallEnd {
            state,
            status: None,
            fault: None,
            runner: RUN,
        }
    }

    /// I4, as a table: every state with every command, of what the agent carries out and of what Signoff calls. `+` follows,
    /// anything else is refused.
    #[test]
    fn i4_every_state_with_every_command() {
        use ExecutionState as S;
        let commands = [
            Command::Consume,
            Command::Report(ReportOutcome::Success),
            Command::Start(RUN),
            Command::Repeat(RUN),
            Command::Finish(end(S::Executed)),
            Command::Finish(end(S::Indeterminate)),
            Command::Settle(S::Failed),
            Command::Lapse,
            Command::Revoke(RevokedBecause::Policy),
            Command::Release,
        ];
        let follow = |row: &ExecutionRow| {
            let follows = commands.map(|command| transition(row, command, Timestamp(50), None, None).is_ok());
            follows.map(|follows| if follows { "+" } else { "-" }).join(" ")
        };
        // consume, report, start, repeat, finish, give up, settle, lapse (early), revoke, release (not held)
        for (state, by_agent, by_signoff) in [
            (S::Ready, "+ + - - - - - - + -", "- - + - - - - - + -"),
            (S::Consumed, "- + - - - - - - - -", "- - - - - - - - - -"),
            (S::Reported, "- - - - - - - - - -", "- - - - - - - - - -"),
            (S::Executing, "- - - - - + - - - -", "- - - + + + - - - -"),
            (S::Executed, "- - - - - - - - - -", "- - - - - - - - - -"),
            (S::Failed, "- - - - - - - - - -", "- - - - - - - - - -"),
            (S::Indeterminate, "- - - - - - + - - -", "- - - - + - + - - -"),
            (S::Lapsed, "- - - - - - - - - -", "- - - - - - - - - -"),
            (S::Revoked, "- - - - - - - - - -", "- - - - - - - - - -"),
        ] {
            let allowed = row(state, ExecutionSource::Allowed);
            assert_eq!(follow(&allowed), by_agent, "{state}");
            assert_eq!(follow(&call(state)), by_signoff, "a call that is {state}");
        }
    }

    /// I3, I4: a run that was taken for gone and comes back ends nothing that another makes by now; its late answer settles
    /// what nobody has settled.
    #[test]
    fn i3_only_who_makes_a_call_says_how_it_went() {
        use ExecutionState as S;
        let another = CallEnd {
            runner: RunnerId(RawId([8; 16])),
            ..end(S::Executed)
        };
        for state in [S::Executing, S::Indeterminate] {
            let step = |end| transition(&call(state), Command::Finish(end), Timestamp(50), None, None);
            assert_eq!(step(another), Err(Refusal::OtherRunner), "{state}");
            assert!(step(end(S::Executed)).is_ok(), "{state}");
            assert!(step(end(S::Failed)).is_ok(), "{state}");
        }
        let given_up = Command::Finish(CallEnd {
            state: S::Indeterminate,
            ..another
        });
        let step = |state| transition(&call(state), given_up, Timestamp(50), None, None);
        assert!(step(S::Executing).is_ok(), "whoever finds it without an end");
        assert_eq!(step(S::Indeterminate), Err(Refusal::NotFrom(S::Indeterminate)));
    }

    #[test]
    fn approved_actions_are_consumed_before_they_are_reported_and_late_ones_lapse() {
        let ready = row(ExecutionState::Ready, ExecutionSource::Approved);
        let report = Command::Report(ReportOutcome::Success);
        assert_eq!(
            transition(&ready, report, Timestamp(50), None, None),
            Err(Refusal::NotConsumed)
        );
        assert_eq!(
            transition(&ready, Command::Consume, Timestamp(100), None, None),
            Err(Refusal::Lapsed)
        );
        assert!(transition(&ready, Command::Lapse, Timestamp(100), None, None).is_ok());
        assert_eq!(
            transition(&ready, Command::Lapse, Timestamp(99), None, None),
            Err(Refusal::NotDue)
        );
    }

    /// After a restore or a failover an approved execution waits for a person, whatever its time.
    #[test]
    fn what_was_approved_before_the_log_went_on_elsewhere_is_held_until_released() {
        let epoch = |since| {
            Some(LogEpoch {
                number: 1,
                since: Timestamp(since),
            })
        };
        let mut approved = row(ExecutionState::Ready, ExecutionSource::Approved);
        let step = |row: &ExecutionRow, command, since| {
            transition(row, command, Timestamp(50), epoch(since), None).map(|event| event.type_name())
        };
        approved.created_at = Timestamp(10);
        assert_eq!(
            step(&approved, Command::Consume, 10),
            Err(Refusal::Held),
            "as old as the epoch"
        );
        assert!(
            step(&approved, Command::Consume, 9).is_ok(),
            "approved afterwards"
        );
        for (state, command) in [
            (ExecutionState::Ready, Command::Start(RUN)),
            (ExecutionState::Executing, Command::Repeat(RUN)),
        ] {
            let mut approved = call(state);
            approved.created_at = Timestamp(10);
            assert_eq!(step(&approved, command, 10), Err(Refusal::Held));
            assert!(step(&approved, command, 9).is_ok());
        }
        assert_eq!(step(&approved, Command::Release, 20), Ok("execution.released.v1"));
        assert_eq!(step(&approved, Command::Release, 9), Err(Refusal::NotHeld));
        approved.released_at = Some(Timestamp(30));
        assert!(step(&approved, Command::Consume, 20).is_ok());
        assert_eq!(step(&approved, Command::Release, 20), Err(Refusal::NotHeld));
        assert_eq!(
            step(&approved, Command::Consume, 40),
            Err(Refusal::Held),
            "held once more"
        );
        let allowed = row(ExecutionState::Ready, ExecutionSource::Allowed);
        assert!(
            step(&allowed, Command::Consume, 20).is_ok(),
            "policy is asked again"
        );
        let consumed = row(ExecutionState::Consumed, ExecutionSource::Approved);
        assert_eq!(
            step(&consumed, Command::Release, 20),
            Err(Refusal::NotFrom(ExecutionState::Consumed))
        );
    }
}

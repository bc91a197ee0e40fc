//! What holds in every life of a request from its verdict to the end of its execution (invariants I3, I4, I8).

use proptest::{prelude::*, sample::select};
use signoff_core::{
    actor::Actor,
    approval,
    event::{
        ActionAllowed, ActionFacts, ApprovalStatus, Ballot, Event, ExecutionFinished, ExecutionOrigin,
        ExecutionRepeated, ExecutionReported, ExecutionRevoked, ExecutionSettled, ExecutionSource,
        ExecutionStarted, ExecutionState, ExecutionTouched, Nothing, ReportOutcome, RevokedBecause,
    },
    execution::{self, CallEnd, Command},
    fold::{FoldError, allowed_execution, origin_of},
    http::CallFacts,
    id::{ExecutionId, RunnerId},
    rows::ExecutionRow,
    time::{Micros, Timestamp},
};

mod support;
use support::{ACTION, DIGEST, Log, People, approval_id, operator, person, seconds};

#[derive(Debug, Clone)]
enum Step {
    Wait(i64),
    Approve,
    Deny,
    Cancel,
    Expire,
    Execution(Command),
}

const RUNS: [RunnerId; 2] = [RunnerId(support::raw(1)), RunnerId(support::raw(2))];

fn end(state: ExecutionState, runner: RunnerId) -> CallEnd {
    CallEnd {
        state,
        status: None,
        fault: None,
        runner,
    }
}

fn call() -> CallFacts {
    CallFacts {
        method: "POST".into(),
        origin: "https://api.example.com".into(),
        grant: None,
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    let state = || select(ExecutionState::ALL);
    let runner = || select(RUNS.as_slice());
    let command = prop_oneof![
        4 => Just(Command::Consume),
        3 => select(ReportOutcome::ALL).prop_map(Command::Report),
        4 => runner().prop_map(Command::Start),
        1 => runner().prop_map(Command::Repeat),
        4 => (state(), runner()).prop_map(|(state, runner)| Command::Finish(end(state, runner))),
        4 => state().prop_map(Command::Settle),
        2 => Just(Command::Lapse),
        1 => Just(Command::Revoke(RevokedBecause::Policy)),
    ];
    prop_oneof![
        2 => prop_oneof![4 => 0..20_i64, 1 => 90..120_i64, 1 => 900..1_100_i64].prop_map(Step::Wait),
        3 => Just(Step::Approve),
        1 => select(vec![Step::Deny, Step::Cancel, Step::Expire]),
        16 => command.prop_map(Step::Execution),
    ]
}

fn execution_id() -> ExecutionId {
    ACTION.execution()
}

/// A request that policy allowed, or asked people about; a call, or something for the agent to do.
fn begin(allowed: bool, calls: bool) -> (Log, Option<ExecutionOrigin>) {
    let mut log = Log::new();
    let call = calls.then(call);
    if allowed {
        let action = ActionFacts {
            call,
            ..support::facts()
        };
        let event = Event::ActionAllowed(ActionAllowed {
            action,
            run_by: seconds(100),
            standing: None,
        });
        log.push(seconds(0), &support::agent(), ACTION, event);
        let origin = origin_of(&log.sealed[0].record).map(|(_, origin)| origin);
        assert!(
            origin.is_some(),
            "the record of an allowed action opens an execution"
        );
        return (log, origin);
    }
    let mut requested = support::requested();
    requested.action.call = call;
    let event = Event::ApprovalRequested(Box::new(requested));
    log.push(seconds(0), &support::agent(), approval_id(), event);
    (log, None)
}

/// What the engine does: look up the row, ask the machine, append what follows.
fn try_step(log: &mut Log, origin: Option<&ExecutionOrigin>, step: &Step, now: Timestamp) {
    let (people, operator) = (People::members(1), person(operator(1)));
    let around = approval::Surroundings {
        now,
        actor: &operator,
        roster: &people,
        selves: approval::Selves::default(),
    };
    let vote = |ballot| approval::Command::Vote {
        ballot,
        digest: Some(DIGEST),
        view: None,
        commented: true,
    };
    let command = match step {
        Step::Wait(_) => return,
        Step::Approve => vote(Ballot::Approve),
        Step::Deny => vote(Ballot::Deny),
        Step::Cancel => approval::Command::Cancel,
        Step::Expire => approval::Command::Expire,
        Step::Execution(command) => {
            let kept = log.rows.executions.get(&execution_id()).cloned();
            let opens = if kept.is_none() { origin.cloned() } else { None };
            let row = kept.or_else(|| {
                opens
                    .as_ref()
                    .map(|origin| allowed_execution(execution_id(), origin))
            });
            // Only these carry an origin: nothing else can happen to a row that is not there.
            let touches = matches!(command, Command::Consume | Command::Report(_) | Command::Start(_));
            let Some(row) = row.filter(|_| touches || opens.is_none()) else {
                return;
            };
            if let Ok(event) = execution::transition(&row, *command, now, None, opens) {
                log.push(now, &support::agent(), execution_id(), event);
            }
            return;
        }
    };
    let Some(row) = log.rows.approvals.get(&approval_id()) else {
        return;
    };
    if let Ok(Some(event)) = approval::transition(row, &command, &around) {
        log.push(now, &operator, approval_id(), event);
    }
}

fn lead((allowed, calls): (bool, bool), steps: &[Step]) -> Log {
    let (mut log, origin) = begin(allowed, calls);
    let mut now = seconds(0);
    for step in steps {
        if let Step::Wait(span) = step {
            now = now.plus(Micros::seconds(*span));
        }
        try_step(&mut log, origin.as_ref(), step, now);
    }
    log
}

fn positions(log: &Log, wanted: impl Fn(&Event) -> bool) -> Vec<usize> {
    (0..log.sealed.len())
        .filter(|at| wanted(&log.sealed[*at].record.event))
        .collect()
}

fn is_execution(event: &Event) -> bool {
    event.type_name().starts_with("execution.")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// I3: at most one consumption, and no second sending unless a person settled what became of the first.
    #[test]
    fn i3_at_most_once(kind in any::<(bool, bool)>(), steps in prop::collection::vec(any_step(), 1..40)) {
        let log = lead(kind, &steps);
        let consumed = positions(&log, |event| matches!(event, Event::ExecutionConsumed(_)));
        prop_assert!(consumed.len() <= 1);
        let started = positions(&log, |event| matches!(event, Event::ExecutionStarted(_)));
        let released = positions(&log, |event| {
            matches!(event, Event::ExecutionSettled(settled) if settled.state == ExecutionState::Ready)
        });
        for pair in started.windows(2) {
            prop_assert!(released.iter().any(|at| pair[0] < *at && *at < pair[1]));
        }
        for at in consumed.iter().chain(&started) {
            let record = &log.sealed[*at].record;
            prop_assert!(record.time < log.rows.executions[&execution_id()].run_by, "taken too late");
        }
    }

    /// I4: an execution reaches one end and stays there; the log folds to the same row (I1).
    #[test]
    fn i4_an_execution_reaches_one_end(kind in any::<(bool, bool)>(), steps in prop::collection::vec(any_step(), 1..40)) {
        let (mut log, origin) = begin(kind.0, kind.1);
        let mut now = seconds(0);
        let mut end: Option<ExecutionRow> = None;
        for step in &steps {
            if let Step::Wait(span) = step {
                now = now.plus(Micros::seconds(*span));
            }
            try_step(&mut log, origin.as_ref(), step, now);
            let row = log.rows.executions.get(&execution_id());
            if let Some(end) = &end {
                prop_assert_eq!(row, Some(end));
            }
            end = row.filter(|row| row.state.is_end()).cloned();
            if let Some(row) = row {
                prop_assert_eq!(row.ended_at.is_some(), row.state.is_end());
            }
        }
        prop_assert_eq!(log.refold(), log.rows);
    }

    /// I8: nothing is carried out but what policy allowed or people approved, and then only afterwards.
    #[test]
    fn i8_no_path_from_a_refusal_to_execution(calls in any::<bool>(), steps in prop::collection::vec(any_step(), 1..40)) {
        let log = lead((false, calls), &steps);
        let approved = positions(&log, |event| match event {
            Event::ApprovalVoted(voted) => voted.end.as_ref().is_some_and(|end| end.status == ApprovalStatus::Approved),
            Event::ApprovalEnded(end) => end.status == ApprovalStatus::Approved,
            _ => false,
        });
        let first = positions(&log, is_execution).first().copied();
        match (log.rows.approvals[&approval_id()].status, first) {
            (ApprovalStatus::Approved, Some(first)) => prop_assert!(approved[0] < first),
            (ApprovalStatus::Approved, None) => {}
            (_, first) => prop_assert_eq!(first, None),
        }
    }
}

/// Every event that can happen to an execution.
fn events(origin: Option<&ExecutionOrigin>) -> Vec<Event> {
    let mut events = vec![
        Event::ExecutionConsumed(ExecutionTouched {
            origin: origin.cloned(),
        }),
        Event::ExecutionReported(ExecutionReported {
            outcome: ReportOutcome::Success,
            origin: origin.cloned(),
        }),
        Event::ExecutionStarted(ExecutionStarted {
            origin: origin.cloned(),
            runner: Some(RUNS[0]),
        }),
        Event::ExecutionRepeated(ExecutionRepeated { runner: RUNS[1] }),
        Event::ExecutionLapsed(Nothing {}),
        Event::ExecutionRevoked(ExecutionRevoked::default()),
    ];
    for state in ExecutionState::ALL {
        for runner in RUNS {
            events.push(Event::ExecutionFinished(ExecutionFinished {
                state: *state,
                status: None,
                fault: None,
                runner: Some(runner),
            }));
        }
        events.push(Event::ExecutionSettled(ExecutionSettled { state: *state }));
    }
    events
}

/// I4: the fold accepts exactly what the machine would have answered, so no other log passes for one of ours.
#[test]
fn i4_the_fold_accepts_what_the_machine_answers_and_nothing_else() {
    let kinds = ExecutionSource::ALL
        .iter()
        .flat_map(|source| [(source, false), (source, true)]);
    for (source, calls) in kinds {
        for state in ExecutionState::ALL {
            let (mut log, origin) = begin(true, calls);
            let origin = origin.expect("allowed");
            let mut row = ExecutionRow {
                state: *state,
                source: *source,
                ..allowed_execution(execution_id(), &origin)
            };
            if let Some(call) = &mut row.call {
                call.runner = Some(RUNS[0]);
            }
            log.rows.executions.insert(row.id, row.clone());
            for event in events(None) {
                let command = match &event {
                    Event::ExecutionConsumed(_) => Command::Consume,
                    Event::ExecutionReported(reported) => Command::Report(reported.outcome),
                    Event::ExecutionStarted(_) => Command::Start(RUNS[0]),
                    Event::ExecutionRepeated(repeated) => Command::Repeat(repeated.runner),
                    Event::ExecutionFinished(finished) => {
                        Command::Finish(end(finished.state, finished.runner.expect("given above")))
                    }
                    Event::ExecutionSettled(settled) => Command::Settle(settled.state),
                    Event::ExecutionLapsed(_) => Command::Lapse,
                    _ => Command::Revoke(RevokedBecause::Policy),
                };
                let now = if command == Command::Lapse {
                    row.run_by
                } else {
                    seconds(1)
                };
                let answered = execution::transition(&row, command, now, None, None);
                let mut log = log.clone();
                let folded = log.append(log.next(now, &Actor::system("test"), execution_id(), event.clone()));
                assert_eq!(
                    answered.is_ok(),
                    folded.is_ok(),
                    "{source} {calls} {state} {command:?}: {answered:?} {folded:?}"
                );
                if answered.is_err() {
                    let impossible = matches!(folded, Err(FoldError::Impossible { .. }));
                    assert!(impossible, "{source} {calls} {state} {command:?}");
                }
            }
        }
    }
}

/// I8: after a denial, an expiry or a withdrawal there is nothing to carry out, whatever a record claims.
#[test]
fn i8_no_event_carries_out_what_was_refused() {
    let (_, origin) = begin(true, false);
    for steps in [
        vec![Step::Deny],
        vec![Step::Cancel],
        vec![Step::Wait(1_000), Step::Expire],
        vec![],
    ] {
        let log = lead((false, false), &steps);
        for event in events(None).into_iter().chain(events(origin.as_ref())) {
            let mut log = log.clone();
            let record = log.next(log.head.time, &support::agent(), execution_id(), event.clone());
            assert!(log.append(record).is_err(), "{steps:?} {event:?}");
        }
    }
}

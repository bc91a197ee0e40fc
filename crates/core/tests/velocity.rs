//! Conditions over the recent past: the table in `spec/velocity.json`, judged by what a log with that past folds to; and what
//! enters and leaves the figures. Amounts of a policy are bounded before it is saved.

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;
use serde_json::{Map, Value};
use signoff_core::{
    action::{Action, Cost, Risk},
    actor::Actor,
    condition::Outcome,
    counted::{COUNTED_MAX, Counted, CounterKey, Figure, Figures, Moment},
    event::{
        ActionAllowed, ApprovalEnd, ApprovalStatus, Event, ExecutionFinished, ExecutionRevoked,
        ExecutionStarted, ExecutionState, LogCut, Nothing,
    },
    id::{ActionId, AgentId, PolicyId},
    judge::{AgentFacts, PolicySet, Prepared, ReasonCode, TooManyCounters},
    policy::{Effect, PolicyDoc, PolicyEffect, PolicyRef, Settings},
    stop::Stops,
    time::{Micros, Timestamp},
};

mod support;

use support::{Log, NOON};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    policies: Vec<PolicyDoc>,
    #[serde(default)]
    history: Vec<Before>,
    action: String,
    #[serde(default)]
    context: Map<String, Value>,
    #[serde(default)]
    inputs: Map<String, Value>,
    cost: Option<Cost>,
    #[serde(default)]
    risk: Risk,
    expect: Expected,
}

/// Something done before, by the same agent unless another is named: allowed, unless it was asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Before {
    ago: String,
    action: String,
    agent: Option<String>,
    #[serde(default)]
    context: Map<String, Value>,
    #[serde(default)]
    inputs: Map<String, Value>,
    cost: Option<Cost>,
    #[serde(default)]
    asked: bool,
    /// How it ended, where it did.
    ended: Option<ApprovalStatus>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    effect: Effect,
    policy: Option<String>,
    /// Those of the policy that governs.
    conditions: Vec<Outcome>,
    /// By the first of them.
    saw: Option<Value>,
}

fn agent(name: &str) -> AgentFacts {
    let id = if name == "bot" {
        support::AGENT
    } else {
        AgentId(support::raw(0xee))
    };
    AgentFacts::new(id, name, &BTreeMap::new(), None)
}

fn set(docs: &[PolicyDoc]) -> PolicySet {
    let prepare = |(age, doc): (usize, &PolicyDoc)| {
        let reference = PolicyRef {
            id: PolicyId(support::raw(u8::try_from(age + 1).expect("few policies"))),
            name: doc.name.clone(),
            version: 1,
        };
        Arc::new(Prepared::new(reference, doc.clone()).expect("a checked policy compiles"))
    };
    let prepared = docs.iter().enumerate().map(prepare).collect();
    PolicySet::new(prepared, Settings::default(), Stops::default()).expect("checked globs compile")
}

fn id(number: usize) -> ActionId {
    ActionId(support::raw(u8::try_from(number).expect("a short past")))
}

fn ended(status: ApprovalStatus) -> Event {
    Event::ApprovalEnded(ApprovalEnd {
        status,
        code: Some(ReasonCode::ApprovalTimeout),
        note: None,
        run_by: (status == ApprovalStatus::Approved).then_some(NOON),
        superseded_by: None,
        counted: Vec::new(),
    })
}

fn allowed(name: &str, agent: AgentId, counted: Vec<Counted>) -> Event {
    let mut action = support::facts();
    (action.name, action.agent, action.counted) = (name.to_owned(), agent, counted);
    Event::ActionAllowed(ActionAllowed {
        action,
        run_by: NOON,
        standing: None,
    })
}

fn asked(counted: Vec<Counted>) -> Event {
    let mut requested = support::requested();
    requested.action.counted = counted;
    Event::ApprovalRequested(Box::new(requested))
}

/// Writes what was done before, as it counted then.
fn live(log: &mut Log, set: &PolicySet, number: usize, before: Before) {
    let at = Timestamp(NOON.0 - Micros::parse(&before.ago).expect("a duration").0);
    let facts = agent(before.agent.as_deref().unwrap_or("bot"));
    let action = Action {
        inputs: before.inputs,
        context: before.context,
        cost: before.cost,
        ..Action::named(before.action)
    };
    let counted = set.counted(&action, &facts).expect("few policies");
    let actor = support::agent();
    if before.asked {
        log.push(at, &actor, id(number).approval(), asked(counted));
        if let Some(status) = before.ended {
            log.push(at, &Actor::system("test"), id(number).approval(), ended(status));
        }
    } else {
        log.push(at, &actor, id(number), allowed(&action.name, facts.id, counted));
    }
}

/// What a store would answer.
fn figures(log: &Log, set: &PolicySet, action: &Action, agent: &AgentFacts, now: Timestamp) -> Figures {
    let mut figures = Figures::default();
    for (policy, counter) in set.wanted(action, agent) {
        let key = CounterKey::new(policy, &counter, agent.id, None);
        let mut figure = Figure::default();
        for row in log.rows.counted.values().filter(|row| key.fits(row, now)) {
            figure.add(row);
        }
        figures.insert(policy, counter, figure);
    }
    figures
}

#[test]
fn the_table_of_the_recent_past() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../../spec/velocity.json")).expect("the table is readable");
    assert!(cases.len() >= 20, "the table has only {} cases", cases.len());
    for case in cases {
        for doc in &case.policies {
            doc.check().expect(&case.name);
        }
        let set = set(&case.policies);
        let mut log = Log::new();
        let mut history = case.history;
        history.sort_by_key(|before| std::cmp::Reverse(Micros::parse(&before.ago).expect("a duration")));
        for (number, before) in history.into_iter().enumerate() {
            live(&mut log, &set, number + 1, before);
        }
        assert_eq!(log.refold(), log.rows, "{}", case.name);
        let action = Action {
            inputs: case.inputs,
            context: case.context,
            cost: case.cost,
            risk: case.risk,
            ..Action::named(case.action)
        };
        let past = figures(&log, &set, &action, &agent("bot"), NOON);
        let moment = Moment {
            now: NOON,
            past: Some(&past),
        };
        let verdict = set.judge(&action, &agent("bot"), moment);
        let name = &case.name;
        assert_eq!(verdict.effect, case.expect.effect, "{name}: {verdict:?}");
        let results: Vec<Outcome> = verdict.conditions.iter().map(|report| report.result).collect();
        assert_eq!(results, case.expect.conditions, "{name}: {verdict:?}");
        if let Some(policy) = case.expect.policy {
            assert_eq!(verdict.policy.map(|policy| policy.name), Some(policy), "{name}");
        }
        if let Some(saw) = case.expect.saw {
            assert_eq!(verdict.conditions[0].saw, Some(saw), "{name}");
        }
        // I8: who does not know the past lets nothing through.
        let blind = set.judge(&action, &agent("bot"), NOON);
        assert_ne!(blind.effect, Effect::Allow, "{name}");
    }
}

fn counting(policy: u8) -> Vec<Counted> {
    vec![Counted {
        policy: PolicyId(support::raw(policy)),
        amounts: BTreeMap::new(),
    }]
}

/// An approved request counts until its execution ends without having run, and whatever else became of it counts on.
#[test]
fn executions_that_never_ran_are_counted_no_more() {
    let end = |state| {
        Event::ExecutionFinished(ExecutionFinished {
            state,
            status: None,
            fault: None,
            runner: None,
        })
    };
    let start = || {
        Event::ExecutionStarted(ExecutionStarted {
            origin: None,
            runner: None,
        })
    };
    let settled = |state| Event::ExecutionSettled(signoff_core::event::ExecutionSettled { state });
    let lost = || end(ExecutionState::Indeterminate);
    for (events, left) in [
        (vec![], 1),
        (vec![Event::ExecutionLapsed(Nothing {})], 0),
        (vec![Event::ExecutionRevoked(ExecutionRevoked::default())], 0),
        (vec![start()], 1),
        (vec![start(), end(ExecutionState::Executed)], 1),
        (vec![start(), end(ExecutionState::Failed)], 0),
        (vec![start(), lost()], 1),
        (vec![start(), lost(), settled(ExecutionState::Executed)], 1),
        (vec![start(), lost(), settled(ExecutionState::Failed)], 0),
        (vec![start(), lost(), settled(ExecutionState::Ready)], 1),
        (
            vec![
                start(),
                lost(),
                settled(ExecutionState::Ready),
                Event::ExecutionLapsed(Nothing {}),
            ],
            0,
        ),
    ] {
        let (mut log, system) = (Log::new(), Actor::system("test"));
        log.push(NOON, &support::agent(), id(1).approval(), asked(counting(1)));
        log.push(NOON, &system, id(1).approval(), ended(ApprovalStatus::Approved));
        for event in events.clone() {
            log.push(NOON, &system, id(1).execution(), event);
        }
        assert_eq!(log.rows.counted.len(), left, "{events:?}");
        assert_eq!(log.refold(), log.rows);
    }
}

/// I1: a cut takes what was counted up to it, from the state at the cut and from that at its record.
#[test]
fn i1_a_cut_takes_what_was_counted() {
    let (mut log, actor) = (Log::new(), support::agent());
    log.push(NOON, &actor, id(1), allowed("a", support::AGENT, counting(1)));
    log.push(NOON, &actor, id(2).approval(), asked(counting(1)));
    let before = log.clone();
    let later = NOON.plus(Micros::seconds(1));
    log.push(later, &actor, id(3), allowed("a", support::AGENT, counting(1)));
    let cut = LogCut {
        seq: before.head.seq,
        hash: before.head.hash,
        time: before.head.time,
        epochs: before.head.epochs,
        state: support::DIGEST,
    };
    let mut state = before.rows;
    state.take_what_was_over(&cut);
    assert!(state.counted.is_empty());
    state.fold(&log.sealed[2].record).expect("it follows");
    let mut whole = log.rows;
    assert_eq!(whole.take_what_was_over(&cut).len(), 2);
    assert_eq!(whole, state);
    assert_eq!(whole.counted.len(), 1);
}

#[test]
fn policies_and_actions_ask_for_a_bounded_past() {
    let windows = |count: usize| {
        let conditions = (1..=count).map(|n| format!("count_last('{n}h') < 9 || count_last('{n}h') > 99"));
        let mut doc = PolicyDoc::new("many", PolicyEffect::Deny);
        doc.conditions = conditions
            .map(signoff_core::condition::Condition::Expression)
            .collect();
        doc
    };
    assert_eq!(windows(8).check(), Ok(()));
    let problem = windows(9).check().expect_err("too many");
    assert_eq!(problem.pointer, "/conditions/8");
    assert!(problem.why.contains("more than 8 different figures"), "{problem}");
    assert_eq!(windows(1).feature_level(), 4);
    let policies = |count: usize| {
        let docs: Vec<PolicyDoc> = (0..count).map(|_| windows(1)).collect();
        set(&docs).counted(&Action::named("a"), &agent("bot"))
    };
    assert_eq!(
        policies(COUNTED_MAX).map(|counted| counted.len()),
        Ok(COUNTED_MAX)
    );
    assert_eq!(policies(COUNTED_MAX + 1), Err(TooManyCounters));
}

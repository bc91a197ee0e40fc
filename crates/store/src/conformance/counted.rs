//! What the past comes to: exact sums over a window, of one agent or of all.

use signoff_core::{
    counted::{CounterKey, Figure},
    event::ApprovalStatus,
    id::{ActionId, AgentId},
    time::{Micros, Timestamp},
};

use super::{
    Subject,
    scribe::{START, STEP, Scribe, facts, raw},
    world::{AGENT, OTHER_AGENT, POLICY, build, counting},
};
use crate::Wants;

const HOUR: Micros = Micros::seconds(3_600);
const FIELD: &str = "context.amount";

fn action(number: u128) -> ActionId {
    ActionId(raw(0xc0_0000 + number))
}

fn key(field: &str, agent: Option<AgentId>, window: Micros) -> CounterKey {
    CounterKey {
        policy: POLICY,
        field: field.to_owned(),
        agent,
        window,
        before: None,
    }
}

fn allow(scribe: &mut Scribe, number: u128, agent: AgentId, amount: &str) -> u64 {
    let mut facts = facts("refund", agent);
    facts.counted = vec![counting(amount)];
    scribe.allow(action(number), facts)
}

async fn figure(subject: &dyn Subject, scribe: &Scribe, key: &CounterKey, now: Timestamp) -> (u64, String) {
    let wanted = [key.clone()];
    let found = subject
        .store()
        .figures(scribe.workspace, &wanted, now)
        .await
        .unwrap();
    (found[key].entries, found[key].sum())
}

/// Neither another window, agent, policy, field nor workspace is in a figure, and what left the window is not either.
pub async fn figures_are_those_of_the_window_the_agent_and_the_policy(subject: &dyn Subject) {
    let mut scribe = Scribe::new(1);
    allow(&mut scribe, 1, AGENT, "0.1");
    let second = allow(&mut scribe, 2, AGENT, "0.2");
    allow(&mut scribe, 3, OTHER_AGENT, "1000.000000001");
    scribe.commit(subject.store()).await;
    build(subject.store(), 2, "b").await;
    let last = START.plus(STEP).plus(STEP);
    for (key, now, entries, sum) in [
        (key("", Some(AGENT), HOUR), last, 2, "0"),
        (key(FIELD, Some(AGENT), HOUR), last, 2, "0.3"),
        (key(FIELD, Some(OTHER_AGENT), HOUR), last, 1, "1000.000000001"),
        (key(FIELD, None, HOUR), last, 3, "1000.300000001"),
        (key("", None, HOUR), last, 3, "0"),
        (key("inputs.amount", None, HOUR), last, 0, "0"),
        // An entry is out of the window once it is as old as the window is long.
        (
            key(FIELD, None, HOUR),
            START.plus(Micros(HOUR.0 - 1)),
            3,
            "1000.300000001",
        ),
        (key(FIELD, None, HOUR), START.plus(HOUR), 2, "1000.200000001"),
        (key(FIELD, Some(AGENT), HOUR), START.plus(HOUR), 1, "0.2"),
        (key(FIELD, None, HOUR), last.plus(HOUR), 0, "0"),
    ] {
        let found = figure(subject, &scribe, &key, now).await;
        assert_eq!(found, (entries, sum.to_owned()), "{key:?}");
    }
    let other = CounterKey {
        policy: signoff_core::id::PolicyId(raw(0x77)),
        ..key(FIELD, None, HOUR)
    };
    assert_eq!(figure(subject, &scribe, &other, last).await.0, 0);
    for agent in [None, Some(AGENT)] {
        let before = CounterKey {
            before: Some(second),
            ..key(FIELD, agent, HOUR)
        };
        assert_eq!(
            figure(subject, &scribe, &before, last).await,
            (1, "0.1".to_owned())
        );
    }
}

/// No sum runs over, whatever amounts are let in.
pub async fn figures_of_the_largest_amounts_are_exact(subject: &dyn Subject) {
    let mut scribe = Scribe::new(1);
    for number in 0..20 {
        allow(&mut scribe, number, AGENT, "999999999999999999.999999999");
    }
    scribe.commit(subject.store()).await;
    let found = figure(subject, &scribe, &key(FIELD, None, HOUR), scribe.time).await;
    assert_eq!(found, (20, "19999999999999999999.99999998".to_owned()));
}

/// A batch answers all questions with one statement, by its own time, and asks nothing where nothing is wanted.
pub async fn a_batch_reads_the_same_figures(subject: &dyn Subject) {
    let store = subject.store();
    let mut scribe = Scribe::new(1);
    scribe.time = Timestamp(store.clock().now().0 - STEP.0);
    allow(&mut scribe, 1, AGENT, "5");
    scribe.time = Timestamp(scribe.time.0 - STEP.0);
    allow(&mut scribe, 2, OTHER_AGENT, "7");
    scribe.commit(store).await;
    let mut statements = Vec::new();
    let windows = |count: i64| (1..=count).map(|hours| Micros(HOUR.0 * hours));
    for count in [0, 1, 100] {
        let agents = [None, Some(AGENT), Some(OTHER_AGENT)];
        let keys = windows(count).flat_map(|window| agents.map(|agent| key(FIELD, agent, window)));
        let wants = Wants {
            figures: keys.map(|key| (scribe.workspace, key)).collect(),
            ..scribe.wants_all()
        };
        let mut batch = store.begin().await.unwrap();
        let state = batch.read(&wants).await.unwrap();
        statements.push(batch.statements());
        assert_eq!(state.figures.len(), wants.figures.len());
        for ((_, key), figure) in &state.figures {
            let expected = match key.agent {
                None => (2, "12"),
                Some(AGENT) => (1, "5"),
                _ => (1, "7"),
            };
            assert_eq!((figure.entries, figure.sum().as_str()), expected, "{key:?}");
        }
    }
    assert_eq!(statements[1], statements[0] + 1);
    assert_eq!(statements[2], statements[1]);
}

/// An end without having run takes its entries out; being approved does not.
pub async fn what_ends_without_having_run_is_counted_no_more(subject: &dyn Subject) {
    let mut scribe = Scribe::new(1);
    let mut asks = facts("refund", AGENT);
    asks.counted = vec![counting("3")];
    scribe.ask(action(1), asks.clone());
    scribe.ask(action(2), asks);
    scribe.commit(subject.store()).await;
    let key = key(FIELD, Some(AGENT), HOUR);
    assert_eq!(
        figure(subject, &scribe, &key, scribe.time).await,
        (2, "6".to_owned())
    );
    scribe.end(action(1), ApprovalStatus::Expired);
    scribe.commit(subject.store()).await;
    assert_eq!(
        figure(subject, &scribe, &key, scribe.time).await,
        (1, "3".to_owned())
    );
    assert_eq!(
        scribe.rows.counted.len(),
        2,
        "one entry as such, one for its amount"
    );
    let folded = subject.store().folded(scribe.workspace).await.unwrap();
    assert_eq!(
        (folded.faults, folded.rows.counted),
        (Vec::new(), scribe.rows.counted.clone())
    );
    assert_eq!(Figure::default().sum(), "0");
}

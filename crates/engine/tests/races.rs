//! Races: whatever happens at the same time, one end each, nothing twice, nothing on a stale policy.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use common::{House, policy, submit};
use serde_json::json;
use signoff_core::{
    event::{ApprovalStatus, Event},
    policy::{ApprovalTerms, Effect, PolicyDoc, PolicyEffect, TimeoutRule},
    requirement::Role,
    time::Micros,
};
use signoff_engine::{EngineError, request::Until};

const ROUNDS: usize = 1_000;

fn asks(seconds: i64) -> PolicyDoc {
    let approval = ApprovalTerms {
        timeout: Some(TimeoutRule::After(Micros::seconds(seconds))),
        ..ApprovalTerms::default()
    };
    PolicyDoc {
        approval,
        ..policy("refunds", &["stripe.*"], PolicyEffect::RequireApproval)
    }
}

fn is_end(event: &Event) -> bool {
    matches!(event, Event::ApprovalEnded(_))
        || matches!(event, Event::ApprovalVoted(voted) if voted.end.is_some())
}

/// I4: two operators and an expiring deadline race on one approval, a thousand times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i4_two_operators_and_the_clock_bring_one_end_each() {
    let house = Arc::new(House::new().await);
    house.apply(vec![asks(60)]).await;
    let agent = house.agent("a").await;
    let (dana, erin) = (
        house.operator("dana", Role::Member).await,
        house.operator("erin", Role::Member).await,
    );
    let mut ends: BTreeMap<ApprovalStatus, usize> = BTreeMap::new();
    for round in 0..ROUNDS {
        let id = house.ask(&agent, "stripe.refund").await;
        // The deadline is near for every third round, so that each of the three wins now and then.
        house
            .clock
            .advance(Micros::seconds(if round % 3 == 0 { 59 } else { 1 }));
        let approve = {
            let (house, dana) = (Arc::clone(&house), dana.clone());
            tokio::spawn(async move { house.approve(&dana, id).await.is_ok() })
        };
        let deny = {
            let (house, erin) = (Arc::clone(&house), erin.clone());
            tokio::spawn(async move { house.deny(&erin, id).await.is_ok() })
        };
        let expire = {
            let house = Arc::clone(&house);
            tokio::spawn(async move {
                if round % 3 == 0 {
                    house.clock.advance(Micros::seconds(2));
                }
                house.engine.tick().await.unwrap();
            })
        };
        let (approved, denied) = (approve.await.unwrap(), deny.await.unwrap());
        expire.await.unwrap();
        house.engine.tick().await.unwrap();
        let status = house.engine.approval(&agent, id).await.unwrap().row.status;
        let expected = match (approved, denied) {
            (true, false) => ApprovalStatus::Approved,
            (false, true) => ApprovalStatus::Denied,
            (false, false) => ApprovalStatus::Expired,
            (true, true) => panic!("both decided {id}"),
        };
        assert_eq!(status, expected, "round {round}");
        *ends.entry(status).or_default() += 1;
    }
    assert!(ends.len() >= 2, "the race is one-sided: {ends:?}");
    let mut per_approval: BTreeMap<String, usize> = BTreeMap::new();
    for view in house.log().await.iter().filter(|view| is_end(&view.record.event)) {
        *per_approval.entry(view.record.subject.clone()).or_default() += 1;
    }
    assert_eq!(per_approval.len(), ROUNDS);
    assert!(per_approval.values().all(|ends| *ends == 1));
    house.assert_verifies().await;
}

/// I8: the set is tightened while agents submit. No action is allowed under the old version after the new one was
/// acknowledged, nor recorded after it in the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_nothing_is_allowed_under_a_policy_that_was_replaced() {
    let house = Arc::new(House::new().await);
    let allow = || vec![policy("reads", &["db.*"], PolicyEffect::Allow)];
    let deny = || vec![policy("reads", &["db.*"], PolicyEffect::Deny)];
    house.apply(allow()).await;
    let stop = Arc::new(AtomicBool::new(false));
    let tightened = Arc::new(AtomicBool::new(false));
    let mut agents = Vec::new();
    for name in 0..8 {
        let agent = house.agent(&format!("agent-{name}")).await;
        let (house, stop, tightened) = (Arc::clone(&house), Arc::clone(&stop), Arc::clone(&tightened));
        agents.push(tokio::spawn(async move {
            let mut allowed = 0;
            while !stop.load(Ordering::SeqCst) {
                // Begun while the tightened set was in force and acknowledged, and still in force at the end: not allowed.
                let before = tightened.load(Ordering::SeqCst);
                let submitted = house
                    .engine
                    .submit(&agent, submit("db.read", json!({"n": 1})), None)
                    .await
                    .unwrap();
                let after = tightened.load(Ordering::SeqCst);
                assert!(
                    !(before && after && submitted.effect == Effect::Allow),
                    "allowed under a replaced policy"
                );
                allowed += usize::from(submitted.effect == Effect::Allow);
            }
            allowed
        }));
    }
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        house.apply(deny()).await;
        tightened.store(true, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(10)).await;
        tightened.store(false, Ordering::SeqCst);
        house.apply(allow()).await;
    }
    stop.store(true, Ordering::SeqCst);
    let mut allowed = 0;
    for agent in agents {
        allowed += agent.await.unwrap();
    }
    assert!(allowed > 0, "the race never ran");
    let mut in_force = None;
    for view in house.log().await {
        match &view.record.event {
            Event::PolicyPut(put) => in_force = Some(put.policy.effect),
            Event::ActionAllowed(_) => {
                assert_eq!(in_force, Some(PolicyEffect::Allow), "record {}", view.record.seq);
            }
            Event::ActionDenied(_) => {
                assert_eq!(in_force, Some(PolicyEffect::Deny), "record {}", view.record.seq);
            }
            _ => {}
        }
    }
    house.assert_verifies().await;
}

/// Two hundred agents wait at once; each is released by its own decision and by no other's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_waiters_are_released_one_by_one() {
    let house = Arc::new(House::new().await);
    house.apply(vec![asks(600)]).await;
    let agent = house.agent("a").await;
    let dana = house.operator("dana", Role::Member).await;
    let mut waiting = BTreeMap::new();
    for _ in 0..200 {
        let id = house.ask(&agent, "stripe.refund").await;
        let (house, agent) = (Arc::clone(&house), agent.clone());
        waiting.insert(
            id,
            tokio::spawn(async move {
                house
                    .engine
                    .wait(&agent, id, Until::Decided, Duration::from_secs(50))
                    .await
                    .unwrap()
            }),
        );
    }
    while house.engine.numbers().waiters < 200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    while let Some((id, waiter)) = waiting.pop_last() {
        assert!(!waiter.is_finished());
        house.approve(&dana, id).await.unwrap();
        let view = waiter.await.unwrap();
        assert_eq!((view.row.id, view.row.status), (id, ApprovalStatus::Approved));
        assert!(
            waiting.values().all(|other| !other.is_finished()),
            "somebody else was released too"
        );
    }
    assert_eq!(house.engine.numbers().waiters, 0);
}

/// I3: an execution is taken once, however many ask at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_an_execution_is_taken_once() {
    let house = Arc::new(House::new().await);
    house
        .apply(vec![policy("reads", &["db.*"], PolicyEffect::Allow)])
        .await;
    let agent = house.agent("a").await;
    let execution = house
        .engine
        .submit(&agent, submit("db.read", json!({})), None)
        .await
        .unwrap()
        .execution_id
        .unwrap();
    let takers: Vec<_> = (0..50)
        .map(|_| {
            let (house, agent) = (Arc::clone(&house), agent.clone());
            tokio::spawn(async move { house.engine.consume(&agent, execution, None).await })
        })
        .collect();
    let mut taken = 0;
    for taker in takers {
        match taker.await.unwrap() {
            Ok(_) => taken += 1,
            Err(error) => assert!(matches!(error, EngineError::Execution(_)), "{error}"),
        }
    }
    assert_eq!(taken, 1);
    house.assert_verifies().await;
}

/// One idempotency key, many requests at once: one action.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_is_one_action() {
    let house = Arc::new(House::new().await);
    house.apply(vec![asks(600)]).await;
    let agent = house.agent("a").await;
    let asked: Vec<_> = (0..50)
        .map(|_| {
            let (house, agent) = (Arc::clone(&house), agent.clone());
            tokio::spawn(async move {
                house
                    .engine
                    .submit(&agent, submit("stripe.refund", json!({"a": 1})), Some("same"))
                    .await
                    .unwrap()
            })
        })
        .collect();
    let mut ids = std::collections::BTreeSet::new();
    for submitted in asked {
        ids.insert(submitted.await.unwrap().action_id);
    }
    assert_eq!(ids.len(), 1);
    assert_eq!(house.engine.pending().await.unwrap(), 1);
}

/// I12: an agent can't fill the inbox without end.
#[tokio::test]
async fn i12_pending_approvals_of_an_agent_are_bounded() {
    let house = House::new().await;
    house.apply(vec![asks(600)]).await;
    let agent = house.agent("a").await;
    let asked = (0..signoff_engine::PENDING_PER_AGENT_MAX + 20).map(|_| {
        house
            .engine
            .submit(&agent, submit("stripe.refund", json!({})), None)
    });
    let refused = futures_util::future::join_all(asked)
        .await
        .into_iter()
        .filter(Result::is_err)
        .count();
    assert_eq!(refused, 20);
    assert_eq!(
        house.engine.pending().await.unwrap(),
        signoff_engine::PENDING_PER_AGENT_MAX
    );
}

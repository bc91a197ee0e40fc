//! A thousand pending approvals under a change of policy.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::{collections::BTreeMap, time::Duration};

use common::{House, policy, submit};
use futures_util::future::join_all;
use serde_json::json;
use signoff_core::{
    condition::Condition,
    event::{ApprovalStatus, Event},
    id::ApprovalId,
    policy::{ApprovalTerms, PolicyDoc, PolicyEffect},
};
use signoff_engine::view::Caller;

const PENDING: u64 = 1_000;

fn asks(name: &str, quorum: u32) -> PolicyDoc {
    PolicyDoc {
        approval: ApprovalTerms {
            quorum: Some(quorum),
            ..ApprovalTerms::default()
        },
        ..policy(name, &["stripe.refund"], PolicyEffect::RequireApproval)
    }
}

fn if_amount(name: &str, effect: PolicyEffect, condition: &str) -> PolicyDoc {
    PolicyDoc {
        agents: vec!["a".into()],
        conditions: vec![Condition::Expression(condition.into())],
        ..policy(name, &["stripe.refund"], effect)
    }
}

async fn ask_all(house: &House, agent: &Caller) -> BTreeMap<ApprovalId, u64> {
    let submits = (0..PENDING).map(async |amount| {
        let asked = submit("stripe.refund", json!({ "amount": amount }));
        let submitted = house.engine.submit(agent, asked, None).await.unwrap();
        (submitted.approval_id.expect("it asks"), amount)
    });
    join_all(submits).await.into_iter().collect()
}

/// Every one comes to what the new set says of it, by an event of its own, and nothing else happens to any.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_pending_are_right_soon_after_a_change() {
    let house = House::new().await;
    house.apply(vec![asks("refunds", 1)]).await;
    let agent = house.agent("a").await;
    let asked = ask_all(&house, &agent).await;
    let before = house.log().await.len();
    let began = std::time::Instant::now();
    house
        .apply(vec![
            asks("refunds", 2),
            if_amount("small", PolicyEffect::Allow, "context.amount < 300"),
            if_amount("large", PolicyEffect::Deny, "context.amount >= 700"),
        ])
        .await;
    let wanted = |amount: u64| match amount {
        0..300 => ApprovalStatus::Approved,
        300..700 => ApprovalStatus::Pending,
        _ => ApprovalStatus::Denied,
    };
    let log = loop {
        let log = house.log().await;
        // The set's own records, and one for each approval.
        if log.len() >= before + 4 + asked.len() {
            break log;
        }
        assert!(began.elapsed() < Duration::from_mins(1), "{} records", log.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    eprintln!("judged again and read back after {:?}", began.elapsed());
    let mut events: BTreeMap<String, usize> = BTreeMap::new();
    for record in log[before..].iter().map(|view| &view.record) {
        if matches!(record.event, Event::ApprovalEnded(_) | Event::ApprovalRejudged(_)) {
            *events.entry(record.subject.clone()).or_default() += 1;
        }
    }
    assert!(events.values().all(|count| *count == 1));
    assert_eq!(events.len(), asked.len());
    for (id, amount) in asked {
        let view = house.engine.approval(&house.admin, id).await.unwrap();
        assert_eq!(view.row.status, wanted(amount), "{amount}");
        if view.row.status == ApprovalStatus::Pending {
            assert_eq!(view.row.requirement.stages[0].quorum, 2);
        }
    }
    house.assert_verifies().await;
}

/// A policy that gets another name in one change still asks: nothing is released, whatever becomes of orphans.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rename_in_one_change_releases_nothing() {
    let house = House::new().await;
    house.apply(vec![asks("refunds", 1)]).await;
    let agent = house.agent("a").await;
    let id = house.ask(&agent, "stripe.refund").await;
    for (round, orphaned) in signoff_core::policy::Orphaned::ALL.iter().enumerate() {
        let name = format!("renamed-{round}");
        let apply = signoff_engine::request::ApplyPolicies {
            policies: vec![asks(&name, 1)],
            orphaned: Some(*orphaned),
            ..Default::default()
        };
        house
            .engine
            .apply_policies(&house.admin, apply, None)
            .await
            .unwrap();
        let began = std::time::Instant::now();
        loop {
            let row = house.engine.approval(&house.admin, id).await.unwrap().row;
            assert_eq!(row.status, ApprovalStatus::Pending, "{orphaned}");
            if row.policy.as_ref().is_some_and(|policy| policy.name == name) {
                break;
            }
            assert!(began.elapsed() < Duration::from_mins(1));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    house.assert_verifies().await;
}

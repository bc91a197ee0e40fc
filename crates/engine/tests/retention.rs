//! The end of records' time: what is older than it is kept leaves whole, what is left still verifies and folds, and what
//! is open is never cut from under anybody.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use common::{House, policy, submit};
use serde_json::json;
use signoff_core::{
    condition::Condition,
    event::{ApprovalStatus, ReportOutcome},
    id::ApprovalId,
    policy::{ApprovalTerms, PolicyDoc, PolicyEffect, TimeoutRule},
    requirement::Role,
    time::Micros,
};
use signoff_engine::{
    EngineError,
    request::{ApprovalFilter, EventFilter, Report, SettingsChange},
    view::Caller,
};

const DAY: i64 = 86_400;

/// A workspace with an agent, an operator and one policy of each effect.
async fn workspace() -> (House, Caller, Caller) {
    let house = House::new().await;
    let never = ApprovalTerms {
        timeout: Some(TimeoutRule::Never),
        ..ApprovalTerms::default()
    };
    house
        .apply(vec![
            PolicyDoc {
                // What it counts leaves with the records.
                conditions: vec![Condition::Expression("count_last('24h') < 1000".into())],
                ..policy("reads", &["crm.read"], PolicyEffect::Allow)
            },
            policy("refunds", &["stripe.*"], PolicyEffect::RequireApproval),
            PolicyDoc {
                approval: never,
                ..policy("audits", &["audit.*"], PolicyEffect::RequireApproval)
            },
        ])
        .await;
    let agent = house.agent("support").await;
    let dana = house.operator("dana", Role::Member).await;
    (house, agent, dana)
}

async fn approved_and_done(house: &House, agent: &Caller, dana: &Caller) -> ApprovalId {
    let id = house.ask(agent, "stripe.refund").await;
    house.approve(dana, id).await.unwrap();
    let execution = id.action().execution();
    house.engine.consume(agent, execution, None).await.unwrap();
    let report = Report {
        outcome: ReportOutcome::Success,
        detail: Some("done".into()),
        result: None,
    };
    house.engine.report(agent, execution, report, None).await.unwrap();
    id
}

async fn first_sequence(house: &House) -> u64 {
    let filter = EventFilter {
        oldest_first: true,
        limit: 1,
        ..EventFilter::default()
    };
    let page = house.engine.events(&house.admin, &filter).await.unwrap();
    page.items[0].record.seq
}

#[tokio::test]
async fn what_is_older_than_it_is_kept_leaves_and_the_rest_verifies() {
    let (house, agent, dana) = workspace().await;
    let old = approved_and_done(&house, &agent, &dana).await;
    let allowed = house
        .engine
        .submit(&agent, submit("crm.read", json!({"id": 7})), None)
        .await
        .unwrap();
    house.engine.retain().await.unwrap();
    assert_eq!(first_sequence(&house).await, 1, "nothing is old yet");

    house.clock.advance(Micros::seconds(399 * DAY));
    let young = approved_and_done(&house, &agent, &dana).await;
    house.clock.advance(Micros::seconds(2 * DAY));
    house.engine.retain().await.unwrap();

    assert!(first_sequence(&house).await > 1, "the beginning is gone");
    let gone = house.engine.approval(&dana, old).await.unwrap_err();
    assert!(matches!(gone, EngineError::NotFound { .. }), "{gone}");
    let kept = house.engine.approval(&dana, young).await.unwrap();
    assert_eq!(kept.row.status, ApprovalStatus::Approved);
    assert_eq!(kept.content.context, json!({}).as_object().unwrap().clone());
    house.assert_verifies().await;
    let log_alone = house.engine.verify(&house.admin, false).await.unwrap();
    assert!(log_alone.ok, "{:#?}", log_alone.faults);

    // Governance is older than all of it and stands.
    assert_eq!(house.engine.workspace(&house.admin).await.unwrap().policy_set, 1);
    house.ask(&agent, "stripe.refund").await;
    // An allowed action that was cut off can't be taken a second time by way of its old id.
    let execution = allowed.execution_id.unwrap();
    let taken = house.engine.consume(&agent, execution, None).await.unwrap_err();
    assert!(matches!(taken, EngineError::NotFound { .. }), "{taken}");

    // And it goes on: a second cut starts from the first.
    house.clock.advance(Micros::seconds(401 * DAY));
    house.engine.tick().await.unwrap();
    house.clock.advance(Micros::seconds(401 * DAY));
    house.engine.retain().await.unwrap();
    house.assert_verifies().await;
    let gone = house.engine.approval(&dana, young).await.unwrap_err();
    assert!(matches!(gone, EngineError::NotFound { .. }), "{gone}");
    let house = house.reopen().await;
    house.assert_verifies().await;
}

#[tokio::test]
async fn what_is_open_keeps_all_that_follows_it() {
    let (house, agent, dana) = workspace().await;
    let ended = approved_and_done(&house, &agent, &dana).await;
    house.clock.advance(Micros::seconds(1));
    let open = house.ask(&agent, "audit.everything").await;
    house.clock.advance(Micros::seconds(1));
    let after = approved_and_done(&house, &agent, &dana).await;
    house.clock.advance(Micros::seconds(500 * DAY));
    house.engine.retain().await.unwrap();
    house.assert_verifies().await;
    assert!(
        house.engine.approval(&dana, ended).await.is_err(),
        "what was before it went"
    );
    assert!(house.engine.approval(&dana, after).await.is_ok());
    assert!(house.engine.approval(&dana, open).await.unwrap().row.status == ApprovalStatus::Pending);
    house.deny(&dana, open).await.unwrap();
    house.clock.advance(Micros::seconds(500 * DAY));
    house.engine.retain().await.unwrap();
    house.assert_verifies().await;
    let filter = ApprovalFilter {
        limit: 10,
        ..ApprovalFilter::default()
    };
    assert!(
        house
            .engine
            .approvals(&dana, &filter)
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

/// A log that was tampered with is not cut: the cut would take the evidence away.
#[tokio::test]
async fn a_log_that_is_not_whole_is_not_cut() {
    let (house, agent, dana) = workspace().await;
    approved_and_done(&house, &agent, &dana).await;
    house.clock.advance(Micros::seconds(401 * DAY));
    let mut door = house.backdoor().await;
    let changed = door
        .execute(
            "UPDATE events SET hash = ? WHERE seq = 3",
            &[[9_u8; 32].as_slice().into()],
        )
        .await;
    assert_eq!(changed, 1);
    assert!(house.engine.retain().await.is_err());
    assert_eq!(first_sequence(&house).await, 1);
    assert!(!house.engine.verify(&house.admin, true).await.unwrap().ok);
}

/// The state kept for a cut is as good as the records it stands for: one changed byte shows.
#[tokio::test]
async fn a_changed_state_of_a_cut_shows() {
    let (house, agent, dana) = workspace().await;
    approved_and_done(&house, &agent, &dana).await;
    house.clock.advance(Micros::seconds(401 * DAY));
    house.engine.retain().await.unwrap();
    house.assert_verifies().await;
    let mut door = house.backdoor().await;
    let rows = door
        .execute("UPDATE checkpoints SET state = ?", &[b"{}".as_slice().into()])
        .await;
    assert!(rows >= 1);
    let verification = house.engine.verify(&house.admin, true).await.unwrap();
    assert!(
        verification.faults.iter().any(|fault| fault.kind == "cut"),
        "{:#?}",
        verification.faults
    );
}

#[tokio::test]
async fn records_are_kept_for_183_days_at_least() {
    let (house, ..) = workspace().await;
    let keep = |days| SettingsChange {
        retention_days: Some(days),
        ..SettingsChange::default()
    };
    let refused = house
        .engine
        .update_workspace(&house.admin, keep(182))
        .await
        .unwrap_err();
    assert!(matches!(refused, EngineError::Invalid(_)), "{refused}");
    let view = house
        .engine
        .update_workspace(&house.admin, keep(183))
        .await
        .unwrap();
    assert_eq!(view.settings.retention_days, 183);
    house.assert_verifies().await;
}

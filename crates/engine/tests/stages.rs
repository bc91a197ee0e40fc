//! Requests that several stages decide, and approvers whom the request itself names.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use common::{House, policy, submit};
use serde_json::json;
use signoff_core::{
    approval::{Refusal, StageState},
    event::ApprovalStatus,
    id::ApprovalId,
    policy::{PolicyDoc, PolicyEffect},
    requirement::Role,
};
use signoff_engine::{
    EngineError,
    request::UpdateOperator,
    view::{ApprovalView, Caller},
};
use signoff_testkit::policy as build;

fn staged(first: [&str; 2], first_quorum: u32) -> PolicyDoc {
    build("payouts")
        .actions(["payout.*"])
        .stage(first, first_quorum)
        .stage(["role:admin"], 1)
        .build()
}

fn states(view: &ApprovalView) -> Vec<(StageState, u32)> {
    view.stages
        .iter()
        .map(|stage| (stage.state, stage.needed))
        .collect()
}

async fn switch(house: &House, name: &str, disabled: bool) {
    let update = UpdateOperator {
        disabled: Some(disabled),
        ..UpdateOperator::default()
    };
    let operator = format!("{name}@example.com");
    house
        .engine
        .update_operator(&house.admin, &operator, update)
        .await
        .unwrap();
}

async fn judged_again(house: &House, id: ApprovalId, wanted: impl Fn(&ApprovalView) -> bool) -> ApprovalView {
    for _ in 0..200 {
        let view = house.engine.approval(&house.admin, id).await.unwrap();
        if wanted(&view) {
            return view;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{id} was not judged again");
}

#[tokio::test]
async fn stages_decide_in_order_and_one_person_counts_once() {
    let house = House::new().await;
    let doc = staged(["dana@example.com", "erin@example.com"], 1);
    house.apply(vec![doc]).await;
    let agent = house.agent("a").await;
    let (dana, erin, max) = (
        house.operator("dana", Role::Admin).await,
        house.operator("erin", Role::Member).await,
        house.operator("max", Role::Admin).await,
    );
    let id = house.ask(&agent, "payout.send").await;
    let may = |who: &Caller, view: &ApprovalView| house.engine.may(who, view).approve;
    let view = house.engine.approval(&max, id).await.unwrap();
    assert_eq!(states(&view), [(StageState::Open, 1), (StageState::Waiting, 1)]);
    assert_eq!(may(&max, &view), Err(Refusal::NotYet(1)));
    assert!(matches!(
        house.approve(&max, id).await,
        Err(EngineError::Decision(Refusal::NotYet(1)))
    ));
    assert!(matches!(
        house.deny(&max, id).await,
        Err(EngineError::Decision(Refusal::NotYet(1)))
    ));

    let view = house.approve(&dana, id).await.unwrap();
    assert_eq!(states(&view), [(StageState::Done, 0), (StageState::Open, 1)]);
    assert_eq!(view.row.status, ApprovalStatus::Pending);
    assert_eq!(view.stages[0].approved_by[0].name.as_deref(), Some("dana"));
    // An admin, so the second stage names her; but she counted in the first.
    assert!(matches!(
        house.approve(&dana, id).await,
        Err(EngineError::Decision(Refusal::AlreadyVoted))
    ));
    // Of a stage that is over: kept, for nothing.
    let view = house.approve(&erin, id).await.unwrap();
    assert_eq!(states(&view), [(StageState::Done, 0), (StageState::Open, 1)]);
    assert!(!view.votes.last().unwrap().counted);
    assert!(matches!(
        house.approve(&house.admin, id).await,
        Err(EngineError::Decision(Refusal::NotAPerson))
    ));

    let view = house.approve(&max, id).await.unwrap();
    assert_eq!(view.row.status, ApprovalStatus::Approved);
    assert_eq!(states(&view), [(StageState::Done, 0), (StageState::Done, 0)]);
    house.assert_verifies().await;
}

/// The vote of somebody who was switched off does not complete a stage; what is done stays done.
#[tokio::test]
async fn a_dismissed_approvers_vote_completes_no_stage() {
    let house = House::new().await;
    house.apply(vec![staged(["group:none", "role:member"], 2)]).await;
    let agent = house.agent("a").await;
    let (dana, erin, fay, max) = (
        house.operator("dana", Role::Member).await,
        house.operator("erin", Role::Member).await,
        house.operator("fay", Role::Member).await,
        house.operator("max", Role::Admin).await,
    );
    let id = house.ask(&agent, "payout.send").await;
    house.approve(&dana, id).await.unwrap();
    switch(&house, "dana", true).await;
    let view = house.engine.approval(&erin, id).await.unwrap();
    assert_eq!(states(&view), [(StageState::Open, 2), (StageState::Waiting, 1)]);
    let view = house.approve(&erin, id).await.unwrap();
    assert_eq!(states(&view), [(StageState::Open, 1), (StageState::Waiting, 1)]);
    let view = house.approve(&fay, id).await.unwrap();
    assert_eq!(states(&view), [(StageState::Done, 0), (StageState::Open, 1)]);
    for gone in ["erin", "fay"] {
        switch(&house, gone, true).await;
    }
    let view = house.approve(&max, id).await.unwrap();
    assert_eq!(view.row.status, ApprovalStatus::Approved);
    house.assert_verifies().await;
}

/// What is pending follows a new set of stages: votes count in the order in which they were cast.
#[tokio::test]
async fn new_stages_take_over_the_votes_that_were_cast() {
    let house = House::new().await;
    house
        .apply(vec![staged(["dana@example.com", "erin@example.com"], 2)])
        .await;
    let agent = house.agent("a").await;
    let (dana, max) = (
        house.operator("dana", Role::Member).await,
        house.operator("max", Role::Admin).await,
    );
    let id = house.ask(&agent, "payout.send").await;
    house.approve(&dana, id).await.unwrap();
    house
        .apply(vec![staged(["dana@example.com", "erin@example.com"], 1)])
        .await;
    let view = judged_again(&house, id, |view| !view.row.stages_done.is_empty()).await;
    assert_eq!(states(&view), [(StageState::Done, 0), (StageState::Open, 1)]);
    assert_eq!(
        house.approve(&max, id).await.unwrap().row.status,
        ApprovalStatus::Approved
    );
    house.assert_verifies().await;
}

/// The request names its approver, within the domains that policy allows; the log never holds the address.
#[tokio::test]
async fn an_address_of_the_context_names_an_approver() {
    let house = House::new().await;
    let doc = build("refunds")
        .actions(["stripe.*"])
        .approver_from_context("customer.manager", ["example.com"])
        .build();
    house.apply(vec![doc]).await;
    let agent = house.agent("a").await;
    let (boss, other) = (
        house.operator("boss", Role::Member).await,
        house.operator("other", Role::Member).await,
    );
    let ask = async |address: &str| {
        let asked = submit("stripe.refund", json!({"customer": {"manager": address}}));
        let submitted = house.engine.submit(&agent, asked, None).await.unwrap();
        submitted.approval_id.unwrap()
    };
    let id = ask("Boss@Example.com").await;
    assert!(matches!(
        house.approve(&other, id).await,
        Err(EngineError::Decision(Refusal::NotNamed))
    ));
    let row = house.engine.approval(&boss, id).await.unwrap().row;
    assert!(row.requirement.unresolved.is_empty());
    let text = serde_json::to_string(&*row).unwrap();
    assert!(!text.to_lowercase().contains("boss@"), "{text}");
    assert_eq!(
        house.approve(&boss, id).await.unwrap().row.status,
        ApprovalStatus::Approved
    );

    // Outside of the domains it names nobody: the default approvers stand in, and it is said why.
    let id = ask("boss@evil.example").await;
    let view = house.approve(&other, id).await.unwrap();
    assert_eq!(view.row.status, ApprovalStatus::Approved);
    assert!(view.row.requirement.unresolved[0].defaulted);

    // Who is switched off is nobody's manager any more.
    let id = ask("boss@example.com").await;
    switch(&house, "boss", true).await;
    let view = judged_again(&house, id, |view| !view.row.requirement.unresolved.is_empty()).await;
    assert_eq!(
        view.row.requirement.stages[0].approvers[0].to_string(),
        "role:member"
    );
    house.assert_verifies().await;
}

/// A group that any stage names can't be taken away.
#[tokio::test]
async fn a_group_of_a_later_stage_is_still_needed() {
    let house = House::new().await;
    house
        .engine
        .put_group(&house.admin, "finance", Vec::new())
        .await
        .unwrap();
    let doc = build("payouts")
        .actions(["payout.*"])
        .stage(["role:member"], 1)
        .stage(["group:finance"], 1)
        .build();
    house.apply(vec![doc]).await;
    let refused = house.engine.remove_group(&house.admin, "finance").await;
    assert!(matches!(refused, Err(EngineError::StillNeeded(_))));
    house
        .apply(vec![policy(
            "payouts",
            &["payout.*"],
            PolicyEffect::RequireApproval,
        )])
        .await;
    house.engine.remove_group(&house.admin, "finance").await.unwrap();
}

//! The life of an action through the engine: asked, decided, carried out, ended; and what survives a restart.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::time::Duration;

use common::{House, policy, submit};
use serde_json::json;
use signoff_core::{
    approval::Refusal,
    event::{ApprovalStatus, ExecutionState, ReportOutcome},
    judge::ReasonCode,
    policy::{ApprovalTerms, Effect, EscalationTerms, Orphaned, PolicyDoc, PolicyEffect, TimeoutRule},
    requirement::Role,
    time::Micros,
};
use signoff_engine::{
    EngineError, KeyShape,
    request::{
        ApprovalFilter, CreateAgent, CreateChannel, Decide, Decision, Report, Submit, Until, UpdateAgent,
    },
};

fn asks() -> PolicyDoc {
    policy("refunds", &["stripe.*"], PolicyEffect::RequireApproval)
}

#[tokio::test]
async fn an_agent_asks_a_person_decides_the_agent_goes_on_once() {
    let house = House::new().await;
    house.apply(vec![asks()]).await;
    let (agent, dana) = (
        house.agent("support-bot").await,
        house.operator("dana", Role::Member).await,
    );
    let id = house.ask(&agent, "stripe.refund").await;
    let waiting = {
        let (engine, agent) = (house.engine.clone(), agent.clone());
        tokio::spawn(async move {
            engine
                .wait(&agent, id, Until::Decided, Duration::from_secs(20))
                .await
                .unwrap()
        })
    };
    let decided = house.approve(&dana, id).await.unwrap();
    assert_eq!(decided.row.status, ApprovalStatus::Approved);
    assert_eq!(decided.decided_by.unwrap().name.as_deref(), Some("dana"));
    assert_eq!(waiting.await.unwrap().row.status, ApprovalStatus::Approved);
    let execution = id.action().execution();
    let consumed = house.engine.consume(&agent, execution, None).await.unwrap();
    assert_eq!(consumed.state, ExecutionState::Consumed);
    assert!(matches!(
        house.engine.consume(&agent, execution, None).await,
        Err(EngineError::Execution(_))
    ));
    let report = Report {
        outcome: ReportOutcome::Success,
        detail: Some("done".into()),
        result: None,
    };
    let reported = house
        .engine
        .report(&agent, execution, report, None)
        .await
        .unwrap();
    assert_eq!(reported.report.unwrap().detail.as_deref(), Some("done"));
    house.assert_verifies().await;
}

#[tokio::test]
async fn policy_allows_denies_and_knows_nothing() {
    let house = House::new().await;
    house
        .apply(vec![
            policy("reads", &["db.read"], PolicyEffect::Allow),
            policy("drops", &["db.drop*"], PolicyEffect::Deny),
        ])
        .await;
    let agent = house.agent("a").await;
    let allowed = house
        .engine
        .submit(&agent, submit("db.read", json!({})), None)
        .await
        .unwrap();
    assert_eq!(allowed.effect, Effect::Allow);
    let denied = house
        .engine
        .submit(&agent, submit("db.drop_all", json!({})), None)
        .await
        .unwrap();
    assert_eq!(
        (denied.effect, denied.code),
        (Effect::Deny, Some(ReasonCode::PolicyDenied))
    );
    let unknown = house
        .engine
        .submit(&agent, submit("x", json!({})), None)
        .await
        .unwrap();
    assert_eq!(unknown.code, Some(ReasonCode::Unmatched));
    let report = Report {
        outcome: ReportOutcome::Success,
        detail: None,
        result: None,
    };
    let reported = house
        .engine
        .report(&agent, allowed.execution_id.unwrap(), report, None)
        .await
        .unwrap();
    assert_eq!(reported.state, ExecutionState::Reported);
    assert!(
        house
            .engine
            .consume(&agent, denied.action_id.execution(), None)
            .await
            .is_err()
    );
    house.assert_verifies().await;
}

/// I6: asking is not deciding.
#[tokio::test]
async fn i6_an_agents_key_never_decides() {
    let house = House::new().await;
    house.apply(vec![asks()]).await;
    let agent = house.agent("a").await;
    let id = house.ask(&agent, "stripe.refund").await;
    let digest = house.engine.approval(&agent, id).await.unwrap().row.digest;
    let decide = Decide {
        decision: Decision::Approve {
            digest,
            comment: None,
            scope: signoff_engine::request::Scope::Once,
        },
        view: None,
    };
    assert!(matches!(
        house.engine.decide(&agent, id, decide, None).await,
        Err(EngineError::AskersNeverDecide)
    ));
    let viewer = house.operator("vera", Role::Viewer).await;
    assert!(matches!(
        house.approve(&viewer, id).await,
        Err(EngineError::Forbidden(_))
    ));
}

#[tokio::test]
async fn what_belongs_to_another_agent_does_not_exist() {
    let house = House::new().await;
    house.apply(vec![asks()]).await;
    let (one, two) = (house.agent("one").await, house.agent("two").await);
    let id = house.ask(&one, "stripe.refund").await;
    assert!(matches!(
        house.engine.approval(&two, id).await,
        Err(EngineError::NotFound { .. })
    ));
    assert!(matches!(
        house.engine.action(&two, id.action()).await,
        Err(EngineError::NotFound { .. })
    ));
    assert!(matches!(
        house.engine.cancel(&two, id, None, None).await,
        Err(EngineError::NotFound { .. })
    ));
    let filter = ApprovalFilter {
        limit: 10,
        ..ApprovalFilter::default()
    };
    assert!(
        house
            .engine
            .approvals(&two, &filter)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    assert_eq!(
        house.engine.approvals(&one, &filter).await.unwrap().items.len(),
        1
    );
}

/// I8: a deadline that has passed is refused whether or not the clock's worker has run.
#[tokio::test]
async fn i8_deadlines_expire_escalate_and_lapse() {
    let house = House::new().await;
    let mut doc = asks();
    doc.approval = ApprovalTerms {
        timeout: Some(TimeoutRule::After(Micros::seconds(600))),
        escalate: Some(EscalationTerms {
            after: Micros::seconds(60),
            to: vec!["channel:pager".into()],
        }),
        ..ApprovalTerms::default()
    };
    house.apply(vec![doc]).await;
    let (agent, dana) = (house.agent("a").await, house.operator("dana", Role::Member).await);
    let (late, lapsing) = (
        house.ask(&agent, "stripe.refund").await,
        house.ask(&agent, "stripe.charge").await,
    );
    house.clock.advance(Micros::seconds(61));
    house.engine.tick().await.unwrap();
    assert!(
        house
            .engine
            .approval(&agent, late)
            .await
            .unwrap()
            .row
            .escalated_at
            .is_some()
    );
    house.approve(&dana, lapsing).await.unwrap();
    house.clock.advance(Micros::seconds(600));
    assert!(matches!(
        house.approve(&dana, late).await,
        Err(EngineError::Decision(Refusal::DeadlinePassed) | EngineError::Ended { .. })
    ));
    house.engine.tick().await.unwrap();
    let row = house.engine.approval(&agent, late).await.unwrap().row;
    assert_eq!(
        (row.status, row.code),
        (ApprovalStatus::Expired, Some(ReasonCode::ApprovalTimeout))
    );
    house.clock.advance(Micros::seconds(3_600));
    let execution = lapsing.action().execution();
    assert_eq!(
        house.engine.execution(&agent, execution).await.unwrap().state,
        ExecutionState::Lapsed
    );
    assert!(house.engine.consume(&agent, execution, None).await.is_err());
    house.engine.tick().await.unwrap();
    assert_eq!(
        house.engine.execution(&agent, execution).await.unwrap().row.state,
        ExecutionState::Lapsed
    );
    house.assert_verifies().await;
}

#[tokio::test]
async fn a_question_is_asked_answered_and_the_vote_counts() {
    let house = House::new().await;
    house.apply(vec![asks()]).await;
    let (agent, dana) = (house.agent("a").await, house.operator("dana", Role::Member).await);
    let mut asked = submit("stripe.refund", json!({"amount": "500.00"}));
    asked.action.accepts.info_requests = true;
    let id = house
        .engine
        .submit(&agent, asked, None)
        .await
        .unwrap()
        .approval_id
        .unwrap();
    let question = Decide {
        decision: Decision::RequestInfo {
            question: "Which order?".into(),
        },
        view: None,
    };
    let view = house.engine.decide(&dana, id, question, None).await.unwrap();
    assert_eq!(view.row.status, ApprovalStatus::InfoRequested);
    let view = house
        .engine
        .answer(&agent, id, "Order 7".into(), None)
        .await
        .unwrap();
    assert_eq!(view.info[0].answer.as_deref(), Some("Order 7"));
    assert_eq!(
        house.approve(&dana, id).await.unwrap().row.status,
        ApprovalStatus::Approved
    );
    house.assert_verifies().await;
}

#[tokio::test]
async fn idempotency_keys_answer_the_present_state() {
    let house = House::new().await;
    house.apply(vec![asks()]).await;
    let (agent, dana) = (house.agent("a").await, house.operator("dana", Role::Member).await);
    let first = house
        .engine
        .submit(&agent, submit("stripe.refund", json!({"n": 1})), Some("k"))
        .await
        .unwrap();
    let again = house
        .engine
        .submit(&agent, submit("stripe.refund", json!({"n": 1})), Some("k"))
        .await
        .unwrap();
    assert_eq!((first.action_id, again.replayed), (again.action_id, true));
    let other = house
        .engine
        .submit(&agent, submit("stripe.refund", json!({"n": 2})), Some("k"))
        .await;
    assert!(matches!(other, Err(EngineError::IdempotencyMismatch)));
    house.approve(&dana, first.approval_id.unwrap()).await.unwrap();
    let approved = house
        .engine
        .submit(&agent, submit("stripe.refund", json!({"n": 1})), Some("k"))
        .await
        .unwrap();
    assert_eq!(
        (approved.effect, approved.execution_id),
        (Effect::Allow, Some(first.action_id.execution()))
    );
    let execution = approved.execution_id.unwrap();
    house.engine.consume(&agent, execution, Some("c")).await.unwrap();
    house.engine.consume(&agent, execution, Some("c")).await.unwrap();
    assert!(house.engine.consume(&agent, execution, Some("d")).await.is_err());
}

#[tokio::test]
async fn changed_policy_is_asked_again_about_what_is_pending() {
    let house = House::new().await;
    house.apply(vec![asks()]).await;
    let agent = house.agent("a").await;
    let id = house.ask(&agent, "stripe.refund").await;
    house
        .apply(vec![policy("refunds", &["stripe.*"], PolicyEffect::Allow)])
        .await;
    let view = house
        .engine
        .wait(&agent, id, Until::Decided, Duration::from_secs(5))
        .await
        .unwrap();
    assert_eq!(
        (view.row.status, view.row.note.as_deref()),
        (ApprovalStatus::Approved, Some("policy_changed"))
    );
    // Approved under the old set, denied by the present one: not carried out.
    house
        .apply(vec![policy("refunds", &["stripe.*"], PolicyEffect::Deny)])
        .await;
    assert!(
        house
            .engine
            .consume(&agent, id.action().execution(), None)
            .await
            .is_err()
    );
    let row = house
        .engine
        .execution(&agent, id.action().execution())
        .await
        .unwrap()
        .row;
    assert_eq!(row.state, ExecutionState::Revoked);
    house.assert_verifies().await;
}

#[tokio::test]
async fn a_quorum_counts_people_once_and_the_owner_not_at_all() {
    let house = House::new().await;
    let mut doc = asks();
    doc.approval.quorum = Some(2);
    house.apply(vec![doc]).await;
    let agent = house.agent("a").await;
    let (dana, erin, owner) = (
        house.operator("dana", Role::Member).await,
        house.operator("erin", Role::Admin).await,
        house.operator("olga", Role::Member).await,
    );
    let update = UpdateAgent {
        owner: Some("olga@example.com".into()),
        ..UpdateAgent::default()
    };
    house
        .engine
        .update_agent(&house.admin, "a", update)
        .await
        .unwrap();
    let id = house.ask(&agent, "stripe.refund").await;
    assert!(matches!(
        house.approve(&owner, id).await,
        Err(EngineError::Decision(Refusal::SelfApproval))
    ));
    assert!(matches!(
        house.approve(&house.admin, id).await,
        Err(EngineError::Decision(Refusal::NotAPerson))
    ));
    assert_eq!(
        house.approve(&dana, id).await.unwrap().row.status,
        ApprovalStatus::Pending
    );
    assert!(matches!(
        house.approve(&dana, id).await,
        Err(EngineError::Decision(Refusal::AlreadyVoted))
    ));
    assert_eq!(
        house.approve(&erin, id).await.unwrap().row.status,
        ApprovalStatus::Approved
    );
    assert!(matches!(
        house.deny(&dana, id).await,
        Err(EngineError::Ended {
            status: ApprovalStatus::Approved,
            ..
        })
    ));
}

#[tokio::test]
async fn a_switched_off_agent_has_nothing_pending_and_no_key() {
    let house = House::new().await;
    house.apply(vec![asks()]).await;
    let (agent, dana) = (house.agent("a").await, house.operator("dana", Role::Member).await);
    let id = house.ask(&agent, "stripe.refund").await;
    let update = UpdateAgent {
        disabled: Some(true),
        ..UpdateAgent::default()
    };
    house
        .engine
        .update_agent(&house.admin, "a", update)
        .await
        .unwrap();
    let view = house
        .engine
        .wait(&dana, id, Until::Decided, Duration::from_secs(5))
        .await
        .unwrap();
    assert_eq!(view.row.status, ApprovalStatus::Cancelled);
    let refused = house
        .engine
        .submit(&agent, submit("stripe.refund", json!({})), None)
        .await;
    assert!(matches!(refused, Err(EngineError::Unauthorized)));
}

#[tokio::test]
async fn an_amended_request_takes_the_place_of_the_old_one() {
    let house = House::new().await;
    house.apply(vec![asks()]).await;
    let agent = house.agent("a").await;
    let old = house.ask(&agent, "stripe.refund").await;
    let amended = Submit {
        replaces: Some(old),
        callback_url: None,
        ..submit("stripe.refund", json!({"amount": 1}))
    };
    let new = house
        .engine
        .submit(&agent, amended, None)
        .await
        .unwrap()
        .approval_id
        .unwrap();
    let row = house.engine.approval(&agent, old).await.unwrap().row;
    assert_eq!(
        (row.status, row.superseded_by),
        (ApprovalStatus::Superseded, Some(new))
    );
}

#[tokio::test]
async fn everything_pending_survives_a_restart() {
    let house = House::new().await;
    house.apply(vec![asks()]).await;
    let agent = house.agent("a").await;
    let id = house.ask(&agent, "stripe.refund").await;
    let before = house.engine.approval(&agent, id).await.unwrap().row;
    let house = house.reopen().await;
    let after = house.engine.approval(&house.admin, id).await.unwrap().row;
    assert_eq!(before, after);
    house.clock.advance(Micros::seconds(1_801));
    house.engine.tick().await.unwrap();
    assert_eq!(
        house.engine.approval(&house.admin, id).await.unwrap().row.status,
        ApprovalStatus::Expired
    );
    house.assert_verifies().await;
}

#[tokio::test]
async fn erased_payloads_leave_a_log_that_verifies() {
    let house = House::new().await;
    house.apply(vec![asks()]).await;
    let (agent, dana) = (house.agent("a").await, house.operator("dana", Role::Member).await);
    let id = house.ask(&agent, "stripe.refund").await;
    assert!(matches!(
        house.engine.erase(&house.admin, id.action()).await,
        Err(EngineError::StillNeeded(_))
    ));
    house.deny(&dana, id).await.unwrap();
    house.engine.erase(&house.admin, id.action()).await.unwrap();
    let view = house.engine.approval(&house.admin, id).await.unwrap();
    assert!(view.content.erased && view.decision_reason.is_none());
    let verification = house.engine.verify(&house.admin, true).await.unwrap();
    assert!(verification.ok && verification.erased > 0, "{verification:?}");
}

#[tokio::test]
async fn a_server_that_approves_by_itself_says_so_in_every_record() {
    let house = House::with(true).await;
    house.apply(vec![asks()]).await;
    let agent = house.agent("a").await;
    let id = house.ask(&agent, "stripe.refund").await;
    let view = house
        .engine
        .wait(&agent, id, Until::Decided, Duration::from_secs(5))
        .await
        .unwrap();
    assert_eq!(view.row.note.as_deref(), Some("auto_approve"));
    let events = house.engine.approval_events(&house.admin, id).await.unwrap();
    assert!(
        events
            .iter()
            .all(|event| event.record.mode.as_deref() == Some("auto_approve"))
    );
}

/// What was released or kept when its policy went away can be carried out; what was left to be judged can not.
#[tokio::test]
async fn an_approval_outlives_its_policy_only_where_the_admin_said_so() {
    for (orphaned, carried_out) in [
        (Orphaned::Release, true),
        (Orphaned::Keep, true),
        (Orphaned::Judge, false),
    ] {
        let house = House::new().await;
        house.apply(vec![asks()]).await;
        let (agent, dana) = (house.agent("a").await, house.operator("dana", Role::Member).await);
        let id = house.ask(&agent, "stripe.refund").await;
        if orphaned != Orphaned::Release {
            house.approve(&dana, id).await.unwrap();
        }
        house
            .engine
            .remove_policy(&house.admin, "refunds", Some(orphaned))
            .await
            .unwrap();
        let view = house
            .engine
            .wait(&agent, id, Until::Decided, Duration::from_secs(5))
            .await
            .unwrap();
        assert_eq!(view.row.status, ApprovalStatus::Approved, "{orphaned}");
        let taken = house.engine.consume(&agent, id.action().execution(), None).await;
        assert_eq!(taken.is_ok(), carried_out, "{orphaned}: {taken:?}");
        house.assert_verifies().await;
    }
}

/// I12: what would not fit into one record is refused with its field, not with a fault of the server's own.
#[tokio::test]
async fn i12_what_fits_no_record_is_refused_by_name() {
    let house = House::new().await;
    let labels = (0..50)
        .map(|at| (format!("{at}"), "\u{10348}".repeat(200)))
        .collect();
    let wide = CreateAgent {
        name: "a".into(),
        labels,
        owner: None,
        key: KeyShape::Native,
    };
    let made = house.engine.create_agent(&house.admin, wide, None).await;
    assert!(matches!(made, Err(EngineError::Invalid(_))), "{made:?}");
    let events = vec!["approval.pending".to_owned(); 20_000];
    let many = CreateChannel::webhook("x", "https://example.com/", events, None);
    let made = house.engine.create_channel(&house.admin, many, None).await;
    assert!(matches!(made, Err(EngineError::Invalid(_))), "{made:?}");
}

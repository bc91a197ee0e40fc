//! Policies that look back: however small the pieces, whoever is asked at the same time, what was let through and what is
//! pending together stay within the limit; what ended without having run frees its place.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::sync::Arc;

use common::{House, policy, submit};
use futures_util::future::join_all;
use serde_json::{Value, json};
use signoff_core::{
    condition::{Condition, Outcome},
    event::{ApprovalStatus, Event},
    policy::{Effect, Otherwise, PolicyDoc, PolicyEffect},
    requirement::Role,
    time::Micros,
};
use signoff_engine::{
    EngineError,
    request::{Report, Submit},
    view::{Caller, Submitted},
};

const DAY: Micros = Micros::seconds(24 * 60 * 60);
const DAILY: &str = "sum_last(\"context.amount\", \"24h\") + context.amount <= 1000";

fn limited(condition: &str, otherwise: Otherwise) -> PolicyDoc {
    PolicyDoc {
        conditions: vec![Condition::Expression(condition.into())],
        otherwise: Some(otherwise),
        ..policy("refunds", &["stripe.refund*"], PolicyEffect::Conditional)
    }
}

/// Allows up to 1000 a day, and asks a person beyond that.
fn asks_beyond() -> PolicyDoc {
    limited(DAILY, Otherwise::RequireApproval)
}

/// Allows up to 1000 a day, and denies beyond that.
fn denies_beyond() -> PolicyDoc {
    limited(DAILY, Otherwise::Deny)
}

fn refund(amount: impl Into<Value>) -> Submit {
    let amount: Value = amount.into();
    submit("stripe.refund", json!({ "amount": amount }))
}

async fn ask(house: &House, agent: &Caller, amount: impl Into<Value>) -> Submitted {
    house.engine.submit(agent, refund(amount), None).await.unwrap()
}

async fn effects(house: &House, agent: &Caller, amounts: &[i64]) -> Vec<Effect> {
    let mut effects = Vec::new();
    for amount in amounts {
        effects.push(ask(house, agent, *amount).await.effect);
    }
    effects
}

/// The figure that the governing condition saw.
fn saw(submitted: &Submitted) -> String {
    let saw = submitted.conditions[0].saw.as_ref().unwrap();
    saw["sum_last(\"context.amount\", \"24h\")"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn ten_small_refunds_one_after_another_are_one_large_one() {
    let house = House::new().await;
    house.apply(vec![denies_beyond()]).await;
    let (agent, other) = (house.agent("a").await, house.agent("b").await);
    let found = effects(&house, &agent, &[100; 11]).await;
    assert_eq!(found[..10], [Effect::Allow; 10]);
    assert_eq!(found[10], Effect::Deny);
    let denied = ask(&house, &agent, 0.01).await;
    assert_eq!((denied.effect, saw(&denied).as_str()), (Effect::Deny, "1000"));
    assert_eq!(denied.conditions[0].result, Outcome::False);
    // Another agent has a past of its own.
    assert_eq!(ask(&house, &other, 1000).await.effect, Effect::Allow);
    // Denied ones never counted: nothing but time frees a place.
    house.clock.advance(Micros(DAY.0 - 1));
    assert_eq!(ask(&house, &agent, 1).await.effect, Effect::Deny);
    house.clock.advance(Micros(1));
    assert_eq!(ask(&house, &agent, 1000).await.effect, Effect::Allow);
    house.assert_verifies().await;
}

#[tokio::test]
async fn the_past_outlives_a_restart() {
    let house = House::new().await;
    house.apply(vec![denies_beyond()]).await;
    let agent = house.agent("a").await;
    assert_eq!(effects(&house, &agent, &[600]).await, [Effect::Allow]);
    let house = house.reopen().await;
    assert_eq!(
        effects(&house, &agent, &[401, 400]).await,
        [Effect::Deny, Effect::Allow]
    );
    house.assert_verifies().await;
}

/// The commands of one batch see each other, and so do those of batches that follow at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refunds_at_once_share_the_limit() {
    for otherwise in [Otherwise::Deny, Otherwise::RequireApproval] {
        let house = House::new().await;
        house.apply(vec![limited(DAILY, otherwise)]).await;
        let agent = house.agent("a").await;
        let all = (0..64).map(|_| house.engine.submit(&agent, refund(100), None));
        let all: Vec<Submitted> = join_all(all).await.into_iter().map(Result::unwrap).collect();
        let allowed = all.iter().filter(|one| one.effect == Effect::Allow).count();
        assert_eq!(allowed, 10, "{otherwise:?}");
        house.assert_verifies().await;
    }
}

/// Pending counts like done, and an end without having run frees the place at once.
#[tokio::test]
async fn what_ends_without_having_run_frees_its_place() {
    let house = House::new().await;
    let asks = PolicyDoc {
        effect: PolicyEffect::RequireApproval,
        ..policy("refunds", &["stripe.refund"], PolicyEffect::RequireApproval)
    };
    let limit = PolicyDoc {
        conditions: vec![Condition::Expression(
            "sum_last(\"context.amount\", \"24h\") + context.amount > 1000".into(),
        )],
        ..policy("limit", &["stripe.*"], PolicyEffect::Deny)
    };
    house.apply(vec![asks, limit]).await;
    let agent = house.agent("a").await;
    let dana = house.operator("dana", Role::Member).await;
    let mut freed = 0;
    for way in ["denied", "cancelled", "expired", "lapsed", "superseded"] {
        let pending = ask(&house, &agent, 900).await;
        let id = pending
            .approval_id
            .unwrap_or_else(|| panic!("{way}: the place is not free"));
        assert_eq!(effects(&house, &agent, &[101]).await, [Effect::Deny], "{way}");
        match way {
            "denied" => drop(house.deny(&dana, id).await.unwrap()),
            "cancelled" => drop(house.engine.cancel(&agent, id, None, None).await.unwrap()),
            "expired" => {
                house.clock.advance(Micros::seconds(30 * 60));
                house.engine.tick().await.unwrap();
            }
            "lapsed" => {
                house.approve(&dana, id).await.unwrap();
                assert_eq!(
                    effects(&house, &agent, &[101]).await,
                    [Effect::Deny],
                    "approved counts"
                );
                house.clock.advance(Micros::seconds(60 * 60));
                house.engine.tick().await.unwrap();
            }
            _ => {
                // What it takes the place of does not stand in its way, and leaves.
                let amended = Submit {
                    replaces: Some(id),
                    callback_url: None,
                    ..refund(950)
                };
                let amended = house.engine.submit(&agent, amended, None).await.unwrap();
                assert_eq!(amended.effect, Effect::Ask);
                assert_eq!(effects(&house, &agent, &[51]).await, [Effect::Deny]);
                assert_eq!(effects(&house, &agent, &[50]).await, [Effect::Ask]);
            }
        }
        freed += 1;
    }
    assert_eq!(freed, 5);
    house.assert_verifies().await;
}

/// A permission does not count against itself when it is taken, and what was asked for later takes none away.
#[tokio::test]
async fn an_allowed_action_is_taken_though_the_limit_is_reached() {
    let house = House::new().await;
    house.apply(vec![asks_beyond()]).await;
    let agent = house.agent("a").await;
    let first = ask(&house, &agent, 600).await.execution_id.unwrap();
    let second = ask(&house, &agent, 400).await.execution_id.unwrap();
    assert_eq!(effects(&house, &agent, &[500]).await, [Effect::Ask]);
    for id in [second, first] {
        house.engine.consume(&agent, id, None).await.unwrap();
        let report = Report {
            outcome: signoff_core::event::ReportOutcome::Failure,
            detail: None,
            result: None,
        };
        house.engine.report(&agent, id, report, None).await.unwrap();
    }
    // Whatever it came to, it was done.
    assert_eq!(effects(&house, &agent, &[1]).await, [Effect::Ask]);
    house.assert_verifies().await;
}

/// Under a lower limit what came first may be taken, and what goes beyond may not.
#[tokio::test]
async fn a_lower_limit_holds_for_what_was_not_taken_yet() {
    let house = House::new().await;
    house.apply(vec![denies_beyond()]).await;
    let agent = house.agent("a").await;
    let first = ask(&house, &agent, 400).await.execution_id.unwrap();
    let second = ask(&house, &agent, 400).await.execution_id.unwrap();
    let lower = "sum_last(\"context.amount\", \"24h\") + context.amount <= 500";
    house.apply(vec![limited(lower, Otherwise::Deny)]).await;
    let refused = house.engine.consume(&agent, second, None).await;
    assert!(matches!(refused, Err(EngineError::Execution(_))), "{refused:?}");
    house.engine.consume(&agent, first, None).await.unwrap();
    house.assert_verifies().await;
}

/// A new version of a policy looks back at what counted for the ones before, under whatever conditions.
#[tokio::test]
async fn a_policy_keeps_its_past_when_it_changes() {
    let house = House::new().await;
    house.apply(vec![denies_beyond()]).await;
    let agent = house.agent("a").await;
    assert_eq!(effects(&house, &agent, &[600]).await, [Effect::Allow]);
    let wider = limited(
        "sum_last(\"context.amount\", \"48h\") + context.amount <= 700",
        Otherwise::Deny,
    );
    house.apply(vec![wider]).await;
    assert_eq!(effects(&house, &agent, &[101]).await, [Effect::Deny]);
    house.clock.advance(DAY);
    assert_eq!(effects(&house, &agent, &[101]).await, [Effect::Deny]);
    let counting = limited("count_last(\"48h\") < 2", Otherwise::Deny);
    house.apply(vec![counting]).await;
    assert_eq!(
        effects(&house, &agent, &[9_999, 1]).await,
        [Effect::Allow, Effect::Deny]
    );
    // A policy that never looked back has no past to look at.
    let fresh = PolicyDoc {
        name: "fresh".into(),
        ..denies_beyond()
    };
    house.apply(vec![fresh]).await;
    assert_eq!(
        effects(&house, &agent, &[1000, 1]).await,
        [Effect::Allow, Effect::Deny]
    );
    house.assert_verifies().await;
}

/// What is pending is judged again by all the others: a higher limit lets go of what fits, and of no more.
#[tokio::test]
async fn a_higher_limit_lets_go_of_what_fits() {
    let house = House::new().await;
    house.apply(vec![asks_beyond()]).await;
    let agent = house.agent("a").await;
    let dana = house.operator("dana", Role::Member).await;
    assert_eq!(effects(&house, &agent, &[900]).await, [Effect::Allow]);
    let mut pending = Vec::new();
    for amount in [300, 400, 1] {
        pending.push(ask(&house, &agent, 200 + amount).await.approval_id.unwrap());
    }
    let higher = "sum_last(\"context.amount\", \"24h\") + context.amount <= 2000";
    house
        .apply(vec![limited(higher, Otherwise::RequireApproval)])
        .await;
    // 900 + 500 + 600 + 201: with any one of them it is beyond 2000, until one leaves.
    let open = async |id| {
        for _ in 0..200 {
            let view = house.engine.approval(&dana, id).await.unwrap();
            if view.row.status != ApprovalStatus::Pending {
                return view.row.status;
            }
            if view.row.policy.as_ref().is_some_and(|policy| policy.version == 2) {
                return ApprovalStatus::Pending;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("not judged again");
    };
    for id in &pending {
        assert_eq!(open(*id).await, ApprovalStatus::Pending);
    }
    house.engine.cancel(&agent, pending[2], None, None).await.unwrap();
    // A vote asks policy again first: by now it fits, so the system approves, and the vote comes too late.
    let voted = house.deny(&dana, pending[0]).await;
    assert!(
        matches!(
            voted,
            Err(EngineError::Ended {
                status: ApprovalStatus::Approved,
                ..
            })
        ),
        "{voted:?}"
    );
    let taken: Vec<_> = house.log().await;
    let ended = taken
        .iter()
        .filter(|view| matches!(&view.record.event, Event::ApprovalEnded(_)))
        .count();
    assert!(ended >= 2, "one was cancelled, one let go");
    house.assert_verifies().await;
}

/// Dry runs see the past, leave no trace of their own, and show the figure.
#[tokio::test]
async fn dry_runs_see_the_past_and_add_nothing_to_it() {
    let house = House::new().await;
    house.apply(vec![denies_beyond()]).await;
    let agent = house.agent("a").await;
    assert_eq!(effects(&house, &agent, &[600]).await, [Effect::Allow]);
    for _ in 0..3 {
        let judged = house.engine.check(&agent, &refund(400)).await.unwrap();
        assert_eq!(judged.verdict.effect, Effect::Allow);
    }
    let explained = house.engine.explain(&agent, &refund(401)).await.unwrap();
    assert_eq!(explained.judged.verdict.effect, Effect::Deny);
    let seen = explained.matches[0].conditions[0].saw.clone().unwrap();
    assert_eq!(seen["sum_last(\"context.amount\", \"24h\")"], json!("600"));
    assert_eq!(effects(&house, &agent, &[400]).await, [Effect::Allow]);
}

/// Amounts that can't be summed up open nothing, and lower nothing.
#[tokio::test]
async fn i8_unusable_amounts_open_nothing() {
    let house = House::new().await;
    house.apply(vec![asks_beyond()]).await;
    let agent = house.agent("a").await;
    for amount in [
        json!(-1000),
        json!("a lot"),
        json!(null),
        json!("0.0000000001"),
        json!("1e18"),
        json!([1]),
    ] {
        let asked = ask(&house, &agent, amount.clone()).await;
        assert_eq!(asked.effect, Effect::Ask, "{amount}");
        assert_eq!(asked.conditions[0].result, Outcome::Error, "{amount}");
    }
    let missing = house
        .engine
        .submit(&agent, submit("stripe.refund", json!({})), None)
        .await;
    assert_eq!(missing.unwrap().effect, Effect::Ask);
    assert_eq!(
        effects(&house, &agent, &[1000, 1]).await,
        [Effect::Allow, Effect::Ask]
    );
    house.assert_verifies().await;
}

/// Policies that come and go between preparing a submit and its batch: nobody is judged by a figure that was not read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_policies_that_begin_to_look_back_under_a_submit_hold_for_it() {
    let house = Arc::new(House::new().await);
    let plain = policy("refunds", &["stripe.refund*"], PolicyEffect::Allow);
    house.apply(vec![plain.clone()]).await;
    let agent = house.agent("a").await;
    for round in 0..10 {
        let window = format!(
            "sum_last(\"context.amount\", \"{}h\") + context.amount <= 1000",
            24 + round
        );
        let submits = (0..20).map(|_| house.engine.submit(&agent, refund(100), None));
        let changes = async {
            house.apply(vec![limited(&window, Otherwise::Deny)]).await;
        };
        let (submitted, ()) = tokio::join!(join_all(submits), changes);
        // Some came before the change; under it at most ten.
        let under: Vec<_> = submitted.into_iter().map(Result::unwrap).collect();
        let limited = |one: &&Submitted| !one.conditions.is_empty() && one.effect == Effect::Allow;
        assert!(under.iter().filter(limited).count() <= 10);
        house.apply(vec![plain.clone()]).await;
        house.clock.advance(Micros(DAY.0 * 3));
    }
    house.assert_verifies().await;
}

/// I1: an entry that was changed, taken out or put in behind the log's back is named.
#[tokio::test]
async fn i1_a_changed_entry_is_named() {
    let house = House::new().await;
    house.apply(vec![asks_beyond()]).await;
    let agent = house.agent("a").await;
    assert_eq!(
        effects(&house, &agent, &[600, 700]).await,
        [Effect::Allow, Effect::Ask]
    );
    house.assert_verifies().await;
    for sql in [
        "UPDATE counted SET whole = 1 WHERE whole = 600",
        "UPDATE counted SET at = at - 1",
        "DELETE FROM counted WHERE whole = 700",
    ] {
        let changed = house.backdoor().await.execute(sql, &[]).await;
        assert!(changed > 0, "{sql}");
        let verification = house.engine.verify(&house.admin, true).await.unwrap();
        let named = verification
            .faults
            .iter()
            .any(|fault| fault.table.as_deref() == Some("counted") || fault.detail.contains("table counted"));
        assert!(!verification.ok && named, "{sql}: {:?}", verification.faults);
    }
}

/// Nodes of the release before would take such a policy for what it is not: it waits for the upgrade.
#[tokio::test]
async fn looking_back_needs_its_feature_level() {
    let house = House::new().await;
    let sql = "UPDATE installation SET feature_level = 3";
    house.backdoor().await.execute(sql, &[]).await;
    let apply = signoff_engine::request::ApplyPolicies {
        policies: vec![asks_beyond()],
        ..Default::default()
    };
    let refused = house.engine.apply_policies(&house.admin, apply, None).await;
    assert!(
        matches!(refused, Err(EngineError::FeatureLevel(4))),
        "{:?}",
        refused.err()
    );
}

//! Backtest: a set that is not in force, tried on what was asked before. It reads and changes nothing, judges each action
//! at its own time, guesses nothing, and is bounded.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use common::{House, policy, submit};
use serde_json::{Value, json};
use signoff_core::{
    condition::Operator,
    id::ActionId,
    policy::{Otherwise, PolicyDoc, PolicyEffect, Unmatched},
    requirement::Role,
    time::{Micros, Timestamp},
};
use signoff_engine::{
    EngineError,
    request::{SettingsChange, Simulate},
    view::{Caller, ChangeKind, CutShort, PastOutcome, Simulated, Simulation, Tally},
};
use signoff_testkit::{FakeClock, policy as build};

const DAY: Micros = Micros::seconds(86_400);

fn trial(policies: Vec<PolicyDoc>) -> Simulate {
    Simulate {
        policies,
        settings: SettingsChange::default(),
        since: FakeClock::START,
        actions_max: 50_000,
        examples_max: 200,
    }
}

/// Refunds up to a limit pass, larger ones are asked about.
fn refunds(limit: u64) -> PolicyDoc {
    build("refunds")
        .actions(["stripe.refund"])
        .when("context.amount", Operator::Lte, limit)
        .conditional(Otherwise::RequireApproval)
        .build()
}

fn rules() -> Vec<PolicyDoc> {
    vec![
        refunds(50),
        policy("deploys", &["deploy.*"], PolicyEffect::RequireApproval),
        policy("drops", &["db.drop*"], PolicyEffect::Deny),
        policy("mails", &["mail.*"], PolicyEffect::Allow),
    ]
}

async fn act(house: &House, agent: &Caller, action: &str, context: Value) -> ActionId {
    house.clock.advance(Micros::seconds(1));
    let submitted = house.engine.submit(agent, submit(action, context), None).await;
    submitted.unwrap().action_id
}

async fn simulate(house: &House, simulate: Simulate) -> Simulation {
    house.engine.simulate(&house.admin, simulate).await.unwrap()
}

/// What each kind of change counts, in order.
fn counts(found: &Simulation) -> Vec<(ChangeKind, u64)> {
    found
        .changes
        .iter()
        .map(|group| (group.kind, group.count))
        .collect()
}

/// One of every outcome, under `rules`.
async fn recorded() -> House {
    let house = House::new().await;
    house.apply(rules()).await;
    let (bot, dana) = (
        house.agent("bot").await,
        house.operator("dana", Role::Member).await,
    );
    let refund = |amount: u64| act(&house, &bot, "stripe.refund", json!({"amount": amount}));
    refund(20).await;
    let approved = refund(100).await.approval();
    house.approve(&dana, approved).await.unwrap();
    let denied = refund(500).await.approval();
    house.deny(&dana, denied).await.unwrap();
    refund(70).await;
    house.clock.advance(Micros::seconds(1_801));
    while house.engine.pending().await.unwrap() > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    act(&house, &bot, "db.drop_all", json!({})).await;
    act(&house, &bot, "mail.send", json!({})).await;
    act(&house, &bot, "unknown", json!({})).await;
    act(&house, &bot, "deploy.web", json!({})).await;
    house
}

#[tokio::test]
async fn what_a_human_denied_and_would_pass_comes_first_and_nothing_is_changed() {
    let house = recorded().await;
    let before = house.log().await.len();
    let proposed = vec![
        refunds(600),
        policy("deploys", &["deploy.*"], PolicyEffect::Deny),
        policy("drops", &["db.drop*"], PolicyEffect::RequireApproval),
        policy("mails", &["mail.*"], PolicyEffect::RequireApproval),
    ];
    let found = simulate(&house, trial(proposed)).await;
    assert_eq!(
        counts(&found),
        [
            (ChangeKind::DeniedByReviewerNowAllowed, 1),
            (ChangeKind::UndecidedNowAllowed, 1),
            (ChangeKind::AllowedNowAsked, 1),
            (ChangeKind::DeniedNowAsked, 1),
            (ChangeKind::ApprovedNowAllowed, 1),
            (ChangeKind::NotApprovedNowDenied, 1),
        ]
    );
    assert_eq!((found.actions, found.judged(), found.changed()), (8, 8, 6));
    assert_eq!(found.cut_short, None);
    let first = &found.changes[0].examples[0];
    assert_eq!(first.outcome, PastOutcome::DeniedByReviewer);
    assert_eq!(
        first.decided_by.as_ref().and_then(|by| by.name.as_deref()),
        Some("dana")
    );
    assert_eq!(
        (first.agent.name.as_str(), first.action.as_str()),
        ("bot", "stripe.refund")
    );
    assert!(first.sentence.text().contains("500"), "{}", first.sentence.text());
    assert!(first.approval_id.is_some());
    assert_eq!(
        (first.present.simulated, first.proposed.simulated),
        (Simulated::Asked, Simulated::Allowed)
    );
    assert_eq!(first.proposed.policy.as_deref(), Some("refunds"));
    assert_eq!(first.proposed.conditions[0].saw, Some(json!(500)));
    let asked = |tally: Tally| (tally.allowed, tally.asked, tally.denied);
    assert_eq!(asked(found.totals().present), (2, 4, 2));
    assert_eq!(asked(found.totals().proposed), (4, 2, 2));
    assert_eq!(
        found.outcomes.keys().copied().collect::<Vec<_>>(),
        [
            PastOutcome::DeniedByReviewer,
            PastOutcome::Denied,
            PastOutcome::Expired,
            PastOutcome::Pending,
            PastOutcome::Approved,
            PastOutcome::Allowed
        ]
    );
    assert_eq!(house.log().await.len(), before, "reading leaves no event");
    house.assert_verifies().await;
}

/// The same set changes nothing, whatever was decided: the list is about the proposal.
#[tokio::test]
async fn what_is_in_force_already_is_no_change_of_the_proposal() {
    let house = recorded().await;
    assert_eq!(counts(&simulate(&house, trial(rules())).await), []);
    let mut loose = rules();
    loose[0] = refunds(600);
    house.apply(loose.clone()).await;
    let found = simulate(&house, trial(loose)).await;
    assert_eq!(counts(&found), []);
    let denied = found.outcomes[&PastOutcome::DeniedByReviewer];
    assert_eq!((denied.present.allowed, denied.proposed.allowed), (1, 1));
    // Back to what was recorded.
    let found = simulate(&house, trial(rules())).await;
    assert_eq!(counts(&found), [(ChangeKind::AsRecorded, 3)]);
}

#[tokio::test]
async fn settings_and_approvers_are_part_of_the_proposal() {
    let house = recorded().await;
    let mut proposed = rules();
    proposed[1] = build("deploys")
        .actions(["deploy.*"])
        .approvers(["role:admin"])
        .build();
    proposed[3].require_reason = true;
    let found = simulate(
        &house,
        Simulate {
            settings: SettingsChange {
                unmatched: Some(Unmatched::RequireApproval),
                ..SettingsChange::default()
            },
            ..trial(proposed)
        },
    )
    .await;
    assert_eq!(
        counts(&found),
        [
            (ChangeKind::NowSentBack, 1),
            (ChangeKind::DeniedNowAsked, 1),
            (ChangeKind::OtherApprovers, 1)
        ]
    );
}

/// An action is judged at the time when it was asked, with the agent as it is today.
#[tokio::test]
async fn each_action_is_judged_at_its_own_time() {
    let house = House::new().await;
    house
        .apply(vec![policy("all", &["*"], PolicyEffect::Allow)])
        .await;
    let bot = house.agent("bot").await;
    act(&house, &bot, "early", json!({})).await;
    house.clock.advance(DAY);
    let later = house.clock.advance(Micros::seconds(1));
    act(&house, &bot, "late", json!({})).await;
    let mut frozen = policy("freeze", &[], PolicyEffect::Deny);
    frozen.conditions = vec![signoff_core::condition::Condition::Expression(format!(
        "now >= timestamp(\"{later}\")"
    ))];
    let proposed = vec![policy("all", &["*"], PolicyEffect::Allow), frozen];
    let found = simulate(&house, trial(proposed.clone())).await;
    assert_eq!(counts(&found), [(ChangeKind::AllowedNowDenied, 1)]);
    assert_eq!(found.changes[0].examples[0].action, "late");
    // Only what was asked since then.
    let since = trial(proposed);
    let found = simulate(
        &house,
        Simulate {
            since: later,
            ..since
        },
    )
    .await;
    assert_eq!((found.actions, found.reached), (1, later));
}

#[tokio::test]
async fn what_was_erased_is_counted_and_never_guessed() {
    let house = House::new().await;
    house.apply(rules()).await;
    let bot = house.agent("bot").await;
    let erased = act(&house, &bot, "mail.send", json!({"to": "a"})).await;
    act(&house, &bot, "mail.send", json!({"to": "b"})).await;
    house.engine.erase(&house.admin, erased).await.unwrap();
    let found = simulate(&house, trial(Vec::new())).await;
    assert_eq!((found.actions, found.erased, found.judged()), (2, 1, 1));
    assert_eq!(counts(&found), [(ChangeKind::AllowedNowDenied, 1)]);
}

/// While everything is stopped, rules can still be tried.
#[tokio::test]
async fn a_stop_is_no_policy() {
    let house = recorded().await;
    house
        .engine
        .pull_stop(&house.admin, "workspace", None, None)
        .await
        .unwrap();
    let bot = house.engine.agents(&house.admin, None, 10).unwrap();
    assert_eq!(bot.items.len(), 1);
    let mut proposed = rules();
    proposed[0] = refunds(600);
    let found = simulate(&house, trial(proposed)).await;
    assert_eq!(found.count_of(ChangeKind::DeniedByReviewerNowAllowed), 1);
}

#[tokio::test]
async fn a_simulation_is_bounded_and_says_so() {
    let house = House::new().await;
    house.apply(rules()).await;
    let bot = house.agent("bot").await;
    for n in 0..120 {
        act(&house, &bot, "mail.send", json!({"n": n})).await;
    }
    let found = simulate(
        &house,
        Simulate {
            actions_max: 70,
            examples_max: 15,
            ..trial(Vec::new())
        },
    )
    .await;
    assert_eq!((found.actions, found.cut_short), (70, Some(CutShort::Actions)));
    let group = &found.changes[0];
    assert_eq!((group.count, group.examples.len()), (70, 15));
    // Newest first, and so far back as the answer says.
    assert!(group.examples.is_sorted_by(|left, right| left.at > right.at));
    assert_eq!(found.reached, FakeClock::START.plus(Micros::seconds(51)));
    let whole = simulate(
        &house,
        Simulate {
            actions_max: 120,
            ..trial(Vec::new())
        },
    )
    .await;
    assert_eq!((whole.actions, whole.cut_short), (120, None));

    let refused = |simulate: Simulate| async {
        match house.engine.simulate(&house.admin, simulate).await {
            Err(EngineError::Invalid(faults)) => faults[0].0.clone(),
            other => panic!("{other:?}"),
        }
    };
    let set = || trial(Vec::new());
    assert_eq!(
        refused(Simulate {
            since: Timestamp(0),
            ..set()
        })
        .await,
        "/since"
    );
    let future = house.clock.advance(Micros(0)).plus(DAY);
    assert_eq!(
        refused(Simulate {
            since: future,
            ..set()
        })
        .await,
        "/since"
    );
    assert_eq!(
        refused(Simulate {
            actions_max: 0,
            ..set()
        })
        .await,
        "/limit"
    );
    assert_eq!(
        refused(Simulate {
            actions_max: 50_001,
            ..set()
        })
        .await,
        "/limit"
    );
    assert_eq!(
        refused(Simulate {
            examples_max: 201,
            ..set()
        })
        .await,
        "/examples"
    );
}

#[tokio::test]
async fn one_simulation_runs_at_a_time() {
    let house = recorded().await;
    let (first, second) = tokio::join!(
        house.engine.simulate(&house.admin, trial(rules())),
        house.engine.simulate(&house.admin, trial(rules()))
    );
    assert!(first.is_ok());
    assert!(matches!(second, Err(EngineError::Busy { .. })));
    // The one that is over makes room.
    simulate(&house, trial(rules())).await;
}

#[tokio::test]
async fn who_sees_the_workspace_simulates_and_agents_never_do() {
    let house = recorded().await;
    let viewer = house.operator("vera", Role::Viewer).await;
    assert!(house.engine.simulate(&viewer, trial(rules())).await.is_ok());
    let nosy = house.agent("nosy").await;
    let refused = house.engine.simulate(&nosy, trial(rules())).await;
    assert!(matches!(refused, Err(EngineError::Forbidden(_))), "{refused:?}");
}

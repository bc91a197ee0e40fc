//! Buttons and forms.

use signoff_core::{
    actor::Auth,
    event::{ApprovalStatus, Via},
};
use signoff_engine::{EngineError, request::UpdateOperator, slack::Taken};

use crate::desk::{Desk, TEAM, WAIT, id_of};

/// The whole way: the message that was posted carries the button, the press decides, the message says how it ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_button_of_the_message_decides_and_gives_way_to_the_outcome() {
    let desk = Desk::new().await;
    let id = desk.ask("refund.small").await;
    let posted = desk.posted(1).await;
    let value = Desk::button(&posted[0], "signoff_approve").expect("a button");
    assert_eq!(value, desk.value(id).await);
    desk.press("U0DANA", "signoff_approve", &value).await.unwrap();
    let view = desk.ended(id).await;
    assert_eq!(view.row.status, ApprovalStatus::Approved);
    let vote = &view.row.votes[0];
    assert_eq!(vote.via, Some(Via::Channel { id: desk.channel }));
    let by = view.row.decided_by.clone().unwrap();
    assert_eq!(
        (by.operator(), by.auth),
        (Some(id_of(&desk.dana)), Some(Auth::Channel))
    );
    assert_eq!(desk.told().await, "You approved it.");
    let updated = desk.updated(1).await;
    assert_eq!(updated[0]["ts"], posted_ts(&desk));
    assert!(Desk::button(&updated[0], "signoff_approve").is_none());
    assert!(
        updated[0].to_string().contains("dana approved it"),
        "{}",
        updated[0]
    );
    desk.house.assert_verifies().await;
}

fn posted_ts(desk: &Desk) -> String {
    let updated = desk.slack.calls("chat.update");
    updated[0]["ts"].as_str().unwrap().to_owned()
}

/// A denial and a question ask for words first; what is written decides.
#[tokio::test(flavor = "multi_thread")]
async fn a_denial_says_why_and_a_question_what() {
    let desk = Desk::new().await;
    let (denied, asked) = (desk.ask("refund.small").await, desk.ask("refund.small").await);
    for (at, (id, button, words)) in [
        (denied, "signoff_deny", "not <!channel> today"),
        (asked, "signoff_ask", "for whom?"),
    ]
    .into_iter()
    .enumerate()
    {
        let value = desk.value(id).await;
        desk.press("U0DANA", button, &value).await.unwrap();
        let form = desk.form(at).await;
        assert_eq!(form["view"]["callback_id"], button);
        assert_eq!(
            desk.view(id).await.row.status,
            ApprovalStatus::Pending,
            "nothing is decided yet"
        );
        assert_eq!(desk.submit(&form, "  ").await.unwrap(), Taken::WordsMissing);
        assert_eq!(desk.submit(&form, words).await.unwrap(), Taken::Kept);
    }
    let view = desk.ended(denied).await;
    assert_eq!(view.decision_reason.as_deref(), Some("not <!channel> today"));
    let asked = desk
        .until(asked, |view| view.row.status == ApprovalStatus::InfoRequested)
        .await;
    assert_eq!(asked.info[0].question.as_deref(), Some("for whom?"));
}

/// Replayed, doubled, sent again after it was handled: it counts once, and the presser is told once.
#[tokio::test(flavor = "multi_thread")]
async fn a_replay_changes_nothing() {
    let desk = Desk::with_quorum(2).await;
    let id = desk.ask("refund.small").await;
    let value = desk.value(id).await;
    let body = desk.press_body("U0DANA", "signoff_approve", &value);
    for _ in 0..3 {
        assert_eq!(desk.send(&body).await.unwrap(), Taken::Kept);
    }
    assert_eq!(
        desk.told().await,
        "Your vote is counted; more people must decide."
    );
    assert_eq!(desk.send(&body).await.unwrap(), Taken::Kept);
    let log = desk.house.log().await.len();
    desk.clock(4 * 60);
    assert_eq!(desk.send(&body).await.unwrap(), Taken::Kept);
    tokio::time::sleep(WAIT).await;
    assert_eq!(desk.view(id).await.row.votes.len(), 1);
    assert_eq!(desk.house.log().await.len(), log);
    assert_eq!(desk.replies().len(), 1);
    // A second press of the same person is another one, and does not count twice.
    desk.press("U0DANA", "signoff_approve", &value).await.unwrap();
    assert!(
        desk.told_next(1)
            .await
            .contains("this person has voted so already")
    );
    desk.press("U0ERIN", "signoff_approve", &value).await.unwrap();
    assert_eq!(desk.ended(id).await.row.status, ApprovalStatus::Approved);
}

/// What was acknowledged is decided, however the server ended: and once, though it had been decided and not marked so.
#[tokio::test(flavor = "multi_thread")]
async fn i9_what_was_acknowledged_outlives_the_server() {
    let desk = Desk::new().await;
    let id = desk.ask("refund.small").await;
    let body = desk.press_body("U0DANA", "signoff_approve", &desk.value(id).await);
    desk.stop_workers().await;
    desk.send(&body).await.unwrap();
    let bodies = desk.bodies().await;
    assert_eq!(bodies.len(), 1);
    let kept = String::from_utf8_lossy(&bodies[0].1).into_owned();
    assert!(!kept.contains("U0DANA"), "what it says is encrypted");
    assert_eq!(desk.view(id).await.row.status, ApprovalStatus::Pending);
    let desk = desk.reopen().await;
    assert_eq!(desk.ended(id).await.row.votes.len(), 1);
    assert_eq!(desk.told().await, "You approved it.");
    desk.stop_workers().await;
    assert!(desk.bodies().await.is_empty());
    let log = desk.house.log().await.len();
    desk.unmark(&bodies).await;
    let desk = desk.reopen().await;
    assert_eq!(
        desk.told_next(1).await,
        "You approved it.",
        "decided again under the same key: the same answer"
    );
    assert_eq!(desk.house.log().await.len(), log, "and nothing changes");
    desk.house.assert_verifies().await;
}

/// What is not signed by Slack, with this channel's secret, now, is refused, and says nothing of why.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_slacks_signature_opens() {
    let desk = Desk::new().await;
    let id = desk.ask("refund.small").await;
    let body = desk.press_body("U0DANA", "signoff_approve", &desk.value(id).await);
    let now = desk.seconds();
    let mut wrong = vec![
        desk.signed_with("another secret", now, &body),
        desk.signed(now - 301, &body),
        desk.signed(now + 301, &body),
        signoff_engine::slack::Signed::default(),
    ];
    let mut doubled = desk.signed(now, &body);
    doubled.signatures.push(doubled.signatures[0].clone());
    wrong.push(doubled);
    let mut upper = desk.signed(now, &body);
    upper.signatures[0].make_ascii_uppercase();
    wrong.push(upper);
    let mut encoded = body.clone();
    encoded.extend_from_slice(b"&");
    for signed in wrong {
        let refused = desk
            .house
            .engine
            .slack_interaction(desk.channel, &signed, &body)
            .await;
        assert!(matches!(refused, Err(EngineError::Unauthorized)), "{refused:?}");
    }
    let good = desk.signed(now, &body);
    for (channel, body) in [
        (desk.channel, &encoded),
        (
            signoff_core::id::ChannelId(signoff_core::id::RawId([9; 16])),
            &body,
        ),
        (desk.webhook().await, &body),
    ] {
        let refused = desk.house.engine.slack_interaction(channel, &good, body).await;
        assert!(matches!(refused, Err(EngineError::Unauthorized)), "{refused:?}");
    }
    desk.switch_channel(true).await;
    let refused = desk
        .house
        .engine
        .slack_interaction(desk.channel, &good, &body)
        .await;
    assert!(
        matches!(refused, Err(EngineError::Unauthorized)),
        "switched off: {refused:?}"
    );
    desk.switch_channel(false).await;
    tokio::time::sleep(WAIT).await;
    assert_eq!(desk.view(id).await.row.status, ApprovalStatus::Pending);
}

/// Whoever is not known here, or is of another Slack workspace, decides nothing, whatever they are called.
#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_guests_decide_nothing() {
    let desk = Desk::new().await;
    let id = desk.ask("refund.small").await;
    let value = desk.value(id).await;
    desk.press("U0STRANGER", "signoff_approve", &value).await.unwrap();
    assert!(desk.told_next(0).await.contains("/signoff link CODE"));
    for (installed, home) in [(TEAM, "T0OTHER"), ("T0OTHER", "T0OTHER"), ("T0OTHER", TEAM)] {
        let before = desk.replies().len();
        let body = desk.body_of("U0DANA", (installed, home), "signoff_approve", &value);
        desk.send(&body).await.unwrap();
        assert!(
            desk.told_next(before)
                .await
                .contains("only people of the Slack workspace")
        );
    }
    assert_eq!(desk.view(id).await.row.status, ApprovalStatus::Pending);
}

/// A press counts as who its user was, and only while they still are that: a user bound to somebody else in between decides
/// for neither.
#[tokio::test(flavor = "multi_thread")]
async fn a_rebound_user_decides_nothing() {
    let desk = Desk::new().await;
    let id = desk.ask("refund.small").await;
    let body = desk.press_body("U0DANA", "signoff_approve", &desk.value(id).await);
    let held = desk.hold(&body).await;
    desk.send(&body).await.unwrap();
    desk.type_command("U0DANA", "unlink").await;
    desk.link(&desk.erin, "U0DANA").await;
    assert!(desk.replies().is_empty(), "not handled yet");
    desk.let_go(held).await;
    assert!(desk.told_next(0).await.contains("who you are in Signoff changed"));
    assert_eq!(desk.view(id).await.row.status, ApprovalStatus::Pending);
    assert!(desk.view(id).await.row.votes.is_empty());
}

/// After the end, after a change, above the limit, without authority, switched off: refused, with what to do.
#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_decided_there_is_not() {
    let desk = Desk::new().await;
    let over = desk.ask("refund.small").await;
    let value = desk.value(over).await;
    desk.house.deny(&desk.erin, over).await.unwrap();
    desk.press("U0DANA", "signoff_approve", &value).await.unwrap();
    assert!(desk.told_next(0).await.contains("It is denied already, by erin"));
    desk.press("U0DANA", "signoff_deny", &value).await.unwrap();
    assert!(
        desk.told_next(1).await.contains("It is denied already, by erin"),
        "no form for nothing"
    );

    let id = desk.ask("refund.small").await;
    let (approval, _) = value.split_once(':').unwrap();
    let other_digest = format!("{id}:{}", "00".repeat(32));
    assert_ne!(approval, id.to_string());
    desk.press("U0DANA", "signoff_approve", &other_digest)
        .await
        .unwrap();
    assert!(desk.told_next(2).await.contains("changed after this message"));

    let risky = desk.ask("refund.large").await;
    for (at, button) in ["signoff_approve", "signoff_deny", "signoff_ask"]
        .into_iter()
        .enumerate()
    {
        desk.press("U0DANA", button, &desk.value(risky).await)
            .await
            .unwrap();
        assert!(desk.told_next(3 + at).await.contains("too risky to decide here"));
    }
    let console_only = desk.ask("refund.console").await;
    desk.press("U0DANA", "signoff_approve", &desk.value(console_only).await)
        .await
        .unwrap();
    assert!(desk.told_next(6).await.contains("too risky to decide here"));

    desk.press("U0VIEW", "signoff_approve", &desk.value(id).await)
        .await
        .unwrap();
    assert!(desk.told_next(7).await.contains("Nothing was changed"));
    let off = UpdateOperator {
        disabled: Some(true),
        ..UpdateOperator::default()
    };
    let dana = id_of(&desk.dana).to_string();
    desk.house
        .engine
        .update_operator(&desk.house.admin, &dana, off)
        .await
        .unwrap();
    desk.press("U0DANA", "signoff_approve", &desk.value(id).await)
        .await
        .unwrap();
    assert!(desk.told_next(8).await.contains("Nothing was decided"));
    for id in [id, risky, console_only] {
        assert_eq!(desk.view(id).await.row.status, ApprovalStatus::Pending);
    }
    assert!(desk.slack.calls("views.open").is_empty());
}

/// A policy that wants a reason of whoever approves gets one at Slack as well.
#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_needs_a_reason_asks_for_it() {
    let desk = Desk::new().await;
    let id = desk.ask("refund.reasoned").await;
    desk.press("U0DANA", "signoff_approve", &desk.value(id).await)
        .await
        .unwrap();
    let form = desk.form(0).await;
    assert_eq!(desk.submit(&form, "").await.unwrap(), Taken::Kept);
    assert!(desk.told_next(0).await.contains("a reason is required"));
    desk.press("U0DANA", "signoff_approve", &desk.value(id).await)
        .await
        .unwrap();
    let form = desk.form(1).await;
    desk.submit(&form, "they were charged twice").await.unwrap();
    let view = desk.ended(id).await;
    assert_eq!(view.decision_reason.as_deref(), Some("they were charged twice"));
}

/// What waited for too long is not decided any more, and its presser is told.
#[tokio::test(flavor = "multi_thread")]
async fn what_waited_too_long_is_not_decided() {
    let desk = Desk::new().await;
    let id = desk.ask("refund.long").await;
    let body = desk.press_body("U0DANA", "signoff_approve", &desk.value(id).await);
    desk.stop_workers().await;
    desk.send(&body).await.unwrap();
    desk.clock(12 * 3_600 + 1);
    let desk = desk.reopen().await;
    assert!(desk.told_next(0).await.contains("away for too long"));
    assert_eq!(desk.view(id).await.row.status, ApprovalStatus::Pending);
}

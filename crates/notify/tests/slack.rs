//! Messages to Slack over a real socket: posted, changed, put beside; and what its answers mean.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use signoff_egress::{Egress, EgressConfig};
use signoff_notify::{
    Content, DeliveryOutcome, Destination, Hook, Message, Recipient, Shown, SlackApp, Told, ToldAgent,
    ToldApproval, ToldWorkspace, Transport, deliver,
};
use signoff_testkit::{Answer, FakeSlack};

const TOKEN: &str = "xoxb-canary-5d1f";

fn egress() -> Egress {
    Egress::new(EgressConfig {
        allow: vec!["127.0.0.1/32".parse().unwrap()],
        ..EgressConfig::default()
    })
    .unwrap()
}

fn app(slack: &FakeSlack) -> Transport {
    Transport::Slack(SlackApp {
        bot_token: TOKEN.into(),
        signing_secret: "secret".into(),
        team: "T01".into(),
        conversation: Some("C01".into()),
        api_url: slack.api_url(),
    })
}

fn message(kind: &str, status: &str) -> Message {
    let told = Told {
        event_id: "evt_01".into(),
        event_type: kind.into(),
        occurred_at: "2026-11-21T01:02:03.000000Z".into(),
        workspace: ToldWorkspace {
            id: "ws_01".into(),
            name: "acme".into(),
        },
        approval: Some(ToldApproval {
            id: "apr_01".into(),
            action_id: "act_01".into(),
            action: "stripe.refund".into(),
            agent: ToldAgent {
                id: "agt_01".into(),
                name: "support".into(),
            },
            status: status.into(),
            priority: "medium".into(),
            risk: "low".into(),
            summary: "support wants to refund $20".into(),
            url: "https://signoff.example/approvals/apr_01".into(),
            created_at: "2026-11-21T01:02:03.000000Z".into(),
            decide_by: None,
            decided_at: None,
            decided_by: None,
            decision_reason: None,
            code: None,
            question: None,
        }),
        execution: None,
        shown: Shown {
            may_decide: true,
            digest: "ab".repeat(32),
            ..Shown::default()
        },
    };
    Message {
        id: "evt_01".into(),
        to: Destination::Channel,
        content: Content::Event(Box::new(told)),
        thread: None,
    }
}

async fn sent(transport: &Transport, message: &Message) -> DeliveryOutcome {
    deliver(&egress(), transport, message, Timestamp::UNIX_EPOCH).await
}

fn reference(outcome: &DeliveryOutcome) -> String {
    match outcome {
        DeliveryOutcome::Delivered { reference, .. } => reference.clone().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_end_is_told_in_the_message_that_asked() {
    let slack = FakeSlack::start().await;
    let app = app(&slack);
    let first = sent(&app, &message("approval.pending", "pending")).await;
    let first = reference(&first);
    let (conversation, ts) = first.split_once('/').unwrap();
    assert_eq!(conversation, "C01");
    let posted = &slack.received()[0];
    assert_eq!(posted.header("authorization"), format!("Bearer {TOKEN}"));
    assert!(!String::from_utf8_lossy(&posted.body).contains(TOKEN));

    let threaded = |kind, status| Message {
        thread: Some(first.clone()),
        ..message(kind, status)
    };
    let beside = sent(&app, &threaded("approval.escalated", "pending")).await;
    assert_eq!(
        reference(&beside),
        first,
        "what follows belongs to the first message"
    );
    assert_eq!(slack.calls("chat.postMessage")[1]["thread_ts"], ts);

    let end = sent(&app, &threaded("approval.decided", "denied")).await;
    assert_eq!(reference(&end), first);
    let updated = &slack.calls("chat.update")[0];
    assert_eq!((&updated["channel"], &updated["ts"]), (&json!("C01"), &json!(ts)));
    assert!(!updated.to_string().contains("signoff_approve"));

    slack.refuse_next("chat.update", "message_not_found");
    let anew = sent(&app, &threaded("approval.decided", "denied")).await;
    assert_ne!(reference(&anew), first, "a deleted message is told anew");
    assert_eq!(slack.calls("chat.postMessage").len(), 3);
}

#[tokio::test]
async fn a_person_is_written_to_in_their_own_conversation() {
    let slack = FakeSlack::start().await;
    let to = |address: &str| Message {
        to: Destination::Person(Recipient {
            name: "Dana".into(),
            address: address.into(),
        }),
        ..message("approval.pending", "pending")
    };
    let outcome = sent(&app(&slack), &to("U0DANA")).await;
    assert!(reference(&outcome).starts_with("D0DANA/"));
    assert_eq!(slack.calls("conversations.open"), [json!({"users": "U0DANA"})]);
    slack.refuse_next("conversations.open", "user_not_found");
    for address in ["U0GONE", "dana@example.com", "<!channel>"] {
        let outcome = sent(&app(&slack), &to(address)).await;
        assert!(
            matches!(&outcome, DeliveryOutcome::Rejected { detail, .. } if detail.contains("Slack anew")),
            "{outcome:?}"
        );
    }
    assert_eq!(slack.calls("chat.postMessage").len(), 1);
}

#[tokio::test]
async fn what_slack_answers_is_heeded() {
    let slack = FakeSlack::start().await;
    let app = app(&slack);
    let asked = message("approval.pending", "pending");
    let too_many = Answer {
        headers: vec![("retry-after", "7".into())],
        ..Answer::status(429)
    };
    slack.answer_next("chat.postMessage", [too_many]);
    let later = sent(&app, &asked).await;
    assert!(
        matches!(later, DeliveryOutcome::Retry { after: Some(after), status: Some(429), .. } if after == Duration::from_secs(7)),
        "{later:?}"
    );
    slack.refuse_next("chat.postMessage", "token_revoked");
    let gone = sent(&app, &asked).await;
    assert!(matches!(gone, DeliveryOutcome::Gone { .. }), "{gone:?}");
    slack.refuse_next("chat.postMessage", "channel_not_found");
    let rejected = sent(&app, &asked).await;
    assert!(
        matches!(rejected, DeliveryOutcome::Rejected { .. }),
        "{rejected:?}"
    );
    for outcome in [later, gone, rejected] {
        let words = format!("{outcome:?}");
        assert!(!words.contains(TOKEN) && !words.contains("127.0.0.1"), "{words}");
    }
}

#[tokio::test]
async fn an_incoming_webhook_shows_and_takes_nothing_back() {
    let slack = FakeSlack::start().await;
    let hook = Transport::SlackWebhook(Hook {
        url: slack.url("/services/T/B/secret-canary"),
    });
    let asked = message("approval.pending", "pending");
    let outcome = sent(&hook, &asked).await;
    assert_eq!(
        outcome,
        DeliveryOutcome::Delivered {
            status: 200,
            reference: None
        }
    );
    let body = slack.received()[0].json();
    assert!(!body.to_string().contains("signoff_approve") && body.to_string().contains("signoff_open"));
    for status in [403, 404, 410] {
        slack.answer_next("/services/T/B/secret-canary", [Answer::status(status)]);
        let outcome = sent(&hook, &asked).await;
        let words = format!("{outcome:?}");
        assert!(matches!(outcome, DeliveryOutcome::Gone { .. }), "{words}");
        assert!(!words.contains("canary"), "{words}");
    }
    slack.answer_next("/services/T/B/secret-canary", [Answer::status(500)]);
    assert!(matches!(sent(&hook, &asked).await, DeliveryOutcome::Retry { .. }));
}

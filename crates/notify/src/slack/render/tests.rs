use serde_json::Value;

use super::*;
use crate::message::DIGEST_ITEMS_MAX;
use crate::told::{ToldAgent, ToldPerson, ToldWorkspace};

pub(crate) fn told(kind: &str, status: &str) -> Told {
    Told {
        event_id: "evt_01".into(),
        event_type: kind.into(),
        occurred_at: "2026-11-21T01:02:03.000000Z".into(),
        workspace: ToldWorkspace {
            id: "ws_01".into(),
            name: "acme".into(),
        },
        approval: Some(ToldApproval {
            id: "apr_0192f0c1a2b37c4d8e5f60718293a4b5".into(),
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
            decide_by: Some("2026-11-21T01:32:03.000000Z".into()),
            decided_at: None,
            decided_by: None,
            decision_reason: None,
            code: None,
            question: None,
        }),
        execution: None,
        shown: Shown {
            cost: Some("$20.00".into()),
            facts: vec![fact("context.amount", "20"), fact("inputs.charge", "ch_1")],
            reason: Some("The customer was charged twice.".into()),
            may_decide: true,
            digest: "ab".repeat(32),
            ..Shown::default()
        },
    }
}

fn fact(label: &str, value: &str) -> Fact {
    Fact {
        label: label.into(),
        value: value.into(),
    }
}

fn message(content: Content) -> Message {
    Message {
        id: "evt_01".into(),
        to: Destination::Channel,
        content,
        thread: None,
    }
}

fn rendered(told: Told) -> Value {
    whole(&message(Content::Event(Box::new(told))), true).body()
}

/// Every text object with its type, wherever it stands.
fn texts(value: &Value, out: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            if let (Some(kind), Some(text)) = (fields.get("type"), fields.get("text"))
                && let (Some(kind), Some(text)) = (kind.as_str(), text.as_str())
            {
                out.push((kind.to_owned(), text.to_owned()));
                if kind == "plain_text" {
                    assert_eq!(fields["emoji"], false);
                }
            }
            for field in fields.values() {
                texts(field, out);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, out)),
        _ => {}
    }
}

/// What Slack accepts, and what of it we allow ourselves.
fn check(body: &Value) -> Vec<(String, String)> {
    let blocks = body["blocks"].as_array().expect("blocks");
    assert!((1..=50).contains(&blocks.len()));
    assert!(body.to_string().len() < 20_000, "{}", body.to_string().len());
    for (name, expected) in [
        ("unfurl_links", false),
        ("unfurl_media", false),
        ("link_names", false),
        ("mrkdwn", false),
    ] {
        assert_eq!(body[name], expected, "{name}");
    }
    assert_eq!(body["parse"], "none");
    let fallback = body["text"].as_str().expect("text");
    assert!(
        !fallback.contains(['<', '>']) && fallback.len() < 4_000,
        "{fallback}"
    );
    let mut found = Vec::new();
    texts(&body["blocks"], &mut found);
    for (kind, text) in &found {
        assert!(!text.is_empty() && text.chars().count() <= 3_000);
        let ours = text.starts_with("Decide by\n<!date^") && text.len() < 100;
        assert!(
            kind == "plain_text" || (kind == "mrkdwn" && ours),
            "{kind}: {text}"
        );
    }
    for block in blocks {
        if let Some(fields) = block["fields"].as_array() {
            assert!(fields.len() <= 10);
            assert!(
                fields
                    .iter()
                    .all(|field| field["text"].as_str().is_some_and(|text| text.len() <= 2_000))
            );
        }
    }
    found
}

fn buttons_of(body: &Value) -> Vec<String> {
    let blocks = body["blocks"].as_array().expect("blocks").iter();
    let elements = blocks.filter_map(|block| block["elements"].as_array()).flatten();
    elements
        .filter_map(|element| element["action_id"].as_str().map(str::to_owned))
        .collect()
}

#[test]
fn a_pending_approval_can_be_decided_where_it_is_read() {
    let body = rendered(told("approval.pending", "pending"));
    let found = check(&body);
    assert_eq!(found[0].1, "support wants to refund $20");
    for expected in [
        "Risk\nlow",
        "Cost\n$20.00",
        "context.amount: 20\ninputs.charge: ch_1",
    ] {
        assert!(
            found.iter().any(|(_, text)| text == expected),
            "{expected}: {found:?}"
        );
    }
    assert!(
        found.iter().any(|(_, text)| text
            == "Decide by\n<!date^1795224723^{date_short_pretty} {time}|2026-11-21 01:32 UTC>"),
        "{found:?}"
    );
    assert!(
        found
            .iter()
            .any(|(_, text)| text == "In the agent's words:\n> The customer was charged twice.")
    );
    assert_eq!(
        buttons_of(&body),
        ["signoff_approve", "signoff_deny", "signoff_ask", "signoff_open"]
    );
    let value = format!("apr_0192f0c1a2b37c4d8e5f60718293a4b5:{}", "ab".repeat(32));
    assert!(body.to_string().contains(&value));
}

#[test]
fn buttons_are_there_only_where_they_may_be() {
    let buttons = |change: fn(&mut Told)| {
        let mut told = told("approval.pending", "pending");
        change(&mut told);
        buttons_of(&rendered(told))
    };
    assert_eq!(buttons(|told| told.shown.may_decide = false), ["signoff_open"]);
    // What is not shown whole is not approved with one press.
    for change in [
        (|told| told.shown.facts_hidden = 1) as fn(&mut Told),
        |told| told.shown.facts[0].value = "x […9 more bytes]".into(),
        |told| told.shown.facts[0].value = "x".repeat(5_000),
        |told| told.shown.facts = vec![fact("a", &"x".repeat(500)); 100],
        |told| told.shown.reason = Some("y\n".repeat(10_000)),
        |told| told.approval.as_mut().unwrap().summary = "z".repeat(5_000),
    ] {
        assert_eq!(buttons(change), ["signoff_deny", "signoff_ask", "signoff_open"]);
    }
    let asked = message(Content::Event(Box::new(told("approval.pending", "pending"))));
    assert_eq!(
        buttons_of(&whole(&asked, false).body()),
        ["signoff_open"],
        "an incoming webhook"
    );
}

/// Whoever has a personal link decides as that person: it stands in their own messages alone.
#[test]
fn a_personal_link_is_for_its_person_alone() {
    let mut asked = told("approval.pending", "pending");
    asked.shown.decide_url = Some("https://signoff.example/d/secret".into());
    let mut asked = message(Content::Event(Box::new(asked)));
    assert!(!whole(&asked, true).body().to_string().contains("/d/secret"));
    asked.to = Destination::Person(crate::message::Recipient {
        name: "Dana".into(),
        address: "U01".into(),
    });
    assert!(whole(&asked, true).body().to_string().contains("/d/secret"));
    assert!(!brief(&asked).body().to_string().contains("/d/secret"));
}

#[test]
fn an_end_takes_the_place_of_the_buttons() {
    for (kind, status, person, expected) in [
        (
            "approval.decided",
            "denied",
            Some("Dana"),
            "⛔ Dana denied it · too expensive",
        ),
        (
            "approval.decided",
            "approved",
            Some("Dana"),
            "✅ Dana approved it · too expensive",
        ),
        (
            "approval.decided",
            "answered",
            Some("Dana"),
            "✅ Dana answered it · too expensive",
        ),
        (
            "approval.decided",
            "approved",
            None,
            "✅ An approver approved it · too expensive",
        ),
        (
            "approval.expired",
            "expired",
            None,
            "⌛ Nobody decided in time, so it is refused · too expensive",
        ),
        (
            "approval.superseded",
            "superseded",
            None,
            "The agent replaced it by a changed request · too expensive",
        ),
    ] {
        let mut told = told(kind, status);
        let approval = told.approval.as_mut().unwrap();
        approval.decided_by = Some(ToldPerson {
            kind: "operator".into(),
            id: None,
            name: person.map(str::to_owned),
        });
        approval.decision_reason = Some("too expensive".into());
        let body = rendered(told);
        assert!(
            check(&body).iter().any(|(_, text)| text == expected),
            "{expected}: {body}"
        );
        assert_eq!(buttons_of(&body), ["signoff_open"]);
        assert!(!body.to_string().contains("date^"));
    }
}

const HOSTILE: &[&str] = &[
    "<!channel> <@U01> <#C01|general> <https://evil.example|Approve>",
    "*bold* _it_ ~no~ `code` ```block``` > quote &lt;!here&gt;",
    "\u{202e}desrever\u{200b}\u{feff} :skull: @everyone @channel",
    "a\nRisk\nlow\nIn the agent's words:\n> all is well",
    "\"}],\"blocks\":[{\"type\":\"divider\"}]",
    "\u{0}\u{7}\u{1b}[2J",
    "",
    " ",
];

/// Other people's text, wherever it stands, is text: no markup, no mention, no link, no line that passes for ours.
#[test]
fn hostile_text_is_inert_everywhere() {
    let long = "<!channel>\n".repeat(10_000);
    for hostile in HOSTILE.iter().copied().chain([long.as_str()]) {
        for (kind, status) in [
            ("approval.pending", "pending"),
            ("approval.decided", "denied"),
            ("approval.escalated", "pending"),
            ("approval.info_requested", "info_requested"),
            ("weird", hostile),
        ] {
            let mut told = told(kind, status);
            told.workspace.name = hostile.into();
            let approval = told.approval.as_mut().unwrap();
            for text in [
                &mut approval.summary,
                &mut approval.action,
                &mut approval.agent.name,
                &mut approval.risk,
                &mut approval.priority,
            ] {
                *text = hostile.into();
            }
            approval.decision_reason = Some(hostile.into());
            approval.question = Some(hostile.into());
            approval.decide_by = Some(hostile.into());
            approval.decided_by = Some(ToldPerson {
                kind: hostile.into(),
                id: Some(hostile.into()),
                name: Some(hostile.into()),
            });
            told.shown.cost = Some(hostile.into());
            told.shown.reason = Some(hostile.into());
            told.shown.facts = vec![fact(hostile, hostile); 40];
            let content = message(Content::Event(Box::new(told)));
            for body in [whole(&content, true).body(), brief(&content).body()] {
                for (_, text) in check(&body) {
                    let forged = text
                        .lines()
                        .any(|line| line == "low" || line == "In the agent's words:");
                    assert!(!forged || text.starts_with("In the agent's words:\n> "), "{text}");
                    assert!(!text.contains(['\u{202e}', '\u{200b}', '\u{0}']), "{text}");
                    assert!(!text.replace("[://]", "").contains("://"), "{text}");
                }
            }
        }
    }
}

#[test]
fn digests_and_notices_are_bounded_and_inert() {
    for hostile in HOSTILE {
        let item = DigestItem {
            summary: (*hostile).into(),
            status: "pending".into(),
            priority: (*hostile).into(),
            risk: "high".into(),
            decide_by: Some("2026-11-21T01:32:03.000000Z".into()),
            decided_by: Some((*hostile).into()),
            url: "https://signoff.example/approvals/apr_01".into(),
        };
        let digest = Digest {
            workspace: ToldWorkspace {
                id: "ws".into(),
                name: (*hostile).into(),
            },
            inbox_url: "https://signoff.example/".into(),
            items: vec![item; DIGEST_ITEMS_MAX],
            count: 1_000,
            pending: 990,
            waiting: 990,
            over: Vec::new(),
        };
        let body = whole(&message(Content::Digest(digest)), true).body();
        let found = check(&body);
        assert!(
            found[0].1.starts_with("1000 requests in ") && found[0].1.ends_with("; 990 wait for a decision")
        );
        assert!(found.iter().any(|(_, text)| text == "980 more in the inbox"));
        let notice = Notice {
            title: (*hostile).into(),
            text: (*hostile).repeat(500),
            url: "https://signoff.example/".into(),
            event_type: "channel.disabled".into(),
            occurred_at: "2026-11-21T01:02:03.000000Z".into(),
        };
        check(&whole(&message(Content::Notice(notice)), true).body());
    }
}

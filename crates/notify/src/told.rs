//! What a webhook says about an approval: the body of the message, rendered once, so that every attempt
//! sends and signs the same bytes.

use std::fmt::Write as _;

use bytes::Bytes;
use serde::Serialize;

/// The longest text, in bytes, that is passed on; what is longer is cut with a mark and stands in the API.
const TEXT_BYTES_MAX: usize = 4096;

/// Something to tell, with everything the message needs: rendering looks nothing up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// The event's id, `evt_…`; the message's id as well, so the same on every attempt.
    pub event_id: String,
    /// One of [`crate::EVENT_TYPES`].
    #[serde(skip)]
    pub event_type: String,
    /// When it happened, RFC 3339 in UTC with six digits.
    #[serde(skip)]
    pub occurred_at: String,
    /// Where it happened.
    pub workspace: ToldWorkspace,
    /// The approval as it stood after the event. None for an execution that nobody was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<ToldApproval>,
    /// The execution, where the event is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution: Option<ToldExecution>,
    /// What only messages to people show; programs read it from the API, as somebody who may see it.
    #[serde(skip)]
    pub shown: Shown,
}

/// What an approver needs beside the sentence. All of it is other people's text: to be shown inert.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shown {
    /// The amount, with its currency where it is known.
    pub cost: Option<String>,
    /// What Signoff knows of the action: names and values of inputs and context, each cut.
    pub facts: Vec<Fact>,
    /// How many facts there are beside these.
    pub facts_hidden: usize,
    /// Why, in the agent's words.
    pub reason: Option<String>,
    /// The page where this recipient decides without signing in; none where only the console will do.
    pub decide_url: Option<String>,
    /// Whether deciding from the message itself is offered (buttons).
    pub may_decide: bool,
    /// The digest that a decision must name.
    pub digest: String,
    /// The context as canonical JSON, where a template of a channel passes it on.
    pub context: Option<String>,
}

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Such as `context.amount`.
    pub label: String,
    /// As text, cut with a mark.
    pub value: String,
}

/// A carrying-out of an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToldExecution {
    /// `exe_…`.
    pub id: String,
    /// `act_…`.
    pub action_id: String,
    /// The state after the event.
    pub state: String,
    /// What the agent reported, for a report: success, failure, partial or blocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// The status of the upstream's answer, where Signoff made the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
}

/// The workspace of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToldWorkspace {
    /// `ws_…`.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// The agent that asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToldAgent {
    /// `agt_…`.
    pub id: String,
    /// Its name, as registered by an admin.
    pub name: String,
}

/// Who decided or asked: a person, an automation, or the system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToldPerson {
    /// `operator`, `automation`, `agent` or `system`.
    pub kind: String,
    /// The id, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The name, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// An approval in a message. Inputs and context are left out on purpose: they are read behind the link, by
/// people who may see them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToldApproval {
    /// `apr_…`.
    pub id: String,
    /// `act_…`.
    pub action_id: String,
    /// The action's name.
    pub action: String,
    /// Who asks.
    pub agent: ToldAgent,
    /// The state after the event.
    pub status: String,
    /// What the higher of claim and policy says.
    pub priority: String,
    /// What the higher of claim and policy says.
    pub risk: String,
    /// One plain sentence; partly in the agent's words, so to be shown as text and never as markup.
    pub summary: String,
    /// The console page of the approval; deciding there needs sign-in.
    pub url: String,
    /// When it was asked.
    pub created_at: String,
    /// Until when a decision counts; absent where a policy says `never`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decide_by: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<String>,
    /// Who ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<ToldPerson>,
    /// Why, in the words of whoever decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision_reason: Option<String>,
    /// The reason code of an end that is no approval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The question of an info request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
}

#[derive(Serialize)]
struct Message<'a> {
    #[serde(rename = "type")]
    event_type: &'a str,
    timestamp: &'a str,
    data: &'a Told,
}

/// The message's bytes: `{"type", "timestamp", "data"}` as Standard Webhooks has it. Fields without a value are
/// absent, never null; the fields keep their order.
#[expect(
    clippy::missing_panics_doc,
    reason = "a structure of strings always serialises"
)]
pub fn render(told: &Told) -> Bytes {
    let bounded = bounded(told);
    let message = Message {
        event_type: &bounded.event_type,
        timestamp: &bounded.occurred_at,
        data: &bounded,
    };
    let bytes = serde_json::to_vec(&message).expect("strings and structures of strings always serialise");
    Bytes::from(bytes)
}

/// The same with every free text within its limit.
fn bounded(told: &Told) -> Told {
    let mut told = told.clone();
    let Some(approval) = &mut told.approval else {
        return told;
    };
    cut(&mut approval.summary);
    for text in [&mut approval.decision_reason, &mut approval.question]
        .into_iter()
        .flatten()
    {
        cut(text);
    }
    told
}

fn cut(text: &mut String) {
    if text.len() <= TEXT_BYTES_MAX {
        return;
    }
    let kept = text.floor_char_boundary(TEXT_BYTES_MAX);
    let hidden = text.len() - kept;
    text.truncate(kept);
    write!(text, " […{hidden} more bytes]").expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told() -> Told {
        Told {
            event_id: "evt_0192f0c1a2b37c4d8e5f60718293a4b5".into(),
            event_type: "approval.pending".into(),
            occurred_at: "2026-11-21T01:02:03.000000Z".into(),
            workspace: ToldWorkspace {
                id: "ws_01".into(),
                name: "default".into(),
            },
            approval: Some(ToldApproval {
                id: "apr_01".into(),
                action_id: "act_01".into(),
                action: "stripe.refund".into(),
                agent: ToldAgent {
                    id: "agt_01".into(),
                    name: "support".into(),
                },
                status: "pending".into(),
                priority: "medium".into(),
                risk: "high".into(),
                summary: "support wants to run stripe.refund".into(),
                url: "http://127.0.0.1:7070/approvals/apr_01".into(),
                created_at: "2026-11-21T01:02:03.000000Z".into(),
                decide_by: Some("2026-11-21T01:32:03.000000Z".into()),
                decided_at: None,
                decided_by: None,
                decision_reason: None,
                code: None,
                question: None,
            }),
            execution: None,
            shown: Shown::default(),
        }
    }

    fn approval(told: &mut Told) -> &mut ToldApproval {
        told.approval.as_mut().expect("an approval")
    }

    /// The wire form is a promise to receivers: field names and order, and absence instead of null.
    #[test]
    fn a_pending_approval_reads_like_this() {
        let text = String::from_utf8(render(&told()).to_vec()).expect("JSON is UTF-8");
        assert_eq!(
            text,
            concat!(
                r#"{"type":"approval.pending","timestamp":"2026-11-21T01:02:03.000000Z","data":{"#,
                r#""event_id":"evt_0192f0c1a2b37c4d8e5f60718293a4b5","workspace":{"id":"ws_01","name":"default"},"#,
                r#""approval":{"id":"apr_01","action_id":"act_01","action":"stripe.refund","#,
                r#""agent":{"id":"agt_01","name":"support"},"status":"pending","priority":"medium","risk":"high","#,
                r#""summary":"support wants to run stripe.refund","#,
                r#""url":"http://127.0.0.1:7070/approvals/apr_01","#,
                r#""created_at":"2026-11-21T01:02:03.000000Z","decide_by":"2026-11-21T01:32:03.000000Z"}}}"#,
            )
        );
    }

    #[test]
    fn a_decision_names_who_and_why() {
        let mut told = told();
        told.event_type = "approval.decided".into();
        approval(&mut told).decided_by = Some(ToldPerson {
            kind: "operator".into(),
            id: Some("usr_01".into()),
            name: None,
        });
        approval(&mut told).decision_reason = Some("\u{202e}looks \"fine\"\n".into());
        let value: serde_json::Value = serde_json::from_slice(&render(&told)).expect("JSON");
        assert_eq!(
            value["data"]["approval"]["decided_by"],
            serde_json::json!({"kind": "operator", "id": "usr_01"})
        );
        assert_eq!(
            value["data"]["approval"]["decision_reason"],
            "\u{202e}looks \"fine\"\n"
        );
    }

    /// I12: a message stays small whatever was written, and says how much it hides.
    #[test]
    fn long_texts_are_cut_with_a_mark() {
        let mut told = told();
        approval(&mut told).summary = "é".repeat(100_000);
        approval(&mut told).decision_reason = Some("x".repeat(TEXT_BYTES_MAX));
        let bytes = render(&told);
        assert!(bytes.len() < 20_000, "{}", bytes.len());
        let value: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        let summary = value["data"]["approval"]["summary"].as_str().expect("text");
        assert!(
            summary.ends_with("é […195904 more bytes]"),
            "{}",
            &summary[4090..]
        );
        assert_eq!(
            value["data"]["approval"]["decision_reason"],
            "x".repeat(TEXT_BYTES_MAX)
        );
    }
}

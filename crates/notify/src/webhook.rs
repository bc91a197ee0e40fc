//! Messages to programs: JSON, signed as the Standard Webhooks specification says.

use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use signoff_egress::Egress;

use crate::deliver::{DeliveryOutcome, failed, outcome_of, post};
use crate::message::{Content, Message, Notice};
use crate::sign::sign;
use crate::told::{Told, render};
use crate::transport::{Signing, Template};

/// Whether a message of this type is one that the template has words for; others are not sent at all.
pub fn tells(template: Template, event_type: &str) -> bool {
    match template {
        Template::Standard => true,
        Template::Agentwarden => matches!(
            event_type,
            "approval.decided"
                | "approval.expired"
                | "approval.cancelled"
                | "approval.superseded"
                | "channel.test"
        ),
    }
}

#[derive(Serialize)]
struct NoticeMessage<'a> {
    #[serde(rename = "type")]
    event_type: &'a str,
    timestamp: &'a str,
    data: NoticeData<'a>,
}

#[derive(Serialize)]
struct NoticeData<'a> {
    event_id: &'a str,
    title: &'a str,
    text: &'a str,
    url: &'a str,
}

/// What AgentWarden documents, and behind it what it has no field for.
#[derive(Serialize)]
struct WardenMessage<'a> {
    approval_id: &'a str,
    decision: &'static str,
    action: &'a str,
    context: &'a RawValue,
    status: &'a str,
    agent: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_at: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<&'a str>,
    url: &'a str,
    #[serde(rename = "type")]
    event_type: &'a str,
}

/// Posts the message once, signed with every secret and key that counts at this time.
pub(crate) async fn send(
    egress: &Egress,
    url: &str,
    (signing, template): (&Signing, Template),
    message: &Message,
    now: Timestamp,
) -> DeliveryOutcome {
    let Some(body) = body(message, template) else {
        return DeliveryOutcome::Rejected {
            status: None,
            detail: "nothing that a program is told of".into(),
        };
    };
    let secrets = signing.live_secrets(now.as_microsecond());
    let key = signing.key();
    if secrets.is_empty() && key.is_none() {
        return DeliveryOutcome::Retry {
            after: None,
            status: None,
            detail: "the channel has nothing to sign with; give it a new secret".into(),
        };
    }
    let signed = sign(&secrets, key.as_ref(), &message.id, now.as_second(), &body);
    match post(egress, url, signed.headers().into(), body).await {
        Ok(response) => outcome_of(&response, now.as_second()),
        Err(error) => failed(&error),
    }
}

fn body(message: &Message, template: Template) -> Option<Bytes> {
    match (&message.content, template) {
        (Content::Event(told), Template::Standard) => Some(render(told)),
        (Content::Event(told), Template::Agentwarden) => render_decision(told),
        (Content::Notice(notice), Template::Standard) => Some(render_notice(&message.id, notice)),
        (Content::Notice(notice), Template::Agentwarden) => render_test(&message.id, notice),
        (Content::Digest(_), _) => None,
    }
}

fn render_notice(id: &str, notice: &Notice) -> Bytes {
    let message = NoticeMessage {
        event_type: &notice.event_type,
        timestamp: &notice.occurred_at,
        data: NoticeData {
            event_id: id,
            title: &notice.title,
            text: &notice.text,
            url: &notice.url,
        },
    };
    Bytes::from(serde_json::to_vec(&message).unwrap_or_default())
}

/// Every end that is no approval is a denial there: a receiver that knows no more must not go on.
fn render_decision(told: &Told) -> Option<Bytes> {
    let approval = told
        .approval
        .as_ref()
        .filter(|_| tells(Template::Agentwarden, &told.event_type))?;
    let is_approved =
        told.event_type == "approval.decided" && matches!(approval.status.as_str(), "approved" | "answered");
    let context = told.shown.context.as_deref().unwrap_or("{}");
    let context: &RawValue = serde_json::from_str(context).ok()?;
    written(&WardenMessage {
        approval_id: &approval.id,
        decision: if is_approved { "approved" } else { "denied" },
        action: &approval.action,
        context,
        status: &approval.status,
        agent: &approval.agent.name,
        decided_by: approval
            .decided_by
            .as_ref()
            .and_then(|person| person.name.as_deref()),
        decided_at: approval.decided_at.as_deref(),
        comment: approval.decision_reason.as_deref(),
        url: &approval.url,
        event_type: &told.event_type,
    })
}

/// A test has no decision to tell of, so it tells of one that lets nothing happen.
fn render_test(id: &str, notice: &Notice) -> Option<Bytes> {
    if !tells(Template::Agentwarden, &notice.event_type) {
        return None;
    }
    written(&WardenMessage {
        approval_id: id,
        decision: "denied",
        action: "signoff.test",
        context: serde_json::from_str("{}").ok()?,
        status: "test",
        agent: "",
        decided_by: None,
        decided_at: Some(&notice.occurred_at),
        comment: Some(&notice.text),
        url: &notice.url,
        event_type: &notice.event_type,
    })
}

fn written(message: &WardenMessage<'_>) -> Option<Bytes> {
    serde_json::to_vec(message).ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use serde_json::{Value, json};

    fn warden(message: &Message) -> Option<Value> {
        let body = body(message, Template::Agentwarden)?;
        Some(serde_json::from_slice(&body).expect("JSON"))
    }

    fn with_type(status: &str, event_type: &str) -> Message {
        let mut message = sample::ended(status, "why");
        if let Content::Event(told) = &mut message.content {
            told.event_type = event_type.into();
        }
        message
    }

    #[test]
    fn agentwarden_is_told_of_decisions_in_its_own_words() {
        let saw = warden(&sample::ended("approved", "fine")).expect("told");
        assert_eq!(
            saw,
            json!({
                "approval_id": "apr_01", "decision": "approved", "action": "stripe.refund", "context": {"ticket": "T-1"},
                "status": "approved", "agent": "support", "decided_by": "Ada", "decided_at": "2026-11-21T01:10:00.000000Z",
                "comment": "fine", "url": sample::CONSOLE_URL, "type": "approval.decided",
            })
        );
        for (status, event_type, decision) in [
            ("answered", "approval.decided", "approved"),
            ("denied", "approval.decided", "denied"),
            ("expired", "approval.expired", "denied"),
            ("cancelled", "approval.cancelled", "denied"),
            ("superseded", "approval.superseded", "denied"),
            // I8: a state that does not fit its event is nobody's yes.
            ("approved", "approval.expired", "denied"),
            ("surprising", "approval.decided", "denied"),
        ] {
            let saw = warden(&with_type(status, event_type)).expect("told");
            assert_eq!(
                (saw["decision"].as_str(), saw["status"].as_str()),
                (Some(decision), Some(status))
            );
        }
    }

    #[test]
    fn agentwarden_is_told_of_nothing_else() {
        for event_type in crate::EVENT_TYPES {
            let ends = [
                "approval.decided",
                "approval.expired",
                "approval.cancelled",
                "approval.superseded",
            ];
            let expected = ends.contains(event_type);
            assert_eq!(tells(Template::Agentwarden, event_type), expected, "{event_type}");
            assert_eq!(
                warden(&with_type("denied", event_type)).is_some(),
                expected,
                "{event_type}"
            );
            assert!(tells(Template::Standard, event_type));
        }
        let test = warden(&sample::notice()).expect("a test");
        assert_eq!(
            (&test["decision"], &test["context"]),
            (&json!("denied"), &json!({}))
        );
        assert!(body(&sample::digest(3, 1), Template::Standard).is_none());
    }
}

//! One message to Slack: posted, put in the place of an earlier one, or put beside it.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use signoff_egress::Egress;

use super::api::{Answer, Refused, call};
use super::render::{Rendered, brief, whole};
use super::{is_message_id, is_slack_id};
use crate::deliver::{DeliveryOutcome, failed, outcome_of, post};
use crate::message::{Content, Destination, Message};
use crate::transport::{Hook, SlackApp};

/// How a message goes with one that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Says the whole of it.
    Anew,
    /// Takes its place: what was asked has ended, or is another thing now.
    Replace,
    /// Stands beside it.
    Beside,
}

fn manner(message: &Message) -> Manner {
    let Content::Event(told) = &message.content else {
        return Manner::Anew;
    };
    match told.event_type.as_str() {
        "approval.pending" => Manner::Anew,
        "approval.decided"
        | "approval.expired"
        | "approval.cancelled"
        | "approval.superseded"
        | "approval.edited"
        | "approval.rejudged" => Manner::Replace,
        _ => Manner::Beside,
    }
}

/// A message that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Earlier<'a> {
    conversation: &'a str,
    ts: &'a str,
}

impl<'a> Earlier<'a> {
    fn parse(reference: &'a str) -> Option<Self> {
        let (conversation, ts) = reference.split_once('/')?;
        (is_slack_id(conversation) && is_message_id(ts)).then_some(Self { conversation, ts })
    }

    fn reference(self) -> String {
        format!("{}/{}", self.conversation, self.ts)
    }
}

/// Sends one message with the app's token.
pub(crate) async fn send(egress: &Egress, app: &SlackApp, message: &Message) -> DeliveryOutcome {
    let sent = match message.thread.as_deref().and_then(Earlier::parse) {
        Some(earlier) => go_with(egress, app, message, earlier).await,
        None => anew(egress, app, message).await,
    };
    match sent {
        Ok(reference) => DeliveryOutcome::Delivered {
            status: 200,
            reference,
        },
        Err(Refused::Other(outcome)) => outcome,
        Err(Refused::MessageGone) => DeliveryOutcome::Retry {
            after: None,
            status: None,
            detail: "the message to be changed is not there any more".into(),
        },
    }
}

async fn go_with(
    egress: &Egress,
    app: &SlackApp,
    message: &Message,
    earlier: Earlier<'_>,
) -> Result<Option<String>, Refused> {
    match manner(message) {
        Manner::Anew => anew(egress, app, message).await,
        Manner::Replace => {
            let mut body = whole(message, true).body();
            set(&mut body, "channel", earlier.conversation);
            set(&mut body, "ts", earlier.ts);
            match call(egress, app, "chat.update", &body).await {
                Ok(_) => Ok(Some(earlier.reference())),
                // Somebody deleted it: the news are told all the same.
                Err(Refused::MessageGone) => anew(egress, app, message).await,
                Err(refused) => Err(refused),
            }
        }
        Manner::Beside => {
            let mut body = brief(message).body();
            set(&mut body, "channel", earlier.conversation);
            set(&mut body, "thread_ts", earlier.ts);
            call(egress, app, "chat.postMessage", &body).await?;
            // What comes next belongs to the first message, not to this one.
            Ok(Some(earlier.reference()))
        }
    }
}

async fn anew(egress: &Egress, app: &SlackApp, message: &Message) -> Result<Option<String>, Refused> {
    let conversation = conversation(egress, app, &message.to).await?;
    let answer = post_message(egress, app, &conversation, &whole(message, true)).await?;
    let there = answer.channel.as_str().filter(|id| is_slack_id(id));
    let ts = answer.ts.as_deref().filter(|ts| is_message_id(ts));
    Ok(ts.map(|ts| format!("{}/{ts}", there.unwrap_or(&conversation))))
}

async fn post_message(
    egress: &Egress,
    app: &SlackApp,
    conversation: &str,
    rendered: &Rendered,
) -> Result<Answer, Refused> {
    let mut body = rendered.body();
    set(&mut body, "channel", conversation);
    call(egress, app, "chat.postMessage", &body).await
}

/// Where it goes: the channel's own conversation, or that with a person.
async fn conversation(egress: &Egress, app: &SlackApp, to: &Destination) -> Result<String, Refused> {
    match to {
        Destination::Channel => app.conversation.clone().ok_or_else(|| {
            rejected("the channel names no conversation of its own; only people are written to")
        }),
        Destination::Person(recipient) if is_slack_id(&recipient.address) => {
            let body = json!({"users": recipient.address});
            let answer = call(egress, app, "conversations.open", &body).await?;
            let id = answer.channel.get("id").and_then(Value::as_str);
            let id = id.filter(|id| is_slack_id(id));
            id.map(str::to_owned).ok_or_else(|| {
                Refused::Other(DeliveryOutcome::Retry {
                    after: None,
                    status: Some(200),
                    detail: "Slack's answer names no conversation".into(),
                })
            })
        }
        Destination::Person(_) => Err(rejected(
            "the person's address is no Slack user; link them to Slack anew",
        )),
        Destination::Url(_) => Err(rejected("a Slack app posts to conversations, not to URLs")),
    }
}

fn rejected(why: &str) -> Refused {
    Refused::Other(DeliveryOutcome::Rejected {
        status: None,
        detail: why.into(),
    })
}

fn set(body: &mut Value, name: &str, value: &str) {
    if let Some(fields) = body.as_object_mut() {
        fields.insert(name.to_owned(), value.into());
    }
}

/// Posts to an incoming webhook: it shows, and takes nothing back.
pub(crate) async fn send_to_hook(
    egress: &Egress,
    hook: &Hook,
    message: &Message,
    now: Timestamp,
) -> DeliveryOutcome {
    let body = whole(message, false).body();
    let response = match post(egress, &hook.url, Vec::new(), Bytes::from(body.to_string())).await {
        Ok(response) => response,
        Err(error) => return failed(&error),
    };
    let status = response.status;
    match status {
        403 | 404 | 410 => DeliveryOutcome::Gone {
            status: Some(status),
            detail: format!(
                "Slack takes nothing at this webhook any more ({status}); make a new one in the Slack app"
            ),
        },
        _ => outcome_of(&response, now.as_second()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_message_is_named_by_conversation_and_time() {
        let earlier = Earlier::parse("C01/1712345678.000100").unwrap();
        assert_eq!((earlier.conversation, earlier.ts), ("C01", "1712345678.000100"));
        assert_eq!(earlier.reference(), "C01/1712345678.000100");
        for text in [
            "",
            "C01",
            "C01/",
            "/1.2",
            "C01/1",
            "C01/1.2/3",
            "c01/1.2",
            "C01/1.x",
            "<mail@example>",
        ] {
            assert_eq!(Earlier::parse(text), None, "{text}");
        }
    }
}

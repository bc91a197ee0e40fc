//! Channels as pages show them, and what the form of each kind asks for.

use serde_json::Value;
use signoff_core::channel::{ChannelKind, SwitchedOff};
use signoff_core::id::{ActionId, ApprovalId};
use signoff_core::time::{Micros, Timestamp};
use signoff_engine::Tested;
use signoff_engine::view::{ChannelView, DeliveryState, DeliveryView};

use super::{approval, moment};
use crate::console::inert::Inert;
use crate::console::view::channel::{ChannelField, ChannelLine, DeliveryLine, TestShown};

mod asks;

pub use asks::{fields, present_fields};

/// A kind, as it is called.
pub fn kind_words(kind: ChannelKind) -> &'static str {
    match kind {
        ChannelKind::Webhook => "webhook",
        ChannelKind::Callback => "callback",
        ChannelKind::Email => "e-mail",
        ChannelKind::Slack => "Slack app",
        ChannelKind::SlackWebhook => "Slack webhook",
        ChannelKind::Teams => "Microsoft Teams",
        ChannelKind::Pagerduty => "PagerDuty",
        ChannelKind::Sms => "text message",
        ChannelKind::Push => "push",
    }
}

/// What a kind is for.
pub fn what_for(kind: ChannelKind) -> &'static str {
    match kind {
        ChannelKind::Webhook => "Signed messages to a program, one for each event.",
        ChannelKind::Callback => "Signed messages to URLs that requests name, within what is allowed here.",
        ChannelKind::Email => {
            "Mail to those who must decide, with a link of their own; a shared mailbox too, without."
        }
        ChannelKind::Slack => {
            "Messages with buttons, to people and in a conversation. Linked people decide there."
        }
        ChannelKind::SlackWebhook => "Tells a Slack conversation. Nobody decides there.",
        ChannelKind::Teams => "Tells a Teams conversation. Nobody decides there.",
        ChannelKind::Pagerduty => "Opens an incident while an approval waits, and closes it.",
        ChannelKind::Sms => "Text messages to people’s own numbers, with a link of their own.",
        ChannelKind::Push => {
            "Push messages to people’s own topics at an ntfy server, with a link of their own."
        }
    }
}

/// Kinds to choose from: word, name, what it is for.
pub fn kinds() -> Vec<(&'static str, &'static str, &'static str)> {
    let kind = |kind: &ChannelKind| (kind.as_str(), kind_words(*kind), what_for(*kind));
    ChannelKind::ALL.iter().map(kind).collect()
}

/// The page of the documentation about a kind.
pub fn docs(kind: ChannelKind) -> &'static str {
    match kind {
        ChannelKind::Webhook | ChannelKind::Callback => "docs/channels/webhook.md",
        ChannelKind::Email => "docs/channels/email.md",
        ChannelKind::Slack | ChannelKind::SlackWebhook => "docs/channels/slack.md",
        ChannelKind::Teams => "docs/channels/teams.md",
        ChannelKind::Pagerduty => "docs/channels/pagerduty.md",
        ChannelKind::Sms => "docs/channels/sms.md",
        ChannelKind::Push => "docs/channels/push.md",
    }
}

/// A channel in the list.
pub fn line(view: &ChannelView) -> ChannelLine {
    ChannelLine {
        href: format!("/channels/{}", view.id),
        name: Inert::all(&view.name),
        kind: kind_words(view.kind),
        origin: Inert::all(&view.origin),
        told_of: Inert::all(&told_of(view)),
        is_off: view.disabled,
        is_silent: view.disabled && view.switched_off.is_some(),
        why_off: view.disabled.then_some(match view.switched_off {
            Some(SwitchedOff::Gone) => {
                "Signoff switched it off: the receiver said that it wants no more. Set what it gave you anew, then switch it on."
            }
            Some(SwitchedOff::Failing) => {
                "Signoff switched it off: nothing arrived for three days. Send a test, mend what it says, then switch it on."
            }
            None => "It was switched off by hand, and tells nobody.",
        }),
        can_test: view.kind != ChannelKind::Callback,
    }
}

fn told_of(view: &ChannelView) -> String {
    let events = match (view.events.is_empty(), view.kind) {
        (false, _) => view.events.join(", "),
        (true, ChannelKind::Webhook) => "every event".to_owned(),
        (true, ChannelKind::Callback) => "every event about the request that names the URL".to_owned(),
        (true, kind) if kind.tells_ends() => "what is asked, and how it ended".to_owned(),
        (true, _) => "what is asked".to_owned(),
    };
    if view.named_only {
        format!("{events}; only where a policy names it, or it reaches who must decide")
    } else {
        events
    }
}

/// Its settings: label and values. Of secrets only that they are set.
pub fn pairs(view: &ChannelView) -> Vec<(String, Vec<Inert>)> {
    let text = |value: &Value| match value {
        Value::String(text) => Inert::all(text),
        other => Inert::all(&other.to_string()),
    };
    let known = fields(view.kind);
    let mut pairs: Vec<(String, Vec<Inert>)> = Vec::new();
    for (name, value) in view.settings.as_object().into_iter().flatten() {
        let label = known.iter().find(|field| field.name == name);
        let label = label.map_or_else(|| name.replace('_', " "), |field| field.label.to_owned());
        let values = match value {
            Value::Array(values) => values.iter().map(text).collect(),
            one => vec![text(one)],
        };
        if !values.is_empty() {
            pairs.push((label, values));
        }
    }
    if !view.kind.is_for_programs() {
        let window = match view.window {
            Micros(0) => "not at all: each message goes at once".to_owned(),
            window => format!("{window} between two messages to one person or conversation"),
        };
        pairs.push(("Gathered".to_owned(), vec![Inert::all(&window)]));
    }
    if view.kind == ChannelKind::Slack {
        for (label, what) in [("Interactions", "interactions"), ("Command /signoff", "commands")] {
            let url = format!("{}/slack/{}/{what}", view.public_url, view.id);
            pairs.push((label.to_owned(), vec![Inert::all(&url)]));
        }
    }
    pairs
}

/// One message.
pub fn delivery(view: &DeliveryView, is_off: bool, now: Timestamp) -> DeliveryLine {
    let (word, tone) = approval::delivery(view.state);
    let came_back = match (view.last_status, &view.last_error) {
        (Some(status), Some(error)) if !error.contains(&status.to_string()) => {
            Some(format!("{error} ({status})"))
        }
        (_, Some(error)) => Some(error.clone()),
        (Some(status), None) => Some(format!("answered {status}")),
        (None, None) => None,
    };
    let ended = matches!(view.state, DeliveryState::Delivered | DeliveryState::Failed);
    let to = view.recipient.as_ref().map(|person| person.name.as_str());
    DeliveryLine {
        seq: view.seq,
        event: Inert::all(&view.kind),
        subject: Inert::all(&view.subject),
        subject_href: approval_of(&view.kind, &view.subject),
        to: Inert::all(to.unwrap_or("the channel itself")),
        together: view.together,
        word,
        tone,
        tries: match view.attempts {
            1 => "one try".to_owned(),
            tries => format!("{tries} tries"),
        },
        came_back: came_back.as_deref().map(Inert::all),
        at: moment(view.ended_at.unwrap_or(view.created_at), now),
        next: view.next_at.filter(|_| !ended).map(|at| moment(at, now)),
        can_resend: ended && !is_off,
    }
}

/// The page of the approval that an event is about.
fn approval_of(kind: &str, subject: &str) -> Option<String> {
    let id = subject.parse::<ApprovalId>();
    let id = id.or_else(|_| subject.parse::<ActionId>().map(ActionId::approval));
    kind.starts_with("approval.")
        .then_some(id.ok())?
        .map(|id| format!("/approvals/{id}"))
}

/// What came of a test.
pub fn tested(tested: &Tested) -> TestShown {
    TestShown {
        arrived: tested.delivered,
        to: Inert::all(&tested.to),
        detail: Inert::all(&tested.detail),
    }
}

/// A fault of a channel in words: what it is about, and why.
pub fn fault(kind: ChannelKind, pointer: &str, why: &str) -> Inert {
    let label = |part: &str| match part {
        "name" => Some("Name"),
        "events" => Some("Events"),
        "window" => Some("Time between messages"),
        _ => {
            let mut known: Vec<ChannelField> = fields(kind);
            known.retain(|field| field.name == part);
            known.first().map(|field| field.label)
        }
    };
    match pointer.split('/').find_map(label) {
        Some(label) => Inert::all(&format!("{label}: {why}")),
        None => Inert::all(why),
    }
}

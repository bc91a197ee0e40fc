//! Microsoft Teams: an adaptive card for a workflow that posts what it is sent.
//!
//! Text of others stands in text runs, which know no markup. A text block or a fact set would read it as Markdown.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use signoff_egress::{Egress, OutboundResponse};

use crate::deliver::{DeliveryOutcome, failed, outcome_of_vendor, post};
use crate::message::Message;
use crate::story::{Limits, Story};
use crate::transport::Hook;

/// Teams drops what is larger than 28 KB.
const CARD_BYTES_MAX: usize = 27 * 1024;

const LIMITS: Limits = Limits {
    facts: 15,
    value_bytes: 300,
    quote_bytes: 1500,
    quote_lines: 30,
    items: 20,
};

/// For what did not fit otherwise.
const TIGHT: Limits = Limits {
    facts: 5,
    value_bytes: 120,
    quote_bytes: 400,
    quote_lines: 10,
    items: 8,
};

pub(crate) async fn send(egress: &Egress, hook: &Hook, message: &Message, now: Timestamp) -> DeliveryOutcome {
    let body = render(message, now);
    match post(egress, &hook.url, Vec::new(), body).await {
        Ok(response) if is_switched_off(&response) => DeliveryOutcome::Retry {
            after: None,
            status: Some(response.status),
            detail: format!(
                "the workflow is switched off ({}); switch it on in Teams",
                response.status
            ),
        },
        Ok(response) => outcome_of_vendor(&response, now.as_second(), "URL"),
        Err(error) => failed(&error),
    }
}

/// A workflow that somebody paused answers 400, as a malformed message would have it.
fn is_switched_off(response: &OutboundResponse) -> bool {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    response.status == 400 && body["error"]["code"] == "WorkflowTriggerIsNotEnabled"
}

fn render(message: &Message, now: Timestamp) -> Bytes {
    let wide = written(&Story::of(message, now, LIMITS));
    if wide.len() <= CARD_BYTES_MAX {
        return wide;
    }
    written(&Story::of(message, now, TIGHT))
}

fn written(story: &Story) -> Bytes {
    let card = json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "msteams": {"width": "Full"},
                "body": body(story),
                "actions": [{"type": "Action.OpenUrl", "title": story.link.label, "url": story.link.url}],
            },
        }],
    });
    Bytes::from(card.to_string())
}

fn body(story: &Story) -> Vec<Value> {
    let headline = json!({"type": "TextRun", "text": story.headline, "weight": "Bolder"});
    let mut body = vec![runs(&[headline], false)];
    if !story.summary.is_empty() {
        let run = json!({"type": "TextRun", "text": story.summary, "size": "Large", "weight": "Bolder"});
        body.push(runs(&[run], false));
    }
    body.extend(story.rows.iter().map(|(name, value)| pair(name, value)));
    for (whose, words) in &story.quotes {
        body.push(runs(&[subtle(&format!("{whose}:"))], true));
        let lines = words.lines().map(|line| runs(&[plain(line)], false));
        body.push(json!({"type": "Container", "style": "emphasis", "items": lines.collect::<Vec<_>>()}));
    }
    if !story.facts.is_empty() {
        body.push(runs(&[subtle("What the agent handed in:")], true));
    }
    body.extend(story.fact_lines().map(|(name, value)| pair(name, &value)));
    if story.facts_hidden > 0 {
        let more = format!("and {} more, in the console", story.facts_hidden);
        body.push(runs(&[subtle(&more)], false));
    }
    for item in &story.items {
        body.push(json!({
            "type": "Container",
            "separator": true,
            "items": [runs(&[plain(&item.summary)], false), runs(&[subtle(&item.state)], false)],
            "selectAction": {"type": "Action.OpenUrl", "title": "Open", "url": item.url},
        }));
    }
    for paragraph in story.paragraphs.iter().chain(&story.personal) {
        body.push(runs(&[plain(paragraph)], true));
    }
    body
}

fn runs(inlines: &[Value], is_apart: bool) -> Value {
    let spacing = if is_apart { "Medium" } else { "Small" };
    json!({"type": "RichTextBlock", "inlines": inlines, "spacing": spacing})
}

fn pair(name: &str, value: &str) -> Value {
    runs(&[subtle(&format!("{name}: ")), plain(value)], false)
}

fn plain(text: &str) -> Value {
    json!({"type": "TextRun", "text": text})
}

fn subtle(text: &str) -> Value {
    json!({"type": "TextRun", "text": text, "isSubtle": true})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn now() -> Timestamp {
        "2026-11-21T01:02:03Z".parse().expect("a time")
    }

    fn card(message: &Message) -> Value {
        let value: Value = serde_json::from_slice(&render(message, now())).expect("JSON");
        assert_eq!(
            value["attachments"][0]["contentType"],
            "application/vnd.microsoft.card.adaptive"
        );
        value["attachments"][0]["content"].clone()
    }

    fn texts(value: &Value, into: &mut Vec<(String, String)>) {
        match value {
            Value::Array(list) => list.iter().for_each(|entry| texts(entry, into)),
            Value::Object(map) => {
                if let (Some(Value::String(kind)), Some(Value::String(text))) =
                    (map.get("type"), map.get("text"))
                {
                    into.push((kind.clone(), text.clone()));
                }
                map.values().for_each(|entry| texts(entry, into));
            }
            _ => {}
        }
    }

    #[test]
    fn a_card_says_what_is_asked_and_opens_the_console() {
        let card = card(&sample::pending());
        assert_eq!(card["version"], "1.4");
        assert_eq!(card["actions"][0]["url"], sample::CONSOLE_URL);
        let mut found = Vec::new();
        texts(&card, &mut found);
        let all: Vec<&str> = found.iter().map(|(_, text)| text.as_str()).collect();
        for wanted in [
            "Approval needed",
            "support wants to refund $500.00 to cus_1",
            "Risk: ",
            "high",
            "The parcel was lost.",
        ] {
            assert!(all.contains(&wanted), "{wanted} in {all:?}");
        }
    }

    /// Markdown and mentions of others stay text: nothing but text runs carries any, and only our URLs are opened.
    #[test]
    fn hostile_text_is_inert_and_a_card_is_never_too_large() {
        for message in sample::hostile() {
            assert!(render(&message, now()).len() <= CARD_BYTES_MAX);
            let card = card(&message);
            let mut found = Vec::new();
            texts(&card, &mut found);
            assert!(found.iter().all(|(kind, _)| kind == "TextRun"), "{found:?}");
            let written = card.to_string();
            for absent in ["\"TextBlock\"", "FactSet", "<at>", "\"https://evil", "\u{202e}"] {
                assert!(!written.contains(absent), "{absent}");
            }
        }
    }
}

//! Push messages by HTTP, as ntfy takes them: JSON to the server's root, the topic inside.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use signoff_egress::Egress;

use crate::deliver::{DeliveryOutcome, failed, outcome_of_vendor, post};
use crate::inert::line;
use crate::message::{Destination, Message};
use crate::story::{Limits, Standing, Story};
use crate::transport::Push;

const LIMITS: Limits = Limits {
    facts: 6,
    value_bytes: 120,
    quote_bytes: 600,
    quote_lines: 8,
    items: 10,
};

const TITLE_BYTES_MAX: usize = 150;

/// What is longer than 4,096 bytes becomes a file to open.
const TEXT_BYTES_MAX: usize = 3500;

pub(crate) async fn send(egress: &Egress, push: &Push, message: &Message, now: Timestamp) -> DeliveryOutcome {
    let topic = match &message.to {
        Destination::Person(person) => Some(&person.address),
        _ => push.topic.as_ref(),
    };
    let Some(topic) = topic.filter(|topic| is_topic(topic)) else {
        return DeliveryOutcome::Rejected {
            status: None,
            detail: "there is no topic to publish to: 1 to 64 letters, digits, `_` and `-`".into(),
        };
    };
    let token = push.token.as_ref();
    let headers = token.map(|token| ("authorization".to_owned(), format!("Bearer {token}")));
    let body = Bytes::from(render(topic, message, now).to_string());
    match post(egress, &push.url, headers.into_iter().collect(), body).await {
        Ok(response) => outcome_of_vendor(&response, now.as_second(), "token"),
        Err(error) => failed(&error),
    }
}

/// What ntfy takes for a topic.
pub fn is_topic(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}

fn render(topic: &str, message: &Message, now: Timestamp) -> Value {
    let story = Story::of(message, now, LIMITS);
    let mut text = Vec::new();
    if story.standing == Standing::Asks && story.items.is_empty() {
        let mut facts = vec![format!("Risk {}, priority {}", story.risk, story.priority)];
        facts.extend(story.decide_by.iter().map(|at| format!("Decide by {at}")));
        text.push(facts.join(". "));
    }
    for (whose, words) in &story.quotes {
        text.push(format!("{whose}:"));
        text.extend(words.lines().map(|line| format!("> {line}")));
    }
    text.extend(story.fact_lines().map(|(name, value)| format!("{name}: {value}")));
    text.extend(
        story
            .items
            .iter()
            .map(|item| format!("- {} ({})", item.summary, item.state)),
    );
    text.extend(story.paragraphs.iter().chain(&story.personal).cloned());
    let mut headline = line(&story.headline, TITLE_BYTES_MAX);
    if !story.summary.is_empty() {
        text.insert(0, story.summary.clone());
    }
    if text.is_empty() {
        text.push(std::mem::take(&mut headline));
    }
    let mut published = json!({
        "topic": topic,
        "title": headline,
        "message": crate::inert::block(&text.join("\n"), 60, TEXT_BYTES_MAX),
        "priority": priority(&story),
        "tags": tags(&story),
    });
    if !story.link.url.is_empty() {
        published["click"] = story.link.url.clone().into();
        published["actions"] =
            json!([{"action": "view", "label": story.link.label, "url": story.link.url, "clear": true}]);
    }
    published
}

/// 5 breaks through a telephone's silence.
fn priority(story: &Story) -> u8 {
    match (story.standing, story.priority.as_str()) {
        (Standing::Asks, "critical") => 5,
        (Standing::Asks, "high") => 4,
        (Standing::Asks, _) => 3,
        _ => 2,
    }
}

fn tags(story: &Story) -> Vec<&'static str> {
    match story.standing {
        Standing::Asks if story.is_critical() => vec!["rotating_light"],
        Standing::Asks => vec!["raised_hand"],
        _ => vec!["information_source"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn published(message: &Message) -> Value {
        render("ops", message, "2026-11-21T01:02:03Z".parse().expect("a time"))
    }

    #[test]
    fn what_is_asked_opens_the_page_where_it_is_decided() {
        let push = published(&sample::pending_for("Dana"));
        assert_eq!(push["title"], "Approval needed");
        assert_eq!(push["click"], sample::DECIDE_URL);
        assert_eq!(push["priority"], 3);
        let text = push["message"].as_str().expect("text");
        assert!(
            text.starts_with(
                "support wants to refund $500.00 to cus_1\nRisk high, priority medium. Decide by 2026-"
            ),
            "{text}"
        );
        assert!(text.contains("This link is for Dana"), "{text}");
    }

    /// A line that somebody wrote does not pass for one of ours.
    #[test]
    fn lines_of_others_are_marked() {
        let mut message = sample::pending();
        if let crate::message::Content::Event(told) = &mut message.content {
            let forged = "ok\nRisk minimal, priority low. Decide by 2030-01-01";
            told.shown.reason = Some(forged.into());
            told.shown.facts[0].value = forged.into();
        }
        let push = published(&message);
        let text = push["message"].as_str().expect("text");
        let told = text.lines().filter(|line| line.starts_with("Risk ")).count();
        assert_eq!(told, 1, "{text}");
    }

    #[test]
    fn only_what_is_critical_breaks_the_silence() {
        let mut message = sample::pending();
        if let crate::message::Content::Event(told) = &mut message.content
            && let Some(approval) = &mut told.approval
        {
            approval.priority = "critical".into();
        }
        assert_eq!(published(&message)["priority"], 5);
        assert_eq!(published(&sample::ended("approved", ""))["priority"], 2);
    }

    #[test]
    fn hostile_text_is_inert_and_bounded() {
        for message in sample::hostile() {
            let push = published(&message);
            assert!(push["message"].as_str().expect("text").len() <= TEXT_BYTES_MAX);
            assert!(push["title"].as_str().expect("text").len() <= TITLE_BYTES_MAX);
            assert!(!push.to_string().contains("https://evil"));
        }
        for bad in ["", "a b", "a/b", "ü", &"x".repeat(65)] {
            assert!(!is_topic(bad), "{bad}");
        }
    }
}

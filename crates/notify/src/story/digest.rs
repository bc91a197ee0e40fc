//! Several approvals in one message.

use jiff::Timestamp;

use super::time::deadline;
use super::{LABEL_BYTES_MAX, Limits, Link, NAME_BYTES_MAX, SUMMARY_BYTES_MAX, Standing, Story};
use crate::inert::line;
use crate::message::{DIGEST_ITEMS_MAX, Destination, Digest, DigestItem, Message};

/// One approval of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// The sentence.
    pub(crate) summary: String,
    /// How it stands, in a few words.
    pub(crate) state: String,
    /// Where it is decided or looked at.
    pub(crate) url: String,
}

pub(super) fn story(message: &Message, digest: &Digest, now: Timestamp, limits: Limits) -> Story {
    let link = Link {
        label: "Open the inbox",
        url: digest.inbox_url.clone(),
    };
    let mut story = Story::empty(headline(digest), link);
    let count = limits.items.min(DIGEST_ITEMS_MAX);
    story.items = digest
        .items
        .iter()
        .take(count)
        .map(|told| item(told, now))
        .collect();
    let hidden = digest.count.saturating_sub(story.items.len());
    if hidden > 0 && !story.items.is_empty() {
        story.paragraphs = vec![format!("And {hidden} more, in the inbox.")];
    }
    if digest.pending > 0 {
        story.standing = Standing::Asks;
    }
    if let (Destination::Person(person), true) = (&message.to, digest.pending > 0) {
        let name = line(&person.name, NAME_BYTES_MAX);
        story.personal = Some(format!(
            "The links in this message are for {name}. Do not pass them on."
        ));
    }
    story.workspace = line(&digest.workspace.name, NAME_BYTES_MAX);
    story.risk = highest(digest, |item| &item.risk);
    story.priority = highest(digest, |item| &item.priority);
    story
}

fn headline(digest: &Digest) -> String {
    let approvals = |count: usize| match count {
        1 => "1 approval".to_owned(),
        count => format!("{count} approvals"),
    };
    match (digest.count, digest.pending) {
        (count, 0) => format!("News of {}; none waits for a decision", approvals(count)),
        (1, 1) => "1 approval waits for a decision".to_owned(),
        (count, pending) if count == pending => format!("{} wait for a decision", approvals(count)),
        (count, pending) => {
            let wait = if pending == 1 {
                "1 waits"
            } else {
                &format!("{pending} wait")
            };
            format!("News of {}; {wait} for a decision", approvals(count))
        }
    }
}

fn item(item: &DigestItem, now: Timestamp) -> Item {
    let label = |text: &str| line(text, LABEL_BYTES_MAX);
    let state = match (item.status.as_str(), &item.decided_by) {
        ("pending", _) => {
            let until = item.decide_by.as_deref().map(|at| deadline(at, now));
            let until = until.map_or_else(String::new, |until| format!(", by {until}"));
            format!(
                "{} risk, {} priority{until}",
                label(&item.risk),
                label(&item.priority)
            )
        }
        (status, Some(name)) => format!("{} by {}", label(status), line(name, NAME_BYTES_MAX)),
        (status, None) => label(status),
    };
    Item {
        summary: line(&item.summary, SUMMARY_BYTES_MAX / 2),
        state,
        url: item.url.clone(),
    }
}

/// The highest word among what is pending; risk and priority share their upper ones.
fn highest(digest: &Digest, word: impl Fn(&DigestItem) -> &String) -> String {
    const ORDER: [&str; 5] = ["minimal", "low", "medium", "high", "critical"];
    let pending = digest.items.iter().filter(|item| item.status == "pending");
    let ranks = pending.filter_map(|item| ORDER.iter().position(|known| known == word(item)));
    ranks.max().map(|rank| ORDER[rank].to_owned()).unwrap_or_default()
}

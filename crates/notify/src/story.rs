//! What a message says to a person, in words and before any format: every kind for people renders this one.
//!
//! All text in it that others wrote went through [`inert`](crate::inert); the only URLs are Signoff's own.

use jiff::Timestamp;

use crate::inert::{block, line};
use crate::message::{Content, Destination, Message, Notice};
use crate::told::{Told, ToldApproval, ToldExecution};

mod digest;
mod time;
mod words;

pub(crate) use digest::Item;
use time::{deadline, moment};
pub(crate) use words::{Standing, headline, standing};

/// How much a format bears.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Facts; how many more there are is said.
    pub(crate) facts: usize,
    /// Bytes of a fact's value.
    pub(crate) value_bytes: usize,
    /// Bytes of what somebody wrote in sentences.
    pub(crate) quote_bytes: usize,
    /// Lines of it.
    pub(crate) quote_lines: usize,
    /// Entries of a digest.
    pub(crate) items: usize,
}

/// Bytes of the sentence at the head.
const SUMMARY_BYTES_MAX: usize = 600;
const LABEL_BYTES_MAX: usize = 100;
const NAME_BYTES_MAX: usize = 120;

/// What is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Story {
    /// Whether somebody is needed.
    pub(crate) standing: Standing,
    /// What happened, such as "Approval needed" or "Dana denied it".
    pub(crate) headline: String,
    /// The sentence that says what it is about; empty for a digest.
    pub(crate) summary: String,
    /// Paragraphs of Signoff's own.
    pub(crate) paragraphs: Vec<String>,
    /// What Signoff knows, each under its name.
    pub(crate) rows: Vec<(&'static str, String)>,
    /// What the agent handed in, each under its name.
    pub(crate) facts: Vec<(String, String)>,
    /// How many facts are not among them.
    pub(crate) facts_hidden: usize,
    /// What somebody wrote in sentences, under whose words it is.
    pub(crate) quotes: Vec<(String, String)>,
    /// The entries of a digest.
    pub(crate) items: Vec<Item>,
    /// Where it is decided or looked at.
    pub(crate) link: Link,
    /// Whose link it is, where deciding with it counts as somebody.
    pub(crate) personal: Option<String>,
    /// As in [`ToldApproval`]; empty where it is about none.
    pub(crate) risk: String,
    /// As in [`ToldApproval`]; the highest of a digest.
    pub(crate) priority: String,
    /// Until when, as a person reads it.
    pub(crate) decide_by: Option<String>,
    /// The workspace's name; empty for a notice.
    pub(crate) workspace: String,
}

/// A link of Signoff's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    /// What it does.
    pub(crate) label: &'static str,
    /// Where to.
    pub(crate) url: String,
}

impl Story {
    /// What this message says, read at this time.
    pub(crate) fn of(message: &Message, now: Timestamp, limits: Limits) -> Self {
        match &message.content {
            Content::Event(told) => of_event(message, told, now, limits),
            Content::Digest(content) => digest::story(message, content, now, limits),
            Content::Notice(notice) => of_notice(notice, limits),
        }
    }

    /// The facts in one line each, for places where a second line would pass for another fact.
    pub(crate) fn fact_lines(&self) -> impl Iterator<Item = (&str, String)> {
        let folded = |value: &String| value.replace('\n', " ⏎ ");
        self.facts
            .iter()
            .map(move |(name, value)| (name.as_str(), folded(value)))
    }

    /// Headline and sentence in one line.
    pub(crate) fn title(&self, max_bytes: usize) -> String {
        if self.summary.is_empty() {
            return line(&self.headline, max_bytes);
        }
        line(&format!("{}: {}", self.headline, self.summary), max_bytes)
    }

    /// Whether it is one that may wake somebody.
    pub(crate) fn is_critical(&self) -> bool {
        self.standing == Standing::Asks && self.priority == "critical"
    }

    fn empty(headline: String, link: Link) -> Self {
        Self {
            standing: Standing::News,
            headline,
            summary: String::new(),
            paragraphs: Vec::new(),
            rows: Vec::new(),
            facts: Vec::new(),
            facts_hidden: 0,
            quotes: Vec::new(),
            items: Vec::new(),
            link,
            personal: None,
            risk: String::new(),
            priority: String::new(),
            decide_by: None,
            workspace: String::new(),
        }
    }
}

fn of_notice(notice: &Notice, limits: Limits) -> Story {
    let link = Link {
        label: "Open in the console",
        url: notice.url.clone(),
    };
    let mut story = Story::empty(line(&notice.title, SUMMARY_BYTES_MAX), link);
    story.paragraphs = vec![block(&notice.text, limits.quote_lines, limits.quote_bytes)];
    story
}

fn of_event(message: &Message, told: &Told, now: Timestamp, limits: Limits) -> Story {
    let standing = standing(told);
    let link = link(message, told, standing);
    let personal = (link.label == DECIDE).then(|| personal(message)).flatten();
    let mut story = Story::empty(line(&headline(told), SUMMARY_BYTES_MAX), link);
    story.standing = standing;
    story.personal = personal;
    story.workspace = line(&told.workspace.name, NAME_BYTES_MAX);
    if let Some(approval) = &told.approval {
        add_approval(&mut story, approval, told, now, limits);
    }
    if let Some(execution) = &told.execution {
        add_execution(&mut story, execution, told.approval.is_none());
    }
    if standing == Standing::Asks {
        add_shown(&mut story, told, limits);
    }
    story
}

const DECIDE: &str = "Review and decide";

/// A personal link goes to its person alone; everywhere else the console asks who it is.
fn link(message: &Message, told: &Told, standing: Standing) -> Link {
    let personal = told.shown.decide_url.as_ref();
    let personal = personal.filter(|_| matches!(message.to, Destination::Person(_)));
    if let (Some(url), Standing::Asks) = (personal, standing) {
        return Link {
            label: DECIDE,
            url: url.clone(),
        };
    }
    let url = told.approval.as_ref().map(|approval| approval.url.clone());
    Link {
        label: "Open in the console",
        url: url.unwrap_or_default(),
    }
}

fn personal(message: &Message) -> Option<String> {
    let Destination::Person(person) = &message.to else {
        return None;
    };
    let name = line(&person.name, NAME_BYTES_MAX);
    Some(format!(
        "This link is for {name}; it counts as you. Do not pass it on."
    ))
}

fn add_approval(story: &mut Story, approval: &ToldApproval, told: &Told, now: Timestamp, limits: Limits) {
    story.summary = line(&approval.summary, SUMMARY_BYTES_MAX);
    story.risk = line(&approval.risk, LABEL_BYTES_MAX);
    story.priority = line(&approval.priority, LABEL_BYTES_MAX);
    if story.standing == Standing::Asks {
        story.decide_by = approval.decide_by.as_deref().map(|at| deadline(at, now));
        let no_end = || "no deadline".to_owned();
        story.rows.push(("Risk", story.risk.clone()));
        story.rows.push(("Priority", story.priority.clone()));
        story
            .rows
            .push(("Decide by", story.decide_by.clone().unwrap_or_else(no_end)));
    } else if let (Some(at), Standing::Over) = (&approval.decided_at, story.standing) {
        story.rows.push(("When", moment(at)));
    }
    story
        .rows
        .push(("Agent", line(&approval.agent.name, NAME_BYTES_MAX)));
    story
        .rows
        .push(("Action", line(&approval.action, SUMMARY_BYTES_MAX)));
    story
        .rows
        .push(("Workspace", line(&told.workspace.name, NAME_BYTES_MAX)));
    let mut quote = |whose: String, text: Option<&String>| {
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
            return;
        };
        let text = block(text, limits.quote_lines, limits.quote_bytes);
        story.quotes.push((line(&whose, SUMMARY_BYTES_MAX), text));
    };
    quote("The question".into(), approval.question.as_ref());
    if story.standing == Standing::Over {
        let decider = words::decider(approval.decided_by.as_ref());
        quote(
            format!("Reason given by {decider}"),
            approval.decision_reason.as_ref(),
        );
    }
}

fn add_execution(story: &mut Story, execution: &ToldExecution, alone: bool) {
    story
        .rows
        .push(("Execution", line(&execution.id, LABEL_BYTES_MAX)));
    story
        .rows
        .push(("State", line(&execution.state, LABEL_BYTES_MAX)));
    if let Some(status) = execution.http_status {
        story.rows.push(("Answer", format!("HTTP {status}")));
    }
    if alone {
        // Policy let it through, so there is no approval to look at.
        story.paragraphs = vec!["Policy allowed it; nobody was asked.".to_owned()];
    }
}

fn add_shown(story: &mut Story, told: &Told, limits: Limits) {
    let shown = &told.shown;
    if let Some(cost) = &shown.cost {
        story.rows.insert(0, ("Cost", line(cost, LABEL_BYTES_MAX)));
    }
    let inert = shown.facts.iter().take(limits.facts).map(|fact| {
        let value = block(&fact.value, limits.quote_lines.min(8), limits.value_bytes);
        (line(&fact.label, LABEL_BYTES_MAX), value)
    });
    story.facts = inert.collect();
    story.facts_hidden = shown.facts_hidden + shown.facts.len() - story.facts.len();
    let reason = shown.reason.as_ref().filter(|reason| !reason.trim().is_empty());
    if let (Some(reason), Some(approval)) = (reason, &told.approval) {
        let whose = format!("In {}'s own words", line(&approval.agent.name, NAME_BYTES_MAX));
        let text = block(reason, limits.quote_lines, limits.quote_bytes);
        story.quotes.push((whose, text));
    }
}

#[cfg(test)]
mod tests;

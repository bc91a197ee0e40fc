//! What a message looks like at Slack.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::blocks::{
    BLOCKS_MAX, FIELD_BYTES_MAX, FIELDS_MAX, SECTION_BYTES_MAX, actions, button, context, escaped, fields,
    link, markup, plain, section,
};
use super::inbound::button_value;
use super::{Choice, OPEN_ID};
use crate::inert;
use crate::message::{Content, Destination, Digest, DigestItem, Message, Notice};
use crate::story::{Standing, headline, standing};
use crate::told::{Fact, Shown, Told, ToldApproval};

/// The longest sentence at the head, name of a fact and value of one.
const SENTENCE_BYTES_MAX: usize = 1_500;
const LABEL_BYTES_MAX: usize = 120;
const VALUE_BYTES_MAX: usize = 600;
/// How much room all facts have together: Slack's answer repeats the message, and is kept only so far.
const FACTS_BYTES_MAX: usize = 7_000;
const REASON_LINES_MAX: usize = 20;
const REASON_BYTES_MAX: usize = 2_400;
/// What stands where text was cut, here or before.
const CUT_MARK: &str = " more bytes";

/// A message, without where it goes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rendered {
    /// For phones and screen readers, escaped.
    text: String,
    blocks: Vec<Value>,
}

impl Rendered {
    fn new(text: &str, mut blocks: Vec<Value>) -> Self {
        blocks.truncate(BLOCKS_MAX);
        Self {
            text: escaped(text),
            blocks,
        }
    }

    /// The fields of `chat.postMessage`, `chat.update` and of an incoming webhook.
    pub(super) fn body(&self) -> Value {
        json!({
            "text": self.text, "blocks": self.blocks, "mrkdwn": false, "parse": "none", "link_names": false,
            "unfurl_links": false, "unfurl_media": false
        })
    }
}

/// The whole message; buttons that decide only where the channel can take them, and the message is told they may be.
pub(super) fn whole(message: &Message, takes_buttons: bool) -> Rendered {
    match &message.content {
        Content::Event(told) => match &told.approval {
            Some(approval) => {
                // A personal link goes to its person alone.
                let is_personal = matches!(message.to, Destination::Person(_));
                let personal = told.shown.decide_url.as_deref().filter(|_| is_personal);
                of_approval(told, approval, takes_buttons, personal)
            }
            None => brief(message),
        },
        Content::Digest(digest) => of_digest(digest),
        Content::Notice(notice) => of_notice(notice),
    }
}

/// A few words for beside the message that is there already.
pub(super) fn brief(message: &Message) -> Rendered {
    let Content::Event(told) = &message.content else {
        return whole(message, false);
    };
    let text = news(told);
    let mut blocks = vec![section(&text)];
    if let Some(approval) = &told.approval {
        blocks.push(actions(&[link(OPEN_ID, "Open", &approval.url)]));
    }
    Rendered::new(&text, blocks)
}

fn of_approval(
    told: &Told,
    approval: &ToldApproval,
    takes_buttons: bool,
    personal: Option<&str>,
) -> Rendered {
    let sentence = inert::line(&approval.summary, SENTENCE_BYTES_MAX);
    let (facts, mut hides) = of_facts(&told.shown.facts);
    hides |= told.shown.facts_hidden > 0 || sentence.contains(CUT_MARK);
    let mut blocks = vec![section(&sentence), fields(&headings(approval, &told.shown))];
    blocks.extend(facts);
    if told.shown.facts_hidden > 0 {
        blocks.push(context(&format!("{} more in Signoff", told.shown.facts_hidden)));
    }
    if let Some(reason) = &told.shown.reason {
        let quoted = quoted(reason);
        hides |= quoted.contains(CUT_MARK);
        if !quoted.is_empty() {
            blocks.push(section(&format!("In the agent's words:\n{quoted}")));
        }
    }
    let open = is_open(&approval.status);
    let text = if open {
        format!("{} · {sentence}", headline(told))
    } else {
        let outcome = outcome(told, approval);
        blocks.push(section(&outcome));
        format!("{outcome} · {sentence}")
    };
    let mut all = deciding(told, approval, open && takes_buttons, hides);
    let url = personal.filter(|_| open).unwrap_or(&approval.url);
    all.push(link(OPEN_ID, "Open", url));
    blocks.push(actions(&all));
    blocks.push(context(&format!(
        "Signoff · {} · {}",
        inert::line(&told.workspace.name, LABEL_BYTES_MAX),
        approval.id
    )));
    Rendered::new(&inert::line(&text, SENTENCE_BYTES_MAX), blocks)
}

fn is_open(status: &str) -> bool {
    matches!(status, "pending" | "info_requested")
}

fn deciding(told: &Told, approval: &ToldApproval, may: bool, hides: bool) -> Vec<Value> {
    let mut buttons = Vec::new();
    if may && told.shown.may_decide {
        let value = button_value(&approval.id, &told.shown.digest);
        // Nobody approves with one press what the message does not show whole.
        if !hides {
            buttons.push(button(Choice::Approve.id(), "Approve", &value, Some("primary")));
        }
        buttons.push(button(Choice::Deny.id(), "Deny", &value, Some("danger")));
        buttons.push(button(Choice::Ask.id(), "Ask a question", &value, None));
    }
    buttons
}

/// Names and values, each with its name above it.
fn headings(approval: &ToldApproval, shown: &Shown) -> Vec<Value> {
    let field =
        |label: &str, value: &str| plain(&format!("{label}\n{}", inert::line(value, FIELD_BYTES_MAX)));
    let mut all = vec![
        field("Agent", &approval.agent.name),
        field("Action", &approval.action),
        field("Risk", &approval.risk),
        field("Priority", &approval.priority),
    ];
    if let Some(cost) = &shown.cost {
        all.push(field("Cost", cost));
    }
    if let Some(decide_by) = &approval.decide_by
        && is_open(&approval.status)
    {
        all.push(deadline(decide_by));
    }
    all.truncate(FIELDS_MAX);
    all
}

/// The reader's own time, as Slack shows it; whoever can't show it shows it as written.
fn deadline(decide_by: &str) -> Value {
    match decide_by.parse::<Timestamp>() {
        Ok(at) => markup(&format!(
            "Decide by\n<!date^{}^{{date_short_pretty}} {{time}}|{}>",
            at.as_second(),
            at.strftime("%Y-%m-%d %H:%M UTC")
        )),
        Err(_) => plain(&format!("Decide by\n{}", inert::line(decide_by, LABEL_BYTES_MAX))),
    }
}

/// Facts, one line each, and whether any of them is not shown whole.
fn of_facts(facts: &[Fact]) -> (Vec<Value>, bool) {
    let (mut texts, mut text, mut room) = (Vec::new(), String::new(), FACTS_BYTES_MAX);
    let (mut hides, mut shown) = (false, 0);
    for fact in facts {
        let label = inert::line(&fact.label, LABEL_BYTES_MAX);
        let value = inert::line(&fact.value, VALUE_BYTES_MAX);
        hides |= label.contains(CUT_MARK) || value.contains(CUT_MARK) || fact.value.contains(CUT_MARK);
        let line = format!("{label}: {value}\n");
        if line.len() > room {
            break;
        }
        room -= line.len();
        shown += 1;
        if text.len() + line.len() > SECTION_BYTES_MAX {
            texts.push(std::mem::take(&mut text));
        }
        text.push_str(&line);
    }
    if !text.is_empty() {
        texts.push(text);
    }
    let mut blocks: Vec<Value> = texts.iter().map(|text| section(text.trim_end())).collect();
    if shown < facts.len() {
        hides = true;
        blocks.push(context(&format!("{} more in Signoff", facts.len() - shown)));
    }
    (blocks, hides)
}

/// Somebody's words, of which each line shows that it is theirs.
fn quoted(words: &str) -> String {
    let words = inert::block(words, REASON_LINES_MAX, REASON_BYTES_MAX);
    let lines: Vec<String> = words.lines().map(|line| format!("> {line}")).collect();
    lines.join("\n")
}

/// How it ended: who did what, and why.
fn outcome(told: &Told, approval: &ToldApproval) -> String {
    let mark = match approval.status.as_str() {
        "approved" | "answered" => "✅ ",
        "denied" => "⛔ ",
        "expired" => "⌛ ",
        _ => "",
    };
    let reason = approval.decision_reason.as_deref().unwrap_or_default();
    let reason = inert::line(reason, VALUE_BYTES_MAX);
    let done = headline(told);
    if reason.is_empty() {
        format!("{mark}{done}")
    } else {
        format!("{mark}{done} · {reason}")
    }
}

/// What happened, in a line or two.
fn news(told: &Told) -> String {
    let approval = told.approval.as_ref();
    if let Some(approval) = approval.filter(|approval| !is_open(&approval.status))
        && standing(told) == Standing::Over
    {
        return outcome(told, approval);
    }
    let question = approval.and_then(|approval| approval.question.as_deref());
    match question.map(quoted) {
        Some(question) if !question.is_empty() => format!("{}\n{question}", headline(told)),
        _ => headline(told),
    }
}

fn of_digest(digest: &Digest) -> Rendered {
    let text = format!(
        "{} requests in {}; {} wait for a decision",
        digest.count,
        inert::line(&digest.workspace.name, LABEL_BYTES_MAX),
        digest.pending
    );
    let mut blocks = vec![section(&text)];
    blocks.extend(
        digest
            .items
            .iter()
            .enumerate()
            .map(|(at, item)| of_item(at, item)),
    );
    let hidden = digest.count.saturating_sub(digest.items.len());
    if hidden > 0 {
        blocks.push(context(&format!("{hidden} more in the inbox")));
    }
    blocks.truncate(BLOCKS_MAX - 1);
    blocks.push(actions(&[link(OPEN_ID, "Open the inbox", &digest.inbox_url)]));
    Rendered::new(&text, blocks)
}

fn of_item(at: usize, item: &DigestItem) -> Value {
    let word = |text: &str| inert::line(text, LABEL_BYTES_MAX);
    let mut below = vec![
        word(&item.status),
        format!("risk {}", word(&item.risk)),
        format!("priority {}", word(&item.priority)),
    ];
    if let Some(by) = &item.decided_by {
        below.push(format!("by {}", word(by)));
    }
    let until = item.decide_by.as_deref().filter(|_| is_open(&item.status));
    if let Some(at) = until.and_then(|until| until.parse::<Timestamp>().ok()) {
        below.push(format!("until {}", at.strftime("%Y-%m-%d %H:%M UTC")));
    }
    let sentence = inert::line(&item.summary, VALUE_BYTES_MAX);
    let mut block = section(&format!("{sentence}\n{}", below.join(" · ")));
    if let Some(fields) = block.as_object_mut() {
        fields.insert(
            "accessory".into(),
            link(&format!("{OPEN_ID}_{at}"), "Open", &item.url),
        );
    }
    block
}

fn of_notice(notice: &Notice) -> Rendered {
    let title = inert::line(&notice.title, SENTENCE_BYTES_MAX);
    let text = inert::block(&notice.text, REASON_LINES_MAX, REASON_BYTES_MAX);
    let blocks = vec![
        section(&format!("{title}\n{text}")),
        actions(&[link(OPEN_ID, "Open", &notice.url)]),
    ];
    Rendered::new(&title, blocks)
}

#[cfg(test)]
mod tests;

//! What a mail looks like: headers that thread and that no robot answers, plain text, and HTML that loads nothing.
//!
//! The same message gives the same bytes on every attempt, but for the date and the time that is left.

use std::fmt::Write as _;

use askama::Template;
use jiff::Timestamp;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MultiPart, SinglePart};

use crate::inert::line;
use crate::message::{Content, Message};
use crate::story::{Limits, Standing, Story};

const LIMITS: Limits = Limits {
    facts: 30,
    value_bytes: 600,
    quote_bytes: 4000,
    quote_lines: 60,
    items: 20,
};

const SUBJECT_BYTES_MAX: usize = 200;

/// Between the parts. In quoted-printable no line holds it, so that no text can end its part.
const BOUNDARY: &str = "=_signoff";

/// Stands under every mail.
const FOOT: &str = "Replies to this mail are not read, and never count as a decision.";

/// A mail that is ready to be sent.
pub(super) struct Mail {
    /// With its angle brackets.
    pub(super) message_id: String,
    /// All of it.
    pub(super) bytes: Vec<u8>,
}

#[derive(Template)]
#[template(path = "email.html")]
struct Page<'a> {
    story: &'a Story,
    foot: &'a str,
}

/// None only where the library refuses a header, which none of those made here gives it a reason for.
pub(super) fn compose(from: &Mailbox, to: &[Mailbox], message: &Message, now: Timestamp) -> Option<Mail> {
    let story = Story::of(message, now, LIMITS);
    let domain = from.email.domain();
    let message_id = format!("<{}@{domain}>", token(&message.id));
    let mut builder = lettre::Message::builder()
        .from(from.clone())
        .subject(subject(message, &story))
        .date(now.into())
        .message_id(Some(message_id.clone()))
        .raw_header(header("Auto-Submitted", "auto-generated".into())?)
        .raw_header(header("X-Auto-Response-Suppress", "All".into())?);
    for mailbox in to {
        builder = builder.to(mailbox.clone());
    }
    if let Some(first) = message.thread.as_deref().filter(|id| is_message_id(id)) {
        builder = builder.in_reply_to(first.to_owned()).references(first.to_owned());
    }
    if let Some(list) = list_of(message) {
        builder = builder.raw_header(header("List-Id", format!("<{list}.signoff.{domain}>"))?);
    }
    if story.is_critical() {
        builder = builder.raw_header(header("Importance", "high".into())?);
    }
    let html = Page {
        story: &story,
        foot: FOOT,
    }
    .render()
    .ok()?;
    let parts = MultiPart::alternative()
        .boundary(BOUNDARY)
        .singlepart(part(ContentType::TEXT_PLAIN, text(&story))?)
        .singlepart(part(ContentType::TEXT_HTML, html)?);
    let bytes = builder.multipart(parts).ok()?.formatted();
    Some(Mail { message_id, bytes })
}

fn part(content_type: ContentType, text: String) -> Option<SinglePart> {
    let body = Body::new_with_encoding(text, ContentTransferEncoding::QuotedPrintable).ok()?;
    Some(SinglePart::builder().header(content_type).body(body))
}

fn header(name: &'static str, value: String) -> Option<HeaderValue> {
    let name = HeaderName::new_from_ascii(name.to_owned()).ok()?;
    Some(HeaderValue::new(name, value))
}

/// What of an id can stand in a `Message-ID`.
fn token(id: &str) -> String {
    let fits = |letter: char| {
        if letter.is_ascii_alphanumeric() || letter == '_' {
            letter
        } else {
            '-'
        }
    };
    id.chars().map(fits).take(160).collect()
}

fn is_message_id(text: &str) -> bool {
    let inner = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    inner.is_some_and(|inner| {
        inner.len() <= 400
            && inner.contains('@')
            && inner.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'<')
    })
}

fn list_of(message: &Message) -> Option<String> {
    match &message.content {
        Content::Event(told) => Some(token(&told.workspace.id)),
        Content::Digest(digest) => Some(token(&digest.workspace.id)),
        Content::Notice(_) => None,
    }
}

/// What belongs to a thread answers to its first subject: some readers put mails together by that alone.
fn subject(message: &Message, story: &Story) -> String {
    if message.thread.is_some() && !story.summary.is_empty() {
        return format!("Re: {}", first_subject(story));
    }
    match story.standing {
        Standing::Asks if !story.summary.is_empty() && story.headline.ends_with("pproval needed") => {
            first_subject(story)
        }
        _ => story.title(SUBJECT_BYTES_MAX),
    }
}

fn first_subject(story: &Story) -> String {
    let critical = if story.priority == "critical" {
        "Critical approval"
    } else {
        "Approval"
    };
    line(
        &format!("{critical} needed: {}", story.summary),
        SUBJECT_BYTES_MAX,
    )
}

fn text(story: &Story) -> String {
    let mut out = format!("{}\n", story.headline);
    let _ = writeln!(out, "{}\n", story.summary);
    for (name, value) in &story.rows {
        let _ = writeln!(out, "{name}: {value}");
    }
    for (whose, words) in &story.quotes {
        let _ = writeln!(out, "\n{whose}:\n{}", quoted(words));
    }
    if !story.facts.is_empty() {
        out.push_str("\nWhat the agent handed in:\n");
    }
    for (name, value) in &story.facts {
        let _ = writeln!(out, "  {name}: {}", value.replace('\n', "\n    "));
    }
    if story.facts_hidden > 0 {
        let _ = writeln!(out, "  and {} more, in the console", story.facts_hidden);
    }
    for item in &story.items {
        let _ = writeln!(out, "\n- {}\n  {}\n  {}", item.summary, item.state, item.url);
    }
    for paragraph in &story.paragraphs {
        let _ = writeln!(out, "\n{paragraph}");
    }
    let _ = writeln!(out, "\n{}:\n{}", story.link.label, story.link.url);
    if let Some(personal) = &story.personal {
        let _ = writeln!(out, "{personal}");
    }
    let _ = writeln!(out, "\n-- \n{FOOT}");
    out
}

/// Marked as others' words on every line, so that none of them passes for one of ours.
fn quoted(words: &str) -> String {
    words
        .lines()
        .map(|line| format!("> {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

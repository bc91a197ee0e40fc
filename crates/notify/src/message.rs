//! One message to one destination, in no wire format yet: each kind of channel renders it in its own.

use crate::told::{Told, ToldWorkspace};

/// Something to send, with everything that rendering needs: it looks nothing up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The same on every attempt. `evt_…` for programs; for people followed by what tells their copy from others'.
    pub id: String,
    /// Where exactly, within the channel.
    pub to: Destination,
    /// What it says.
    pub content: Content,
    /// What an earlier message about the same approval to the same destination was called where it went, as
    /// [`DeliveryOutcome::Delivered`](crate::DeliveryOutcome) gave it: this one belongs beside it.
    pub thread: Option<String>,
}

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// The channel's own: its URL, its conversation, its shared mailbox.
    Channel,
    /// A URL that a request named.
    Url(String),
    /// One person.
    Person(Recipient),
}

/// One person, as a channel reaches them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// For the salutation: whose message and whose link it is.
    pub name: String,
    /// What the channel's kind calls an address: of a mailbox, a Slack user id, a telephone number, a topic.
    pub address: String,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// What became of one approval or execution.
    Event(Box<Told>),
    /// Several at once, in place of a flood.
    Digest(Digest),
    /// Something about Signoff itself, such as a test or that a channel was switched off.
    Notice(Notice),
}

/// Several approvals in one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// Where.
    pub workspace: ToldWorkspace,
    /// The inbox, where all of them are.
    pub inbox_url: String,
    /// The most urgent ones, at most [`DIGEST_ITEMS_MAX`].
    pub items: Vec<DigestItem>,
    /// How many it tells of altogether, those above among them.
    pub count: usize,
    /// How many of all wait for a decision.
    pub pending: usize,
    /// How many wait in the workspace, whether this tells of them or not.
    pub waiting: usize,
    /// Ids of those that ended and of which somebody may have been told one by one, at most [`DIGEST_OVER_MAX`].
    pub over: Vec<String>,
}

/// How many ended approvals a digest lists for those who keep an alert for each.
pub const DIGEST_OVER_MAX: usize = 100;

/// How many approvals a digest names one by one.
pub const DIGEST_ITEMS_MAX: usize = 20;

/// One line of a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestItem {
    /// One sentence; partly in the agent's words.
    pub summary: String,
    /// As in [`ToldApproval`](crate::ToldApproval).
    pub status: String,
    /// As claimed or raised.
    pub priority: String,
    /// As claimed or raised.
    pub risk: String,
    /// RFC 3339.
    pub decide_by: Option<String>,
    /// Who ended it, by name.
    pub decided_by: Option<String>,
    /// The personal link where there is one, else the page in the console.
    pub url: String,
}

/// Something about Signoff itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// One line.
    pub title: String,
    /// A few sentences.
    pub text: String,
    /// Where to look.
    pub url: String,
    /// The type that programs see, such as `channel.disabled`.
    pub event_type: String,
    /// When, RFC 3339.
    pub occurred_at: String,
}

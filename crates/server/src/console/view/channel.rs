//! Channels: the list, one of them with what it sent, its form, and taking it away.

use askama::Template;

use super::{Moment, Shell};
use crate::console::inert::Inert;

/// The list of channels.
#[derive(Debug, Clone, Template)]
#[template(path = "channels.html")]
pub struct ChannelsPage {
    /// What surrounds it.
    pub shell: Shell,
    /// What was just done.
    pub notice: Option<&'static str>,
    /// The channels, by name.
    pub rows: Vec<ChannelLine>,
    /// Kinds to choose from: word, name, what it is for.
    pub kinds: Vec<(&'static str, &'static str, &'static str)>,
}

impl ChannelsPage {
    /// Channels that Signoff itself switched off.
    pub fn silent(&self) -> Vec<&ChannelLine> {
        self.rows.iter().filter(|row| row.is_silent).collect()
    }
}

/// One channel in the list.
#[derive(Debug, Clone)]
pub struct ChannelLine {
    /// Its page.
    pub href: String,
    /// Its name.
    pub name: Inert,
    /// What it is.
    pub kind: &'static str,
    /// Where it sends, without what is secret of it.
    pub origin: Inert,
    /// What it is told of.
    pub told_of: Inert,
    /// Tells nothing at present.
    pub is_off: bool,
    /// Signoff switched it off, not a person.
    pub is_silent: bool,
    /// Why it is off, and what to do.
    pub why_off: Option<&'static str>,
    /// Whether a test can be sent: what answers requests alone has no address of its own.
    pub can_test: bool,
}

/// One channel.
#[derive(Clone, Template)]
#[template(path = "channel.html")]
pub struct ChannelPage {
    /// What surrounds it.
    pub shell: Shell,
    /// Its id.
    pub id: String,
    /// As in the list.
    pub line: ChannelLine,
    /// What was just done.
    pub notice: Option<&'static str>,
    /// The signing secret, once. Never logged.
    pub secret: Option<String>,
    /// What came of a test.
    pub tested: Option<TestShown>,
    /// Its settings: label and values. Of secrets only that they are set.
    pub pairs: Vec<(String, Vec<Inert>)>,
    /// Whether it has a signing secret, which can be changed.
    pub signs: bool,
    /// When it was made.
    pub created: Moment,
    /// What it sent, newest first.
    pub deliveries: Vec<DeliveryLine>,
    /// Where older ones are.
    pub next_href: Option<String>,
    /// Where the newest are, on any other page.
    pub first_href: Option<String>,
}

/// What came of a test.
#[derive(Debug, Clone)]
pub struct TestShown {
    /// Whether it arrived.
    pub arrived: bool,
    /// To whom it went.
    pub to: Inert,
    /// What happened and what to do.
    pub detail: Inert,
}

/// One message of a channel.
#[derive(Debug, Clone)]
pub struct DeliveryLine {
    /// The record it is about.
    pub seq: u64,
    /// The event's type.
    pub event: Inert,
    /// What it is about.
    pub subject: Inert,
    /// Its page.
    pub subject_href: Option<String>,
    /// To whom.
    pub to: Inert,
    /// Whether it was told in one message with others.
    pub together: bool,
    /// Where it stands.
    pub word: &'static str,
    /// "good", "bad" or "still": the mark's class.
    pub tone: &'static str,
    /// So many tries.
    pub tries: String,
    /// What came back.
    pub came_back: Option<Inert>,
    /// When it arrived or was given up, else when it was queued.
    pub at: Moment,
    /// When it is tried again.
    pub next: Option<Moment>,
    /// Whether it can be sent again.
    pub can_resend: bool,
}

/// Asks whether a channel is to be taken away.
#[derive(Debug, Clone, Template)]
#[template(path = "channel_remove.html")]
pub struct ChannelRemovePage {
    /// What surrounds it.
    pub shell: Shell,
    /// As in the list.
    pub line: ChannelLine,
}

/// The form of a channel.
#[derive(Clone, Template)]
#[template(path = "channel_edit.html")]
pub struct ChannelEditPage {
    /// What surrounds it.
    pub shell: Shell,
    /// Its name, where it is there already.
    pub present: Option<Inert>,
    /// Where the form goes.
    pub action: String,
    /// Where it was come from.
    pub back: String,
    /// Its kind, as the API has it.
    pub kind: &'static str,
    /// Its kind, as it is called.
    pub kind_words: &'static str,
    /// What it is for.
    pub what_for: &'static str,
    /// The page of the documentation.
    pub docs: &'static str,
    /// The name as it was given.
    pub name: String,
    /// Event types as they were given.
    pub events: String,
    /// The window as it was given.
    pub window: String,
    /// Whether it is told only of what policies name it for.
    pub named_only: bool,
    /// Whether messages are gathered, and people named by policies.
    pub is_for_programs: bool,
    /// Settings of the kind.
    pub fields: Vec<ChannelField>,
    /// Why it was not kept.
    pub problems: Vec<Inert>,
}

/// One setting in the form. What is secret never stands in it.
#[derive(Debug, Clone)]
pub struct ChannelField {
    /// Its name on the wire.
    pub name: &'static str,
    /// What it is called.
    pub label: &'static str,
    /// What it is for.
    pub note: &'static str,
    /// `text`, `secret`, `number`, `list`, `yes` or `one_of`.
    pub input: &'static str,
    /// Choices of `one_of`: value and words.
    pub choices: &'static [(&'static str, &'static str)],
    /// Whether there must be one.
    pub is_needed: bool,
    /// Whether there is one by now.
    pub is_set: bool,
    /// What was given.
    pub value: String,
}

impl ChannelField {
    /// The name of the tick that takes a secret away, which no page shows.
    pub fn drop_name(&self) -> String {
        format!("drop_{}", self.name)
    }

    /// Whether this choice was taken.
    pub fn is(&self, choice: &str) -> bool {
        self.value == choice
    }
}

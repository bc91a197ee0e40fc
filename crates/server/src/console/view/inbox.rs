//! The inbox: what waits, what was decided, and the filters that are part of its address.

use askama::Template;

use super::{Level, Moment, SentenceView, Shell, Status, TimeLeft};
use crate::console::inert::Inert;

/// The inbox page: the list, and beside it what to do next.
#[derive(Debug, Clone, Template)]
#[template(path = "inbox.html")]
pub struct InboxPage {
    /// What surrounds it.
    pub shell: Shell,
    /// The list.
    pub list: InboxList,
}

/// The list of approvals.
#[derive(Debug, Clone, Default)]
pub struct InboxList {
    /// Its tabs: waiting, decided, all.
    pub tabs: Vec<InboxTab>,
    /// Calls whose end nobody knows: words and where they are.
    pub needs: Option<(String, String)>,
    /// Names of channels that Signoff switched off, for admins.
    pub silent: Vec<Inert>,
    /// Its rows.
    pub rows: Vec<InboxRow>,
    /// The filter as it stands.
    pub filter: InboxFilter,
    /// Where this very list is.
    pub here_href: String,
    /// Where the next page is.
    pub next_href: Option<String>,
    /// Where the first page is, on any other.
    pub first_href: Option<String>,
    /// What the empty list says.
    pub empty: EmptyInbox,
}

/// Why a list is empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EmptyInbox {
    /// Nothing was ever asked.
    #[default]
    NothingYet,
    /// All is decided.
    AllDone,
    /// Nothing was decided yet.
    NothingDecided,
    /// The filter matches nothing.
    NoMatch,
}

/// One tab of the list.
#[derive(Debug, Clone)]
pub struct InboxTab {
    /// Its word.
    pub label: &'static str,
    /// Its address.
    pub href: String,
    /// How many it holds, where that is known.
    pub count: Option<usize>,
    /// Whether it is the one shown.
    pub is_current: bool,
}

/// The list's filter, as the form shows it.
#[derive(Debug, Clone, Default)]
pub struct InboxFilter {
    /// Which tab: "waiting", "decided" or "all".
    pub show: String,
    /// Agent's name.
    pub agent: String,
    /// Part of the action's name, or a glob over it.
    pub action: String,
    /// Policy's name.
    pub policy: String,
    /// Risk.
    pub risk: String,
    /// Priority.
    pub priority: String,
    /// "newest" or "oldest".
    pub order: String,
    /// Where to go to drop all of it.
    pub clear_href: String,
}

impl InboxFilter {
    /// Whether anything narrows the list.
    pub fn is_set(&self) -> bool {
        self.count() > 0
    }

    /// How many parts narrow the list.
    pub fn count(&self) -> usize {
        [
            &self.agent,
            &self.action,
            &self.policy,
            &self.risk,
            &self.priority,
        ]
        .iter()
        .filter(|part| !part.is_empty())
        .count()
    }
}

/// One approval in the list.
#[derive(Debug, Clone)]
pub struct InboxRow {
    /// Its id.
    pub id: String,
    /// Its page.
    pub href: String,
    /// The sentence.
    pub sentence: SentenceView,
    /// Who asks.
    pub agent: Inert,
    /// The action's name.
    pub action: Inert,
    /// The policy that asks.
    pub policy: Option<Inert>,
    /// Risk.
    pub risk: Level,
    /// Priority.
    pub priority: Level,
    /// What the agent says it costs.
    pub cost: Option<String>,
    /// When it came.
    pub created: Moment,
    /// What is left of its time.
    pub time_left: Option<TimeLeft>,
    /// Where it stands.
    pub status: Status,
    /// Whether it is the one open beside the list.
    pub is_current: bool,
}

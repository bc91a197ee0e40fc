//! The page of a personal link: whose it is, what would happen, and one form. And what is left of it when it decides nothing.

use askama::Template;

use super::approval::{Kept, May, Outcome, Question, Requirement, Told};
use super::matter::{Gesture, Matter, Seen};
use super::{Moment, SentenceView, Shell, Status, TimeLeft};
use crate::console::inert::Inert;

/// A link that decides.
#[derive(Debug, Clone, Template)]
#[template(path = "link.html")]
pub struct LinkPage {
    /// What surrounds it.
    pub shell: Shell,
    /// For whom it was made.
    pub whose: Inert,
    /// What it decides about.
    pub approval: LinkApproval,
    /// The form.
    pub form: LinkForm,
}

/// What the page shows of the approval: the same as its page in the console, but for what belongs to the console.
#[derive(Debug, Clone)]
pub struct LinkApproval {
    /// Digest of the action: what a decision is bound to.
    pub digest: String,
    /// What is judged.
    pub matter: Matter,
    /// The same as rendered, with the digest that a decision carries.
    pub seen: Seen,
    /// Where it stands.
    pub status: Status,
    /// Whether its time was passed on to further people.
    pub is_escalated: bool,
    /// What is left of its time.
    pub time_left: Option<TimeLeft>,
    /// When it came.
    pub created: Moment,
    /// Who must decide, and who has.
    pub requirement: Requirement,
    /// Questions and answers.
    pub thread: Vec<Question>,
    /// Who else was told: not said here.
    pub told: Vec<Told>,
    /// Nor whether anybody was.
    pub told_nobody: Option<&'static str>,
    /// What the person may do.
    pub may: May,
    /// Whether every decision needs words.
    pub needs_words: bool,
    /// What the person did before, where others decide now.
    pub so_far: Option<String>,
    /// What was kept from a decision that was not taken.
    pub kept: Option<Kept>,
}

/// The form of a personal link, as it stands or comes back. It goes to the address that the page was opened at, which stands
/// nowhere else.
#[derive(Debug, Clone, Default)]
pub struct LinkForm {
    /// What binds it to the browser in which the page was opened.
    pub bound: String,
    /// What was chosen before: "approve", "deny", "ask" or nothing.
    pub chosen: String,
    /// What was typed before.
    pub text: String,
    /// What was wrong with it.
    pub problem: Option<String>,
}

impl LinkPage {
    /// Whether approving is open: it may be, and nothing is hidden.
    pub fn can_approve(&self) -> bool {
        self.approval.may.approve && self.approval.matter.hidden_bytes() == 0
    }

    /// Whether approving waits for everything to be shown.
    pub fn must_open(&self) -> bool {
        self.approval.may.approve && self.approval.matter.hidden_bytes() > 0
    }

    /// Whether the action's name has to be typed.
    pub fn must_type(&self) -> bool {
        self.can_approve() && self.approval.matter.gesture() == Gesture::Type
    }

    /// Whether a choice is the one that was made before.
    pub fn is_chosen(&self, choice: &str) -> bool {
        self.form.chosen == choice
    }
}

/// A link that decides nothing, or nothing any more.
#[derive(Debug, Clone, Template)]
#[template(path = "link_closed.html")]
pub struct LinkClosed {
    /// What surrounds it.
    pub shell: Shell,
    /// For whom it was made, where that may be told.
    pub whose: Option<Inert>,
    /// What is the matter, as a heading.
    pub title: &'static str,
    /// What it was about.
    pub sentence: Option<SentenceView>,
    /// Where that stands.
    pub status: Option<Status>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Further words.
    pub words: Vec<Inert>,
    /// What was kept from a decision that was not taken.
    pub kept: Option<Kept>,
    /// Other ways on: words and address.
    pub links: Vec<(&'static str, String)>,
}

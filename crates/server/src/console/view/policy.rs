//! Policies: the list, one of them, and its versions.

use askama::Template;

use super::{Moment, SentenceView, Shell, TimeLeft};
use crate::console::inert::Inert;

/// A word with a tone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The word.
    pub word: &'static str,
    /// "open", "good", "bad" or "still".
    pub tone: &'static str,
}

/// A field and what stands in it.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The field, in words.
    pub label: String,
    /// Its values.
    pub values: Vec<Inert>,
    /// Whether they are expressions.
    pub is_code: bool,
}

/// The policies in force.
#[derive(Debug, Clone, Template)]
#[template(path = "policies.html")]
pub struct PoliciesPage {
    /// What surrounds it.
    pub shell: Shell,
    /// Version of the set.
    pub version: u64,
    /// Whether this version was put in force a moment ago, by this person.
    pub is_applied: bool,
    /// Whether this person may change policies.
    pub may_change: bool,
    /// What is looked for.
    pub search: String,
    /// How many policies there are, in words.
    pub total: String,
    /// Whether there is none at all.
    pub is_empty: bool,
    /// One page of them, oldest first.
    pub rows: Vec<PolicyLine>,
    /// The pages before and after.
    pub pages: Vec<(&'static str, String)>,
    /// What is wrong, the worst first.
    pub findings: Findings,
    /// What holds where no policy says otherwise.
    pub settings: Vec<(&'static str, Inert)>,
    /// A set to begin with.
    pub example: &'static str,
}

/// One policy of the list.
#[derive(Debug, Clone)]
pub struct PolicyLine {
    /// Its name.
    pub name: Inert,
    /// Its page.
    pub href: String,
    /// What it does, in one sentence.
    pub sentence: Inert,
    /// Its effect.
    pub effect: Mark,
    /// Whether an ask of it can't be overridden.
    pub is_guard: bool,
    /// Whether it matches nothing.
    pub is_off: bool,
    /// How many requests wait under it, in words, and where they are.
    pub waiting: Option<(String, String)>,
    /// How many findings there are about it, in words, and whether they are bad.
    pub findings: Option<(String, bool)>,
}

/// What lint found.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// Some of it, the worst first.
    pub shown: Vec<FindingLine>,
    /// How many more there are.
    pub more: usize,
}

/// One finding.
#[derive(Debug, Clone)]
pub struct FindingLine {
    /// "note", "warning" or "error".
    pub severity: &'static str,
    /// The policy and its page; none where it is about the settings.
    pub policy: Option<(Inert, String)>,
    /// What is wrong.
    pub message: Inert,
    /// What to do.
    pub next: Inert,
}

impl FindingLine {
    /// Whether it is more than a note.
    pub fn is_bad(&self) -> bool {
        self.severity != "note"
    }
}

/// One policy.
#[derive(Debug, Clone, Template)]
#[template(path = "policy.html")]
pub struct PolicyPage {
    /// What surrounds it.
    pub shell: Shell,
    /// The policy as the list has it.
    pub line: PolicyLine,
    /// Its version.
    pub version: u64,
    /// When it was written.
    pub changed: Moment,
    /// What it is for, in its author's words.
    pub description: Option<Inert>,
    /// What is wrong with it.
    pub findings: Findings,
    /// What it matches.
    pub matchers: Vec<Pair>,
    /// What else it says.
    pub terms: Vec<Pair>,
    /// Who decides, stage by stage.
    pub stages: Vec<Inert>,
    /// How asking goes.
    pub asking: Vec<Pair>,
    /// What waits under it: the first of them.
    pub waiting: Vec<WaitingLine>,
    /// As a file has it.
    pub yaml: Vec<(String, Inert)>,
    /// The same as programs have it.
    pub json: Vec<(String, Inert)>,
    /// Its versions, newest first.
    pub versions: Vec<VersionLine>,
    /// How many versions are not shown.
    pub more_versions: usize,
    /// Where it can be changed, for who may.
    pub edit_href: Option<String>,
}

/// A request that waits.
#[derive(Debug, Clone)]
pub struct WaitingLine {
    /// Its page.
    pub href: String,
    /// What it wants.
    pub sentence: SentenceView,
    /// What is left of its time.
    pub time_left: Option<TimeLeft>,
}

/// One version of a policy.
#[derive(Debug, Clone)]
pub struct VersionLine {
    /// From 1.
    pub version: u64,
    /// When.
    pub at: Moment,
    /// Who.
    pub by: Inert,
    /// Whether it removed the policy.
    pub is_removal: bool,
    /// Whether it is the first one.
    pub is_first: bool,
    /// What it changed; none where the version before is not at hand.
    pub differences: Option<Vec<Difference>>,
}

/// A field that differs.
#[derive(Debug, Clone)]
pub struct Difference {
    /// Where.
    pub path: Inert,
    /// What stood there; none if nothing did.
    pub before: Option<Inert>,
    /// What stands there now; none if nothing does.
    pub after: Option<Inert>,
}

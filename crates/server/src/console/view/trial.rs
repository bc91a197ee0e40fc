//! A change of policies before it is put in force: the form, the plan, and what it would have changed in the past.

use askama::Template;

use super::policy::{Difference, Findings};
use super::{Moment, SentenceView, Shell};
use crate::console::inert::Inert;

/// The form, and below it what would come of it.
#[derive(Debug, Clone, Template)]
#[template(path = "policy_edit.html")]
pub struct EditPage {
    /// What surrounds it.
    pub shell: Shell,
    /// What is changed.
    pub heading: Inert,
    /// What was typed.
    pub form: EditForm,
    /// What is wrong with it.
    pub problems: Vec<Slip>,
    /// Somebody else changed the set meanwhile: who is at which version.
    pub conflict: Option<Conflict>,
    /// What would come of it, once it was looked at.
    pub preview: Option<Preview>,
}

/// What the form holds.
#[derive(Debug, Clone, Default)]
pub struct EditForm {
    /// "set" for all policies, "policy" for one.
    pub scope: &'static str,
    /// The one that is changed; empty for a new one.
    pub name: String,
    /// The version of the set that the change was made from.
    pub base: u64,
    /// The text.
    pub text: String,
    /// What becomes of requests that no policy governs any more; empty for the workspace's rule.
    pub orphaned: String,
}

/// One thing that is wrong with the text.
#[derive(Debug, Clone)]
pub struct Slip {
    /// Where, in words.
    pub place: Option<String>,
    /// What.
    pub words: Inert,
}

/// The set was changed since the form was opened.
#[derive(Debug, Clone)]
pub struct Conflict {
    /// The version that the change was made from.
    pub base: u64,
    /// The version in force.
    pub present: u64,
}

/// What would come of a change.
#[derive(Debug, Clone)]
pub struct Preview {
    /// The plan, a line for each policy that changes.
    pub plan: Vec<PlanLine>,
    /// Settings that change.
    pub settings: Vec<Difference>,
    /// How many policies stay as they are, in words.
    pub unchanged: String,
    /// What becomes of requests that wait, in sentences.
    pub waiting: Vec<String>,
    /// What lint finds.
    pub findings: Findings,
    /// What it would have changed.
    pub trial: Option<Trial>,
    /// Why there is no trial.
    pub no_trial: Option<Inert>,
}

impl Preview {
    /// Whether anything would change.
    pub fn is_nothing(&self) -> bool {
        self.plan.is_empty() && self.settings.is_empty()
    }

    /// How many actions that a reviewer denied would pass.
    pub fn loosened(&self) -> u64 {
        self.trial.as_ref().map_or(0, |trial| trial.loosened)
    }
}

/// One policy of the plan.
#[derive(Debug, Clone)]
pub struct PlanLine {
    /// "+", "~" or "−".
    pub sign: &'static str,
    /// The same as a word.
    pub word: &'static str,
    /// Which.
    pub name: Inert,
    /// What it does then.
    pub sentence: Option<Inert>,
    /// What changes.
    pub differences: Vec<Difference>,
}

/// What the changed set would have said of what was asked.
#[derive(Debug, Clone)]
pub struct Trial {
    /// How many actions were judged, in words.
    pub judged: String,
    /// Since when.
    pub since: Moment,
    /// What the answer does not cover, in sentences.
    pub notes: Vec<String>,
    /// For each set: its name, and how many it allows, asks about, sends back and denies.
    pub rows: Vec<(&'static str, [String; 4])>,
    /// Where they differ, what matters most first.
    pub groups: Vec<TrialGroup>,
    /// How many actions that a reviewer denied would pass.
    pub loosened: u64,
}

/// Changes of one kind.
#[derive(Debug, Clone)]
pub struct TrialGroup {
    /// What happens, in words.
    pub title: &'static str,
    /// "bad" where something passes that did not, else "still".
    pub tone: &'static str,
    /// How many.
    pub count: String,
    /// Some of them.
    pub examples: Vec<TrialExample>,
    /// How many are not shown.
    pub more: Option<String>,
}

/// One action that would be judged otherwise.
#[derive(Debug, Clone)]
pub struct TrialExample {
    /// Its page, or its records.
    pub href: String,
    /// What it wanted.
    pub sentence: SentenceView,
    /// When.
    pub at: Moment,
    /// What became of it.
    pub then: Inert,
    /// What the set in force says.
    pub present: Inert,
    /// What the changed set says.
    pub proposed: Inert,
}

//! The page of one approval: what would happen, who says so, who decides, and the decision itself.

use askama::Template;

use super::inbox::InboxList;
use super::matter::{Gesture, Matter, Seen};
use super::run::{Run, SettleForm};
use super::{Moment, Shell, Status, TimeLeft};
use crate::console::inert::Inert;

/// The approval's page, with the list beside it where there is room.
#[derive(Debug, Clone, Template)]
#[template(path = "approval.html")]
pub struct ApprovalPage {
    /// What surrounds it.
    pub shell: Shell,
    /// The list beside it.
    pub list: InboxList,
    /// The approval.
    pub approval: Approval,
}

/// Everything the page shows of one approval.
#[derive(Debug, Clone)]
pub struct Approval {
    /// Its id.
    pub id: String,
    /// Its page, without a query.
    pub href: String,
    /// The list's filter as a query, so that the list beside it and the way back stay as they were.
    pub carry: String,
    /// Digest of the action: what a decision is bound to.
    pub digest: String,
    /// What is judged: sentence, facts, claims, inputs and context.
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
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Who must decide, and who has.
    pub requirement: Requirement,
    /// Questions and answers.
    pub thread: Vec<Question>,
    /// Who was told, and how.
    pub told: Vec<Told>,
    /// That nobody was, where that is so.
    pub told_nobody: Option<&'static str>,
    /// Records of the log about it.
    pub history: Vec<HistoryRow>,
    /// What this operator may do here.
    pub may: May,
    /// Whether every decision needs words.
    pub needs_words: bool,
    /// What the bar at the foot asks for.
    pub step: Step,
    /// What was kept from a decision that came too late or could not be taken.
    pub kept: Option<Kept>,
    /// What became of its call.
    pub run: Option<Run>,
    /// What an admin may say of it, where nobody knows.
    pub settle: Option<SettleForm>,
    /// The next approval that waits, once this one has ended.
    pub next_href: Option<String>,
}

impl Approval {
    /// Address of a step of the decision, keeping what was opened in full.
    pub fn step_href(&self, step: &str) -> String {
        format!("{}#decision", self.address("", self.matter.is_full, step))
    }

    /// Address without a step.
    pub fn plain_href(&self) -> String {
        self.address("", self.matter.is_full, "")
    }

    /// Address with every byte shown.
    pub fn full_href(&self) -> String {
        self.address("", true, "")
    }

    /// Where the forms of a decision go.
    pub fn decide_href(&self) -> String {
        self.address("/decide", self.matter.is_full, "")
    }

    /// The list this approval was opened from.
    pub fn list_href(&self) -> String {
        if self.carry.is_empty() {
            "/".to_owned()
        } else {
            format!("/?{}", self.carry)
        }
    }

    fn address(&self, tail: &str, is_full: bool, step: &str) -> String {
        let full = if is_full {
            "full=1".to_owned()
        } else {
            String::new()
        };
        let step = if step.is_empty() {
            String::new()
        } else {
            format!("step={step}")
        };
        let query: Vec<&str> = [self.carry.as_str(), &full, &step]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}{tail}{mark}{}", self.href, query.join("&"))
    }

    /// What approving asks for beyond pressing the button.
    pub fn gesture(&self) -> Gesture {
        self.matter.gesture()
    }

    /// Whether one press approves: nothing hidden, no second gesture, no words needed.
    pub fn is_one_press(&self) -> bool {
        self.gesture() == Gesture::None && self.matter.hidden_bytes() == 0 && !self.needs_words
    }
}

/// How an approval ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// "Approved by Ada Lovelace".
    pub text: Inert,
    /// When.
    pub at: Moment,
    /// The reason or comment given.
    pub words: Option<Inert>,
    /// What comes next, in plain words.
    pub next: String,
    /// Whether the visitor may let go on what is held.
    pub may_release: bool,
}

/// Who must decide, and who has.
#[derive(Debug, Clone, Default)]
pub struct Requirement {
    /// Approvals needed.
    pub needed: u64,
    /// Approvals that count so far.
    pub so_far: u64,
    /// Denials that end it.
    pub denials_needed: u64,
    /// Who may decide, as the policy names them.
    pub approvers: Vec<Inert>,
    /// The stages, where there are several.
    pub stages: Vec<Stage>,
    /// Further rules, in plain words.
    pub rules: Vec<String>,
    /// Who changed what is asked, when.
    pub edits: Vec<(Inert, Moment)>,
    /// The votes.
    pub votes: Vec<Vote>,
}

/// One stage of several, and how far it is.
#[derive(Debug, Clone)]
pub struct Stage {
    /// From 1.
    pub number: u32,
    /// Its name, if the policy gives it one.
    pub name: Option<Inert>,
    /// Where it stands, in plain words.
    pub word: &'static str,
    /// "good", "bad" or "still": the mark's class.
    pub tone: &'static str,
    /// Its people decide now.
    pub is_open: bool,
    /// Approvals needed.
    pub needed: u32,
    /// Approvals that are still missing.
    pub missing: u32,
    /// Who may decide in it.
    pub approvers: Vec<Inert>,
    /// Whose approvals count in it.
    pub approved_by: Vec<Inert>,
    /// Whose denials count in it.
    pub denied_by: Vec<Inert>,
}

impl Stage {
    /// How far it is, in words.
    pub fn progress(&self) -> String {
        match (self.is_open, self.needed, self.missing) {
            (true, 1, _) => "One approval is enough, from:".to_owned(),
            (true, needed, missing) => format!("{missing} more of {needed} approvals, from:"),
            (false, 1, _) => "One approval, from:".to_owned(),
            (false, needed, _) => format!("{needed} approvals, from:"),
        }
    }
}

/// Most pips that are drawn; beyond it the words alone say how far it is.
const PIPS_MAX: u64 = 12;

impl Requirement {
    /// One pip per approval needed, filled for those that are there.
    pub fn pips(&self) -> Vec<bool> {
        (0..self.needed.min(PIPS_MAX))
            .map(|index| index < self.so_far)
            .collect()
    }

    /// How far it is, in words.
    pub fn progress(&self) -> String {
        match (self.needed, self.so_far) {
            (1, _) => "One approval is enough, from:".to_owned(),
            (needed, so_far) => format!("{so_far} of {needed} approvals, from:"),
        }
    }
}

/// One vote.
#[derive(Debug, Clone)]
pub struct Vote {
    /// Who.
    pub who: Inert,
    /// "approved" or "denied", and by which way where it was not the console.
    pub word: &'static str,
    /// "good" or "bad".
    pub tone: &'static str,
    /// Whether it counts.
    pub is_counted: bool,
    /// What they added.
    pub comment: Option<Inert>,
    /// When.
    pub at: Moment,
}

/// A question to the agent, with its answer.
#[derive(Debug, Clone)]
pub struct Question {
    /// The question.
    pub text: Inert,
    /// Who asked.
    pub asked_by: Inert,
    /// When.
    pub asked_at: Moment,
    /// The agent's answer.
    pub answer: Option<(Inert, Moment)>,
}

/// One message about an approval.
#[derive(Debug, Clone)]
pub struct Told {
    /// The person, or else the channel.
    pub whom: Inert,
    /// What was told, in plain words.
    pub what: &'static str,
    /// By which kind of channel.
    pub how: &'static str,
    /// The channel's name, where a person was told by it.
    pub channel: Option<Inert>,
    /// "delivered", "on its way", "given up" or "not sent".
    pub word: &'static str,
    /// What went wrong last, in our own words.
    pub error: Option<Inert>,
    /// "good", "bad" or "still": the mark's class.
    pub tone: &'static str,
    /// When.
    pub at: Moment,
}

/// Words that were typed for a decision that was not taken, and why it was not.
#[derive(Debug, Clone)]
pub struct Kept {
    /// What happened.
    pub problem: String,
    /// What was typed.
    pub text: String,
}

/// One record of the log.
#[derive(Debug, Clone)]
pub struct HistoryRow {
    /// Its place in the log.
    pub sequence: u64,
    /// Its page.
    pub href: String,
    /// What happened, in plain words.
    pub what: Inert,
    /// Who did it.
    pub who: Inert,
    /// When.
    pub at: Moment,
}

/// What this operator may do here.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent permissions")]
pub struct May {
    /// Approve.
    pub approve: bool,
    /// Approve with changes.
    pub edit: bool,
    /// Approve for a while.
    pub standing: bool,
    /// Allow from now on.
    pub always: bool,
    /// Deny.
    pub deny: bool,
    /// Ask the agent; only where it can answer.
    pub ask: bool,
    /// Cancel.
    pub cancel: bool,
    /// Why the agent can't be asked, in plain words, where it can't.
    pub why_not_ask: String,
    /// Why not, in plain words, where deciding is not open to them.
    pub why_not: Option<String>,
}

/// What the bar at the foot shows.
#[derive(Debug, Clone, Default)]
pub enum Step {
    /// The buttons.
    #[default]
    Choose,
    /// The form of one choice.
    Form(Box<StepForm>),
}

/// A form of the decision.
#[derive(Debug, Clone, Default)]
pub struct StepForm {
    /// One of [`STEPS`].
    pub kind: &'static str,
    /// What was typed before, if it comes back.
    pub text: String,
    /// What was wrong with it.
    pub problem: Option<String>,
    /// What else the form has, by what it approves.
    pub reach: Reach,
}

/// The fields of a form that approves more, or something else, than the request as it is.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// Inputs as they should be, JSON.
    pub inputs: String,
    /// The context as it should be, JSON.
    pub context: String,
    /// The body of the call as it should be; none where it can't be changed here.
    pub body: Option<String>,
    /// Why it can't be.
    pub body_note: Option<&'static str>,
    /// For how long such requests are approved.
    pub valid_for: String,
    /// How often, if it says so.
    pub uses: String,
    /// Only while this holds.
    pub condition: String,
    /// `action` or `policy`: what is allowed from now on.
    pub always: String,
    /// What each of these would come to.
    pub outlooks: Vec<Outlook>,
}

/// What approving for ever would come to.
#[derive(Debug, Clone)]
pub struct Outlook {
    /// `action` or `policy`.
    pub scope: &'static str,
    /// In plain words: what would be allowed.
    pub text: Inert,
    /// What it would have covered, and what waits.
    pub covered: String,
    /// The policy as it would be written.
    pub policy: Inert,
}

/// The steps, by the name in the address.
pub const STEPS: [&str; 7] = ["approve", "edit", "standing", "always", "deny", "ask", "cancel"];

/// Spans that are offered, with their words.
pub const SPANS: [(&str, &str); 5] = [
    ("1h", "1 hour"),
    ("8h", "8 hours"),
    ("24h", "1 day"),
    ("7d", "7 days"),
    ("30d", "30 days"),
];

impl StepForm {
    /// Whether it approves, with all that this asks for.
    pub fn approves(&self) -> bool {
        matches!(self.kind, "approve" | "edit" | "standing" | "always")
    }

    /// The words of its button.
    pub fn button(&self) -> &'static str {
        match self.kind {
            "edit" => "Change and approve",
            "standing" => "Approve for a while",
            "always" => "Allow from now on",
            _ => "Approve",
        }
    }

    /// The spans to choose from, with whether each is chosen.
    pub fn spans(&self) -> Vec<(&'static str, &'static str, bool)> {
        let chosen = if self.reach.valid_for.is_empty() {
            "8h"
        } else {
            self.reach.valid_for.as_str()
        };
        SPANS.map(|(span, words)| (span, words, span == chosen)).to_vec()
    }
}

impl Step {
    /// A form without anything typed; the buttons for a name that no form has.
    pub fn named(kind: &str) -> Self {
        match STEPS.into_iter().find(|known| *known == kind) {
            Some(kind) => Self::Form(Box::new(StepForm {
                kind,
                ..StepForm::default()
            })),
            None => Self::Choose,
        }
    }
}

//! The page of one approval: what would happen, who says so, who decides, and the decision itself.

use std::collections::BTreeSet;

use askama::Template;
use sha2::{Digest as _, Sha256};

use super::inbox::InboxList;
use super::{Level, Moment, SentenceView, Shell, Status, TimeLeft, grouped};
use crate::console::inert::Inert;
use crate::console::tree::Tree;
use crate::console::url_shown::ShownUrl;

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

/// The second gesture of an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gesture {
    /// None: pressing is enough.
    None,
    /// A box to tick.
    Tick,
    /// The action's name to type.
    Type,
}

/// What a page showed of the matter, and its digest.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Sentence, facts, inputs and claims as HTML.
    pub matter: String,
    /// Context, addresses and conditions as HTML.
    pub details: String,
    /// SHA-256 over both, in hexadecimal: a decision carries it.
    pub digest: String,
}

/// What is judged. Its rendering holds nothing that changes with time, so its digest names what was seen.
#[derive(Debug, Clone, Template)]
#[template(path = "parts/matter.html")]
pub struct Matter {
    /// The sentence.
    pub sentence: SentenceView,
    /// What the sentence took for granted.
    pub assumption: Option<&'static str>,
    /// The action's name as sent.
    pub action: String,
    /// Risk.
    pub risk: Level,
    /// Priority.
    pub priority: Level,
    /// The policy that asks.
    pub policy: Option<PolicyName>,
    /// What Signoff knows or will send.
    pub facts: Vec<Fact>,
    /// What the agent says.
    pub claims: Vec<Claim>,
    /// The policy's conditions, each with what it saw.
    pub conditions: Vec<Condition>,
    /// The arguments.
    pub inputs: Tree,
    /// What else was sent.
    pub context: Tree,
    /// Whether the contents were erased.
    pub is_erased: bool,
    /// Whether every byte is shown.
    pub is_full: bool,
}

/// The second part of the matter, which stands further down on the page.
#[derive(Debug, Clone, Template)]
#[template(path = "parts/details.html")]
struct Details<'a> {
    matter: &'a Matter,
}

impl Matter {
    /// Bytes that this rendering does not show.
    pub fn hidden_bytes(&self) -> usize {
        let facts: usize = self.facts.iter().map(|fact| fact.value.hidden_bytes).sum();
        let claims: usize = self.claims.iter().map(|claim| claim.text.hidden_bytes).sum();
        facts + claims + self.inputs.hidden_bytes + self.context.hidden_bytes
    }

    /// The hidden bytes as people read numbers.
    pub fn hidden_bytes_text(&self) -> String {
        grouped(self.hidden_bytes())
    }

    /// Whether any text holds something unseen or misleading.
    pub fn is_suspicious(&self) -> bool {
        let mut rows = self.inputs.rows.iter().chain(&self.context.rows);
        self.sentence.pieces.iter().any(|(_, text)| text.is_suspicious())
            || self.facts.iter().any(|fact| fact.value.is_suspicious())
            || self.claims.iter().any(|claim| claim.text.is_suspicious())
            || rows.any(|row| row.key.is_suspicious() || row.value.as_ref().is_some_and(Inert::is_suspicious))
    }

    /// Whether the action's verb takes something away for good.
    pub fn is_destructive(&self) -> bool {
        let last = self
            .action
            .rsplit('.')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        DESTRUCTIVE_VERBS.iter().any(|verb| last.starts_with(verb))
    }

    /// What approving it asks for beyond pressing the button.
    pub fn gesture(&self) -> Gesture {
        match self.risk.name {
            "critical" => Gesture::Type,
            _ if self.risk.is_high || self.is_destructive() || self.is_suspicious() => Gesture::Tick,
            _ => Gesture::None,
        }
    }

    /// Why approving asks for more than a press, in plain words.
    pub fn gesture_reason(&self) -> &'static str {
        match () {
            () if self.risk.is_high => "its risk is high",
            () if self.is_destructive() => "it takes something away",
            () => "its text holds characters that mislead",
        }
    }

    /// Every address in it, each with its real host.
    pub fn urls(&self) -> Vec<&ShownUrl> {
        let facts = self.facts.iter().flat_map(|fact| fact.value.urls.iter());
        let claims = self.claims.iter().flat_map(|claim| claim.text.urls.iter());
        let mut seen = BTreeSet::new();
        facts
            .chain(claims)
            .chain(self.inputs.urls())
            .chain(self.context.urls())
            .filter(|url| seen.insert((&url.href, &url.warning)))
            .collect()
    }

    /// The action's name, safe to look at.
    pub fn action_shown(&self) -> Inert {
        Inert::all(&self.action)
    }

    /// Renders it, with the digest that a decision on it carries.
    pub fn seen(&self) -> Result<Seen, askama::Error> {
        let matter = self.render()?;
        let details = Details { matter: self }.render()?;
        let hash = Sha256::new()
            .chain_update(&matter)
            .chain_update([0])
            .chain_update(&details);
        Ok(Seen {
            digest: hex::encode(hash.finalize()),
            matter,
            details,
        })
    }
}

/// Verbs that take something away for good, as an action's last word begins.
const DESTRUCTIVE_VERBS: &[&str] = &[
    "delete",
    "remove",
    "drop",
    "destroy",
    "purge",
    "truncate",
    "erase",
    "wipe",
    "terminate",
    "revoke",
];

/// The policy that asks.
#[derive(Debug, Clone)]
pub struct PolicyName {
    /// Its name.
    pub name: Inert,
    /// Its version.
    pub version: u64,
}

/// Something Signoff itself knows or will send.
#[derive(Debug, Clone)]
pub struct Fact {
    /// What it is.
    pub label: &'static str,
    /// Its value.
    pub value: Inert,
    /// A remark of Signoff's own.
    pub note: Option<String>,
}

/// Something the agent says.
#[derive(Debug, Clone)]
pub struct Claim {
    /// What it is about.
    pub label: &'static str,
    /// The agent's words.
    pub text: Inert,
}

/// A condition of the policy and what it saw.
#[derive(Debug, Clone)]
pub struct Condition {
    /// The expression.
    pub expression: Inert,
    /// What it saw.
    pub saw: Option<Inert>,
    /// "true", "false" or "error".
    pub result: &'static str,
    /// Why it could not be told.
    pub error: Option<Inert>,
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
    /// Further rules, in plain words.
    pub rules: Vec<String>,
    /// The votes.
    pub votes: Vec<Vote>,
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
    /// "approved" or "denied".
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
    /// The channel.
    pub channel: Inert,
    /// What was told, in plain words.
    pub what: &'static str,
    /// "delivered", "on its way" or "given up".
    pub word: &'static str,
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
#[expect(clippy::struct_excessive_bools, reason = "four independent permissions")]
pub struct May {
    /// Approve.
    pub approve: bool,
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
    Form(StepForm),
}

/// A form of the decision.
#[derive(Debug, Clone, Default)]
pub struct StepForm {
    /// "approve", "deny", "ask" or "cancel".
    pub kind: &'static str,
    /// What was typed before, if it comes back.
    pub text: String,
    /// What was wrong with it.
    pub problem: Option<String>,
}

impl Step {
    /// A form without anything typed; the buttons for a name that no form has.
    pub fn named(kind: &str) -> Self {
        match ["approve", "deny", "ask", "cancel"]
            .into_iter()
            .find(|known| *known == kind)
        {
            Some(kind) => Self::Form(StepForm {
                kind,
                ..StepForm::default()
            }),
            None => Self::Choose,
        }
    }
}

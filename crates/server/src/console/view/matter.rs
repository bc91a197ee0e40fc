//! What is judged: the sentence, what Signoff knows, what the agent says. The same for everyone who looks.

use std::collections::BTreeSet;

use askama::Template;
use sha2::{Digest as _, Sha256};

use super::call::CallShown;
use super::{Level, SentenceView, grouped};
use crate::console::inert::Inert;
use crate::console::tree::Tree;
use crate::console::url_shown::ShownUrl;

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
    /// Sentence, risk and what to be careful about as HTML.
    pub head: String,
    /// The call, facts, inputs and claims as HTML.
    pub matter: String,
    /// Context, addresses and conditions as HTML.
    pub details: String,
    /// SHA-256 over all three, in hexadecimal: a decision carries it.
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
    /// The call that would be sent.
    pub call: Option<Box<CallShown>>,
    /// Policy let it through without asking anybody.
    pub is_allowed: bool,
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

/// The part of the matter that stands above everything, also above what became of it.
#[derive(Debug, Clone, Template)]
#[template(path = "parts/head.html")]
struct Head<'a> {
    matter: &'a Matter,
}

/// The last part of the matter, which stands further down on the page.
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
        let call = self.call.as_ref().map_or(0, |call| call.hidden_bytes());
        facts + call + claims + self.inputs.hidden_bytes + self.context.hidden_bytes
    }

    /// The hidden bytes as people read numbers.
    pub fn hidden_bytes_text(&self) -> String {
        grouped(self.hidden_bytes())
    }

    /// Whether any text holds something unseen or misleading.
    pub fn is_suspicious(&self) -> bool {
        let mut rows = self.inputs.rows.iter().chain(&self.context.rows);
        let call = self.call.as_ref();
        call.is_some_and(|call| call.host_warning.is_some() || call.texts().any(Inert::is_suspicious))
            || self.sentence.pieces.iter().any(|(_, text)| text.is_suspicious())
            || self.facts.iter().any(|fact| fact.value.is_suspicious())
            || self.claims.iter().any(|claim| claim.text.is_suspicious())
            || rows.any(|row| row.key.is_suspicious() || row.value.as_ref().is_some_and(Inert::is_suspicious))
    }

    /// Whether the call could be read differently by two programs, or is in part not shown to anybody.
    pub fn is_doubtful(&self) -> bool {
        let call = self.call.as_ref();
        call.is_some_and(|call| call.is_doubtful() || call.is_withheld())
    }

    /// Whether it takes something away for good: by the action's verb, or the method of the call.
    pub fn is_destructive(&self) -> bool {
        if self.call.as_ref().is_some_and(|call| call.is_destructive()) {
            return true;
        }
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
            _ if self.risk.is_high || self.is_destructive() || self.is_doubtful() || self.is_suspicious() => {
                Gesture::Tick
            }
            _ => Gesture::None,
        }
    }

    /// Why approving asks for more than a press, in plain words.
    pub fn gesture_reason(&self) -> &'static str {
        match () {
            () if self.risk.is_high => "its risk is high",
            () if self.is_destructive() => "it takes something away",
            () if self.is_doubtful() => "it can be read in more than one way",
            () => "its text holds characters that mislead",
        }
    }

    /// Every address in it, each with its real host.
    pub fn urls(&self) -> Vec<&ShownUrl> {
        let facts = self.facts.iter().flat_map(|fact| fact.value.urls.iter());
        let claims = self.claims.iter().flat_map(|claim| claim.text.urls.iter());
        let call = self.call.iter().flat_map(|call| call.texts());
        let mut seen = BTreeSet::new();
        facts
            .chain(claims)
            .chain(call.flat_map(|text| text.urls.iter()))
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
        let head = Head { matter: self }.render()?;
        let hash = Sha256::new()
            .chain_update(&head)
            .chain_update([0])
            .chain_update(&matter)
            .chain_update([0])
            .chain_update(&details);
        Ok(Seen {
            digest: hex::encode(hash.finalize()),
            head,
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

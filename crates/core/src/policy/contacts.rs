//! Whom to tell of an action that asks: always, or from a priority or risk on.

use serde::{Deserialize, Serialize};

use super::{LIST_LEN_MAX, PolicyProblem, problem};
use crate::{
    action::{Action, Priority, Risk},
    time::Micros,
};

/// Whom to tell when nobody has decided in time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Escalation {
    /// This long after submission.
    pub after: Micros,
    /// Further contacts: channels, groups, people.
    pub to: Vec<String>,
}

/// The same as a policy has it: contacts may depend on the request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EscalationTerms {
    /// This long after submission.
    pub after: Micros,
    /// Further contacts.
    pub to: Vec<Contacts>,
}

/// Whom to tell: always, or from a priority or risk on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Contacts {
    /// One contact, whatever the request is like.
    Always(String),
    /// Contacts for requests of these levels and above; of both, where both are said.
    From {
        /// Whom.
        to: Vec<String>,
        /// From this priority on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        priority: Option<Priority>,
        /// From this risk on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        risk: Option<Risk>,
    },
}

impl From<&str> for Contacts {
    fn from(contact: &str) -> Self {
        Self::Always(contact.to_owned())
    }
}

impl Contacts {
    fn chosen(&self, action: &Action) -> &[String] {
        match self {
            Self::Always(contact) => std::slice::from_ref(contact),
            Self::From { to, priority, risk } => {
                let urgent = priority.is_none_or(|least| action.priority >= least);
                let risky = risk.is_none_or(|least| action.risk >= least);
                if urgent && risky { to } else { &[] }
            }
        }
    }
}

/// The contacts for this action, each once.
pub(super) fn effective(contacts: &[Contacts], action: &Action) -> Vec<String> {
    let mut chosen: Vec<String> = Vec::new();
    for contact in contacts.iter().flat_map(|contacts| contacts.chosen(action)) {
        if !chosen.contains(contact) {
            chosen.push(contact.clone());
        }
    }
    chosen
}

/// Checks a list of contacts at this place of a policy.
pub(super) fn check(place: &str, contacts: &[Contacts]) -> Result<(), PolicyProblem> {
    let mut count = 0;
    for (at, contacts) in contacts.iter().enumerate() {
        match contacts {
            Contacts::Always(_) => count += 1,
            Contacts::From { to, .. } if to.is_empty() => {
                return Err(problem(format!("{place}/{at}/to"), "at least one contact"));
            }
            Contacts::From {
                priority: None,
                risk: None,
                ..
            } => {
                return Err(problem(
                    format!("{place}/{at}"),
                    "say from which `priority` or `risk` on; a contact for all is written as text",
                ));
            }
            Contacts::From { to, .. } => count += to.len(),
        }
    }
    if count > LIST_LEN_MAX {
        return Err(problem(place, format!("more than {LIST_LEN_MAX} entries")));
    }
    Ok(())
}

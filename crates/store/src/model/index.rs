//! The index columns of a record.

use signoff_core::{
    event::Event,
    id::{AgentId, RawId},
    record::Record,
};

/// The index columns of a record; derived from it alone, so that verification can compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordIndex {
    /// The digits of the subject's id.
    pub subject: RawId,
    /// Who did it, as text.
    pub actor: String,
    /// Whose request, where the record says.
    pub agent: Option<AgentId>,
    /// The action's name, lower case.
    pub action: Option<String>,
    /// How it was decided.
    pub decision: Option<String>,
}

impl RecordIndex {
    /// Derives the columns.
    pub fn of(record: &Record) -> Self {
        let facts = match &record.event {
            Event::ActionAllowed(allowed) => Some((allowed.action.agent, &allowed.action.name)),
            Event::ActionDenied(denied) => Some((denied.action.agent, &denied.action.name)),
            Event::ActionNoted(noted) => Some((noted.agent, &noted.name)),
            Event::ApprovalRequested(requested) => Some((requested.action.agent, &requested.action.name)),
            _ => None,
        };
        let decision = match &record.event {
            Event::ActionAllowed(_) => Some("allowed"),
            Event::ActionDenied(_) => Some("denied"),
            Event::ApprovalVoted(voted) => Some(voted.ballot.as_str()),
            Event::ApprovalEnded(end) => Some(end.status.as_str()),
            _ => None,
        };
        Self {
            subject: subject_digits(&record.subject),
            actor: record.actor.id.clone().unwrap_or_default(),
            agent: facts.map(|(agent, _)| agent),
            action: facts.map(|(_, name)| name.to_ascii_lowercase()),
            decision: decision.map(str::to_owned),
        }
    }
}

/// The digits behind any typed id; zero for a subject that has none.
pub fn subject_digits(subject: &str) -> RawId {
    let mut raw = [0; 16];
    let digits = subject.rsplit_once('_').map_or("", |(_, digits)| digits);
    if digits.len() == 32 && hex::decode_to_slice(digits, &mut raw).is_ok() {
        RawId(raw)
    } else {
        RawId([0; 16])
    }
}

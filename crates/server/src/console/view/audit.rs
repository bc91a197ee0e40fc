//! The log: its records with filters, and one record in full.

use askama::Template;

use super::{Moment, Shell};
use crate::console::inert::Inert;
use crate::console::tree::Tree;

/// The log's page.
#[derive(Debug, Clone, Template)]
#[template(path = "audit.html")]
pub struct AuditPage {
    /// What surrounds it.
    pub shell: Shell,
    /// The filter as it stands.
    pub filter: AuditFilter,
    /// The records.
    pub rows: Vec<AuditRow>,
    /// Where the next page is.
    pub next_href: Option<String>,
    /// Where the first page is, on any other.
    pub first_href: Option<String>,
}

/// The log's filter, as the form shows it.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Agent.
    pub agent: String,
    /// Action, with globs.
    pub action: String,
    /// Operator.
    pub operator: String,
    /// Decision.
    pub decision: String,
    /// Type of record.
    pub kind: String,
    /// Only about this id.
    pub subject: String,
    /// Only since.
    pub since: String,
}

impl AuditFilter {
    /// Whether anything narrows the list.
    pub fn is_set(&self) -> bool {
        [
            &self.agent,
            &self.action,
            &self.operator,
            &self.decision,
            &self.kind,
            &self.subject,
            &self.since,
        ]
        .iter()
        .any(|part| !part.is_empty())
    }
}

/// One record in the list.
#[derive(Debug, Clone)]
pub struct AuditRow {
    /// Its place in the log.
    pub sequence: u64,
    /// Its page.
    pub href: String,
    /// When.
    pub at: Moment,
    /// Its type, as the log has it.
    pub kind: String,
    /// What happened, in plain words.
    pub what: Inert,
    /// Who did it.
    pub who: Inert,
    /// What it is about.
    pub subject: Inert,
    /// The page of what it is about, where there is one.
    pub subject_href: Option<String>,
}

/// One record in full.
#[derive(Debug, Clone, Template)]
#[template(path = "record.html")]
pub struct RecordPage {
    /// What surrounds it.
    pub shell: Shell,
    /// The record as in the list.
    pub row: AuditRow,
    /// Words that came with it, such as a reason.
    pub words: Option<Inert>,
    /// All of it.
    pub record: Tree,
    /// Its hash.
    pub hash: String,
    /// The hash of the one before.
    pub previous_hash: String,
    /// The page of the one before.
    pub previous_href: Option<String>,
    /// The page of the one after.
    pub next_href: Option<String>,
}

//! The log, its verification, and what is counted over it.

use std::collections::BTreeMap;

use super::{ActorView, Named};
use signoff_core::{
    id::{AgentId, WorkspaceId},
    payload::Hash32,
    record::{Head, Record},
    time::Timestamp,
};

/// One record with names and words for people.
#[derive(Debug, Clone)]
pub struct EventView {
    /// The record.
    pub record: Record,
    /// Its hash.
    pub hash: Hash32,
    /// Who did it.
    pub actor: ActorView,
    /// What happened, in one plain sentence.
    pub summary: String,
    /// The action's name, where the record is about a request.
    pub action: Option<String>,
    /// Whose request.
    pub agent: Option<Named<AgentId>>,
    /// Reason, comment, question or answer.
    pub text: Option<String>,
}

/// A record as exported: canonical bytes with their hash.
#[derive(Debug, Clone)]
pub struct ExportedRecord {
    /// Its place.
    pub seq: u64,
    /// SHA-256 of the bytes.
    pub hash: Hash32,
    /// Canonical JSON.
    pub bytes: Vec<u8>,
}

/// Whether the log is whole, and the store what it says.
#[derive(Debug, Clone)]
pub struct Verification {
    /// Nothing is wrong.
    pub ok: bool,
    /// Records checked.
    pub records: u64,
    /// Folded rows, payloads and secrets were compared too.
    pub with_store: bool,
    /// Folded rows compared.
    pub rows: u64,
    /// Records whose payloads were erased.
    pub erased: u64,
    /// Payloads that are gone without a record of their erasure.
    pub payloads_missing: u64,
    /// Where the log stands.
    pub head: Head,
    /// What is wrong, at most 100.
    pub faults: Vec<Fault>,
}

/// Whether the log is whole, as an asker may know it.
#[derive(Debug, Clone)]
pub struct Intact {
    /// Nothing is wrong.
    pub ok: bool,
    /// Where the log stands.
    pub head: Head,
    /// The first record that something is wrong with.
    pub broken_at: Option<u64>,
    /// The log begins behind what was cut off, not with the first record of all.
    pub from_cut: bool,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// `chain`, `index`, `fold`, `payload`, `secret` or `head`.
    pub kind: &'static str,
    /// The record.
    pub seq: Option<u64>,
    /// The table.
    pub table: Option<String>,
    /// The row's id.
    pub row: Option<String>,
    /// One sentence.
    pub detail: String,
}

/// Something happened: for live pages.
#[derive(Debug, Clone)]
pub struct Notice {
    /// Whose log.
    pub workspace: WorkspaceId,
    /// The record.
    pub seq: u64,
    /// Its id.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// Its type.
    pub event_type: &'static str,
    /// What it happened to.
    pub subject: String,
    /// Where the approval stands after it, for records about one.
    pub status: Option<signoff_core::event::ApprovalStatus>,
    /// Whose request.
    pub agent: Option<AgentId>,
}

/// Counted over approvals; each list is sorted for showing.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    /// Since when.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Submitted in the window.
    pub total: u64,
    /// Of these, not at their end.
    pub pending: u64,
    /// Approved by people.
    pub approved: u64,
    /// Denied by people.
    pub denied: u64,
    /// Average over decisions of people, in seconds.
    pub decision_seconds_average: Option<f64>,
    /// Nine of ten decisions were not slower, in seconds.
    pub decision_seconds_p90: Option<f64>,
    /// Ran out of time.
    pub expired: u64,
    /// Withdrawn.
    pub cancelled: u64,
    /// Replaced.
    pub superseded: u64,
    /// Approved by automation, by a changed policy or by `--auto-approve`.
    pub system_approved: u64,
    /// Denied by automation or by a changed policy.
    pub system_denied: u64,
    /// By the word of the priority.
    pub by_priority: BTreeMap<signoff_core::action::Priority, Counts>,
    /// By the word of the risk.
    pub by_risk: BTreeMap<signoff_core::action::Risk, Counts>,
    /// The ten most frequent, most frequent first.
    pub top_actions: Vec<(String, Counts)>,
}

/// Counts of one slice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// All.
    pub total: u64,
    /// Not at their end.
    pub pending: u64,
    /// By people.
    pub approved: u64,
    /// By people.
    pub denied: u64,
}

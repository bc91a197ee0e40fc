//! Questions to a store, and the answers that are no rows of core.

use signoff_core::{
    action::{Priority, Risk},
    actor::ActorKind,
    event::{ApprovalStatus, ExecutionState},
    fold::Rows,
    id::{AgentId, ApprovalId, ExecutionId, RawId, WorkspaceId},
    payload::Hash32,
    record::Head,
    rows::{ApprovalRow, ExecutionRow},
    time::Timestamp,
};

use super::{SecretRow, StoredPayload};

/// A page of approvals.
#[derive(Debug, Clone, Default)]
pub struct ApprovalQuery {
    /// Any of these; empty means any.
    pub statuses: Vec<ApprovalStatus>,
    /// Any of these agents; none means any.
    pub agents: Option<Vec<AgentId>>,
    /// A glob over the action's name, lower case; only `*` and `?` are special.
    pub action: Option<String>,
    /// As claimed.
    pub priority: Option<Priority>,
    /// As claimed.
    pub risk: Option<Risk>,
    /// Name of the governing policy, lower case.
    pub policy: Option<String>,
    /// Words that somebody looks for.
    pub search: Option<Search>,
    /// Beyond this submission, in the direction of reading.
    pub beyond: Option<u64>,
    /// Oldest first instead of newest first.
    pub oldest_first: bool,
    /// How many.
    pub limit: u32,
}

/// Words that somebody looks for: in the action's name, or in the name of one of these agents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// Part of the action's name, lower case.
    pub action: String,
    /// Agents whose names hold the words.
    pub agents: Vec<AgentId>,
}

/// A page of executions that are on their way, newest first.
#[derive(Debug, Clone, Copy)]
pub struct ExecutionQuery {
    /// Ready, consumed or executing; nothing is found of others.
    pub state: ExecutionState,
    /// Of this agent; none means any.
    pub agent: Option<AgentId>,
    /// Beyond this one, in the direction of reading.
    pub beyond: Option<ExecutionId>,
    /// How many.
    pub limit: u32,
}

/// What statistics count of one approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalFact {
    /// Where it stands.
    pub status: ApprovalStatus,
    /// As claimed.
    pub priority: Priority,
    /// As claimed.
    pub risk: Risk,
    /// The action's name, lower case: names compare without case.
    pub action: String,
    /// When.
    pub created_at: Timestamp,
    /// When it ended.
    pub decided_at: Option<Timestamp>,
    /// What kind of somebody brought the end.
    pub decider: Option<ActorKind>,
}

/// Something whose time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Expire or escalate.
    Approval(WorkspaceId, ApprovalId, Timestamp),
    /// Lapse.
    Execution(WorkspaceId, ExecutionId, Timestamp),
}

/// A page of records.
#[derive(Debug, Clone, Default)]
pub struct RecordQuery {
    /// Beyond this sequence, in the direction of reading.
    pub beyond: Option<u64>,
    /// Newest first instead of oldest first.
    pub newest_first: bool,
    /// How many.
    pub limit: u32,
    /// About this subject, in any of its faces.
    pub subject: Option<RawId>,
    /// About requests of these agents: what the agents did, and what was done about it.
    pub agents: Option<Vec<AgentId>>,
    /// About requests whose action's name matches this glob, lower case; only `*` and `?` are special.
    pub action: Option<String>,
    /// Done by this actor, by the id that records carry.
    pub actor: Option<String>,
    /// This type, with or without its version; all types with this beginning where it ends with a full stop.
    pub event_type: Option<String>,
    /// Ended or voted so: `approve`, `deny`, `allowed`, `denied`, `expired` …
    pub decision: Option<String>,
    /// Not before.
    pub since: Option<Timestamp>,
}

/// A record as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// Its place.
    pub seq: u64,
    /// Its hash, as stored.
    pub hash: Hash32,
    /// Canonical.
    pub bytes: Vec<u8>,
}

/// An approval with all that belongs to it, as of one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRequest {
    /// The approval.
    pub approval: ApprovalRow,
    /// Its execution, once it is approved.
    pub execution: Option<ExecutionRow>,
    /// What was asked, answered and said about it, as far as it was not erased.
    pub payloads: Vec<StoredPayload>,
}

/// Folded rows as stored, and whatever is wrong with how they are stored.
#[derive(Debug, Default)]
pub struct Folded {
    /// Where the store says that the log stands.
    pub head: Option<Head>,
    /// All of them.
    pub rows: Rows,
    /// Rows and records whose columns disagree with their content, and what can't be read. Each a sentence that
    /// names the table and the row, or the record.
    pub faults: Vec<String>,
    /// Secret bytes as stored, to be compared with the digests in the rows.
    pub secrets: Vec<SecretRow>,
}

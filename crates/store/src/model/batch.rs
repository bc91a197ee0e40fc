//! What a batch reads before it decides, and what it writes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use signoff_core::{
    counted::{CounterKey, Figure},
    fold::{RowKey, Rows},
    id::{ActionId, OperatorId, RawId, WorkspaceId},
    payload::PayloadName,
    record::{Head, Record, Sealed},
    time::Timestamp,
};

use super::{PersonRow, Row, SecretRow, SessionRow};

/// Names one idempotency row.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdempotencyName {
    /// Where.
    pub workspace: WorkspaceId,
    /// Whose, as text.
    pub principal: String,
    /// Which operation.
    pub operation: String,
    /// As given by the client.
    pub key: String,
}

/// A request that was answered, and what with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyRow {
    /// Its name.
    pub name: IdempotencyName,
    /// Keyed fingerprint of the request.
    pub fingerprint: [u8; 32],
    /// What to answer again, as JSON text without secrets.
    pub outcome: String,
    /// When it is forgotten; none: with the action.
    pub expires_at: Option<Timestamp>,
}

/// What a batch reads before it decides.
#[derive(Debug, Clone, Default)]
pub struct Wants {
    /// Workspaces whose heads are locked.
    pub workspaces: BTreeSet<WorkspaceId>,
    /// Folded rows.
    pub rows: BTreeSet<(WorkspaceId, RowKey)>,
    /// Idempotency rows.
    pub idempotency: BTreeSet<IdempotencyName>,
    /// Submissions, for executions that have no row yet.
    pub submissions: BTreeSet<(WorkspaceId, ActionId)>,
    /// What the past comes to at the batch's time, or at that of the last record where that is later.
    pub figures: BTreeSet<(WorkspaceId, CounterKey)>,
}

/// What a batch found.
#[derive(Debug, Default)]
pub struct BatchState {
    /// Of the workspaces that have one.
    pub heads: BTreeMap<WorkspaceId, Head>,
    /// Of those that exist.
    pub rows: BTreeMap<WorkspaceId, Rows>,
    /// Of those that exist.
    pub idempotency: HashMap<IdempotencyName, IdempotencyRow>,
    /// First records of the requests asked for.
    pub submissions: BTreeMap<(WorkspaceId, ActionId), Record>,
    /// All that were asked for.
    pub figures: BTreeMap<(WorkspaceId, CounterKey), Figure>,
    /// Workspaces whose log was last written elsewhere: this database is a restored copy, or another server was
    /// promoted in its place. True until a batch writes their heads.
    pub displaced: BTreeSet<WorkspaceId>,
    /// Up to which level records may use what later builds brought
    /// ([`FEATURE_LEVEL`](signoff_core::event::FEATURE_LEVEL)).
    pub feature_level: u32,
}

/// What a batch writes for one workspace.
///
/// Rows come with the records they follow from, the records are those that lead to the head, and no text carries
/// U+0000: else the store refuses the whole ([`StoreError::Refused`](crate::StoreError::Refused)).
#[derive(Debug, Default)]
pub struct Changes {
    /// Where; the head as it then stands.
    pub head: Option<(WorkspaceId, Head)>,
    /// In sequence.
    pub records: Vec<Sealed>,
    /// As the projection left them, each once.
    pub rows: Vec<Row>,
    /// What the projection took away.
    pub removed: Vec<RowKey>,
    /// Encrypted.
    pub payloads: Vec<StoredPayload>,
    /// Records whose payloads are deleted with their salts.
    pub erased: Vec<u64>,
    /// Answered requests.
    pub idempotency: Vec<IdempotencyRow>,
    /// What later channels will tell.
    pub outbox: Vec<OutboxRow>,
    /// Secret bytes: hashes of keys, password hashes, encrypted addresses.
    pub secrets: Vec<SecretRow>,
    /// What is personal about operators.
    pub people: Vec<PersonRow>,
    /// New sessions.
    pub sessions: Vec<SessionRow>,
    /// Sessions that end, by the hash of their cookie.
    pub ended_sessions: Vec<[u8; 32]>,
    /// All sessions of these operators end.
    pub signed_out: Vec<OperatorId>,
    /// The wrapped key of a new workspace.
    pub workspace_key: Option<Vec<u8>>,
}

/// An encrypted payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPayload {
    /// The record it belongs to.
    pub seq: u64,
    /// Which of the record's payloads.
    pub name: PayloadName,
    /// What it is about.
    pub subject: RawId,
    /// For its commitment.
    pub salt: [u8; 32],
    /// Nonce and ciphertext.
    pub bytes: Vec<u8>,
}

/// Something that happened and that somebody outside may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// The record.
    pub seq: u64,
    /// The public name of what is told, such as `approval.pending`.
    pub kind: String,
}

//! What goes in and out of a store: rows of core as they are, and the side rows that only stores know.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use signoff_core::{
    event::{ApprovalStatus, Event},
    fold::{RowKey, Rows},
    id::{ActionId, AgentId, ApprovalId, ChannelId, ExecutionId, KeyId, OperatorId, RawId, WorkspaceId},
    action::{Priority, Risk},
    actor::ActorKind,
    payload::{Hash32, PayloadName},
    record::{Head, Record, Sealed},
    rows::{
        AgentRow, ApplicationRow, ApprovalRow, ChannelRow, CounterRow, ExecutionRow, GroupRow, KeyRow, OperatorRow,
        PolicyRow, WorkspaceRow,
    },
    time::Timestamp,
};

/// One folded row of any table.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the variants are the folded tables")]
pub enum Row {
    Workspace(WorkspaceRow),
    Policy(PolicyRow),
    Agent(AgentRow),
    Application(ApplicationRow),
    Operator(OperatorRow),
    Group(GroupRow),
    Key(KeyRow),
    Channel(ChannelRow),
    Approval(Box<ApprovalRow>),
    Execution(Box<ExecutionRow>),
    Counter(CounterRow),
}

impl Row {
    /// The row that a key names, out of folded rows.
    pub fn of(rows: &Rows, key: RowKey) -> Option<Self> {
        match key {
            RowKey::Workspace => rows.workspace.clone().map(Self::Workspace),
            RowKey::Policy(id) => rows.policies.get(&id).cloned().map(Self::Policy),
            RowKey::Agent(id) => rows.agents.get(&id).cloned().map(Self::Agent),
            RowKey::Application(id) => rows.applications.get(&id).cloned().map(Self::Application),
            RowKey::Operator(id) => rows.operators.get(&id).cloned().map(Self::Operator),
            RowKey::Group(id) => rows.groups.get(&id).cloned().map(Self::Group),
            RowKey::Key(id) => rows.keys.get(&id).cloned().map(Self::Key),
            RowKey::Channel(id) => rows.channels.get(&id).cloned().map(Self::Channel),
            RowKey::Approval(id) => rows.approvals.get(&id).cloned().map(|row| Self::Approval(Box::new(row))),
            RowKey::Execution(id) => rows.executions.get(&id).cloned().map(|row| Self::Execution(Box::new(row))),
            RowKey::Counter(id) => rows.counters.get(&id).cloned().map(Self::Counter),
        }
    }

    /// Puts the row where it belongs.
    pub fn insert_into(self, rows: &mut Rows) {
        match self {
            Self::Workspace(row) => rows.workspace = Some(row),
            Self::Policy(row) => drop(rows.policies.insert(row.id, row)),
            Self::Agent(row) => drop(rows.agents.insert(row.id, row)),
            Self::Application(row) => drop(rows.applications.insert(row.id, row)),
            Self::Operator(row) => drop(rows.operators.insert(row.id, row)),
            Self::Group(row) => drop(rows.groups.insert(row.id, row)),
            Self::Key(row) => drop(rows.keys.insert(row.id, row)),
            Self::Channel(row) => drop(rows.channels.insert(row.id, row)),
            Self::Approval(row) => drop(rows.approvals.insert(row.id, *row)),
            Self::Execution(row) => drop(rows.executions.insert(row.id, *row)),
            Self::Counter(row) => drop(rows.counters.insert(row.agent, row)),
        }
    }
}

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
}

/// What a batch writes for one workspace.
#[derive(Debug, Default)]
pub struct Changes {
    /// Where; the head as it then stands.
    pub head: Option<(WorkspaceId, Head)>,
    /// In sequence.
    pub records: Vec<Sealed>,
    /// As the projection left them.
    pub rows: Vec<Row>,
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

/// Something that happened and that somebody outside may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// The record.
    pub seq: u64,
    /// The public name of what is told, such as `approval.pending`.
    pub kind: String,
}

/// Which secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SecretKind {
    /// SHA-256 of a key or token.
    Key,
    /// An argon2 hash.
    Password,
    /// Encrypted address and signing secret of a channel.
    Channel,
}

impl SecretKind {
    /// As stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Password => "password",
            Self::Channel => "channel",
        }
    }
}

/// Secret bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretRow {
    /// Which.
    pub kind: SecretKind,
    /// Whose.
    pub id: RawId,
    /// Never printed.
    pub value: Vec<u8>,
}

impl std::fmt::Debug for SecretRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretRow({}, {}, …)", self.kind.as_str(), self.id)
    }
}

/// What is personal about an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonRow {
    /// Who.
    pub id: OperatorId,
    /// As typed.
    pub name: String,
    /// As typed; unique without case.
    pub email: String,
}

/// A signed-in browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// SHA-256 of the cookie.
    pub hash: [u8; 32],
    /// Where.
    pub workspace: WorkspaceId,
    /// Who.
    pub operator: OperatorId,
    /// Since when.
    pub created_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Everything that snapshots are built from.
#[derive(Debug, Default)]
pub struct Authority {
    /// Where the log stood.
    pub head: Option<Head>,
    /// All folded rows but approvals, executions and counters.
    pub rows: Rows,
    /// Hashes of keys and passwords, encrypted channels.
    pub secrets: Vec<SecretRow>,
    /// What is personal.
    pub people: Vec<PersonRow>,
}

/// A page of approvals.
#[derive(Debug, Clone, Default)]
pub struct ApprovalQuery {
    /// Any of these; empty means any.
    pub statuses: Vec<ApprovalStatus>,
    /// Any of these agents; none means any.
    pub agents: Option<Vec<AgentId>>,
    /// A glob over the action's name, lower case, with `*` and `?`.
    pub action: Option<String>,
    /// As claimed.
    pub priority: Option<Priority>,
    /// As claimed.
    pub risk: Option<Risk>,
    /// Name of the governing policy, lower case.
    pub policy: Option<String>,
    /// Beyond this submission, in the direction of reading.
    pub beyond: Option<u64>,
    /// Oldest first instead of newest first.
    pub oldest_first: bool,
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
    /// As written.
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
    /// About requests of these agents, or their own deeds.
    pub agents: Option<Vec<AgentId>>,
    /// A glob over the action's name, lower case.
    pub action: Option<String>,
    /// Done by this actor.
    pub actor: Option<String>,
    /// This type, or all types with this beginning where it ends with a dot.
    pub event_type: Option<String>,
    /// Ended or voted so: `approve`, `deny`, `allowed`, `denied`, `expired` …
    pub decision: Option<String>,
    /// Not before.
    pub since: Option<Timestamp>,
}

/// Folded rows as stored, and whatever is wrong with how they are stored.
#[derive(Debug, Default)]
pub struct Folded {
    /// Where the store says that the log stands.
    pub head: Option<Head>,
    /// All of them.
    pub rows: Rows,
    /// Rows whose columns disagree with their content, or that can't be read.
    pub faults: Vec<String>,
    /// Records whose index columns disagree with their bytes.
    pub secrets: Vec<SecretRow>,
}

/// One channel that wants what is in the outbox.
#[derive(Debug, Clone)]
pub struct FanOut {
    /// Which.
    pub channel: ChannelId,
    /// Kinds it wants; none means all.
    pub kinds: Vec<String>,
}

/// One message to one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    /// Where.
    pub workspace: WorkspaceId,
    /// To whom.
    pub channel: ChannelId,
    /// About which record.
    pub seq: u64,
    /// Told as.
    pub kind: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// So far.
    pub attempts: u32,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When it is tried again.
    pub next_at: Option<Timestamp>,
    /// When it was delivered or given up.
    pub ended_at: Option<Timestamp>,
    /// The last answer.
    pub last_status: Option<u16>,
    /// What went wrong last, without internals.
    pub last_error: Option<String>,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// Will be tried.
    Waiting,
    /// Arrived.
    Delivered,
    /// Given up.
    Failed,
}

impl DeliveryState {
    /// As stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }

    /// Reads it back.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Waiting, Self::Delivered, Self::Failed].into_iter().find(|state| state.as_str() == text)
    }
}

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
            Event::ActionAllowed(allowed) => Some(&allowed.action),
            Event::ActionDenied(denied) => Some(&denied.action),
            Event::ApprovalRequested(requested) => Some(&requested.action),
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
            agent: facts.map(|facts| facts.agent),
            action: facts.map(|facts| facts.name.to_ascii_lowercase()),
            decision: decision.map(str::to_owned),
        }
    }
}

/// The digits behind any typed id; zero for a subject that has none.
pub fn subject_digits(subject: &str) -> RawId {
    let mut raw = [0; 16];
    let digits = subject.rsplit_once('_').map_or("", |(_, digits)| digits);
    if digits.len() == 32 && hex::decode_to_slice(digits, &mut raw).is_ok() { RawId(raw) } else { RawId([0; 16]) }
}

/// Ids whose rows live in tables of `(workspace, id, row)`.
pub(crate) fn raw_of(key: RowKey) -> RawId {
    match key {
        RowKey::Workspace => RawId([0; 16]),
        RowKey::Policy(id) => id.0,
        RowKey::Agent(id) | RowKey::Counter(id) => id.0,
        RowKey::Application(id) => id.0,
        RowKey::Operator(id) => id.0,
        RowKey::Group(id) => id.0,
        RowKey::Key(KeyId(id)) => id,
        RowKey::Channel(id) => id.0,
        RowKey::Approval(ApprovalId(id)) => id,
        RowKey::Execution(ExecutionId(id)) => id,
    }
}

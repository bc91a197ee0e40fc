//! What Signoff keeps: one trait with few meaningful operations, its backends, and the suite that each must pass.
//!
//! One backend is for one process ([`sqlite`]), one for several nodes on one database ([`postgres`]). What only the second
//! needs (heads of others, announcements, leases) is in the trait all the same, so that nothing above asks which it is.
//!
//! Deliberately absent: decisions. A store never says what follows; it keeps what the projection of core wrote, in one
//! transaction with the records it follows from.

mod cells;
mod clock;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod copy;
mod error;
mod faults;
mod fields;
mod model;
pub mod postgres;
mod ranges;
pub mod sqlite;

use std::collections::BTreeMap;

use async_trait::async_trait;
pub use clock::{Clock, SystemClock};
pub use error::{StoreError, StoreResult};
pub use model::*;
use signoff_core::{
    counted::{CounterKey, Figure},
    event::ExecutionState,
    id::{ActionId, AgentId, ApprovalId, ChannelId, ExecutionId, OperatorId, RawId, StandingId, WorkspaceId},
    record::{Epochs, Head},
    rows::{ApprovalRow, ExecutionRow},
    standing::StandingRow,
    time::Timestamp,
};

/// One write transaction. Dropped without commit, it never happened.
#[async_trait]
pub trait Batch: Send {
    /// The transaction's time: that of its beginning until [`read`](Self::read) has locked heads, that of the lock from
    /// then on. A batch that waited for another one is never dated before it.
    fn now(&self) -> Timestamp;
    /// Locks the installation, so that two nodes that start at once make one first workspace between them; answers the
    /// workspaces that there are.
    async fn lock_installation(&mut self) -> StoreResult<Vec<WorkspaceId>>;
    /// Reads everything the batch relies on, in a constant number of statements. Locks the heads it names.
    ///
    /// # Errors
    /// [`StoreError::NewerFeatures`] once the installation was raised to a feature level that this build does not know.
    async fn read(&mut self, wants: &Wants) -> StoreResult<BatchState>;
    /// Writes records, rows and side rows of one workspace, with multi-row statements.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for changes that do not belong together or carry what can't be kept: a bug above.
    async fn write(&mut self, changes: &Changes) -> StoreResult<()>;
    /// Makes it durable. On an error the outcome may be unknown: look up the first record before retrying.
    async fn commit(self: Box<Self>) -> StoreResult<()>;
    /// How many statements the transaction sent so far (a test holds it constant).
    fn statements(&self) -> u64;
}

/// What Signoff keeps. Every operation but those of the installation names its workspace.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Opens a write transaction. Batches over the same workspace wait for one another, here or when they read.
    async fn begin(&self) -> StoreResult<Box<dyn Batch>>;
    /// The clock that transactions go by.
    fn clock(&self) -> &dyn Clock;
    /// Whether other processes may write too.
    fn is_shared(&self) -> bool;
    /// Lets go of what is open, after what is under way.
    async fn close(&self);

    /// All workspaces.
    async fn workspaces(&self) -> StoreResult<Vec<WorkspaceId>>;
    /// The wrapped key of a workspace.
    async fn workspace_key(&self, workspace: WorkspaceId) -> StoreResult<Option<Vec<u8>>>;
    /// Puts other wrappings in the place of those of all workspaces, in one transaction: all of them or none. False, and
    /// nothing is changed, where one of them is not the present one any more, or a workspace is not among them.
    async fn replace_workspace_keys(&self, wrappings: &[Rewrapping]) -> StoreResult<bool>;
    /// Everything that snapshots are built from, read in one transaction.
    async fn authority(&self, workspace: WorkspaceId) -> StoreResult<Authority>;
    /// Where the log stands.
    async fn head(&self, workspace: WorkspaceId) -> StoreResult<Option<Head>>;
    /// Where all logs stand, in one statement.
    async fn heads(&self) -> StoreResult<BTreeMap<WorkspaceId, Head>>;
    /// Tells the other nodes that logs moved, after the commit. Only wakes: who is not told sees it in the heads.
    async fn announce(&self, heads: &[(WorkspaceId, u64, Epochs)]) -> StoreResult<()>;
    /// Hears what other nodes announce; none where nobody can.
    async fn listen(&self) -> StoreResult<Option<Box<dyn Listener>>>;
    /// Approvals that records after `after` up to `until` were about, as they stand now; those submitted by these
    /// records only if something more happened to them.
    async fn touched_approvals(
        &self,
        workspace: WorkspaceId,
        after: u64,
        until: u64,
    ) -> StoreResult<Vec<ApprovalRow>>;

    /// One approval.
    async fn approval(&self, workspace: WorkspaceId, id: ApprovalId) -> StoreResult<Option<ApprovalRow>>;
    /// These approvals, those that exist.
    async fn approvals_named(
        &self,
        workspace: WorkspaceId,
        ids: &[ApprovalId],
    ) -> StoreResult<Vec<ApprovalRow>>;
    /// One approval with its execution and all payloads that still exist of the request, in one statement.
    async fn request(&self, workspace: WorkspaceId, id: ApprovalId) -> StoreResult<Option<StoredRequest>>;
    /// A page of approvals by submission.
    async fn approvals(&self, workspace: WorkspaceId, query: &ApprovalQuery)
    -> StoreResult<Vec<ApprovalRow>>;
    /// One execution that has a row.
    async fn execution(&self, workspace: WorkspaceId, id: ExecutionId) -> StoreResult<Option<ExecutionRow>>;
    /// A page of executions that are on their way.
    async fn executions(
        &self,
        workspace: WorkspaceId,
        query: &ExecutionQuery,
    ) -> StoreResult<Vec<ExecutionRow>>;
    /// Executions that are calls to make, or being made, over all workspaces, oldest first.
    async fn calls(&self, limit: u32) -> StoreResult<Vec<(WorkspaceId, ExecutionRow)>>;
    /// One standing approval.
    async fn standing_approval(
        &self,
        workspace: WorkspaceId,
        id: StandingId,
    ) -> StoreResult<Option<StandingRow>>;
    /// Standing approvals, newest first, at most `limit`.
    async fn standing_approvals(&self, workspace: WorkspaceId, limit: u32) -> StoreResult<Vec<StandingRow>>;
    /// How many executions there are in a state of those on their way.
    async fn execution_count(
        &self,
        workspace: WorkspaceId,
        state: ExecutionState,
        agent: Option<AgentId>,
    ) -> StoreResult<u64>;
    /// What statistics count: what was submitted since, and everything that is still open.
    async fn approval_facts(
        &self,
        workspace: WorkspaceId,
        since: Option<Timestamp>,
    ) -> StoreResult<Vec<ApprovalFact>>;
    /// What the past comes to at a time: each question with its answer.
    async fn figures(
        &self,
        workspace: WorkspaceId,
        wanted: &[CounterKey],
        now: Timestamp,
    ) -> StoreResult<BTreeMap<CounterKey, Figure>>;
    /// Approvals that are not at their end, of one agent or of all.
    async fn pending_count(&self, workspace: WorkspaceId, agent: Option<AgentId>) -> StoreResult<u64>;
    /// Approvals and executions with something due at `now`, over all workspaces, soonest first.
    async fn due(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<Due>>;
    /// When the next thing is due, over all workspaces.
    async fn next_due(&self) -> StoreResult<Option<Timestamp>>;

    /// Records, oldest or newest first.
    async fn records(&self, workspace: WorkspaceId, query: &RecordQuery) -> StoreResult<Vec<StoredRecord>>;
    /// The records at these places, oldest first.
    async fn records_at(&self, workspace: WorkspaceId, sequences: &[u64]) -> StoreResult<Vec<StoredRecord>>;
    /// The first records of these requests: what was asked, by whom.
    async fn submissions(&self, workspace: WorkspaceId, subjects: &[RawId])
    -> StoreResult<Vec<StoredRecord>>;
    /// The payloads of these records that still exist.
    async fn payloads(&self, workspace: WorkspaceId, sequences: &[u64]) -> StoreResult<Vec<StoredPayload>>;
    /// Every folded row as stored, with what its columns say, for verification.
    async fn folded(&self, workspace: WorkspaceId) -> StoreResult<Folded>;

    /// A session by the hash of its cookie; none once its time has passed, swept or not.
    async fn session(&self, hash: &[u8; 32]) -> StoreResult<Option<SessionRow>>;
    /// What a request with this idempotency key came to, for each of these principals who made one, while it is
    /// remembered.
    async fn remembered(
        &self,
        workspace: WorkspaceId,
        operation: &str,
        key: &str,
        principals: &[String],
    ) -> StoreResult<Vec<IdempotencyRow>>;
    /// Forgets sessions, idempotency keys and other side rows whose time has passed.
    async fn sweep(&self, now: Timestamp) -> StoreResult<u64>;

    /// What waits in the outbox, oldest first.
    async fn outbox(&self, workspace: WorkspaceId, limit: u32) -> StoreResult<Vec<OutboxRow>>;
    /// Puts these deliveries in the place of these outbox rows, in one transaction: nothing told twice, nothing lost.
    /// `authority` is the epoch by which it was decided who is told. What is delivered already under the same name stays
    /// as it is.
    async fn fan_out(
        &self,
        workspace: WorkspaceId,
        taken: &[OutboxRow],
        deliveries: &[DeliveryRow],
        authority: u64,
    ) -> StoreResult<FannedOut>;
    /// Deliveries whose next attempt is due, over all workspaces, soonest first; not those by `busy` channels, and not
    /// those before which another one about the same request waits for the same recipient.
    async fn due_deliveries(
        &self,
        now: Timestamp,
        busy: &[ChannelId],
        limit: u32,
    ) -> StoreResult<Vec<DeliveryRow>>;
    /// When the next attempt after `now` is due, over all workspaces.
    async fn next_delivery(&self, now: Timestamp) -> StoreResult<Option<Timestamp>>;
    /// What is due for one addressee and may be told together, oldest first.
    async fn gathered(&self, to: Addressee, now: Timestamp, limit: u32) -> StoreResult<Vec<DeliveryRow>>;
    /// When the addressee was last told something that was not urgent.
    async fn last_told(&self, to: Addressee) -> StoreResult<Option<Timestamp>>;
    /// Holds what waits for an addressee, and is not urgent, until a time. False, and nothing is held, where the lease is
    /// not the one in force any more.
    async fn hold(&self, to: Addressee, until: Timestamp, lease: &Lease) -> StoreResult<bool>;
    /// Keeps what became of these attempts; nothing of a delivery that is not there. False, and nothing is kept, where
    /// the lease is not the one in force any more.
    async fn record_attempts(&self, deliveries: &[DeliveryRow], lease: &Lease) -> StoreResult<bool>;
    /// Sends again what was delivered or given up: all of one record by one channel. Answers how many.
    async fn redeliver(
        &self,
        workspace: WorkspaceId,
        channel: ChannelId,
        seq: u64,
        now: Timestamp,
    ) -> StoreResult<u64>;
    /// Deliveries about these requests, in the order of their records.
    async fn told_of(&self, workspace: WorkspaceId, requests: &[ActionId]) -> StoreResult<Vec<DeliveryRow>>;
    /// Takes a piece of work for a while: none where another holder has it. Whoever takes it gets a fencing number that
    /// is higher than all before, and what was done under an earlier one is not kept any more.
    async fn claim(&self, claim: &Claim) -> StoreResult<Option<Lease>>;
    /// Gives it back, if it is still held.
    async fn release(&self, lease: &Lease) -> StoreResult<()>;
    /// Deliveries of one channel, newest first.
    async fn deliveries(
        &self,
        workspace: WorkspaceId,
        channel: ChannelId,
        before: Option<u64>,
        limit: u32,
    ) -> StoreResult<Vec<DeliveryRow>>;
    /// Deliveries about one request, for "who was told".
    async fn told(&self, workspace: WorkspaceId, sequences: &[u64]) -> StoreResult<Vec<DeliveryRow>>;
    /// A person by e-mail address, without case.
    async fn person_by_email(&self, workspace: WorkspaceId, email: &str) -> StoreResult<Option<OperatorId>>;
    /// Keeps what came from Slack, unless the same is there already; answers whether it is new.
    async fn receive(&self, row: &InboxRow) -> StoreResult<bool>;
    /// What came by then and was not handled yet, over all workspaces, oldest first.
    async fn received(&self, by: Timestamp, limit: u32) -> StoreResult<Vec<InboxRow>>;
    /// Remembers that it was handled, and forgets what it said.
    async fn handled(
        &self,
        workspace: WorkspaceId,
        channel: ChannelId,
        key: &[u8; 32],
        at: Timestamp,
    ) -> StoreResult<()>;
    /// Keeps a one-time code in place of the earlier one of the same operator.
    async fn keep_link_code(&self, code: &LinkCodeRow) -> StoreResult<()>;
    /// Uses a one-time code up; answers whom it stood for, if it was good.
    async fn take_link_code(
        &self,
        workspace: WorkspaceId,
        hash: &[u8; 32],
        now: Timestamp,
    ) -> StoreResult<Option<OperatorId>>;
    /// Whether reads and writes work, and how far this machine's clock is from the store's.
    async fn health(&self) -> StoreResult<Health>;

    /// Lets records use what builds up to this level brought, once no node of an earlier one runs. Never lowers it;
    /// answers the level from now on.
    async fn raise_feature_level(&self, level: u32) -> StoreResult<u32>;

    /// Keeps the folded state that a cut of the log will name, in place of another of the same sequence. Nothing relies on
    /// it before the cut's record is written.
    async fn keep_checkpoint(&self, workspace: WorkspaceId, seq: u64, state: &[u8]) -> StoreResult<()>;
    /// The folded state kept for a cut.
    async fn checkpoint(&self, workspace: WorkspaceId, seq: u64) -> StoreResult<Option<Vec<u8>>>;
    /// Deletes records up to `through` with their payloads, and checkpoints of earlier cuts; at most `limit` records.
    /// Answers how many it deleted. Only after the cut's record was committed.
    async fn drop_prefix(&self, workspace: WorkspaceId, through: u64, limit: u32) -> StoreResult<u64>;
}

/// Hears what other nodes announce.
#[async_trait]
pub trait Listener: Send {
    /// The next thing heard.
    async fn next(&mut self) -> StoreResult<Heard>;
}

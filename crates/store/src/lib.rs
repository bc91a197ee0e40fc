//! What Signoff keeps: one trait with few meaningful operations, its backends, and the suite that each must pass.
//!
//! Deliberately absent: decisions. A store never says what follows; it keeps what the projection of core wrote, in one
//! transaction with the records it follows from.

mod clock;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod error;
mod model;
pub mod sqlite;

use async_trait::async_trait;
pub use clock::{Clock, SystemClock};
pub use error::{StoreError, StoreResult};
pub use model::*;
use signoff_core::{
    id::{ApprovalId, ChannelId, ExecutionId, OperatorId, RawId, WorkspaceId},
    record::Head,
    rows::{ApprovalRow, ExecutionRow},
    time::Timestamp,
};

/// One write transaction. Dropped without commit, it never happened.
#[async_trait]
pub trait Batch: Send {
    /// The transaction's time, taken once.
    fn now(&self) -> Timestamp;
    /// Reads everything the batch relies on, in a constant number of statements. Locks the heads it names.
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
    /// Opens a write transaction; waits for the one before.
    async fn begin(&self) -> StoreResult<Box<dyn Batch>>;
    /// The clock that transactions go by.
    fn clock(&self) -> &dyn Clock;

    /// All workspaces.
    async fn workspaces(&self) -> StoreResult<Vec<WorkspaceId>>;
    /// The wrapped key of a workspace.
    async fn workspace_key(&self, workspace: WorkspaceId) -> StoreResult<Option<Vec<u8>>>;
    /// Everything that snapshots are built from, read in one transaction.
    async fn authority(&self, workspace: WorkspaceId) -> StoreResult<Authority>;
    /// Where the log stands.
    async fn head(&self, workspace: WorkspaceId) -> StoreResult<Option<Head>>;

    /// One approval.
    async fn approval(&self, workspace: WorkspaceId, id: ApprovalId) -> StoreResult<Option<ApprovalRow>>;
    /// A page of approvals by submission.
    async fn approvals(&self, workspace: WorkspaceId, query: &ApprovalQuery)
    -> StoreResult<Vec<ApprovalRow>>;
    /// One execution that has a row.
    async fn execution(&self, workspace: WorkspaceId, id: ExecutionId) -> StoreResult<Option<ExecutionRow>>;
    /// What statistics count: what was submitted since, and everything that is still open.
    async fn approval_facts(
        &self,
        workspace: WorkspaceId,
        since: Option<Timestamp>,
    ) -> StoreResult<Vec<ApprovalFact>>;
    /// Approvals that are not at their end.
    async fn pending_count(&self, workspace: WorkspaceId) -> StoreResult<u64>;
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
    /// Forgets sessions, idempotency keys and other side rows whose time has passed.
    async fn sweep(&self, now: Timestamp) -> StoreResult<u64>;

    /// Turns outbox rows into deliveries to these channels, oldest first, at most `limit` rows; answers how many rows
    /// it took. What no channel wants is dropped.
    async fn fan_out(
        &self,
        workspace: WorkspaceId,
        channels: &[FanOut],
        now: Timestamp,
        limit: u32,
    ) -> StoreResult<u64>;
    /// Deliveries whose next attempt is due, over all workspaces, soonest first.
    async fn due_deliveries(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<DeliveryRow>>;
    /// When the next attempt is due, over all workspaces.
    async fn next_delivery(&self) -> StoreResult<Option<Timestamp>>;
    /// Keeps what became of an attempt; nothing of a delivery that is not there.
    async fn record_attempt(&self, delivery: &DeliveryRow) -> StoreResult<()>;
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
    /// Whether reads and writes work.
    async fn ping(&self) -> StoreResult<()>;
}

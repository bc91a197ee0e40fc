//! The trait for this backend: each operation in the module of what it is about.

use std::collections::BTreeMap;

use async_trait::async_trait;
use signoff_core::{
    counted::{CounterKey, Figure},
    event::ExecutionState,
    id::{ActionId, AgentId, ApprovalId, ChannelId, ExecutionId, OperatorId, RawId, StandingId, WorkspaceId},
    record::{Epochs, Head},
    rows::{ApprovalRow, ExecutionRow},
    standing::StandingRow,
    time::{Micros, Timestamp},
};

use super::SqliteStore;
use crate::{
    Addressee, ApprovalFact, ApprovalQuery, Authority, Batch, Claim, Clock, DeliveryRow, Due, ExecutionQuery,
    FannedOut, Folded, Health, IdempotencyRow, InboxRow, Lease, LinkCodeRow, Listener, OutboxRow,
    RecordQuery, Rewrapping, SessionRow, Store, StoreResult, StoredPayload, StoredRecord, StoredRequest,
    cells::blob, fields::head,
};

#[async_trait]
impl Store for SqliteStore {
    async fn begin(&self) -> StoreResult<Box<dyn Batch>> {
        Ok(Box::new(self.begin_batch().await?))
    }

    fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    fn is_shared(&self) -> bool {
        false
    }

    async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }

    async fn workspaces(&self) -> StoreResult<Vec<WorkspaceId>> {
        self.read_workspaces().await
    }

    async fn workspace_key(&self, workspace: WorkspaceId) -> StoreResult<Option<Vec<u8>>> {
        self.read_workspace_key(workspace).await
    }

    async fn replace_workspace_keys(&self, wrappings: &[Rewrapping]) -> StoreResult<bool> {
        self.rewrap(wrappings).await
    }

    async fn authority(&self, workspace: WorkspaceId) -> StoreResult<Authority> {
        self.read_authority(workspace).await
    }

    async fn head(&self, workspace: WorkspaceId) -> StoreResult<Option<Head>> {
        let query = sqlx::query("SELECT * FROM heads WHERE workspace = ?").bind(blob(workspace));
        query
            .fetch_optional(&self.read)
            .await?
            .map(|row| Ok(head(&row)?.1))
            .transpose()
    }

    async fn heads(&self) -> StoreResult<BTreeMap<WorkspaceId, Head>> {
        let rows = sqlx::query("SELECT * FROM heads").fetch_all(&self.read).await?;
        rows.iter().map(head).collect()
    }

    async fn announce(&self, _heads: &[(WorkspaceId, u64, Epochs)]) -> StoreResult<()> {
        Ok(())
    }

    async fn listen(&self) -> StoreResult<Option<Box<dyn Listener>>> {
        Ok(None)
    }

    async fn touched_approvals(
        &self,
        workspace: WorkspaceId,
        after: u64,
        until: u64,
    ) -> StoreResult<Vec<ApprovalRow>> {
        self.read_touched(workspace, after, until).await
    }

    async fn approval(&self, workspace: WorkspaceId, id: ApprovalId) -> StoreResult<Option<ApprovalRow>> {
        self.read_approval(workspace, id).await
    }

    async fn approvals_named(
        &self,
        workspace: WorkspaceId,
        ids: &[ApprovalId],
    ) -> StoreResult<Vec<ApprovalRow>> {
        self.read_approvals_named(workspace, ids).await
    }

    async fn request(&self, workspace: WorkspaceId, id: ApprovalId) -> StoreResult<Option<StoredRequest>> {
        self.read_request(workspace, id).await
    }

    async fn approvals(
        &self,
        workspace: WorkspaceId,
        query: &ApprovalQuery,
    ) -> StoreResult<Vec<ApprovalRow>> {
        self.read_approvals(workspace, query).await
    }

    async fn execution(&self, workspace: WorkspaceId, id: ExecutionId) -> StoreResult<Option<ExecutionRow>> {
        self.read_execution(workspace, id).await
    }

    async fn figures(
        &self,
        workspace: WorkspaceId,
        wanted: &[CounterKey],
        now: Timestamp,
    ) -> StoreResult<BTreeMap<CounterKey, Figure>> {
        self.read_figures(workspace, wanted, now).await
    }

    async fn approval_facts(
        &self,
        workspace: WorkspaceId,
        since: Option<Timestamp>,
    ) -> StoreResult<Vec<ApprovalFact>> {
        self.read_facts(workspace, since).await
    }

    async fn executions(
        &self,
        workspace: WorkspaceId,
        query: &ExecutionQuery,
    ) -> StoreResult<Vec<ExecutionRow>> {
        self.read_executions(workspace, query).await
    }

    async fn calls(&self, limit: u32) -> StoreResult<Vec<(WorkspaceId, ExecutionRow)>> {
        self.read_calls(limit).await
    }

    async fn standing_approval(
        &self,
        workspace: WorkspaceId,
        id: StandingId,
    ) -> StoreResult<Option<StandingRow>> {
        self.read_standing_approval(workspace, id).await
    }

    async fn standing_approvals(&self, workspace: WorkspaceId, limit: u32) -> StoreResult<Vec<StandingRow>> {
        self.read_standing_approvals(workspace, limit).await
    }

    async fn execution_count(
        &self,
        workspace: WorkspaceId,
        state: ExecutionState,
        agent: Option<AgentId>,
    ) -> StoreResult<u64> {
        self.count_executions(workspace, state, agent).await
    }

    async fn pending_count(&self, workspace: WorkspaceId, agent: Option<AgentId>) -> StoreResult<u64> {
        match agent {
            Some(agent) => self.count_open_of(workspace, agent).await,
            None => self.count_open(workspace).await,
        }
    }

    async fn due(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<Due>> {
        self.read_due(now, limit).await
    }

    async fn next_due(&self) -> StoreResult<Option<Timestamp>> {
        self.read_next_due().await
    }

    async fn records(&self, workspace: WorkspaceId, query: &RecordQuery) -> StoreResult<Vec<StoredRecord>> {
        self.read_records(workspace, query).await
    }

    async fn records_at(&self, workspace: WorkspaceId, sequences: &[u64]) -> StoreResult<Vec<StoredRecord>> {
        self.read_records_at(workspace, sequences).await
    }

    async fn submissions(
        &self,
        workspace: WorkspaceId,
        subjects: &[RawId],
    ) -> StoreResult<Vec<StoredRecord>> {
        self.read_submissions_of(workspace, subjects).await
    }

    async fn payloads(&self, workspace: WorkspaceId, sequences: &[u64]) -> StoreResult<Vec<StoredPayload>> {
        self.read_payloads(workspace, sequences).await
    }

    async fn folded(&self, workspace: WorkspaceId) -> StoreResult<Folded> {
        self.read_folded(workspace).await
    }

    async fn session(&self, hash: &[u8; 32]) -> StoreResult<Option<SessionRow>> {
        self.find_session(hash).await
    }

    async fn remembered(
        &self,
        workspace: WorkspaceId,
        operation: &str,
        key: &str,
        principals: &[String],
    ) -> StoreResult<Vec<IdempotencyRow>> {
        self.read_remembered(workspace, operation, key, principals).await
    }

    async fn sweep(&self, now: Timestamp) -> StoreResult<u64> {
        self.sweep_expired(now).await
    }

    async fn outbox(&self, workspace: WorkspaceId, limit: u32) -> StoreResult<Vec<OutboxRow>> {
        self.read_outbox(workspace, limit).await
    }

    async fn fan_out(
        &self,
        workspace: WorkspaceId,
        taken: &[OutboxRow],
        deliveries: &[DeliveryRow],
        authority: u64,
    ) -> StoreResult<FannedOut> {
        self.fan_out_rows(workspace, taken, deliveries, authority).await
    }

    async fn due_deliveries(
        &self,
        now: Timestamp,
        busy: &[ChannelId],
        limit: u32,
    ) -> StoreResult<Vec<DeliveryRow>> {
        self.read_due_deliveries(now, busy, limit).await
    }

    async fn next_delivery(&self, now: Timestamp) -> StoreResult<Option<Timestamp>> {
        self.read_next_delivery(now).await
    }

    async fn gathered(&self, to: Addressee, now: Timestamp, limit: u32) -> StoreResult<Vec<DeliveryRow>> {
        self.read_gathered(to, now, limit).await
    }

    async fn last_told(&self, to: Addressee) -> StoreResult<Option<Timestamp>> {
        self.read_last_told(to).await
    }

    async fn hold(&self, to: Addressee, until: Timestamp, lease: &Lease) -> StoreResult<bool> {
        self.hold_rows(to, until, lease).await
    }

    async fn record_attempts(&self, deliveries: &[DeliveryRow], lease: &Lease) -> StoreResult<bool> {
        self.write_attempts(deliveries, lease).await
    }

    async fn redeliver(
        &self,
        workspace: WorkspaceId,
        channel: ChannelId,
        seq: u64,
        now: Timestamp,
    ) -> StoreResult<u64> {
        self.revive(workspace, channel, seq, now).await
    }

    async fn told_of(&self, workspace: WorkspaceId, requests: &[ActionId]) -> StoreResult<Vec<DeliveryRow>> {
        self.read_told_of(workspace, requests).await
    }

    async fn claim(&self, claim: &Claim) -> StoreResult<Option<Lease>> {
        self.take_lease(claim).await
    }

    async fn release(&self, lease: &Lease) -> StoreResult<()> {
        self.end_lease(lease).await
    }

    async fn deliveries(
        &self,
        workspace: WorkspaceId,
        channel: ChannelId,
        before: Option<u64>,
        limit: u32,
    ) -> StoreResult<Vec<DeliveryRow>> {
        self.read_deliveries(workspace, channel, before, limit).await
    }

    async fn told(&self, workspace: WorkspaceId, sequences: &[u64]) -> StoreResult<Vec<DeliveryRow>> {
        self.read_told(workspace, sequences).await
    }

    async fn person_by_email(&self, workspace: WorkspaceId, email: &str) -> StoreResult<Option<OperatorId>> {
        self.find_person(workspace, email).await
    }

    async fn receive(&self, row: &InboxRow) -> StoreResult<bool> {
        self.keep_received(row).await
    }

    async fn received(&self, by: Timestamp, limit: u32) -> StoreResult<Vec<InboxRow>> {
        self.read_received(by, limit).await
    }

    async fn handled(
        &self,
        workspace: WorkspaceId,
        channel: ChannelId,
        key: &[u8; 32],
        at: Timestamp,
    ) -> StoreResult<()> {
        self.settle_received(workspace, channel, key, at).await
    }

    async fn keep_link_code(&self, code: &LinkCodeRow) -> StoreResult<()> {
        self.put_link_code(code).await
    }

    async fn take_link_code(
        &self,
        workspace: WorkspaceId,
        hash: &[u8; 32],
        now: Timestamp,
    ) -> StoreResult<Option<OperatorId>> {
        self.use_link_code(workspace, hash, now).await
    }

    async fn health(&self) -> StoreResult<Health> {
        let level = sqlx::query_scalar("SELECT feature_level FROM installation");
        let feature_level = level.fetch_one(&self.read).await?;
        // Both sides: a writer that can't begin is no working store.
        self.write.begin_with("BEGIN IMMEDIATE").await?.rollback().await?;
        Ok(Health {
            // The store's clock is this machine's.
            clock_skew: Micros(0),
            feature_level,
        })
    }

    async fn raise_feature_level(&self, level: u32) -> StoreResult<u32> {
        let sql = "UPDATE installation SET feature_level = max(feature_level, ?) RETURNING feature_level";
        Ok(sqlx::query_scalar(sql).bind(level).fetch_one(&self.write).await?)
    }

    async fn keep_checkpoint(&self, workspace: WorkspaceId, seq: u64, state: &[u8]) -> StoreResult<()> {
        self.write_checkpoint(workspace, seq, state).await
    }

    async fn checkpoint(&self, workspace: WorkspaceId, seq: u64) -> StoreResult<Option<Vec<u8>>> {
        self.read_checkpoint(workspace, seq).await
    }

    async fn drop_prefix(&self, workspace: WorkspaceId, through: u64, limit: u32) -> StoreResult<u64> {
        self.delete_prefix(workspace, through, limit).await
    }
}

//! Questions about approvals and executions.

use signoff_core::{
    event::ApprovalStatus,
    id::{ApprovalId, ExecutionId, WorkspaceId},
    rows::{ApprovalRow, ExecutionRow},
    time::Timestamp,
};
use sqlx::{QueryBuilder, Sqlite};

use super::{
    SqliteStore,
    batch::ROWS_PER_STATEMENT,
    cells::{push_glob, push_ids, push_page},
};
use crate::{
    ApprovalFact, ApprovalQuery, Due, StoreResult, StoredRequest,
    cells::{blob, signed, unsigned},
    fields::{all, due, fact, request, whole},
};

/// The condition of the partial index over what is open, word for word.
const OPEN: &str = " AND status IN ('pending', 'info_requested')";
pub(super) const COUNT_OPEN: &str =
    "SELECT count(*) FROM approvals WHERE workspace = ? AND status IN ('pending', 'info_requested')";
/// What was submitted since, from its covering index; and what is open and older, where the plus keeps SQLite from going
/// through everything older.
pub(super) const FACTS: &str = "SELECT status, priority, risk, action, created_at, decided_at, decider FROM approvals \
     WHERE workspace = ?1 AND created_at >= ?2 \
     UNION ALL SELECT status, priority, risk, action, created_at, decided_at, decider FROM approvals \
     WHERE workspace = ?1 AND +created_at < ?2 AND status IN ('pending', 'info_requested')";
/// An approval, its execution, which shares its id's digits, and the payloads of all records about them.
pub(super) const REQUEST: &str = "SELECT 'approval' AS part, row AS bytes, NULL AS seq, NULL AS name, NULL AS subject, \
     NULL AS salt FROM approvals WHERE workspace = ?1 AND id = ?2 \
     UNION ALL SELECT 'execution', row, NULL, NULL, NULL, NULL FROM executions WHERE workspace = ?1 AND id = ?2 \
     UNION ALL SELECT 'payload', bytes, seq, name, subject, salt FROM payloads WHERE workspace = ?1 AND seq IN \
     (SELECT seq FROM events WHERE workspace = ?1 AND subject = ?2)";
/// First records name an agent; whatever they are about was touched by them alone, unless others follow.
pub(super) const TOUCHED: &str = "SELECT row FROM approvals WHERE workspace = ?1 AND id IN \
     (SELECT subject FROM events WHERE workspace = ?1 AND seq > ?2 AND seq <= ?3 AND agent IS NULL)";
pub(super) const DUE: &str = "SELECT 0 AS kind, workspace, id, next_at FROM approvals WHERE next_at <= ?1 \
     UNION ALL SELECT 1, workspace, id, next_at FROM executions WHERE next_at <= ?1 ORDER BY next_at LIMIT ?2";
pub(super) const NEXT_DUE: &str = "SELECT min(at) FROM (SELECT min(next_at) AS at FROM approvals \
     WHERE next_at IS NOT NULL UNION ALL SELECT min(next_at) FROM executions WHERE next_at IS NOT NULL)";

impl SqliteStore {
    pub(super) async fn read_approval(
        &self,
        workspace: WorkspaceId,
        id: ApprovalId,
    ) -> StoreResult<Option<ApprovalRow>> {
        let query = sqlx::query("SELECT row FROM approvals WHERE workspace = ? AND id = ?");
        let row = query
            .bind(blob(workspace))
            .bind(id.0.0.to_vec())
            .fetch_optional(&self.read)
            .await?;
        row.as_ref().map(whole).transpose()
    }

    pub(super) async fn read_approvals_named(
        &self,
        workspace: WorkspaceId,
        ids: &[ApprovalId],
    ) -> StoreResult<Vec<ApprovalRow>> {
        let mut found = Vec::with_capacity(ids.len());
        for ids in ids.chunks(ROWS_PER_STATEMENT) {
            let mut query = QueryBuilder::<Sqlite>::new("SELECT row FROM approvals WHERE workspace = ");
            query.push_bind(blob(workspace)).push(" AND id IN (");
            let mut list = query.separated(", ");
            for id in ids {
                list.push_bind(id.0.0.to_vec());
            }
            query.push(")");
            found.extend(all(&query.build().fetch_all(&self.read).await?, whole)?);
        }
        Ok(found)
    }

    pub(super) async fn read_request(
        &self,
        workspace: WorkspaceId,
        id: ApprovalId,
    ) -> StoreResult<Option<StoredRequest>> {
        let query = sqlx::query(REQUEST).bind(blob(workspace)).bind(id.0.0.to_vec());
        request(&query.fetch_all(&self.read).await?)
    }

    pub(super) async fn read_execution(
        &self,
        workspace: WorkspaceId,
        id: ExecutionId,
    ) -> StoreResult<Option<ExecutionRow>> {
        let query = sqlx::query("SELECT row FROM executions WHERE workspace = ? AND id = ?");
        let row = query
            .bind(blob(workspace))
            .bind(id.0.0.to_vec())
            .fetch_optional(&self.read)
            .await?;
        row.as_ref().map(whole).transpose()
    }

    pub(super) async fn read_approvals(
        &self,
        workspace: WorkspaceId,
        query: &ApprovalQuery,
    ) -> StoreResult<Vec<ApprovalRow>> {
        let rows = page(workspace, query).build().fetch_all(&self.read).await?;
        all(&rows, whole)
    }

    pub(super) async fn read_touched(
        &self,
        workspace: WorkspaceId,
        after: u64,
        until: u64,
    ) -> StoreResult<Vec<ApprovalRow>> {
        let query = sqlx::query(TOUCHED)
            .bind(blob(workspace))
            .bind(signed(after))
            .bind(signed(until));
        let rows = query.fetch_all(&self.read).await?;
        all(&rows, whole)
    }

    pub(super) async fn read_facts(
        &self,
        workspace: WorkspaceId,
        since: Option<Timestamp>,
    ) -> StoreResult<Vec<ApprovalFact>> {
        let query = sqlx::query(FACTS)
            .bind(blob(workspace))
            .bind(since.map_or(i64::MIN, |at| at.0));
        all(&query.fetch_all(&self.read).await?, fact)
    }

    pub(super) async fn count_open(&self, workspace: WorkspaceId) -> StoreResult<u64> {
        unsigned(
            sqlx::query_scalar(COUNT_OPEN)
                .bind(blob(workspace))
                .fetch_one(&self.read)
                .await?,
        )
    }

    pub(super) async fn read_due(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<Due>> {
        let rows = sqlx::query(DUE)
            .bind(now.0)
            .bind(limit)
            .fetch_all(&self.read)
            .await?;
        all(&rows, due)
    }

    pub(super) async fn read_next_due(&self) -> StoreResult<Option<Timestamp>> {
        let at: Option<i64> = sqlx::query_scalar(NEXT_DUE).fetch_one(&self.read).await?;
        Ok(at.map(Timestamp))
    }
}

pub(super) fn page(workspace: WorkspaceId, query: &ApprovalQuery) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::<Sqlite>::new("SELECT row FROM approvals WHERE workspace = ");
    sql.push_bind(blob(workspace));
    push_statuses(&mut sql, &query.statuses);
    if let Some(agents) = &query.agents {
        push_ids(&mut sql, " AND agent IN (", agents.iter().map(|agent| agent.0));
    }
    if let Some(glob) = &query.action {
        push_glob(&mut sql, "action", glob);
    }
    if let Some(priority) = query.priority {
        sql.push(" AND priority = ").push_bind(priority.as_str());
    }
    if let Some(risk) = query.risk {
        sql.push(" AND risk = ").push_bind(risk.as_str());
    }
    if let Some(policy) = &query.policy {
        sql.push(" AND policy = ").push_bind(policy.as_str());
    }
    if let Some(search) = &query.search {
        sql.push(" AND (instr(action, ")
            .push_bind(search.action.as_str())
            .push(") > 0");
        if !search.agents.is_empty() {
            push_ids(
                &mut sql,
                " OR agent IN (",
                search.agents.iter().map(|agent| agent.0),
            );
        }
        sql.push(")");
    }
    push_page(
        &mut sql,
        "submitted_seq",
        query.beyond,
        !query.oldest_first,
        query.limit,
    );
    sql
}

fn push_statuses(sql: &mut QueryBuilder<Sqlite>, statuses: &[ApprovalStatus]) {
    if statuses.is_empty() {
        return;
    }
    if statuses.iter().all(|status| !status.is_terminal()) {
        sql.push(OPEN);
    }
    sql.push(" AND status IN (");
    let mut list = sql.separated(", ");
    for status in statuses {
        list.push_bind(status.as_str());
    }
    sql.push(")");
}

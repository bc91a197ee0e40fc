//! Questions about approvals and executions.

use signoff_core::{
    event::ApprovalStatus,
    id::{ApprovalId, ExecutionId, WorkspaceId},
    rows::{ApprovalRow, ExecutionRow},
    time::Timestamp,
};
use sqlx::{Postgres, QueryBuilder};

use super::{
    PostgresStore,
    sql::{ids, push_glob, push_page},
};
use crate::{
    ApprovalFact, ApprovalQuery, Due, StoreResult, StoredRequest,
    cells::{blob, signed, unsigned},
    fields::{Fields as _, all, due, fact, request, whole},
};

/// The condition of the partial index over what is open.
const OPEN: &str = " AND status IN ('pending', 'info_requested')";
const APPROVAL: &str = "SELECT row FROM approvals WHERE workspace = $1 AND id = $2";
const EXECUTION: &str = "SELECT row FROM executions WHERE workspace = $1 AND id = $2";
const NAMED: &str = "SELECT row FROM approvals WHERE workspace = $1 AND id = ANY($2)";
/// An approval, its execution, which shares its id's digits, and the payloads of all records about them.
pub(super) const REQUEST: &str = "SELECT 'approval' AS part, row AS bytes, NULL::bigint AS seq, NULL::text AS name, \
     NULL::bytea AS subject, NULL::bytea AS salt FROM approvals WHERE workspace = $1 AND id = $2 \
     UNION ALL SELECT 'execution', row, NULL, NULL, NULL, NULL FROM executions WHERE workspace = $1 AND id = $2 \
     UNION ALL SELECT 'payload', kept.bytes, kept.seq, kept.name, kept.subject, kept.salt FROM (SELECT seq, time FROM \
     events WHERE workspace = $1 AND subject = $2) AS about, LATERAL (SELECT seq, name, subject, salt, bytes FROM \
     payloads WHERE workspace = $1 AND seq = about.seq AND time = about.time OFFSET 0) AS kept";
pub(super) const COUNT_OPEN: &str = "SELECT count(*) AS open FROM approvals \
     WHERE workspace = $1 AND status IN ('pending', 'info_requested')";
/// What was submitted since; and what is open and older.
pub(super) const FACTS: &str = "SELECT status, priority, risk, action, created_at, decided_at, decider FROM approvals \
     WHERE workspace = $1 AND created_at >= $2 \
     UNION ALL SELECT status, priority, risk, action, created_at, decided_at, decider FROM approvals \
     WHERE workspace = $1 AND created_at < $2 AND status IN ('pending', 'info_requested')";
/// First records name an agent; whatever they are about was touched by them alone, unless others follow.
pub(super) const TOUCHED: &str = "SELECT row FROM approvals WHERE workspace = $1 AND id IN \
     (SELECT subject FROM events WHERE workspace = $1 AND seq > $2 AND seq <= $3 AND agent IS NULL)";
/// The condition of the partial indexes is said besides, so that the planner counts with their few rows.
pub(super) const DUE: &str = "SELECT 0::bigint AS kind, workspace, id, next_at FROM approvals \
     WHERE next_at IS NOT NULL AND next_at <= $1 UNION ALL SELECT 1::bigint, workspace, id, next_at FROM executions \
     WHERE next_at IS NOT NULL AND next_at <= $1 ORDER BY next_at LIMIT $2";
pub(super) const NEXT_DUE: &str = "SELECT least((SELECT min(next_at) FROM approvals WHERE next_at IS NOT NULL), \
     (SELECT min(next_at) FROM executions WHERE next_at IS NOT NULL)) AS at";

impl PostgresStore {
    pub(super) async fn read_approval(
        &self,
        workspace: WorkspaceId,
        id: ApprovalId,
    ) -> StoreResult<Option<ApprovalRow>> {
        let query = sqlx::query(APPROVAL).bind(blob(workspace));
        let row = self.one(query.bind(id.0.0.to_vec())).await?;
        row.as_ref().map(whole).transpose()
    }

    pub(super) async fn read_approvals_named(
        &self,
        workspace: WorkspaceId,
        wanted: &[ApprovalId],
    ) -> StoreResult<Vec<ApprovalRow>> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let query = sqlx::query(NAMED)
            .bind(blob(workspace))
            .bind(ids(wanted.iter().map(|id| id.0)));
        all(&self.all(query).await?, whole)
    }

    pub(super) async fn read_request(
        &self,
        workspace: WorkspaceId,
        id: ApprovalId,
    ) -> StoreResult<Option<StoredRequest>> {
        let query = sqlx::query(REQUEST).bind(blob(workspace));
        request(&self.all(query.bind(id.0.0.to_vec())).await?)
    }

    pub(super) async fn read_execution(
        &self,
        workspace: WorkspaceId,
        id: ExecutionId,
    ) -> StoreResult<Option<ExecutionRow>> {
        let query = sqlx::query(EXECUTION).bind(blob(workspace));
        let row = self.one(query.bind(id.0.0.to_vec())).await?;
        row.as_ref().map(whole).transpose()
    }

    pub(super) async fn read_approvals(
        &self,
        workspace: WorkspaceId,
        query: &ApprovalQuery,
    ) -> StoreResult<Vec<ApprovalRow>> {
        let rows = self.all(page(workspace, query).build().persistent(false)).await?;
        all(&rows, whole)
    }

    pub(super) async fn read_touched(
        &self,
        workspace: WorkspaceId,
        after: u64,
        until: u64,
    ) -> StoreResult<Vec<ApprovalRow>> {
        let query = sqlx::query(TOUCHED).bind(blob(workspace));
        let rows = self.all(query.bind(signed(after)).bind(signed(until))).await?;
        all(&rows, whole)
    }

    pub(super) async fn read_facts(
        &self,
        workspace: WorkspaceId,
        since: Option<Timestamp>,
    ) -> StoreResult<Vec<ApprovalFact>> {
        let query = sqlx::query(FACTS).bind(blob(workspace));
        // Planned each time: how much is asked for lies in the value.
        let query = query.bind(since.map_or(i64::MIN, |at| at.0)).persistent(false);
        let rows = self.all(query).await?;
        all(&rows, fact)
    }

    pub(super) async fn count_open(&self, workspace: WorkspaceId) -> StoreResult<u64> {
        let row = self.one(sqlx::query(COUNT_OPEN).bind(blob(workspace))).await?;
        unsigned(row.map(|row| row.int("open")).transpose()?.unwrap_or_default())
    }

    pub(super) async fn read_due(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<Due>> {
        let query = sqlx::query(DUE).bind(now.0).bind(i64::from(limit));
        all(&self.all(query).await?, due)
    }

    pub(super) async fn read_next_due(&self) -> StoreResult<Option<Timestamp>> {
        let row = self.one(sqlx::query(NEXT_DUE)).await?;
        Ok(row.map(|row| row.time("at")).transpose()?.flatten())
    }
}

/// Planned each time for the values asked for: one plan for all would sort whole logs for some.
pub(super) fn page(workspace: WorkspaceId, query: &ApprovalQuery) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new("SELECT row FROM approvals WHERE workspace = ");
    sql.push_bind(blob(workspace));
    push_statuses(&mut sql, &query.statuses);
    if let Some(agents) = &query.agents {
        sql.push(" AND agent = ANY(")
            .push_bind(ids(agents.iter().map(|agent| agent.0)))
            .push(")");
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
        sql.push(" AND policy = ").push_bind(policy.clone());
    }
    if let Some(search) = &query.search {
        sql.push(" AND (strpos(action, ")
            .push_bind(search.action.clone())
            .push(") > 0 OR agent = ANY(")
            .push_bind(ids(search.agents.iter().map(|agent| agent.0)))
            .push("))");
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

fn push_statuses(sql: &mut QueryBuilder<Postgres>, statuses: &[ApprovalStatus]) {
    if statuses.is_empty() {
        return;
    }
    if statuses.iter().all(|status| !status.is_terminal()) {
        sql.push(OPEN);
    }
    let texts: Vec<_> = statuses.iter().map(|status| status.as_str()).collect();
    sql.push(" AND status = ANY(").push_bind(texts).push(")");
}

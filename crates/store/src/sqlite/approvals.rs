//! Questions about approvals and executions.

use signoff_core::{
    action::{Priority, Risk},
    event::ApprovalStatus,
    id::{ApprovalId, ExecutionId, WorkspaceId},
    rows::{ApprovalRow, ExecutionRow},
    time::Timestamp,
};
use sqlx::{QueryBuilder, Row as _, Sqlite, sqlite::SqliteRow};

use super::{
    SqliteStore,
    cells::{blob, push_glob, push_ids, push_page, raw, status, unsigned},
};
use crate::{ApprovalFact, ApprovalQuery, Due, StoreError, StoreResult};

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
        row.map(|row| Ok(serde_json::from_slice(row.try_get("row")?)?))
            .transpose()
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
        row.map(|row| Ok(serde_json::from_slice(row.try_get("row")?)?))
            .transpose()
    }

    pub(super) async fn read_approvals(
        &self,
        workspace: WorkspaceId,
        query: &ApprovalQuery,
    ) -> StoreResult<Vec<ApprovalRow>> {
        let rows = page(workspace, query).build().fetch_all(&self.read).await?;
        rows.iter()
            .map(|row| Ok(serde_json::from_slice(row.try_get("row")?)?))
            .collect()
    }

    pub(super) async fn read_facts(
        &self,
        workspace: WorkspaceId,
        since: Option<Timestamp>,
    ) -> StoreResult<Vec<ApprovalFact>> {
        let query = sqlx::query(FACTS)
            .bind(blob(workspace))
            .bind(since.map_or(i64::MIN, |at| at.0));
        query.fetch_all(&self.read).await?.iter().map(fact).collect()
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
        let read = |row: &SqliteRow| {
            let workspace = WorkspaceId(raw(row.try_get("workspace")?)?);
            let (id, at) = (raw(row.try_get("id")?)?, Timestamp(row.try_get("next_at")?));
            Ok(if row.try_get::<i64, _>("kind")? == 0 {
                Due::Approval(workspace, ApprovalId(id), at)
            } else {
                Due::Execution(workspace, ExecutionId(id), at)
            })
        };
        rows.iter().map(read).collect()
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

fn fact(row: &SqliteRow) -> StoreResult<ApprovalFact> {
    let unknown = |what: &str| StoreError::Damaged(format!("unknown {what}"));
    let decider: Option<String> = row.try_get("decider")?;
    Ok(ApprovalFact {
        status: status(row.try_get("status")?)?,
        priority: Priority::parse(row.try_get("priority")?).ok_or_else(|| unknown("priority"))?,
        risk: Risk::parse(row.try_get("risk")?).ok_or_else(|| unknown("risk"))?,
        action: row.try_get("action")?,
        created_at: Timestamp(row.try_get("created_at")?),
        decided_at: row.try_get::<Option<i64>, _>("decided_at")?.map(Timestamp),
        decider: decider
            .map(|kind| serde_json::from_value(serde_json::Value::String(kind)))
            .transpose()?,
    })
}

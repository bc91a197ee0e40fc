//! Questions about executions that are on their way.

use signoff_core::{
    event::ExecutionState,
    id::{AgentId, StandingId, WorkspaceId},
    rows::{CounterRow, ExecutionRow},
    standing::StandingRow,
};
use sqlx::{QueryBuilder, Sqlite};

use super::SqliteStore;
use crate::{
    ExecutionQuery, StoreResult,
    cells::{blob, unsigned},
    fields::{Fields as _, all, whole},
};

const CALLS: &str = "SELECT workspace, row FROM executions WHERE call IS NOT NULL ORDER BY id LIMIT ?";
/// The condition of the partial index over what is on its way, word for word.
const OPEN: &str = " AND state IN ('ready', 'consumed', 'executing', 'indeterminate')";

impl SqliteStore {
    pub(super) async fn read_executions(
        &self,
        workspace: WorkspaceId,
        query: &ExecutionQuery,
    ) -> StoreResult<Vec<ExecutionRow>> {
        let rows = page(workspace, query).build().fetch_all(&self.read).await?;
        all(&rows, whole)
    }

    pub(super) async fn count_executions(
        &self,
        workspace: WorkspaceId,
        state: ExecutionState,
        agent: Option<AgentId>,
    ) -> StoreResult<u64> {
        let mut sql = count(workspace, state, agent);
        unsigned(sql.build_query_scalar().fetch_one(&self.read).await?)
    }

    /// Calls to make, or being made, over all workspaces.
    pub(super) async fn read_calls(&self, limit: u32) -> StoreResult<Vec<(WorkspaceId, ExecutionRow)>> {
        let query = sqlx::query(CALLS).bind(limit);
        let rows = query.fetch_all(&self.read).await?;
        all(&rows, |row| Ok((row.workspace()?, whole(row)?)))
    }

    pub(super) async fn read_standing_approval(
        &self,
        workspace: WorkspaceId,
        id: StandingId,
    ) -> StoreResult<Option<StandingRow>> {
        let query = sqlx::query("SELECT row FROM standing_approvals WHERE workspace = ? AND id = ?");
        let query = query.bind(blob(workspace)).bind(id.0.0.to_vec());
        let row = query.fetch_optional(&self.read).await?;
        row.as_ref().map(whole).transpose()
    }

    pub(super) async fn read_standing_approvals(
        &self,
        workspace: WorkspaceId,
        limit: u32,
    ) -> StoreResult<Vec<StandingRow>> {
        let query =
            sqlx::query("SELECT row FROM standing_approvals WHERE workspace = ? ORDER BY id DESC LIMIT ?");
        let query = query.bind(blob(workspace)).bind(limit);
        all(&query.fetch_all(&self.read).await?, whole)
    }

    /// Approvals of one agent that are not at their end, as they are counted with each of them.
    pub(super) async fn count_open_of(&self, workspace: WorkspaceId, agent: AgentId) -> StoreResult<u64> {
        let query = sqlx::query("SELECT row FROM counters WHERE workspace = ? AND id = ?");
        let row = query
            .bind(blob(workspace))
            .bind(agent.0.0.to_vec())
            .fetch_optional(&self.read)
            .await?;
        let row: Option<CounterRow> = row.as_ref().map(whole).transpose()?;
        Ok(row.map_or(0, |row| row.pending))
    }
}

pub(super) fn page(workspace: WorkspaceId, query: &ExecutionQuery) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new("SELECT row FROM executions WHERE workspace = ");
    push_which(&mut sql, workspace, query.state, query.agent);
    if let Some(beyond) = query.beyond {
        sql.push(" AND id < ").push_bind(beyond.0.0.to_vec());
    }
    sql.push(" ORDER BY id DESC LIMIT ").push_bind(query.limit);
    sql
}

pub(super) fn count(
    workspace: WorkspaceId,
    state: ExecutionState,
    agent: Option<AgentId>,
) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new("SELECT count(*) FROM executions WHERE workspace = ");
    push_which(&mut sql, workspace, state, agent);
    sql
}

fn push_which(
    sql: &mut QueryBuilder<Sqlite>,
    workspace: WorkspaceId,
    state: ExecutionState,
    agent: Option<AgentId>,
) {
    sql.push_bind(blob(workspace)).push(OPEN);
    sql.push(" AND state = ").push_bind(state.as_str());
    if let Some(agent) = agent {
        sql.push(" AND agent = ").push_bind(agent.0.0.to_vec());
    }
}

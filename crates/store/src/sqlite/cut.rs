//! The state kept for a cut of the log, and what the cut took off.

use signoff_core::id::WorkspaceId;
use sqlx::Row as _;

use super::SqliteStore;
use crate::{
    StoreResult,
    cells::{blob, signed},
};

impl SqliteStore {
    pub(super) async fn write_checkpoint(
        &self,
        workspace: WorkspaceId,
        seq: u64,
        state: &[u8],
    ) -> StoreResult<()> {
        sqlx::query("INSERT OR REPLACE INTO checkpoints (workspace, seq, state) VALUES (?, ?, ?)")
            .bind(blob(workspace))
            .bind(signed(seq))
            .bind(state)
            .execute(&self.write)
            .await?;
        Ok(())
    }

    pub(super) async fn read_checkpoint(
        &self,
        workspace: WorkspaceId,
        seq: u64,
    ) -> StoreResult<Option<Vec<u8>>> {
        let query = sqlx::query("SELECT state FROM checkpoints WHERE workspace = ? AND seq = ?");
        let row = query
            .bind(blob(workspace))
            .bind(signed(seq))
            .fetch_optional(&self.read)
            .await?;
        Ok(row.map(|row| row.try_get("state")).transpose()?)
    }

    pub(super) async fn delete_prefix(
        &self,
        workspace: WorkspaceId,
        through: u64,
        limit: u32,
    ) -> StoreResult<u64> {
        let mut transaction = self.write.begin_with("BEGIN IMMEDIATE").await?;
        let query = sqlx::query_scalar(
            "SELECT max(seq) FROM (SELECT seq FROM events WHERE workspace = ? AND seq <= ? ORDER BY seq LIMIT ?)",
        );
        let last: Option<i64> = query
            .bind(blob(workspace))
            .bind(signed(through))
            .bind(limit)
            .fetch_one(&mut *transaction)
            .await?;
        let Some(last) = last else { return Ok(0) };
        let mut deleted = 0;
        for statement in [
            "DELETE FROM payloads WHERE workspace = ? AND seq <= ?",
            "DELETE FROM checkpoints WHERE workspace = ? AND seq < ?",
            "DELETE FROM events WHERE workspace = ? AND seq <= ?",
        ] {
            let query = sqlx::query(statement).bind(blob(workspace)).bind(last);
            deleted = query.execute(&mut *transaction).await?.rows_affected();
        }
        transaction.commit().await?;
        Ok(deleted)
    }
}

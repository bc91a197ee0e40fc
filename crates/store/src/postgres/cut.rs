//! The state kept for a cut of the log, and what the cut took off.

use signoff_core::id::WorkspaceId;

use super::PostgresStore;
use crate::{
    StoreResult,
    cells::{blob, signed},
    fields::Fields as _,
};

const KEEP: &str = "INSERT INTO checkpoints (workspace, seq, state) VALUES ($1, $2, $3) \
     ON CONFLICT (workspace, seq) DO UPDATE SET state = excluded.state";
const CHECKPOINT: &str = "SELECT state FROM checkpoints WHERE workspace = $1 AND seq = $2";
/// By counting from the first: sequences have no gaps, and where somebody made one, a chunk is smaller.
pub(super) const LAST_OF_CHUNK: &str = "SELECT CASE WHEN min(seq) <= $2 THEN least($2, min(seq) + $3 - 1) END AS last \
     FROM events WHERE workspace = $1";
/// Payloads before records, so that a chunk that was interrupted is found again by its records.
const DROPS: [&str; 3] = [
    "DELETE FROM payloads WHERE workspace = $1 AND seq <= $2",
    "DELETE FROM checkpoints WHERE workspace = $1 AND seq < $2",
    "DELETE FROM events WHERE workspace = $1 AND seq <= $2",
];

impl PostgresStore {
    pub(super) async fn write_checkpoint(
        &self,
        workspace: WorkspaceId,
        seq: u64,
        state: &[u8],
    ) -> StoreResult<()> {
        let query = sqlx::query(KEEP).bind(blob(workspace));
        self.run(query.bind(signed(seq)).bind(state)).await.map(drop)
    }

    pub(super) async fn read_checkpoint(
        &self,
        workspace: WorkspaceId,
        seq: u64,
    ) -> StoreResult<Option<Vec<u8>>> {
        let query = sqlx::query(CHECKPOINT).bind(blob(workspace));
        let row = self.one(query.bind(signed(seq))).await?;
        row.map(|row| row.blob("state")).transpose()
    }

    pub(super) async fn delete_prefix(
        &self,
        workspace: WorkspaceId,
        through: u64,
        limit: u32,
    ) -> StoreResult<u64> {
        let mut transaction = self.begin_write().await?;
        let query = sqlx::query(LAST_OF_CHUNK).bind(blob(workspace));
        let query = query.bind(signed(through)).bind(i64::from(limit));
        let rows = self.all_in(&mut transaction, query).await?;
        let last = rows.first().map(|row| row.integer("last")).transpose()?.flatten();
        let mut deleted = 0;
        if let Some(last) = last {
            for statement in DROPS {
                let query = sqlx::query(statement).bind(blob(workspace)).bind(last);
                deleted = self.run_in(&mut transaction, query).await?;
            }
        }
        self.link.seen(transaction.commit().await)?;
        if deleted < u64::from(limit) {
            self.drop_empty_partitions().await?;
        }
        Ok(deleted)
    }
}

//! The outbox and what became of its messages: side tables, written outside of batches.

use signoff_core::{
    id::{ChannelId, WorkspaceId},
    time::Timestamp,
};
use sqlx::{QueryBuilder, Row as _, Sqlite, sqlite::SqliteRow};

use super::{
    SqliteStore,
    batch::{signed, unsigned},
    cells::{blob, raw},
};
use crate::{DeliveryRow, DeliveryState, FanOut, StoreError, StoreResult};

impl SqliteStore {
    /// Takes the oldest outbox rows and makes deliveries of them, in one transaction: nothing told twice, nothing lost.
    pub(super) async fn fan_out_rows(
        &self,
        workspace: WorkspaceId,
        channels: &[FanOut],
        now: Timestamp,
        limit: u32,
    ) -> StoreResult<u64> {
        let mut transaction = self.write.begin_with("BEGIN IMMEDIATE").await?;
        let query = sqlx::query("SELECT id, seq, kind FROM outbox WHERE workspace = ? ORDER BY id LIMIT ?");
        let rows = query.bind(blob(workspace)).bind(limit).fetch_all(&mut *transaction).await?;
        let Some(last) = rows.last() else { return Ok(0) };
        let last: i64 = last.try_get("id")?;
        let mut messages = Vec::new();
        for row in &rows {
            let (seq, kind): (i64, String) = (row.try_get("seq")?, row.try_get("kind")?);
            for channel in channels {
                if channel.kinds.is_empty() || channel.kinds.contains(&kind) {
                    messages.push((channel.channel, seq, kind.clone()));
                }
            }
        }
        for messages in messages.chunks(1_000) {
            let mut query = QueryBuilder::<Sqlite>::new(
                "INSERT OR IGNORE INTO deliveries (workspace, channel, seq, kind, state, attempts, created_at, next_at) ",
            );
            query.push_values(messages, |mut values, (channel, seq, kind)| {
                values.push_bind(blob(workspace)).push_bind(channel.0.0.to_vec()).push_bind(*seq).push_bind(kind.clone());
                values.push_bind("waiting").push_bind(0_i64).push_bind(now.0).push_bind(now.0);
            });
            query.build().execute(&mut *transaction).await?;
        }
        let query = sqlx::query("DELETE FROM outbox WHERE workspace = ? AND id <= ?").bind(blob(workspace)).bind(last);
        query.execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(rows.len() as u64)
    }

    pub(super) async fn read_due_deliveries(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<DeliveryRow>> {
        let query = sqlx::query("SELECT * FROM deliveries WHERE next_at <= ? ORDER BY next_at, seq LIMIT ?");
        read_all(&query.bind(now.0).bind(limit).fetch_all(&self.read).await?)
    }

    pub(super) async fn write_attempt(&self, delivery: &DeliveryRow) -> StoreResult<()> {
        let query = sqlx::query(
            "UPDATE deliveries SET state = ?, attempts = ?, next_at = ?, ended_at = ?, last_status = ?, last_error = ? \
             WHERE workspace = ? AND channel = ? AND seq = ? AND kind = ?",
        );
        query
            .bind(delivery.state.as_str())
            .bind(delivery.attempts)
            .bind(delivery.next_at.map(|at| at.0))
            .bind(delivery.ended_at.map(|at| at.0))
            .bind(delivery.last_status)
            .bind(delivery.last_error.clone())
            .bind(blob(delivery.workspace))
            .bind(delivery.channel.0.0.to_vec())
            .bind(signed(delivery.seq))
            .bind(delivery.kind.clone())
            .execute(&self.write)
            .await?;
        Ok(())
    }

    pub(super) async fn read_deliveries(
        &self,
        workspace: WorkspaceId,
        channel: ChannelId,
        before: Option<u64>,
        limit: u32,
    ) -> StoreResult<Vec<DeliveryRow>> {
        let query = sqlx::query(
            "SELECT * FROM deliveries WHERE workspace = ? AND channel = ? AND seq < ? ORDER BY seq DESC LIMIT ?",
        );
        let query = query.bind(blob(workspace)).bind(channel.0.0.to_vec());
        read_all(&query.bind(before.map_or(i64::MAX, signed)).bind(limit).fetch_all(&self.read).await?)
    }

    pub(super) async fn read_told(&self, workspace: WorkspaceId, sequences: &[u64]) -> StoreResult<Vec<DeliveryRow>> {
        if sequences.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = QueryBuilder::<Sqlite>::new("SELECT * FROM deliveries WHERE workspace = ");
        query.push_bind(blob(workspace)).push(" AND seq IN (");
        let mut list = query.separated(", ");
        for seq in sequences {
            list.push_bind(signed(*seq));
        }
        query.push(") ORDER BY seq, channel");
        read_all(&query.build().fetch_all(&self.read).await?)
    }
}

fn read_all(rows: &[SqliteRow]) -> StoreResult<Vec<DeliveryRow>> {
    let read = |row: &SqliteRow| {
        let state: String = row.try_get("state")?;
        Ok(DeliveryRow {
            workspace: WorkspaceId(raw(row.try_get("workspace")?)?),
            channel: ChannelId(raw(row.try_get("channel")?)?),
            seq: unsigned(row.try_get("seq")?),
            kind: row.try_get("kind")?,
            state: DeliveryState::parse(&state).ok_or_else(|| StoreError::Damaged(format!("unknown state `{state}`")))?,
            attempts: row.try_get("attempts")?,
            created_at: Timestamp(row.try_get("created_at")?),
            next_at: row.try_get::<Option<i64>, _>("next_at")?.map(Timestamp),
            ended_at: row.try_get::<Option<i64>, _>("ended_at")?.map(Timestamp),
            last_status: row.try_get("last_status")?,
            last_error: row.try_get("last_error")?,
        })
    };
    rows.iter().map(read).collect()
}

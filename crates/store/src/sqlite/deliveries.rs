//! The outbox and what became of its messages: side tables, written outside of batches.

use signoff_core::{
    id::{ChannelId, WorkspaceId},
    time::Timestamp,
};
use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::{SqliteStore, batch::ROWS_PER_STATEMENT};
use crate::{
    DeliveryRow, DeliveryState, FanOut, Lease, StoreResult,
    cells::{blob, signed},
    fields::{all, delivery},
};

pub(super) const OUTBOX: &str = "SELECT seq, kind FROM outbox WHERE workspace = ? ORDER BY seq, kind LIMIT ?";
pub(super) const DUE: &str = "SELECT * FROM deliveries WHERE next_at <= ? ORDER BY next_at LIMIT ?";
pub(super) const NEXT: &str = "SELECT min(next_at) FROM deliveries WHERE next_at IS NOT NULL";
pub(super) const OF_CHANNEL: &str = "SELECT * FROM deliveries WHERE workspace = ? AND channel = ? AND seq < ? \
     ORDER BY seq DESC, kind DESC LIMIT ?";

impl SqliteStore {
    /// Takes the oldest outbox rows and makes deliveries of them, in one transaction: nothing told twice, nothing lost.
    pub(super) async fn fan_out_rows(
        &self,
        workspace: WorkspaceId,
        channels: &[FanOut],
        authority: u64,
        now: Timestamp,
        limit: u32,
    ) -> StoreResult<Option<u64>> {
        // A look first, so that asking for nothing keeps no batch waiting.
        let look = sqlx::query(OUTBOX).bind(blob(workspace)).bind(1);
        if limit == 0 || look.fetch_optional(&self.read).await?.is_none() {
            return Ok(Some(0));
        }
        let mut transaction = self.write.begin_with("BEGIN IMMEDIATE").await?;
        let query = sqlx::query_scalar("SELECT authority_epoch FROM heads WHERE workspace = ?");
        let epoch: Option<i64> = query
            .bind(blob(workspace))
            .fetch_optional(&mut *transaction)
            .await?;
        if epoch != Some(signed(authority)) {
            return Ok(None);
        }
        let query = sqlx::query(OUTBOX).bind(blob(workspace)).bind(limit);
        let rows = query.fetch_all(&mut *transaction).await?;
        let mut taken: Vec<(i64, String)> = Vec::with_capacity(rows.len());
        for row in &rows {
            taken.push((row.try_get("seq")?, row.try_get("kind")?));
        }
        let Some((last_seq, last_kind)) = taken.last() else {
            return Ok(Some(0));
        };
        let wanted =
            |channel: &FanOut, kind: &String| channel.kinds.is_empty() || channel.kinds.contains(kind);
        let messages: Vec<_> = taken
            .iter()
            .flat_map(|(seq, kind)| channels.iter().map(move |channel| (channel, *seq, kind)))
            .filter(|(channel, _, kind)| wanted(channel, kind))
            .collect();
        for messages in messages.chunks(ROWS_PER_STATEMENT) {
            insert_query(workspace, messages, now)
                .build()
                .persistent(false)
                .execute(&mut *transaction)
                .await?;
        }
        let query = sqlx::query("DELETE FROM outbox WHERE workspace = ? AND (seq, kind) <= (?, ?)");
        let query = query
            .bind(blob(workspace))
            .bind(last_seq)
            .bind(last_kind.as_str());
        query.execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(Some(rows.len() as u64))
    }

    pub(super) async fn read_due_deliveries(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> StoreResult<Vec<DeliveryRow>> {
        let query = sqlx::query(DUE).bind(now.0).bind(limit);
        all(&query.fetch_all(&self.read).await?, delivery)
    }

    pub(super) async fn read_next_delivery(&self) -> StoreResult<Option<Timestamp>> {
        let at: Option<i64> = sqlx::query_scalar(NEXT).fetch_one(&self.read).await?;
        Ok(at.map(Timestamp))
    }

    pub(super) async fn write_attempt(&self, delivery: &DeliveryRow, lease: &Lease) -> StoreResult<bool> {
        delivery.check()?;
        let mut transaction = self.write.begin_with("BEGIN IMMEDIATE").await?;
        if !self.is_in_force(&mut transaction, lease).await? {
            return Ok(false);
        }
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
            .bind(delivery.last_error.as_deref())
            .bind(blob(delivery.workspace))
            .bind(delivery.channel.0.0.to_vec())
            .bind(signed(delivery.seq))
            .bind(delivery.kind.as_str())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(true)
    }

    pub(super) async fn read_deliveries(
        &self,
        workspace: WorkspaceId,
        channel: ChannelId,
        before: Option<u64>,
        limit: u32,
    ) -> StoreResult<Vec<DeliveryRow>> {
        let query = sqlx::query(OF_CHANNEL)
            .bind(blob(workspace))
            .bind(channel.0.0.to_vec())
            .bind(before.map_or(i64::MAX, signed))
            .bind(limit);
        all(&query.fetch_all(&self.read).await?, delivery)
    }

    pub(super) async fn read_told(
        &self,
        workspace: WorkspaceId,
        sequences: &[u64],
    ) -> StoreResult<Vec<DeliveryRow>> {
        let mut told = Vec::new();
        for sequences in sequences.chunks(ROWS_PER_STATEMENT) {
            let mut query = told_query(workspace, sequences);
            told.extend(all(&query.build().fetch_all(&self.read).await?, delivery)?);
        }
        told.sort_by(|a, b| (a.seq, a.channel, &a.kind).cmp(&(b.seq, b.channel, &b.kind)));
        Ok(told)
    }
}

fn insert_query(
    workspace: WorkspaceId,
    messages: &[(&FanOut, i64, &String)],
    now: Timestamp,
) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::<Sqlite>::new(
        "INSERT OR IGNORE INTO deliveries (workspace, channel, seq, kind, state, attempts, created_at, next_at) ",
    );
    query.push_values(messages, |mut values, (channel, seq, kind)| {
        values
            .push_bind(blob(workspace))
            .push_bind(channel.channel.0.0.to_vec());
        values.push_bind(*seq).push_bind(kind.as_str());
        values
            .push_bind(DeliveryState::Waiting.as_str())
            .push_bind(0_i64)
            .push_bind(now.0)
            .push_bind(now.0);
    });
    query
}

pub(super) fn told_query(workspace: WorkspaceId, sequences: &[u64]) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::<Sqlite>::new("SELECT * FROM deliveries WHERE workspace = ");
    query.push_bind(blob(workspace)).push(" AND seq IN (");
    let mut list = query.separated(", ");
    for seq in sequences {
        list.push_bind(signed(*seq));
    }
    query.push(")");
    query
}

//! The outbox and what became of its messages: side tables, written outside of batches.

use signoff_core::{
    id::{ActionId, ChannelId, WorkspaceId},
    time::Timestamp,
};
use sqlx::{QueryBuilder, Sqlite, Transaction};

use super::{SqliteStore, batch::ROWS_PER_STATEMENT};
use crate::{
    Addressee, DeliveryRow, DeliveryState, FannedOut, Lease, OutboxRow, StoreResult,
    cells::{blob, signed},
    fields::{Fields as _, all, delivery, recipient_bytes},
};

pub(super) const OUTBOX: &str = "SELECT seq, kind FROM outbox WHERE workspace = ? ORDER BY seq, kind LIMIT ?";
pub(super) const NEXT: &str = "SELECT min(next_at) FROM deliveries WHERE next_at > ?";
pub(super) const OF_CHANNEL: &str = "SELECT * FROM deliveries WHERE workspace = ? AND channel = ? AND seq < ? \
     ORDER BY seq DESC, recipient DESC, kind DESC LIMIT ?";
pub(super) const GATHERED: &str = "SELECT * FROM deliveries WHERE workspace = ? AND channel = ? AND recipient = ? \
     AND next_at <= ? AND urgent = 0 ORDER BY seq LIMIT ?";
pub(super) const LAST_TOLD: &str = "SELECT max(ended_at) FROM deliveries WHERE workspace = ? AND channel = ? \
     AND recipient = ? AND state = 'delivered' AND urgent = 0";

impl SqliteStore {
    pub(super) async fn read_outbox(
        &self,
        workspace: WorkspaceId,
        limit: u32,
    ) -> StoreResult<Vec<OutboxRow>> {
        let query = sqlx::query(OUTBOX).bind(blob(workspace)).bind(limit);
        let rows = query.fetch_all(&self.read).await?;
        all(&rows, |row| {
            Ok(OutboxRow {
                seq: row.count("seq")?,
                kind: row.string("kind")?,
            })
        })
    }

    /// Takes outbox rows and makes deliveries of them, in one transaction: nothing told twice, nothing lost.
    pub(super) async fn fan_out_rows(
        &self,
        workspace: WorkspaceId,
        taken: &[OutboxRow],
        deliveries: &[DeliveryRow],
        authority: u64,
    ) -> StoreResult<FannedOut> {
        let mut transaction = self.write.begin_with("BEGIN IMMEDIATE").await?;
        let query = sqlx::query_scalar("SELECT authority_epoch FROM heads WHERE workspace = ?");
        let epoch: Option<i64> = query
            .bind(blob(workspace))
            .fetch_optional(&mut *transaction)
            .await?;
        if epoch != Some(signed(authority)) {
            return Ok(FannedOut::Moved);
        }
        for row in taken {
            let query = sqlx::query("DELETE FROM outbox WHERE workspace = ? AND seq = ? AND kind = ?")
                .bind(blob(workspace))
                .bind(signed(row.seq))
                .bind(row.kind.as_str());
            if query.execute(&mut *transaction).await?.rows_affected() == 0 {
                return Ok(FannedOut::Elsewhere);
            }
        }
        for deliveries in deliveries.chunks(ROWS_PER_STATEMENT) {
            insert_query(deliveries)
                .build()
                .persistent(false)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(FannedOut::Done)
    }

    pub(super) async fn read_due_deliveries(
        &self,
        now: Timestamp,
        busy: &[ChannelId],
        limit: u32,
    ) -> StoreResult<Vec<DeliveryRow>> {
        let mut query = due_query(now, busy, limit);
        all(&query.build().fetch_all(&self.read).await?, delivery)
    }

    pub(super) async fn read_next_delivery(&self, now: Timestamp) -> StoreResult<Option<Timestamp>> {
        let query = sqlx::query_scalar(NEXT).bind(now.0);
        let at: Option<i64> = query.fetch_one(&self.read).await?;
        Ok(at.map(Timestamp))
    }

    pub(super) async fn read_gathered(
        &self,
        to: Addressee,
        now: Timestamp,
        limit: u32,
    ) -> StoreResult<Vec<DeliveryRow>> {
        let query = sqlx::query(GATHERED)
            .bind(blob(to.workspace))
            .bind(to.channel.0.0.to_vec())
            .bind(recipient_bytes(to.recipient))
            .bind(now.0)
            .bind(limit);
        all(&query.fetch_all(&self.read).await?, delivery)
    }

    pub(super) async fn read_last_told(&self, to: Addressee) -> StoreResult<Option<Timestamp>> {
        let query = sqlx::query_scalar(LAST_TOLD)
            .bind(blob(to.workspace))
            .bind(to.channel.0.0.to_vec())
            .bind(recipient_bytes(to.recipient));
        let at: Option<i64> = query.fetch_one(&self.read).await?;
        Ok(at.map(Timestamp))
    }

    pub(super) async fn hold_rows(
        &self,
        to: Addressee,
        until: Timestamp,
        lease: &Lease,
    ) -> StoreResult<bool> {
        let mut transaction = self.write.begin_with("BEGIN IMMEDIATE").await?;
        if !self.is_in_force(&mut transaction, lease).await? {
            return Ok(false);
        }
        let query = sqlx::query(
            "UPDATE deliveries SET next_at = ?1 WHERE workspace = ?2 AND channel = ?3 AND recipient = ?4 \
             AND next_at < ?1 AND urgent = 0",
        );
        query
            .bind(until.0)
            .bind(blob(to.workspace))
            .bind(to.channel.0.0.to_vec())
            .bind(recipient_bytes(to.recipient))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(true)
    }

    pub(super) async fn write_attempts(
        &self,
        deliveries: &[DeliveryRow],
        lease: &Lease,
    ) -> StoreResult<bool> {
        deliveries.iter().try_for_each(DeliveryRow::check)?;
        let mut transaction = self.write.begin_with("BEGIN IMMEDIATE").await?;
        if !self.is_in_force(&mut transaction, lease).await? {
            return Ok(false);
        }
        for delivery in deliveries {
            write_attempt(&mut transaction, delivery).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }

    pub(super) async fn revive(
        &self,
        workspace: WorkspaceId,
        channel: ChannelId,
        seq: u64,
        now: Timestamp,
    ) -> StoreResult<u64> {
        let query = sqlx::query(
            "UPDATE deliveries SET state = ?, attempts = 0, next_at = ?, ended_at = NULL \
             WHERE workspace = ? AND channel = ? AND seq = ? AND next_at IS NULL",
        );
        let done = query
            .bind(DeliveryState::Waiting.as_str())
            .bind(now.0)
            .bind(blob(workspace))
            .bind(channel.0.0.to_vec())
            .bind(signed(seq))
            .execute(&self.write)
            .await?;
        Ok(done.rows_affected())
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
        told.sort_by(|a, b| key(a).cmp(&key(b)));
        Ok(told)
    }

    pub(super) async fn read_told_of(
        &self,
        workspace: WorkspaceId,
        requests: &[ActionId],
    ) -> StoreResult<Vec<DeliveryRow>> {
        let mut told = Vec::new();
        for requests in requests.chunks(ROWS_PER_STATEMENT) {
            let mut query = told_of_query(workspace, requests);
            told.extend(all(&query.build().fetch_all(&self.read).await?, delivery)?);
        }
        told.sort_by(|a, b| key(a).cmp(&key(b)));
        Ok(told)
    }
}

/// The order in which deliveries are shown.
fn key(row: &DeliveryRow) -> (u64, ChannelId, Option<signoff_core::id::OperatorId>, &str) {
    (row.seq, row.channel, row.recipient, &row.kind)
}

async fn write_attempt(
    transaction: &mut Transaction<'static, Sqlite>,
    delivery: &DeliveryRow,
) -> StoreResult<()> {
    let query = sqlx::query(
        "UPDATE deliveries SET state = ?, attempts = ?, next_at = ?, ended_at = ?, last_status = ?, last_error = ?, \
         gathered_in = ?, reference = ? WHERE workspace = ? AND channel = ? AND seq = ? AND recipient = ? AND kind = ?",
    );
    query
        .bind(delivery.state.as_str())
        .bind(delivery.attempts)
        .bind(delivery.next_at.map(|at| at.0))
        .bind(delivery.ended_at.map(|at| at.0))
        .bind(delivery.last_status)
        .bind(delivery.last_error.as_deref())
        .bind(delivery.gathered_in.map(signed))
        .bind(delivery.reference.as_deref())
        .bind(blob(delivery.workspace))
        .bind(delivery.channel.0.0.to_vec())
        .bind(signed(delivery.seq))
        .bind(recipient_bytes(delivery.recipient))
        .bind(delivery.kind.as_str())
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

fn insert_query(deliveries: &[DeliveryRow]) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::<Sqlite>::new(
        "INSERT OR IGNORE INTO deliveries (workspace, channel, seq, recipient, kind, request, urgent, state, attempts, \
         created_at, next_at) ",
    );
    query.push_values(deliveries, |mut values, row| {
        values
            .push_bind(blob(row.workspace))
            .push_bind(row.channel.0.0.to_vec());
        values
            .push_bind(signed(row.seq))
            .push_bind(recipient_bytes(row.recipient))
            .push_bind(row.kind.as_str());
        values
            .push_bind(row.request.map(|id| id.0.0.to_vec()))
            .push_bind(i64::from(row.urgent))
            .push_bind(row.state.as_str())
            .push_bind(row.attempts);
        values
            .push_bind(row.created_at.0)
            .push_bind(row.next_at.map(|at| at.0));
    });
    query
}

pub(super) fn due_query(now: Timestamp, busy: &[ChannelId], limit: u32) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::<Sqlite>::new("SELECT * FROM deliveries AS d WHERE next_at <= ");
    query.push_bind(now.0);
    if !busy.is_empty() {
        query.push(" AND channel NOT IN (");
        let mut list = query.separated(", ");
        for channel in busy {
            list.push_bind(channel.0.0.to_vec());
        }
        query.push(")");
    }
    query.push(
        " AND NOT EXISTS (SELECT 1 FROM deliveries AS e INDEXED BY deliveries_by_request WHERE e.workspace = d.workspace \
         AND e.request = d.request AND e.seq < d.seq AND e.channel = d.channel AND e.recipient = d.recipient \
         AND e.next_at IS NOT NULL) ORDER BY next_at, seq LIMIT ",
    );
    query.push_bind(limit);
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

pub(super) fn told_of_query(workspace: WorkspaceId, requests: &[ActionId]) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::<Sqlite>::new("SELECT * FROM deliveries WHERE workspace = ");
    query.push_bind(blob(workspace)).push(" AND request IN (");
    let mut list = query.separated(", ");
    for request in requests {
        list.push_bind(request.0.0.to_vec());
    }
    query.push(")");
    query
}

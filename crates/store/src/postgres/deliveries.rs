//! The outbox and what became of its messages: side tables, written outside of batches.

use signoff_core::{
    id::{ActionId, ChannelId, WorkspaceId},
    time::Timestamp,
};

use super::{
    PostgresStore,
    sql::{counts, ids, now},
};
use crate::{
    Addressee, DeliveryRow, DeliveryState, FannedOut, Lease, OutboxRow, StoreResult,
    cells::{blob, signed},
    fields::{Fields as _, all, delivery, recipient_bytes},
};

macro_rules! columns {
    () => {
        "workspace, channel, seq, recipient, kind, request, urgent, state, attempts, created_at, next_at, ended_at, \
         last_status, last_error, gathered_in, reference"
    };
}
pub(super) const OUTBOX: &str =
    "SELECT seq, kind FROM outbox WHERE workspace = $1 ORDER BY seq, kind LIMIT $2";
pub(super) const TAKE: &str = "DELETE FROM outbox USING unnest($2::bigint[], $3::text[]) AS taken (seq, kind) \
     WHERE outbox.workspace = $1 AND outbox.seq = taken.seq AND outbox.kind = taken.kind";
const EPOCH: &str = "SELECT authority_epoch FROM heads WHERE workspace = $1";
const FAN_OUT: &str = "INSERT INTO deliveries \
     (workspace, channel, seq, recipient, kind, request, urgent, state, attempts, created_at, next_at) \
     SELECT $1, channel, seq, recipient, kind, request, urgent, state, 0, created_at, next_at \
     FROM unnest($2::bytea[], $3::bigint[], $4::bytea[], $5::text[], $6::bytea[], $7::bigint[], $8::text[], $9::bigint[], \
     $10::bigint[]) AS wanted (channel, seq, recipient, kind, request, urgent, state, created_at, next_at) \
     ON CONFLICT (workspace, channel, seq, recipient, kind) DO NOTHING";
pub(super) const DUE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM deliveries AS d WHERE next_at IS NOT NULL AND next_at <= $1 AND channel <> ALL($2) \
     AND NOT EXISTS (SELECT 1 FROM deliveries AS e WHERE e.workspace = d.workspace AND e.request = d.request \
     AND e.seq < d.seq AND e.channel = d.channel AND e.recipient = d.recipient AND e.next_at IS NOT NULL) \
     ORDER BY next_at, seq LIMIT $3"
);
pub(super) const NEXT: &str =
    "SELECT min(next_at) AS at FROM deliveries WHERE next_at IS NOT NULL AND next_at > $1";
pub(super) const GATHERED: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM deliveries WHERE workspace = $1 AND channel = $2 AND recipient = $3 AND next_at IS NOT NULL AND next_at <= $4 \
     AND urgent = 0 ORDER BY seq LIMIT $5"
);
pub(super) const LAST_TOLD: &str = "SELECT max(ended_at) AS at FROM deliveries WHERE workspace = $1 AND channel = $2 \
     AND recipient = $3 AND state = 'delivered' AND urgent = 0";
pub(super) const OF_CHANNEL: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM deliveries WHERE workspace = $1 AND channel = $2 AND seq < $3 ORDER BY seq DESC, recipient DESC, kind DESC \
     LIMIT $4"
);
pub(super) const TOLD: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM deliveries WHERE workspace = $1 AND seq = ANY($2) ORDER BY seq, channel, recipient, kind"
);
pub(super) const TOLD_OF: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM deliveries WHERE workspace = $1 AND request = ANY($2) ORDER BY seq, channel, recipient, kind"
);
/// The lease is held on to until the end, so that nobody takes it in the middle.
macro_rules! held {
    () => {
        concat!(
            "WITH held AS MATERIALIZED (SELECT fence FROM leases WHERE workspace = $1 AND subject = $2 AND fence = $3 \
             AND until > COALESCE($4, ",
            now!(),
            ") FOR SHARE), "
        )
    };
}
pub(super) const ATTEMPTS: &str = concat!(
    held!(),
    "kept AS (UPDATE deliveries AS d SET state = a.state, attempts = a.attempts, next_at = a.next_at, \
     ended_at = a.ended_at, last_status = a.last_status, last_error = a.last_error, gathered_in = a.gathered_in, \
     reference = a.reference FROM unnest($5::bytea[], $6::bigint[], $7::bytea[], $8::text[], $9::text[], $10::bigint[], \
     $11::bigint[], $12::bigint[], $13::bigint[], $14::text[], $15::bigint[], $16::text[]) \
     AS a (channel, seq, recipient, kind, state, attempts, next_at, ended_at, last_status, last_error, gathered_in, reference) \
     WHERE d.workspace = $1 AND d.channel = a.channel AND d.seq = a.seq AND d.recipient = a.recipient AND d.kind = a.kind \
     AND EXISTS (SELECT 1 FROM held)) SELECT count(*) AS held FROM held"
);
pub(super) const HOLD: &str = concat!(
    held!(),
    "kept AS (UPDATE deliveries SET next_at = $5 WHERE workspace = $1 AND channel = $6 AND recipient = $7 \
     AND next_at IS NOT NULL AND next_at < $5 AND urgent = 0 AND EXISTS (SELECT 1 FROM held)) \
     SELECT count(*) AS held FROM held"
);
pub(super) const REVIVE: &str = "UPDATE deliveries SET state = $1, attempts = 0, next_at = $2, ended_at = NULL \
     WHERE workspace = $3 AND channel = $4 AND seq = $5 AND next_at IS NULL";

impl PostgresStore {
    pub(super) async fn read_outbox(
        &self,
        workspace: WorkspaceId,
        limit: u32,
    ) -> StoreResult<Vec<OutboxRow>> {
        let query = sqlx::query(OUTBOX).bind(blob(workspace)).bind(i64::from(limit));
        all(&self.all(query).await?, |row| {
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
        let mut transaction = self.begin_write().await?;
        let query = sqlx::query(TAKE)
            .bind(blob(workspace))
            .bind(taken.iter().map(|row| signed(row.seq)).collect::<Vec<_>>())
            .bind(taken.iter().map(|row| row.kind.as_str()).collect::<Vec<_>>());
        let gone = self.run_in(&mut transaction, query).await?;
        if gone != taken.len() as u64 {
            self.link.seen(transaction.rollback().await)?;
            return Ok(FannedOut::Elsewhere);
        }
        // After the rows were taken, by a statement of its own: it sees at least the head that was committed with them. A
        // look before could see an epoch that a row is already past, and a new channel would not be told.
        let epoch = self
            .all_in(&mut transaction, sqlx::query(EPOCH).bind(blob(workspace)))
            .await?;
        let epoch = epoch
            .first()
            .map(|row| row.count("authority_epoch"))
            .transpose()?;
        if epoch != Some(authority) {
            self.link.seen(transaction.rollback().await)?;
            return Ok(FannedOut::Moved);
        }
        if !deliveries.is_empty() {
            let query = sqlx::query(FAN_OUT)
                .bind(blob(workspace))
                .bind(ids(deliveries.iter().map(|row| row.channel.0)))
                .bind(column(deliveries, |row| signed(row.seq)))
                .bind(column(deliveries, |row| recipient_bytes(row.recipient)))
                .bind(column(deliveries, |row| row.kind.as_str()))
                .bind(column(deliveries, |row| row.request.map(|id| id.0.0.to_vec())))
                .bind(column(deliveries, |row| i64::from(row.urgent)))
                .bind(column(deliveries, |row| row.state.as_str()))
                .bind(column(deliveries, |row| row.created_at.0))
                .bind(column(deliveries, |row| row.next_at.map(|at| at.0)));
            self.run_in(&mut transaction, query).await?;
        }
        self.link.seen(transaction.commit().await)?;
        Ok(FannedOut::Done)
    }

    pub(super) async fn read_due_deliveries(
        &self,
        now: Timestamp,
        busy: &[ChannelId],
        limit: u32,
    ) -> StoreResult<Vec<DeliveryRow>> {
        let query = sqlx::query(DUE)
            .bind(now.0)
            .bind(ids(busy.iter().map(|channel| channel.0)))
            .bind(i64::from(limit));
        all(&self.all(query).await?, delivery)
    }

    pub(super) async fn read_next_delivery(&self, now: Timestamp) -> StoreResult<Option<Timestamp>> {
        let row = self.one(sqlx::query(NEXT).bind(now.0)).await?;
        Ok(row.map(|row| row.time("at")).transpose()?.flatten())
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
            .bind(i64::from(limit));
        all(&self.all(query).await?, delivery)
    }

    pub(super) async fn read_last_told(&self, to: Addressee) -> StoreResult<Option<Timestamp>> {
        let query = sqlx::query(LAST_TOLD)
            .bind(blob(to.workspace))
            .bind(to.channel.0.0.to_vec())
            .bind(recipient_bytes(to.recipient));
        let row = self.one(query).await?;
        Ok(row.map(|row| row.time("at")).transpose()?.flatten())
    }

    pub(super) async fn hold_rows(
        &self,
        to: Addressee,
        until: Timestamp,
        lease: &Lease,
    ) -> StoreResult<bool> {
        let query = sqlx::query(HOLD)
            .bind(blob(lease.workspace))
            .bind(lease.subject.0.to_vec())
            .bind(signed(lease.fence))
            .bind(self.clock.given())
            .bind(until.0)
            .bind(to.channel.0.0.to_vec())
            .bind(recipient_bytes(to.recipient));
        let row = self.one(query).await?;
        Ok(row.map(|row| row.int("held")).transpose()? == Some(1))
    }

    pub(super) async fn write_attempts(
        &self,
        deliveries: &[DeliveryRow],
        lease: &Lease,
    ) -> StoreResult<bool> {
        deliveries.iter().try_for_each(DeliveryRow::check)?;
        let query = sqlx::query(ATTEMPTS)
            .bind(blob(lease.workspace))
            .bind(lease.subject.0.to_vec())
            .bind(signed(lease.fence))
            .bind(self.clock.given())
            .bind(ids(deliveries.iter().map(|row| row.channel.0)))
            .bind(column(deliveries, |row| signed(row.seq)))
            .bind(column(deliveries, |row| recipient_bytes(row.recipient)))
            .bind(column(deliveries, |row| row.kind.as_str()))
            .bind(column(deliveries, |row| row.state.as_str()))
            .bind(column(deliveries, |row| i64::from(row.attempts)))
            .bind(column(deliveries, |row| row.next_at.map(|at| at.0)))
            .bind(column(deliveries, |row| row.ended_at.map(|at| at.0)))
            .bind(column(deliveries, |row| row.last_status.map(i64::from)))
            .bind(column(deliveries, |row| row.last_error.as_deref()))
            .bind(column(deliveries, |row| row.gathered_in.map(signed)))
            .bind(column(deliveries, |row| row.reference.as_deref()));
        let row = self.one(query).await?;
        Ok(row.map(|row| row.int("held")).transpose()? == Some(1))
    }

    pub(super) async fn revive(
        &self,
        workspace: WorkspaceId,
        channel: ChannelId,
        seq: u64,
        now: Timestamp,
    ) -> StoreResult<u64> {
        let query = sqlx::query(REVIVE)
            .bind(DeliveryState::Waiting.as_str())
            .bind(now.0)
            .bind(blob(workspace))
            .bind(channel.0.0.to_vec())
            .bind(signed(seq));
        self.run(query).await
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
            .bind(i64::from(limit));
        all(&self.all(query).await?, delivery)
    }

    pub(super) async fn read_told(
        &self,
        workspace: WorkspaceId,
        sequences: &[u64],
    ) -> StoreResult<Vec<DeliveryRow>> {
        if sequences.is_empty() {
            return Ok(Vec::new());
        }
        let query = sqlx::query(TOLD).bind(blob(workspace)).bind(counts(sequences));
        all(&self.all(query).await?, delivery)
    }
    pub(super) async fn read_told_of(
        &self,
        workspace: WorkspaceId,
        requests: &[ActionId],
    ) -> StoreResult<Vec<DeliveryRow>> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let query = sqlx::query(TOLD_OF)
            .bind(blob(workspace))
            .bind(ids(requests.iter().map(|request| request.0)));
        all(&self.all(query).await?, delivery)
    }
}

/// One column of many rows, as an array.
fn column<'a, T>(deliveries: &'a [DeliveryRow], of: impl Fn(&'a DeliveryRow) -> T) -> Vec<T> {
    deliveries.iter().map(of).collect()
}

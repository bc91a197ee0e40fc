//! The outbox and what became of its messages: side tables, written outside of batches.

use signoff_core::{
    id::{ChannelId, WorkspaceId},
    time::Timestamp,
};
use sqlx::{Postgres, Transaction};

use super::{
    PostgresStore,
    sql::{counts, now},
};
use crate::{
    DeliveryRow, DeliveryState, FanOut, Lease, StoreResult,
    cells::{blob, signed},
    fields::{Fields as _, all, delivery},
};

macro_rules! columns {
    () => {
        "workspace, channel, seq, kind, state, attempts, created_at, next_at, ended_at, last_status, last_error"
    };
}
const LOOK: &str = "SELECT 1 AS there FROM outbox WHERE workspace = $1 LIMIT 1";
/// Rows that another node is at are left to it.
pub(super) const OUTBOX: &str = "SELECT seq, kind FROM outbox WHERE workspace = $1 ORDER BY seq, kind LIMIT $2 \
     FOR UPDATE SKIP LOCKED";
const EPOCH: &str = "SELECT authority_epoch FROM heads WHERE workspace = $1";
/// Makes deliveries and empties the outbox of what they tell.
const FAN_OUT: &str = "WITH told AS (INSERT INTO deliveries \
     (workspace, channel, seq, kind, state, attempts, created_at, next_at) \
     SELECT $1, channel, seq, kind, $2, 0, $3, $3 FROM unnest($4::bytea[], $5::bigint[], $6::text[]) \
     AS wanted (channel, seq, kind) ON CONFLICT (workspace, channel, seq, kind) DO NOTHING) \
     DELETE FROM outbox USING unnest($7::bigint[], $8::text[]) AS taken (seq, kind) \
     WHERE outbox.workspace = $1 AND outbox.seq = taken.seq AND outbox.kind = taken.kind";
pub(super) const DUE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM deliveries WHERE next_at IS NOT NULL AND next_at <= $1 ORDER BY next_at LIMIT $2"
);
pub(super) const NEXT: &str = "SELECT min(next_at) AS at FROM deliveries WHERE next_at IS NOT NULL";
pub(super) const OF_CHANNEL: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM deliveries WHERE workspace = $1 AND channel = $2 AND seq < $3 ORDER BY seq DESC, kind DESC LIMIT $4"
);
pub(super) const TOLD: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM deliveries WHERE workspace = $1 AND seq = ANY($2) ORDER BY seq, channel, kind"
);
/// The lease is held on to until the end, so that nobody takes it in the middle.
pub(super) const ATTEMPT: &str = concat!(
    "WITH held AS MATERIALIZED (SELECT fence FROM leases WHERE workspace = $1 AND subject = $2 AND fence = $3 \
     AND until > COALESCE($4, ",
    now!(),
    ") FOR SHARE), \
     kept AS (UPDATE deliveries SET state = $5, attempts = $6, next_at = $7, ended_at = $8, last_status = $9, \
     last_error = $10 WHERE workspace = $11 AND channel = $12 AND seq = $13 AND kind = $14 \
     AND EXISTS (SELECT 1 FROM held)) SELECT count(*) AS held FROM held"
);

/// An outbox row.
struct Taken {
    seq: u64,
    kind: String,
}

impl PostgresStore {
    /// Takes the oldest outbox rows and makes deliveries of them, in one transaction: nothing told twice, nothing lost.
    pub(super) async fn fan_out_rows(
        &self,
        workspace: WorkspaceId,
        channels: &[FanOut],
        authority: u64,
        now: Timestamp,
        limit: u32,
    ) -> StoreResult<Option<u64>> {
        // A look first, so that asking for nothing costs little.
        let look = sqlx::query(LOOK).bind(blob(workspace));
        if limit == 0 || self.one(look).await?.is_none() {
            return Ok(Some(0));
        }
        let mut transaction = self.begin_write().await?;
        let taken = self.take_rows(&mut transaction, workspace, limit).await?;
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
            return Ok(None);
        }
        if !taken.is_empty() {
            self.tell(&mut transaction, workspace, channels, &taken, now)
                .await?;
        }
        self.link.seen(transaction.commit().await)?;
        Ok(Some(taken.len() as u64))
    }

    async fn take_rows(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        workspace: WorkspaceId,
        limit: u32,
    ) -> StoreResult<Vec<Taken>> {
        let query = sqlx::query(OUTBOX).bind(blob(workspace)).bind(i64::from(limit));
        let rows = self.all_in(transaction, query).await?;
        rows.iter()
            .map(|row| {
                Ok(Taken {
                    seq: row.count("seq")?,
                    kind: row.string("kind")?,
                })
            })
            .collect()
    }

    async fn tell(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        workspace: WorkspaceId,
        channels: &[FanOut],
        taken: &[Taken],
        now: Timestamp,
    ) -> StoreResult<()> {
        let (mut to, mut seqs, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
        for row in taken {
            let wanted = |channel: &&FanOut| channel.kinds.is_empty() || channel.kinds.contains(&row.kind);
            for channel in channels.iter().filter(wanted) {
                to.push(channel.channel.0.0.to_vec());
                seqs.push(row.seq);
                kinds.push(row.kind.as_str());
            }
        }
        let query = sqlx::query(FAN_OUT)
            .bind(blob(workspace))
            .bind(DeliveryState::Waiting.as_str())
            .bind(now.0)
            .bind(to)
            .bind(counts(&seqs))
            .bind(kinds)
            .bind(taken.iter().map(|row| signed(row.seq)).collect::<Vec<_>>())
            .bind(taken.iter().map(|row| row.kind.as_str()).collect::<Vec<_>>());
        self.run_in(transaction, query).await.map(drop)
    }

    pub(super) async fn read_due_deliveries(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> StoreResult<Vec<DeliveryRow>> {
        let query = sqlx::query(DUE).bind(now.0).bind(i64::from(limit));
        all(&self.all(query).await?, delivery)
    }

    pub(super) async fn read_next_delivery(&self) -> StoreResult<Option<Timestamp>> {
        let row = self.one(sqlx::query(NEXT)).await?;
        Ok(row.map(|row| row.time("at")).transpose()?.flatten())
    }

    pub(super) async fn write_attempt(&self, delivery: &DeliveryRow, lease: &Lease) -> StoreResult<bool> {
        delivery.check()?;
        let query = sqlx::query(ATTEMPT)
            .bind(blob(lease.workspace))
            .bind(lease.subject.0.to_vec())
            .bind(signed(lease.fence))
            .bind(self.clock.given())
            .bind(delivery.state.as_str())
            .bind(i64::from(delivery.attempts))
            .bind(delivery.next_at.map(|at| at.0))
            .bind(delivery.ended_at.map(|at| at.0))
            .bind(delivery.last_status.map(i64::from))
            .bind(delivery.last_error.as_deref())
            .bind(blob(delivery.workspace))
            .bind(delivery.channel.0.0.to_vec())
            .bind(signed(delivery.seq))
            .bind(delivery.kind.as_str());
        let row = self.one(query).await?;
        Ok(row.map(|row| row.int("held")).transpose()? == Some(1))
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
}

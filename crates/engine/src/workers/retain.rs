//! The end of records' time: cuts the beginning of a log off once it is older than the workspace keeps records, and
//! deletes what was cut off. The folded state at the cut is kept, and fold and verification start there.

use std::time::Duration;

use sha2::{Digest, Sha256};
use signoff_core::{
    actor::Actor,
    event::{Event, LogCut},
    fold::{RowKey, Rows},
    id::WorkspaceId,
    payload::Hash32,
    record::{ChainVerifier, Head},
    time::{Micros, Timestamp},
};
use signoff_store::{ApprovalQuery, Claim, RecordQuery, Store, StoreResult, Wants};
use tokio_util::sync::CancellationToken;

use crate::{
    Engine, EngineError, EngineResult, audit::EXPORT_MAX, idempotency::retention, policies::open_statuses,
    tenant::Tenant, turn::Draft,
};

/// How often it is looked whether something's time is over.
const EVERY: Duration = Duration::from_hours(6);
/// How long a node has for one cut before another may try.
const LEASE: Micros = Micros::seconds(15 * 60);
/// How many records one cut takes at most: its rows leave in one transaction.
const CUT_RECORDS_MAX: u64 = 10_000;
/// How many records are deleted in one transaction, and the pause after it, so that batches go on in between.
const DROPPED_AT_ONCE: u32 = 1_000;
const PAUSE: Duration = Duration::from_millis(20);

pub(crate) async fn run(engine: Engine, stop: CancellationToken) {
    loop {
        if let Err(error) = engine.retain().await {
            tracing::error!(%error, "records whose time is over could not be cut off");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// What a cut's record says of the state that is kept for it.
pub(crate) fn state_digest(state: &[u8]) -> Hash32 {
    let mut hash = Sha256::new();
    hash.update(b"signoff.state.v1\0");
    hash.update(state);
    Hash32(hash.finalize().into())
}

/// The state kept for a cut, or what is wrong with it.
pub(crate) async fn state_of(
    store: &dyn Store,
    workspace: WorkspaceId,
    cut: &LogCut,
) -> StoreResult<Result<Rows, String>> {
    let Some(state) = store.checkpoint(workspace, cut.seq).await? else {
        return Ok(Err("the state kept for the cut is missing".into()));
    };
    if state_digest(&state) != cut.state {
        return Ok(Err("the state kept for the cut was changed".into()));
    }
    Ok(serde_json::from_slice(&state).map_err(|error| format!("the state kept for the cut: {error}")))
}

impl Engine {
    /// Cuts off all logs what is older than they are kept. The worker calls it; tests with a clock of their own do too.
    ///
    /// # Errors
    /// If the store fails, or the log that would be cut off is not whole; it is then kept as it is.
    pub async fn retain(&self) -> EngineResult<()> {
        for tenant in self.inner.tenants.values() {
            // One node at a time: two that keep a state for the same record must not take the place of each other's, and
            // folding the same records twice is of no use.
            let claim = Claim {
                workspace: tenant.id,
                subject: tenant.id.0,
                holder: self.inner.node,
                lasts: LEASE,
            };
            loop {
                let Some(lease) = self.store().claim(&claim).await? else {
                    break;
                };
                self.catch_up(tenant).await?;
                if !self.cut(tenant).await? {
                    self.drop_cut(tenant).await?;
                    self.store().release(&lease).await?;
                    break;
                }
            }
        }
        Ok(())
    }

    /// Cuts once; answers whether there may be more to cut.
    async fn cut(&self, tenant: &Tenant) -> EngineResult<bool> {
        let previous = tenant.last_cut();
        let Some(through) = self.cut_through(tenant, previous.as_ref()).await? else {
            return Ok(false);
        };
        let (mut rows, head) = self.state_at(tenant, previous.as_ref(), through).await?;
        let mut cut = LogCut {
            seq: head.seq,
            hash: head.hash,
            time: head.time,
            epochs: head.epochs,
            state: Hash32([0; 32]),
        };
        let over = rows.take_what_was_over(&cut);
        let state = serde_json::to_vec(&rows).map_err(|_| EngineError::Internal)?;
        cut.state = state_digest(&state);
        self.store().keep_checkpoint(tenant.id, cut.seq, &state).await?;
        let mut wants = Wants::default();
        wants.rows.extend(over.into_iter().map(|key| (tenant.id, key)));
        let workspace = tenant.id;
        self.write(tenant, wants, move |turn| {
            // Another node may have been faster.
            if turn.cut() == previous.as_ref() {
                turn.bring(RowKey::Workspace);
                let event = Event::LogCut(cut.clone());
                turn.emit(Draft::new(event, Actor::system("retention"), workspace))?;
            }
            Ok(())
        })
        .await?;
        Ok(true)
    }

    /// The last record of the next cut; none where there is nothing to cut. What is still open keeps all that follows
    /// its request: people could not see any more what they decide on.
    async fn cut_through(&self, tenant: &Tenant, previous: Option<&LogCut>) -> EngineResult<Option<u64>> {
        let before: Timestamp = {
            let kept = retention(tenant.snapshot().settings());
            Timestamp(self.now().0.saturating_sub(kept.0))
        };
        let first = previous.map_or(0, |cut| cut.seq) + 1;
        let query = RecordQuery {
            beyond: Some(first - 1),
            since: Some(before),
            limit: 1,
            ..RecordQuery::default()
        };
        let end = match self.store().records(tenant.id, &query).await?.first() {
            Some(kept) => kept.seq,
            None => self.store().head(tenant.id).await?.map_or(0, |head| head.seq) + 1,
        };
        let query = ApprovalQuery {
            statuses: open_statuses(),
            oldest_first: true,
            limit: 1,
            ..ApprovalQuery::default()
        };
        let open = self.store().approvals(tenant.id, &query).await?;
        let open = open.first().map_or(u64::MAX, |row| row.submitted_seq);
        if open < end {
            tracing::warn!(workspace = %tenant.id, seq = open, "an open request is older than records are kept; what follows it is kept until it ends");
        }
        let end = end.min(open).min(first + CUT_RECORDS_MAX);
        if end <= first {
            return Ok(None);
        }
        self.between_batches(tenant, first, end).await
    }

    /// The last record before `end` that is older than the one after it: a cut goes between batches, never through one.
    async fn between_batches(&self, tenant: &Tenant, first: u64, end: u64) -> EngineResult<Option<u64>> {
        let mut later: Option<Timestamp> = None;
        let mut beyond = end + 1;
        loop {
            let query = RecordQuery {
                beyond: Some(beyond),
                newest_first: true,
                limit: EXPORT_MAX,
                ..RecordQuery::default()
            };
            for stored in self.store().records(tenant.id, &query).await? {
                if stored.seq < first {
                    return Ok(None);
                }
                let record: signoff_core::record::Record =
                    serde_json::from_slice(&stored.bytes).map_err(|_| EngineError::Internal)?;
                // With nothing after it the last record ends its batch.
                if stored.seq < end && later.is_none_or(|later| record.time < later) {
                    return Ok(Some(stored.seq));
                }
                later = Some(record.time);
                beyond = stored.seq;
            }
            if beyond <= first {
                return Ok(None);
            }
        }
    }

    /// The folded state after a record, from the last cut on. What is cut off is verified one last time.
    async fn state_at(
        &self,
        tenant: &Tenant,
        previous: Option<&LogCut>,
        through: u64,
    ) -> EngineResult<(Rows, Head)> {
        let damaged = |why: String| {
            tracing::error!(workspace = %tenant.id, %why, "the log is not whole; nothing is cut off");
            EngineError::Internal
        };
        let (mut rows, mut chain) = match previous {
            None => (Rows::default(), ChainVerifier::new(tenant.id)),
            Some(cut) => {
                let rows = state_of(self.store(), tenant.id, cut).await?.map_err(damaged)?;
                (rows, ChainVerifier::after(tenant.id, cut.head()))
            }
        };
        while chain.head().seq < through {
            let query = RecordQuery {
                beyond: Some(chain.head().seq),
                limit: EXPORT_MAX,
                ..RecordQuery::default()
            };
            let page = self.store().records(tenant.id, &query).await?;
            if page.is_empty() {
                return Err(damaged("it ends too early".into()));
            }
            for stored in page.iter().filter(|stored| stored.seq <= through) {
                let record = chain
                    .next(&stored.bytes, stored.hash)
                    .map_err(|fault| damaged(fault.to_string()))?;
                rows.fold(&record).map_err(|fault| damaged(fault.to_string()))?;
            }
        }
        Ok((rows, *chain.head()))
    }

    /// Deletes what was cut off, a little at a time.
    async fn drop_cut(&self, tenant: &Tenant) -> EngineResult<()> {
        let Some(cut) = tenant.last_cut() else {
            return Ok(());
        };
        loop {
            let dropped = self
                .store()
                .drop_prefix(tenant.id, cut.seq, DROPPED_AT_ONCE)
                .await?;
            if dropped < u64::from(DROPPED_AT_ONCE) {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

//! A channel that this node serves for a while: no other node does meanwhile.

use std::time::{Duration, Instant};

use signoff_core::{
    id::ChannelId,
    time::{Micros, Timestamp},
};
use signoff_store::{Addressee, Claim, DeliveryRow, Lease};
use tokio::sync::Mutex;

use crate::{Engine, EngineError, EngineResult, tenant::Tenant};

/// How long a channel is taken for, and when that is renewed.
const LEASE: Duration = Duration::from_secs(12);
const RENEW_AFTER: Duration = Duration::from_secs(4);

/// A channel's lease, while several messages go out under it.
pub(super) struct Held {
    served: Mutex<Served>,
}

impl Held {
    /// None where another node serves the channel.
    pub(super) async fn take(
        engine: &Engine,
        tenant: &Tenant,
        channel: ChannelId,
    ) -> EngineResult<Option<Self>> {
        let claim = Claim {
            workspace: tenant.id,
            subject: channel.0,
            holder: engine.inner.node,
            lasts: Micros(i64::try_from(LEASE.as_micros()).unwrap_or(i64::MAX)),
        };
        let served = Served::claim(engine, claim).await?;
        Ok(served.map(|served| Self {
            served: Mutex::new(served),
        }))
    }

    pub(super) async fn release(self, engine: &Engine) -> EngineResult<()> {
        let lease = self.served.into_inner().lease;
        engine.store().release(&lease).await.map_err(Into::into)
    }

    /// Runs the work while the lease holds, renewing it; none once it is another node's. The lease is looked at before the
    /// work is, each time anything happens: a process that was paused past it sends nothing more.
    pub(super) async fn keep<T>(
        &self,
        engine: &Engine,
        work: impl Future<Output = T>,
    ) -> EngineResult<Option<T>> {
        // Polled beside each other: the work may hold the lease while this waits for it.
        tokio::select! {
            biased;
            lost = self.renew_until_lost(engine) => lost.map(|()| None),
            done = work => Ok(Some(done)),
        }
    }

    async fn renew_until_lost(&self, engine: &Engine) -> EngineResult<()> {
        loop {
            let (renew_at, ends_at) = {
                let served = self.served.lock().await;
                (served.renew_at(), served.ends_at())
            };
            let renewed = async {
                tokio::time::sleep_until(renew_at.into()).await;
                self.served.lock().await.renew(engine).await
            };
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(ends_at.into()) => return Ok(()),
                renewed = renewed => if !renewed? { return Ok(()) },
            }
        }
    }

    /// Keeps what became of deliveries. Once the lease is another node's nothing is kept, and the work ends.
    pub(super) async fn record(&self, engine: &Engine, deliveries: &[DeliveryRow]) -> EngineResult<()> {
        if deliveries.is_empty() {
            return Ok(());
        }
        let served = self.served.lock().await;
        if engine.store().record_attempts(deliveries, &served.lease).await? {
            return Ok(());
        }
        Err(EngineError::Internal)
    }

    pub(super) async fn hold(&self, engine: &Engine, to: Addressee, until: Timestamp) -> EngineResult<()> {
        let served = self.served.lock().await;
        engine.store().hold(to, until, &served.lease).await?;
        Ok(())
    }
}

/// A channel that this node serves, for a while.
struct Served {
    claim: Claim,
    lease: Lease,
    /// Before it was asked for, by this machine's monotonic clock: the lease in the database ends later than ours.
    since: Instant,
}

impl Served {
    /// None where another node serves the channel.
    async fn claim(engine: &Engine, claim: Claim) -> EngineResult<Option<Self>> {
        let since = Instant::now();
        let lease = engine.store().claim(&claim).await?;
        Ok(lease.map(|lease| Self { claim, lease, since }))
    }

    /// Takes it for longer; false once it is another node's.
    async fn renew(&mut self, engine: &Engine) -> EngineResult<bool> {
        let Some(renewed) = Self::claim(engine, self.claim.clone()).await? else {
            return Ok(false);
        };
        *self = renewed;
        Ok(true)
    }

    fn renew_at(&self) -> Instant {
        self.since + RENEW_AFTER
    }

    fn ends_at(&self) -> Instant {
        self.since + LEASE
    }
}

//! What other nodes wrote: read anew what snapshots rest on, wake who waits here, tell who watches here; and tell other
//! nodes what was written here. Only where several nodes share a store. Announcements wake; the heads are the truth.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use signoff_core::{id::WorkspaceId, record::Head};
use signoff_store::{Heard, Listener, StoreResult};
use tokio_util::sync::CancellationToken;

use crate::{Engine, EngineResult, audit::EXPORT_MAX, tenant::Tenant};

/// How often the heads are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How often while somebody waits and nothing is announced to us.
const LOOK_DEAF: Duration = Duration::from_millis(50);
/// How long the node that changed a policy has for judging again what is pending before the others look too.
const REJUDGE_AFTER: Duration = Duration::from_millis(750);

/// Tells other nodes how far logs moved; what gathers while a message is on its way goes with the next.
pub(crate) async fn announce(engine: Engine, stop: CancellationToken) {
    let aftermath = &engine.inner.aftermath;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = aftermath.nudges.announce.notified() => {}
        }
        let moved = std::mem::take(&mut *aftermath.moved.lock().unwrap_or_else(PoisonError::into_inner));
        let heads: Vec<_> = moved.into_iter().collect();
        if let Err(error) = engine.store().announce(&heads).await {
            tracing::debug!(%error, "other nodes were not told; they see it within a second");
        }
    }
}

pub(crate) async fn run(engine: Engine, stop: CancellationToken) {
    let mut ear = None;
    loop {
        if ear.is_none() {
            ear = engine.store().listen().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "announcements of other nodes can't be heard");
                None
            });
        }
        if let Err(error) = engine.follow_all().await {
            tracing::error!(%error, "the heads of the logs could not be looked at");
        }
        engine
            .inner
            .aftermath
            .deaf
            .store(ear.is_none(), Ordering::Relaxed);
        let pause = if ear.is_none() && engine.is_watched() {
            LOOK_DEAF
        } else {
            LOOK
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = engine.inner.aftermath.nudges.follow.notified() => {}
            heard = hear(&mut ear, &engine) => match heard {
                Ok(Heard::Moved(..)) => {}
                // A server may have been promoted meanwhile: a look under the lock tells.
                Ok(Heard::Again) => engine.look_at_places().await,
                Err(error) => {
                    tracing::warn!(%error, "announcements of other nodes are not heard any more");
                    ear = None;
                }
            },
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// The next thing heard that is news here.
async fn hear(ear: &mut Option<Box<dyn Listener>>, engine: &Engine) -> StoreResult<Heard> {
    let Some(ear) = ear else {
        return std::future::pending().await;
    };
    loop {
        match ear.next().await? {
            Heard::Moved(workspace, seq) if engine.reached(workspace) >= Some(seq) => {}
            news => return Ok(news),
        }
    }
}

impl Engine {
    fn reached(&self, workspace: WorkspaceId) -> Option<u64> {
        self.inner.tenants.get(&workspace).map(|tenant| tenant.told())
    }

    /// Whether anybody waits or watches here.
    fn is_watched(&self) -> bool {
        let aftermath = &self.inner.aftermath;
        aftermath.waiters.count() > 0 || aftermath.notices.receiver_count() > 0
    }

    /// Follows all logs to where they stand.
    async fn follow_all(&self) -> EngineResult<()> {
        let heads: BTreeMap<WorkspaceId, Head> = self.store().heads().await?;
        for (workspace, head) in heads {
            if let Some(tenant) = self.inner.tenants.get(&workspace) {
                self.follow(tenant, &head).await?;
            }
        }
        Ok(())
    }

    async fn follow(&self, tenant: &Arc<Tenant>, head: &Head) -> EngineResult<()> {
        if tenant.snapshot().epochs < head.epochs {
            tenant.reload(self.store()).await?;
            self.rejudge_later();
        }
        let aftermath = &self.inner.aftermath;
        loop {
            let after = tenant.told();
            if head.seq <= after {
                return Ok(());
            }
            if self.auto_approves() {
                aftermath.nudges.asked.notify_one();
            }
            if aftermath.waiters.count() > 0 {
                let touched = self.store().touched_approvals(tenant.id, after, head.seq).await?;
                for row in &touched {
                    aftermath.waiters.wake(row);
                }
            }
            if aftermath.notices.receiver_count() == 0 {
                tenant.tell(after, head.seq, || {});
                continue;
            }
            let notices = self.notices_between(tenant, after, EXPORT_MAX).await?;
            let Some(last) = notices.last().map(|notice| notice.seq) else {
                return Ok(());
            };
            tenant.tell(after, last, || {
                for notice in notices {
                    drop(aftermath.notices.send(notice));
                }
            });
        }
    }

    /// Whoever changed the policy judges again at once; should that node be gone, this one does it a little later.
    fn rejudge_later(&self) {
        let nudges = Arc::clone(&self.inner.aftermath.nudges);
        tokio::spawn(async move {
            tokio::time::sleep(REJUDGE_AFTER).await;
            nudges.rejudge.notify_one();
        });
    }

    /// An empty batch in each log: it notices where the log goes on in another place.
    pub(crate) async fn look_at_places(&self) {
        for tenant in self.inner.tenants.values() {
            if let Err(error) = self
                .write(tenant, signoff_store::Wants::default(), |_| Ok(()))
                .await
            {
                tracing::error!(%error, "the place of a log could not be looked at");
            }
        }
    }
}

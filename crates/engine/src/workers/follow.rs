//! What other nodes wrote: read anew what snapshots rest on, wake who waits here, tell who watches here; and tell other
//! nodes what was written here. Only where several nodes share a store. Announcements wake; the heads are the truth.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use signoff_core::{id::WorkspaceId, record::Epochs};
use signoff_store::{Heard, Listener, StoreResult};
use tokio_util::sync::CancellationToken;

use crate::{Engine, EngineResult, audit::EXPORT_MAX};

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
        let heads: Vec<_> = moved
            .into_iter()
            .map(|(workspace, head)| (workspace, head.seq, head.epochs))
            .collect();
        if let Err(error) = engine.store().announce(&heads).await {
            tracing::debug!(%error, "other nodes were not told; they see it within a second");
        }
    }
}

pub(crate) async fn run(engine: Engine, stop: CancellationToken) {
    let mut ear = None;
    let mut looked = Instant::now();
    // The database is away, or nearly: looking more often helps nobody.
    let mut away = false;
    loop {
        if ear.is_none() {
            match engine.store().listen().await {
                Ok(listener) => ear = listener,
                Err(error) => {
                    tracing::warn!(%error, "announcements of other nodes can't be heard");
                    away = true;
                }
            }
        }
        engine
            .inner
            .aftermath
            .deaf
            .store(ear.is_none(), Ordering::Relaxed);
        let pause = if ear.is_none() && engine.is_watched() && !away {
            LOOK_DEAF
        } else {
            LOOK
        };
        let news = tokio::select! {
            () = stop.cancelled() => return,
            () = engine.inner.aftermath.nudges.follow.notified() => None,
            () = tokio::time::sleep_until((looked + pause).into()) => None,
            heard = hear(&mut ear, &engine) => match heard {
                Ok(heard) => Some(heard),
                Err(error) => {
                    tracing::warn!(%error, "announcements of other nodes are not heard any more");
                    ear = None;
                    None
                }
            },
        };
        if let Some(Heard::Moved(workspace, seq, epochs)) = news {
            away = !went_well(&engine.follow(workspace, seq, epochs).await);
            continue;
        }
        looked = Instant::now();
        away = !went_well(&engine.follow_all().await);
        if news.is_some() {
            // The connection was lost: a server may have been promoted meanwhile. A look under the lock tells.
            engine.look_at_places().await;
        }
    }
}

fn went_well(followed: &EngineResult<()>) -> bool {
    if let Err(error) = followed {
        tracing::error!(%error, "what other nodes wrote could not be looked at");
    }
    followed.is_ok()
}

/// The next thing heard that is news here.
async fn hear(ear: &mut Option<Box<dyn Listener>>, engine: &Engine) -> StoreResult<Heard> {
    let Some(ear) = ear else {
        return std::future::pending().await;
    };
    loop {
        match ear.next().await? {
            Heard::Moved(workspace, seq, _) if engine.reached(workspace) >= Some(seq) => {}
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
        for (workspace, head) in self.store().heads().await? {
            self.follow(workspace, head.seq, head.epochs).await?;
        }
        Ok(())
    }

    /// Follows one log to where it stood when it was heard of.
    async fn follow(&self, workspace: WorkspaceId, until: u64, epochs: Epochs) -> EngineResult<()> {
        let Some(tenant) = self.inner.tenants.get(&workspace) else {
            return Ok(());
        };
        if tenant.snapshot().epochs < epochs {
            tenant.reload(self.store()).await?;
            self.rejudge_later();
        }
        let aftermath = &self.inner.aftermath;
        loop {
            let after = tenant.told();
            if until <= after {
                return Ok(());
            }
            if self.auto_approves() {
                aftermath.nudges.asked.notify_one();
            }
            if aftermath.waiters.count() > 0 {
                let touched = self.store().touched_approvals(tenant.id, after, until).await?;
                for row in &touched {
                    aftermath.waiters.wake(row);
                }
            }
            if aftermath.notices.receiver_count() == 0 {
                tenant.tell(after, until, || {});
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

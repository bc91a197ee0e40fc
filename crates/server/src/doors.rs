//! What every door holds: the engine, the counters of requests, and the word that the server is going down.

use std::sync::Arc;
use std::time::Duration;

use signoff_core::id::ApprovalId;
use signoff_engine::request::Until;
use signoff_engine::view::{ApprovalView, Caller};
use signoff_engine::{Engine, EngineResult};
use tokio_util::sync::CancellationToken;

use crate::api::metrics::RequestMetrics;

/// The state of the router; cheap to clone.
#[derive(Clone)]
pub struct Doors {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    stopping: CancellationToken,
    requests: RequestMetrics,
}

impl Doors {
    /// Doors onto an engine. When `stopping` is cancelled, streams and long-polls end at once.
    pub fn new(engine: Engine, stopping: CancellationToken) -> Self {
        Self {
            inner: Arc::new(Inner {
                engine,
                stopping,
                requests: RequestMetrics::new(),
            }),
        }
    }

    /// Where everything is decided.
    pub fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// Cancelled when the server goes down.
    pub fn stopping(&self) -> &CancellationToken {
        &self.inner.stopping
    }

    /// The approval as soon as it is decided (or changed), or as it stands when the time is up or the server goes
    /// down. Ends with the request that waits.
    ///
    /// # Errors
    /// As the engine's own `wait`.
    pub async fn wait(
        &self,
        caller: &Caller,
        id: ApprovalId,
        until: Until,
        at_most: Duration,
    ) -> EngineResult<ApprovalView> {
        tokio::select! {
            biased;
            view = self.engine().wait(caller, id, until, at_most) => view,
            () = self.stopping().cancelled() => self.engine().approval(caller, id).await,
        }
    }

    /// Counters of requests.
    pub(crate) fn requests(&self) -> &RequestMetrics {
        &self.inner.requests
    }
}

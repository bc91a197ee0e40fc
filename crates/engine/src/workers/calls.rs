//! Calls that Signoff makes: begun as soon as they may be, taken over from whoever began them and is gone.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::Engine;

/// How long to wait after the store failed, and at most where another node may be gone.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest sleep.
const SLEEP_MAX: Duration = Duration::from_mins(1);
/// How often a run that is at work shows that it is alive.
const RENEW: Duration = Duration::from_secs(3);

pub(crate) async fn run(engine: Engine, stop: CancellationToken) {
    loop {
        let sleep = match engine.make_calls().await {
            Ok(()) if engine.store().is_shared() => PAUSE,
            Ok(()) => SLEEP_MAX,
            Err(error) => {
                tracing::error!(%error, "calls could not be looked at");
                PAUSE
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = engine.inner.aftermath.nudges.calls.notified() => {}
            () = tokio::time::sleep(sleep) => {}
        }
    }
}

/// Shows that this run is alive while it makes calls.
pub(crate) async fn stay_alive(engine: Engine, stop: CancellationToken) {
    loop {
        tokio::select! {
            // What is being made is finished first.
            () = stop.cancelled(), if !engine.inner.runners.is_busy() => return,
            () = tokio::time::sleep(RENEW) => {}
        }
        if !engine.inner.runners.is_busy() {
            continue;
        }
        for tenant in engine.inner.tenants.values() {
            if let Err(error) = engine.runner(tenant).await {
                tracing::error!(%error, "the store does not know that this node is at work; another may take over");
            }
        }
    }
}

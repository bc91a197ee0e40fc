//! Forgets sessions and idempotency keys whose time has passed.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::Engine;

const EVERY: Duration = Duration::from_hours(1);

pub(crate) async fn run(engine: Engine, stop: CancellationToken) {
    loop {
        match engine.store().sweep(engine.now()).await {
            Ok(0) => {}
            Ok(rows) => tracing::debug!(rows, "forgot what had expired"),
            Err(error) => tracing::error!(%error, "what has expired could not be forgotten"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

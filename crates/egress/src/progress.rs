//! How far a call has come, so that running out of time before a connection stood is known to have sent
//! nothing.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use tower::{Layer, Service};

tokio::task_local! {
    static PROGRESS: Progress;
}

// Zero, where the counter starts, means that the connector has given no sign yet.
const CONNECTING: u8 = 1;
const CONNECTED: u8 = 2;

/// Where one call is. Without any sign of the connector it counts as perhaps sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress(Arc<AtomicU8>);

impl Progress {
    /// Runs the call so that the connector can report on it.
    pub(crate) async fn watch<F: Future>(&self, call: F) -> F::Output {
        PROGRESS.scope(self.clone(), call).await
    }

    /// True only while the connector is known to be at work and not to have finished.
    pub(crate) fn surely_not_sent(&self) -> bool {
        self.0.load(Ordering::SeqCst) == CONNECTING
    }
}

fn report(stage: u8) {
    // Outside of a watched call nobody asks, and the stage stays unknown.
    let _ = PROGRESS.try_with(|progress| progress.0.store(stage, Ordering::SeqCst));
}

/// Wraps the library's connector, which resolves, connects and agrees on TLS.
#[derive(Debug, Clone)]
pub(crate) struct ReportProgress;

impl<S> Layer<S> for ReportProgress {
    type Service = Reporting<S>;

    fn layer(&self, connector: S) -> Reporting<S> {
        Reporting { connector }
    }
}

/// A connector that reports when it starts and when it is done.
#[derive(Debug, Clone)]
pub(crate) struct Reporting<S> {
    connector: S,
}

impl<S, R> Service<R> for Reporting<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, target: R) -> Self::Future {
        let connecting = self.connector.call(target);
        Box::pin(async move {
            report(CONNECTING);
            let connection = connecting.await?;
            report(CONNECTED);
            Ok(connection)
        })
    }
}

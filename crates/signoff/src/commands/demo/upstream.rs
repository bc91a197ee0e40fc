//! The payment service of the demonstration: it echoes what it gets and counts.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::Value;
use signoff_egress::{Egress, EgressConfig, OutboundRequest};
use tokio::net::TcpListener;

const TIMEOUT: Duration = Duration::from_secs(10);

/// The service while it runs; it ends with the process.
pub(super) struct Upstream {
    origin: String,
    calls: Arc<AtomicU64>,
}

impl Upstream {
    /// Starts it on a free port of this machine.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let calls = Arc::new(AtomicU64::new(0));
        let router = Router::new()
            .route("/v1/refunds", post(echo))
            .with_state(Arc::clone(&calls));
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the demo's payment service ended");
            }
        });
        Ok(Self { origin, calls })
    }

    /// Where refunds are posted.
    pub(super) fn url(&self) -> String {
        format!("{}/v1/refunds", self.origin)
    }

    /// How often it was called.
    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// Posts a refund, as the agent; gives the service's answer.
    pub(super) async fn refund(&self, inputs: &Value) -> anyhow::Result<Value> {
        let egress = Egress::new(EgressConfig {
            allow: vec!["127.0.0.0/8".parse()?],
            ..EgressConfig::default()
        })?;
        let request = OutboundRequest {
            url: self.url(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: serde_json::to_vec(inputs)?.into(),
            timeout: TIMEOUT,
        };
        let response = egress.post(request).await?;
        if response.status != 200 {
            bail!("the payment service answers HTTP {}", response.status);
        }
        serde_json::from_slice(&response.body).context("the payment service's answer")
    }
}

async fn echo(State(calls): State<Arc<AtomicU64>>, Json(body): Json<Value>) -> Json<Value> {
    let call = calls.fetch_add(1, Ordering::SeqCst) + 1;
    Json(serde_json::json!({"id": format!("re_{call}"), "status": "succeeded", "echo": body}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_echoes_and_counts() {
        let upstream = Upstream::start().await.unwrap();
        let inputs = serde_json::json!({"amount": "500.00"});
        let answer = upstream.refund(&inputs).await.unwrap();
        assert_eq!(answer["echo"], inputs);
        assert_eq!(upstream.calls(), 1);
    }
}

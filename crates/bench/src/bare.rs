//! The floors over HTTP: axum and nothing else. It reads JSON and answers as many bytes as Signoff does, holds requests
//! until they are decided, and on a decision commits the rows that Signoff would, and no more.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::{get, post},
};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::{
    child::Ready,
    footprint::{Footprint, Kind},
    raw::RawWriter,
};

/// As Signoff's longest wait.
const WAIT: Duration = Duration::from_mins(1);

/// Arguments of the server process.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long every answer is, in bytes.
    #[arg(long)]
    answer_bytes: usize,
    /// A data directory, for decisions.
    #[arg(long)]
    data: Option<PathBuf>,
    /// How many requests wait for a decision in it.
    #[arg(long, default_value_t = 0)]
    requests: u64,
}

struct Bare {
    answer: Bytes,
    waiting: Mutex<HashMap<u64, oneshot::Sender<()>>>,
    decisions: Option<tokio::sync::Mutex<(RawWriter, Footprint)>>,
}

/// The bare server.
pub(crate) async fn serve(args: Args) -> anyhow::Result<Ready> {
    let decisions = match args.data {
        Some(data) => {
            let mut writer = RawWriter::create(&data).await?;
            let asking = Footprint::take(Kind::Asking, &data).await?;
            for start in (0..args.requests).step_by(100) {
                writer.submit(&asking, (args.requests - start).min(100)).await?;
            }
            Some(tokio::sync::Mutex::new((
                writer,
                Footprint::take(Kind::Approving, &data).await?,
            )))
        }
        None => None,
    };
    let filling = "x".repeat(args.answer_bytes.saturating_sub(r#"{"verdict":""}"#.len()));
    let bare = Bare {
        answer: Bytes::from(format!(r#"{{"verdict":"{filling}"}}"#)),
        waiting: Mutex::default(),
        decisions,
    };
    let router = Router::new()
        .route("/check", post(check))
        .route("/wait/{id}", get(wait))
        .route("/decide/{id}", post(decide))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(bare));
    Ok(Ready {
        router,
        agents: Vec::new(),
        operator: String::new(),
    })
}

fn answer(bare: &Bare) -> impl IntoResponse + use<> {
    ([(CONTENT_TYPE, "application/json")], bare.answer.clone())
}

async fn check(State(bare): State<Arc<Bare>>, Json(body): Json<Value>) -> impl IntoResponse {
    std::hint::black_box(&body);
    answer(&bare)
}

async fn wait(State(bare): State<Arc<Bare>>, Path(id): Path<u64>) -> impl IntoResponse {
    let (wake, woken) = oneshot::channel();
    bare.waiting
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(id, wake);
    drop(tokio::time::timeout(WAIT, woken).await);
    answer(&bare)
}

async fn metrics(State(bare): State<Arc<Bare>>) -> String {
    let waiting = bare.waiting.lock().unwrap_or_else(PoisonError::into_inner).len();
    format!("signoff_waiters {waiting}\n")
}

async fn decide(
    State(bare): State<Arc<Bare>>,
    Path(id): Path<u64>,
    Json(body): Json<Value>,
) -> impl IntoResponse {
    std::hint::black_box(&body);
    let Some(decisions) = &bare.decisions else {
        return Err(StatusCode::NOT_FOUND);
    };
    let mut decisions = decisions.lock().await;
    let (writer, footprint) = &mut *decisions;
    writer
        .follow(footprint, id)
        .await
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    drop(decisions);
    let waiter = bare
        .waiting
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .remove(&id);
    if let Some(waiter) = waiter {
        // Whoever waited may have gone.
        let _ = waiter.send(());
    }
    Ok(answer(&bare))
}

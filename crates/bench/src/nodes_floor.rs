//! The floors of several nodes: single INSERTs of a payload's size on many connections, and a bare long-poll that is
//! released by INSERT and NOTIFY.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
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
use sqlx::{
    PgPool,
    postgres::{PgListener, PgPoolOptions},
};
use tokio::sync::oneshot;

use crate::{child::Ready, numbers::rate};

/// How many connections insert at once.
pub(crate) const CONNECTIONS: u32 = 32;
/// As much as a submit's payload.
const ROW_BYTES: usize = 1024;
/// As Signoff's longest wait.
const WAIT: Duration = Duration::from_mins(1);
const INSERT: &str = "INSERT INTO floor (body) VALUES ($1)";

/// The table of the floor.
pub(crate) async fn create(database: &str) -> anyhow::Result<PgPool> {
    let pool = PgPoolOptions::new()
        .min_connections(CONNECTIONS)
        .max_connections(CONNECTIONS)
        .test_before_acquire(false)
        .connect(database)
        .await?;
    let table = "CREATE TABLE IF NOT EXISTS floor (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body bytea NOT NULL)";
    sqlx::query(table).execute(&pool).await?;
    Ok(pool)
}

/// Single INSERTs per second, each a transaction of its own.
pub(crate) async fn inserts(pool: &PgPool, span: Duration) -> anyhow::Result<f64> {
    let until = Instant::now() + span;
    let tasks: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move {
                let mut connection = pool.acquire().await?;
                let body = vec![7_u8; ROW_BYTES];
                let mut count = 0_u64;
                loop {
                    sqlx::query(INSERT).bind(&body).execute(&mut *connection).await?;
                    if Instant::now() > until {
                        return anyhow::Ok(count);
                    }
                    count += 1;
                }
            })
        })
        .collect();
    let mut count = 0;
    for task in tasks {
        count += task.await??;
    }
    Ok(rate(count, span))
}

/// Arguments of a bare node's process.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long every answer is, in bytes.
    #[arg(long)]
    answer_bytes: usize,
    /// The database, with the floor's table.
    #[arg(long)]
    database: String,
}

struct Node {
    answer: Bytes,
    waiting: Mutex<HashMap<u64, oneshot::Sender<()>>>,
    pool: PgPool,
}

/// A bare node.
pub(crate) async fn serve(args: Args) -> anyhow::Result<Ready> {
    let pool = PgPoolOptions::new()
        .max_connections(4)
        .connect(&args.database)
        .await?;
    let mut listener = PgListener::connect(&args.database).await?;
    listener.listen("floor").await?;
    let filling = "x".repeat(args.answer_bytes.saturating_sub(r#"{"verdict":""}"#.len()));
    let node = Arc::new(Node {
        answer: Bytes::from(format!(r#"{{"verdict":"{filling}"}}"#)),
        waiting: Mutex::default(),
        pool,
    });
    let hearing = Arc::clone(&node);
    tokio::spawn(async move {
        while let Ok(heard) = listener.recv().await {
            let id = heard.payload().parse().unwrap_or(u64::MAX);
            if let Some(waiter) = hearing.waiting().remove(&id) {
                // Whoever waited may have gone.
                let _ = waiter.send(());
            }
        }
    });
    let router = Router::new()
        .route("/wait/{id}", get(wait))
        .route("/decide/{id}", post(decide))
        .route("/metrics", get(metrics))
        .with_state(node);
    Ok(Ready {
        router,
        agents: Vec::new(),
        operator: String::new(),
    })
}

impl Node {
    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<u64, oneshot::Sender<()>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self) -> impl IntoResponse + use<> {
        ([(CONTENT_TYPE, "application/json")], self.answer.clone())
    }
}

async fn wait(State(node): State<Arc<Node>>, Path(id): Path<u64>) -> impl IntoResponse {
    let (wake, woken) = oneshot::channel();
    node.waiting().insert(id, wake);
    drop(tokio::time::timeout(WAIT, woken).await);
    node.answer()
}

async fn metrics(State(node): State<Arc<Node>>) -> String {
    format!("signoff_waiters {}\n", node.waiting().len())
}

async fn decide(
    State(node): State<Arc<Node>>,
    Path(id): Path<u64>,
    Json(body): Json<Value>,
) -> Result<impl IntoResponse, StatusCode> {
    let failed = |_| StatusCode::INTERNAL_SERVER_ERROR;
    let row = body.to_string().into_bytes();
    sqlx::query(INSERT)
        .bind(row)
        .execute(&node.pool)
        .await
        .map_err(failed)?;
    sqlx::query("SELECT pg_notify('floor', $1)")
        .bind(id.to_string())
        .execute(&node.pool)
        .await
        .map_err(failed)?;
    Ok(node.answer())
}

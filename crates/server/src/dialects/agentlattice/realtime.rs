//! `GET /realtime/v1`: what concerns the key's owner, live, in the messages of Phoenix channels. A socket is subscribed from
//! its handshake on, to the workspace of its key; the topic that the client names is not asked.

use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use signoff_core::event::ApprovalStatus;
use signoff_core::id::{ActionId, ApprovalId};
use signoff_engine::OwnFeed;
use signoff_engine::view::{Caller, Notice};
use tokio::sync::Semaphore;

use super::fault::Fault;
use crate::Doors;
use crate::api::Refused;
use crate::api::query::Query;

/// How many sockets are open at the same time.
const SOCKETS_MAX: usize = 1_000;
/// The largest message that a client sends, in bytes.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// A client says something every 30 seconds; one that is silent for so long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(95);
/// How long a client takes to accept what it is sent.
const SEND_MAX: Duration = Duration::from_secs(10);

static SOCKETS: Semaphore = Semaphore::const_new(SOCKETS_MAX);

/// The client can set no header here, so the key is in the address.
#[derive(Debug, Deserialize)]
pub(super) struct Key {
    apikey: String,
    /// How many events a second the client would take; it is sent all of them.
    #[serde(default, rename = "eventsPerSecond")]
    _events_per_second: Option<String>,
}

pub(super) async fn connect(
    State(doors): State<Doors>,
    query: Result<Query<Key>, Refused>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Fault> {
    let Query(key) = query?;
    let caller = doors.engine().authenticate(&key.apikey).await?;
    let feed = doors.engine().own_feed(&caller)?;
    let place = SOCKETS
        .try_acquire()
        .map_err(|_| Fault::busy("too many sockets are open"))?;
    let upgrade = upgrade.map_err(|_| Fault::invalid("", "this path takes a WebSocket handshake"))?;
    let upgrade = upgrade.max_message_size(MESSAGE_BYTES_MAX);
    Ok(upgrade.on_upgrade(move |socket| async move {
        talk(&doors, &caller, feed, socket).await;
        drop(place);
    }))
}

async fn talk(doors: &Doors, caller: &Caller, mut feed: OwnFeed, mut socket: WebSocket) {
    let topic = format!("gov:{}", caller.workspace);
    loop {
        let answer = tokio::select! {
            biased;
            () = doors.stopping().cancelled() => break,
            notice = feed.next() => match notice {
                Some(notice) => told(doors, caller, &topic, &notice).await,
                None => break,
            },
            message = tokio::time::timeout(SILENCE_MAX, socket.recv()) => match message {
                Ok(Some(Ok(Message::Text(text)))) => reply(&text),
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_)))) => None,
                Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) | Err(_) => break,
            },
        };
        if let Some(answer) = answer {
            let sent = tokio::time::timeout(SEND_MAX, socket.send(Message::text(answer.to_string())));
            if !matches!(sent.await, Ok(Ok(()))) {
                break;
            }
        }
    }
    let _ = tokio::time::timeout(SEND_MAX, socket.send(Message::Close(None))).await;
}

/// Joins and heartbeats are answered; nothing depends on them.
fn reply(text: &str) -> Option<Value> {
    let message: Value = serde_json::from_str(text).ok()?;
    let (topic, reference) = (message.get("topic")?.as_str()?, message.get("ref")?);
    Some(json!({
        "topic": topic, "event": "phx_reply", "ref": reference, "payload": {"status": "ok", "response": {}},
    }))
}

/// What happened, if the client has a word for it.
async fn told(doors: &Doors, caller: &Caller, topic: &str, notice: &Notice) -> Option<Value> {
    let word = word(notice)?;
    let mut data = json!({"sequence": notice.seq, "event": notice.event_type, "subject": notice.subject});
    let action = notice.subject.parse::<ActionId>().ok();
    let action = action.or_else(|| notice.subject.parse::<ApprovalId>().ok().map(ApprovalId::action));
    if let Some(id) = action {
        // A key that was handed on for other actions is told nothing of this one.
        let view = doors.engine().action(caller, id).await.ok()?;
        data["action_type"] = json!(view.action);
        data["audit_event_id"] = json!(id.to_string());
        data["approval_id"] = json!(view.submitted.approval_id.map(|id| id.to_string()));
        data["status"] = json!(notice.status.map(ApprovalStatus::as_str));
        data["policy_name"] = json!(view.submitted.policy.map(|policy| policy.name));
    }
    let happened = json!({
        "event_type": word, "timestamp": notice.at.to_string(), "org_id": caller.workspace.to_string(), "data": data,
        "agent_id": notice.agent.map(|agent| agent.to_string()),
    });
    Some(json!({
        "topic": topic, "event": "broadcast", "ref": null,
        "payload": {"type": "broadcast", "event": "governance", "payload": happened},
    }))
}

/// The client's word for what happened; what it has none for is not told.
fn word(notice: &Notice) -> Option<&'static str> {
    match notice.event_type {
        "action.allowed.v1" => Some("action.executed"),
        "action.denied.v1" => Some("action.denied"),
        "approval.voted.v1" | "approval.ended.v1" => match notice.status? {
            ApprovalStatus::Pending | ApprovalStatus::InfoRequested => None,
            ApprovalStatus::Approved | ApprovalStatus::Answered => Some("action.executed"),
            ApprovalStatus::Denied
            | ApprovalStatus::Expired
            | ApprovalStatus::Cancelled
            | ApprovalStatus::Superseded => Some("action.denied"),
        },
        "policy_set.applied.v1" => Some("policy.changed"),
        "key.revoked.v1" => Some("delegation.revoked"),
        "stop.pulled.v1" => Some("enforcement.triggered"),
        _ => None,
    }
}

//! `/api/v1/delegate` and `/api/v1/delegations`: a part of an agent's work handed on, with a key that ends.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};
use signoff_core::id::KeyId;
use signoff_core::time::Micros;
use signoff_engine::Delegate;
use signoff_engine::view::DelegationView;

use super::fault::Fault;
use crate::Doors;
use crate::api::Refused;
use crate::api::query::Query;
use crate::dialects::vendor::{Known, Sent};

/// What the parent hands on.
#[derive(Debug, Deserialize)]
pub(super) struct Create {
    name: String,
    capabilities: Vec<String>,
    ttl_seconds: f64,
}

/// Longer than any delegation lasts, and far from where doubles are no whole numbers.
const SECONDS_MAX: f64 = 1e9;

pub(super) async fn create(
    known: Known<Fault>,
    State(doors): State<Doors>,
    sent: Sent<Create, Fault>,
) -> Result<Json<Value>, Fault> {
    let body = sent.body;
    if !(body.ttl_seconds > 0.0 && body.ttl_seconds < SECONDS_MAX) {
        return Err(Fault::invalid(
            "/ttl_seconds",
            "`ttl_seconds` is more than 0 and at most 86400",
        ));
    }
    #[expect(clippy::cast_possible_truncation, reason = "its size was just looked at")]
    let micros = (body.ttl_seconds * 1e6).ceil() as i64;
    let delegate = Delegate {
        name: body.name,
        actions: body.capabilities,
        lifetime: Micros(micros),
    };
    let created = doors.engine().delegate(&known.caller, delegate).await?;
    let key = created.secret.as_ref().map(ExposeSecret::expose_secret);
    Ok(Json(json!({
        "delegation_id": created.made.id.to_string(), "child_api_key": key,
        "expires_at": created.made.part.expires_at.to_string(),
    })))
}

/// A delegation as the client reads it. Its key is that of the same agent, so parent and child differ by the key alone.
pub(super) fn shown(view: &DelegationView) -> Value {
    let agent = view.agent.to_string();
    let parent = view.part.parent.map_or(agent, |key| key.to_string());
    json!({
        "id": view.id.to_string(), "scope": {"capabilities": view.part.actions},
        "expires_at": view.part.expires_at.to_string(), "active": view.active, "parent_config_id": parent,
        "child_config_id": view.id.to_string(),
    })
}

/// Which delegations.
#[derive(Debug, Deserialize)]
pub(super) struct Which {
    #[serde(default)]
    role: Option<String>,
    #[serde(default)]
    active_only: Option<bool>,
}

pub(super) async fn list(
    known: Known<Fault>,
    State(doors): State<Doors>,
    query: Result<Query<Which>, Refused>,
) -> Result<Json<Value>, Fault> {
    let Query(which) = query?;
    let (as_parent, as_child) = match which.role.as_deref() {
        None => (true, true),
        Some("parent") => (true, false),
        Some("child") => (false, true),
        Some(_) => return Err(Fault::invalid("/role", "`role` is parent or child")),
    };
    let (handed, own) = doors.engine().delegations(&known.caller)?;
    let found = own
        .into_iter()
        .filter(|_| as_child)
        .chain(handed.into_iter().filter(|_| as_parent));
    let found = found.filter(|view| view.active || which.active_only != Some(true));
    let found: Vec<Value> = found.map(|view| shown(&view)).collect();
    Ok(Json(json!({"delegations": found})))
}

/// Which one ends.
#[derive(Debug, Deserialize)]
pub(super) struct Revoke {
    delegation_id: String,
}

pub(super) async fn revoke(
    known: Known<Fault>,
    State(doors): State<Doors>,
    sent: Sent<Revoke, Fault>,
) -> Result<Json<Value>, Fault> {
    ended(&doors, &known, &sent.body.delegation_id).await
}

pub(super) async fn end(
    known: Known<Fault>,
    State(doors): State<Doors>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, Fault> {
    let id = path.map(|Path(id)| id).unwrap_or_default();
    ended(&doors, &known, &id).await
}

async fn ended(doors: &Doors, known: &Known<Fault>, text: &str) -> Result<Json<Value>, Fault> {
    let id: KeyId = text.parse().map_err(|_| Fault::not_found("delegation", text))?;
    // One that ended before is ended: who asks twice wants the same.
    doors.engine().end_delegation(&known.caller, id).await?;
    Ok(Json(json!({"revoked": true, "delegation_id": text})))
}

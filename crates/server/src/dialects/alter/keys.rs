//! `/sdk/agents/{id}/keys`: the keys of one agent.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use signoff_core::id::KeyId;
use signoff_engine::view::KeyView;
use signoff_engine::{EngineError, KeyShape};

use super::agents::{governs, named};
use super::constraints::Scope;
use super::fault::Fault;
use super::ids::{either, uuid};
use super::signed::Signed;
use crate::Doors;

/// `POST …/keys`: beside those that there are.
pub(super) async fn mint(
    State(doors): State<Doors>,
    signed: Signed,
) -> Result<(StatusCode, Json<Value>), Fault> {
    governs(&signed, Scope::AgentsWrite)?;
    let agent = named(&signed)?;
    let made = doors
        .engine()
        .create_agent_key(&signed.caller, &agent, KeyShape::Alter, None)
        .await;
    let made = made.map_err(|error| match error {
        EngineError::StillNeeded(_) => {
            Fault::from(error).named(StatusCode::CONFLICT, "agent_key_limit_reached")
        }
        error => error.into(),
    })?;
    let mut body = shown(&made.made);
    if let Value::Object(body) = &mut body {
        let secret = made.secret.map(|secret| secret.expose_secret().to_owned());
        body.insert("api_key".into(), Value::from(secret));
    }
    Ok((StatusCode::CREATED, Json(body)))
}

/// `GET …/keys`
pub(super) async fn list(State(doors): State<Doors>, signed: Signed) -> Result<Json<Value>, Fault> {
    governs(&signed, Scope::AgentsRead)?;
    let keys = doors
        .engine()
        .agent_keys(&signed.caller, &named(&signed)?)
        .await?;
    Ok(Json(json!({"items": keys.iter().map(shown).collect::<Vec<_>>()})))
}

/// `DELETE …/keys/{key}`: the last one only with `?force=true`.
pub(super) async fn revoke(State(doors): State<Doors>, signed: Signed) -> Result<Json<Value>, Fault> {
    governs(&signed, Scope::AgentsWrite)?;
    let missing = || {
        Fault::new(
            StatusCode::NOT_FOUND,
            "key_not_found",
            "the agent has no such key",
        )
    };
    let key = either(signed.request.part(1), KeyId).ok_or_else(missing)?;
    let force = match signed.request.uri.query() {
        None | Some("") => false,
        Some("force=true") => true,
        Some(_) => return Err(Fault::invalid("known is `force=true`")),
    };
    let agent = named(&signed)?;
    let gone = doors
        .engine()
        .revoke_agent_key(&signed.caller, &agent, key, force)
        .await;
    let gone = gone.map_err(|error| match error {
        EngineError::StillNeeded(_) => Fault::from(error).named(StatusCode::CONFLICT, "last_active_key"),
        error => error.into(),
    })?;
    Ok(Json(shown(&gone)))
}

/// A key by its last characters: the first ones are the same of all.
fn shown(key: &KeyView) -> Value {
    json!({
        "key_id": uuid(key.id.0),
        "key_prefix": format!("…{}", key.hint),
        "name": format!("key …{}", key.hint),
        "created_at": key.created_at.to_string(),
        "deprecated_at": null,
        "revoked_at": key.revoked_at.map(|at| at.to_string()),
        "last_used_at": null,
    })
}

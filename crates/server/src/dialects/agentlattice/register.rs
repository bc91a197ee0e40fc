//! `POST /api/agents/register`: a new agent, by whoever may make agents.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};
use signoff_engine::request::CreateAgent;

use super::fault::Fault;
use crate::Doors;
use crate::dialects::vendor::{Known, Sent};

/// Whom to make.
#[derive(Debug, Deserialize)]
pub(super) struct Register {
    name: String,
    #[serde(default)]
    description: Option<String>,
}

pub(super) async fn register(
    known: Known<Fault>,
    State(doors): State<Doors>,
    sent: Sent<Register, Fault>,
) -> Result<Json<Value>, Fault> {
    let Register { name, description } = sent.body;
    let description = description.filter(|text| !text.trim().is_empty());
    let labels = description.map(|text| ("description".to_owned(), text));
    let create = CreateAgent {
        name,
        labels: BTreeMap::from_iter(labels),
        owner: None,
        ..CreateAgent::default()
    };
    let created = doors.engine().create_agent(&known.caller, create, None).await?;
    let row = &created.made.row;
    Ok(Json(json!({
        "id": row.id.to_string(), "name": row.name, "created_at": row.created_at.to_string(),
        "api_key": created.secret.as_ref().map(ExposeSecret::expose_secret),
    })))
}

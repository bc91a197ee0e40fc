//! `GET /api/v1/kill-switch/check`: whether a stop of Signoff's is in force.

use axum::Json;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};

use super::fault::Fault;
use crate::Doors;
use crate::api::Refused;
use crate::dialects::vendor::Known;

/// What may be stopped.
#[derive(Debug, Deserialize)]
pub(super) struct Target {
    target_type: Kind,
    target_id: String,
}

/// What kind of thing. Signoff stops agents and everything; a run or mission goes on until one of these is stopped.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Agent,
    Run,
    Mission,
}

/// Whether it is.
#[derive(Debug, Serialize)]
pub(super) struct Stopped {
    is_killed: bool,
}

pub(super) async fn kill_switch(
    known: Known<Fault>,
    State(doors): State<Doors>,
    target: Result<Query<Target>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Stopped>, Fault> {
    let Query(target) = target.map_err(|error| Refused::parameter(error.body_text()))?;
    let agent = match target.target_type {
        Kind::Agent => Some(target.target_id.as_str()),
        Kind::Run | Kind::Mission => None,
    };
    let is_killed = doors.engine().is_stopped(&known.caller, agent).await?;
    Ok(Json(Stopped { is_killed }))
}

//! `POST /sdk/check`: may this agent do this?

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use signoff_core::action::Action;
use signoff_core::policy::Effect;
use signoff_engine::request::Submit;

use super::fault::Fault;
use crate::Doors;
use crate::dialects::vendor::{Known, Sent};

/// What the client asks.
#[derive(Debug, Deserialize)]
pub(super) struct Check {
    agent_id: String,
    action: String,
    #[serde(default)]
    context: Option<Map<String, Value>>,
}

/// What it is answered; it reads the first three.
#[derive(Debug, Serialize)]
pub(super) struct Checked {
    allowed: bool,
    requires_approval: bool,
    reason: Option<String>,
    approval_id: Option<String>,
}

pub(super) async fn check(
    known: Known<Fault>,
    State(doors): State<Doors>,
    sent: Sent<Check, Fault>,
) -> Result<Json<Checked>, Fault> {
    let submit = Submit {
        agent: Some(sent.body.agent_id),
        ..Submit::of(Action {
            context: sent.body.context.unwrap_or_default(),
            ..Action::named(sent.body.action)
        })
    };
    let submitted = doors.engine().submit(&known.caller, submit, None).await?;
    Ok(Json(Checked {
        allowed: submitted.effect == Effect::Allow,
        requires_approval: submitted.effect == Effect::Ask,
        reason: submitted.reason,
        approval_id: submitted.approval_id.map(|id| id.to_string()),
    }))
}

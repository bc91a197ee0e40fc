//! `POST /sdk/check`: may this agent do this?

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use signoff_core::policy::Effect;
use signoff_engine::EngineError;
use signoff_engine::view::Submitted;

use super::asked;
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

/// What it is answered. The client reads the first three; the others are what its documents speak of.
#[derive(Debug, Serialize)]
pub(super) struct Checked {
    /// Never true while a person has to decide: the documents test this first.
    allowed: bool,
    requires_approval: bool,
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approval_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

impl Checked {
    fn of(submitted: &Submitted) -> Self {
        let (allowed, requires_approval) = match submitted.effect {
            Effect::Allow => (true, false),
            Effect::Ask => (false, true),
            Effect::Deny => (false, false),
        };
        Self {
            allowed,
            requires_approval,
            reason: submitted.reason.clone(),
            approval_id: submitted.approval_id.map(|id| id.to_string()),
            expires_at: submitted.decide_by.map(|at| at.to_string()),
        }
    }

    fn refused(reason: String) -> Self {
        Self {
            allowed: false,
            requires_approval: false,
            reason: Some(reason),
            approval_id: None,
            expires_at: None,
        }
    }
}

pub(super) async fn check(
    known: Known<Fault>,
    State(doors): State<Doors>,
    Sent { body, .. }: Sent<Check, Fault>,
) -> Result<Json<Checked>, Fault> {
    let submit = asked(&body.agent_id, &body.action, body.context);
    let answer = match doors.engine().submit_identical(&known.caller, submit).await {
        Ok(submitted) => Checked::of(&submitted),
        // Refused in the client's terms, so that its user reads what the policy wants to be told.
        Err(EngineError::Incomplete { policy, lacks }) => {
            let lacks: Vec<_> = lacks.into_iter().map(|(_, why)| why).collect();
            let lacks = lacks.join("; ");
            Checked::refused(format!("the policy `{policy}` needs to be told more: {lacks}"))
        }
        Err(error) => return Err(Fault::of_agent(&known.caller, error)),
    };
    Ok(Json(answer))
}

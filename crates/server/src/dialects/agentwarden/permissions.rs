//! `POST /api/agents/{agent}/permissions`: an operator says what an agent may do. It becomes one policy of the set.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use signoff_core::name::check_name;
use signoff_core::policy::{PolicyDoc, PolicyEffect, TimeoutRule};
use signoff_engine::EngineError;

use super::fault::Fault;
use crate::Doors;
use crate::api::Refused;
use crate::api::path::At;
use crate::dialects::vendor::{Known, Sent};

/// What the agent may do, and whether a person is asked.
#[derive(Debug, Deserialize)]
pub(super) struct Permission {
    action: String,
    #[serde(default)]
    requires_approval: bool,
}

/// The permission as it is in force.
#[derive(Debug, Serialize)]
pub(super) struct Permitted {
    id: String,
    agent_id: String,
    action: String,
    requires_approval: bool,
    /// The policy of Signoff's that it became.
    policy: String,
    created_at: String,
    updated_at: String,
}

pub(super) async fn set(
    known: Known<Fault>,
    State(doors): State<Doors>,
    at: Result<At<String>, Refused>,
    Sent { body, .. }: Sent<Permission, Fault>,
) -> Result<(StatusCode, Json<Permitted>), Fault> {
    let At(agent) = at?;
    let (engine, caller) = (doors.engine(), &known.caller);
    engine.permit(caller, signoff_core::authority::Operation::Govern)?;
    let agent = engine.agent(caller, &agent)?.row.name;
    // One action, as AgentWarden has it: a pattern would cover more than the name says.
    check_name(&body.action).map_err(|why| EngineError::invalid("/action", why))?;
    let name = format!("agentwarden/{agent}/{}", body.action);
    let effect = if body.requires_approval {
        PolicyEffect::RequireApproval
    } else {
        PolicyEffect::Allow
    };
    let mut doc = PolicyDoc::new(&name, effect);
    doc.actions = vec![body.action.clone()];
    doc.agents = vec![agent.clone()];
    if body.requires_approval {
        // There requests wait for as long as it takes.
        doc.approval.timeout = Some(TimeoutRule::Never);
    }
    let row = engine.put_policy(caller, &name, doc).await?;
    let permitted = Permitted {
        id: row.id.to_string(),
        agent_id: agent,
        action: body.action,
        requires_approval: body.requires_approval,
        policy: row.doc.name,
        created_at: row.created_at.to_string(),
        updated_at: row.updated_at.to_string(),
    };
    let status = match row.version {
        1 => StatusCode::CREATED,
        _ => StatusCode::OK,
    };
    Ok((status, Json(permitted)))
}

//! `GET /sdk/approvals/{id}`: how a request stands. Reading `approved` takes the permission, since who reads it goes ahead.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::{Map, Value};
use signoff_core::actor::Principal;
use signoff_core::event::{ApprovalStatus, ExecutionState};
use signoff_core::execution::Refusal;
use signoff_core::id::ApprovalId;
use signoff_engine::view::{ApprovalView, Caller};
use signoff_engine::{Engine, EngineError};

use super::asked;
use super::fault::Fault;
use crate::Doors;
use crate::api::Refused;
use crate::api::path::At;
use crate::dialects::vendor::Known;

/// Where a request stands.
#[derive(Debug, Serialize)]
pub(super) struct Standing {
    approval_id: String,
    /// `pending`, `approved` (once), `denied`; or what became of an approval: `spent`, `lapsed`, `revoked`.
    status: &'static str,
    agent_id: String,
    action: String,
    context: Map<String, Value>,
    created_at: String,
    decided_at: Option<String>,
    comment: Option<String>,
    /// Signoff's own word for where the request stands.
    signoff_status: &'static str,
}

pub(super) async fn status(
    known: Known<Fault>,
    State(doors): State<Doors>,
    at: Result<At<ApprovalId>, Refused>,
) -> Result<Json<Standing>, Fault> {
    let At(id) = at?;
    let (engine, caller) = (doors.engine(), &known.caller);
    let approval = engine.approval(caller, id).await?;
    let word = match approval.row.status {
        ApprovalStatus::Pending | ApprovalStatus::InfoRequested => "pending",
        ApprovalStatus::Approved | ApprovalStatus::Answered => granted(engine, caller, &approval).await?,
        ApprovalStatus::Denied
        | ApprovalStatus::Expired
        | ApprovalStatus::Cancelled
        | ApprovalStatus::Superseded => {
            heard(engine, caller, &approval).await?;
            "denied"
        }
    };
    Ok(Json(shown(&approval, word)))
}

/// What an approval is to whoever asks now.
async fn granted(engine: &Engine, caller: &Caller, approval: &ApprovalView) -> Result<&'static str, Fault> {
    if !asks(caller) {
        // Operators look on and take nothing.
        return Ok("approved");
    }
    let id = approval.row.id.action().execution();
    let refusal = match engine.consume(caller, id, None).await {
        Ok(_) => return Ok("approved"),
        Err(EngineError::Execution(refusal)) => refusal,
        Err(EngineError::Stopped(_)) => return Ok("revoked"),
        Err(error) => return Err(error.into()),
    };
    Ok(match refusal {
        // A person has to let it go on first.
        Refusal::Held => "pending",
        Refusal::Lapsed | Refusal::NotFrom(ExecutionState::Lapsed) => "lapsed",
        Refusal::NotFrom(ExecutionState::Revoked) => "revoked",
        Refusal::NotFrom(
            ExecutionState::Ready
            | ExecutionState::Consumed
            | ExecutionState::Reported
            | ExecutionState::Executing
            | ExecutionState::Executed
            | ExecutionState::Failed
            | ExecutionState::Indeterminate,
        )
        | Refusal::NotDue
        | Refusal::NotConsumed
        | Refusal::Call
        | Refusal::NoCall
        | Refusal::NotHeld
        | Refusal::OtherRunner
        | Refusal::NotAnEnd(_) => "spent",
    })
}

/// Whoever polls has heard of the refusal: the next check is another request.
async fn heard(engine: &Engine, caller: &Caller, approval: &ApprovalView) -> Result<(), Fault> {
    if !asks(caller) || approval.content.erased {
        return Ok(());
    }
    let context = Some(approval.content.context.clone());
    let submit = asked(&approval.agent.name, &approval.row.action, context);
    let action = approval.row.id.action();
    Ok(engine.heard_identical(caller, &submit, action).await?)
}

fn asks(caller: &Caller) -> bool {
    matches!(caller.principal, Principal::Agent(_) | Principal::Application(_))
}

fn shown(approval: &ApprovalView, status: &'static str) -> Standing {
    let row = &approval.row;
    let ended = row.status.is_terminal();
    let code = row.code.filter(|_| ended).map(|code| code.to_string());
    Standing {
        approval_id: row.id.to_string(),
        status,
        agent_id: approval.agent.name.clone(),
        action: row.action.clone(),
        context: approval.content.context.clone(),
        created_at: row.created_at.to_string(),
        decided_at: row.decided_at.filter(|_| ended).map(|at| at.to_string()),
        comment: approval.decision_reason.clone().or(code),
        signoff_status: row.status.as_str(),
    }
}

//! `GET /api/approvals/{id}/status`: whether people have decided. Any 4xx ends the client's waiting, so there is none but
//! for an id that is not its own and a key that opens nothing.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};
use signoff_core::actor::ActorKind;
use signoff_core::event::ApprovalStatus;
use signoff_core::id::ApprovalId;
use signoff_core::judge::ReasonCode;
use signoff_engine::request::Until;
use signoff_engine::view::ApprovalView;

use super::fault::Fault;
use crate::Doors;
use crate::dialects::permission::Permission;
use crate::dialects::vendor::Known;

/// How long an answer is held back while nobody has decided. The client gives up on one after 30 seconds.
const HELD: Duration = Duration::from_secs(10);

pub(super) async fn status(
    known: Known<Fault>,
    State(doors): State<Doors>,
    path: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Result<Json<Value>, Fault> {
    let id = path.map(|Path(id)| id).unwrap_or_default();
    let id: ApprovalId = id.parse().map_err(|_| Fault::not_found("approval", &id))?;
    let view = doors.wait(&known.caller, id, Until::Decided, HELD).await?;
    let row = &view.row;
    let by = view.decided_by.as_ref().filter(|by| by.kind != ActorKind::System);
    Ok(Json(json!({
        "status": word(&view), "approval_id": row.id.to_string(), "action_type": row.action,
        "reason": view.decision_reason, "code": row.code.map(ReasonCode::as_str), "note": row.note,
        "resolved_by": by.map(|by| by.name.clone().or_else(|| by.id.clone())),
        "resolved_at": row.decided_at.map(|at| at.to_string()),
        "timeout_at": row.decide_by.map(|at| at.to_string()),
    })))
}

/// The client knows four ends of waiting; what is no approval is none of the first.
fn word(view: &ApprovalView) -> &'static str {
    match view.row.status {
        ApprovalStatus::Pending | ApprovalStatus::InfoRequested if view.row.escalated_at.is_some() => {
            "escalated"
        }
        ApprovalStatus::Pending | ApprovalStatus::InfoRequested => "pending",
        ApprovalStatus::Approved | ApprovalStatus::Answered => match Permission::of(view) {
            Permission::Given => "approved",
            Permission::Held => "pending",
            Permission::RanOut => "timed_out",
            Permission::TakenBack => "denied",
        },
        ApprovalStatus::Expired => "timed_out",
        ApprovalStatus::Denied | ApprovalStatus::Cancelled | ApprovalStatus::Superseded => "denied",
    }
}

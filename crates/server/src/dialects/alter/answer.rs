//! What came of a call, as the client reads it: the provider's answer, an approval that is awaited, or why neither.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use signoff_core::event::{CallFault, ExecutionState};
use signoff_core::id::ApprovalId;
use signoff_core::policy::Effect;
use signoff_core::time::Timestamp;
use signoff_engine::Engine;
use signoff_engine::view::{ApprovalView, CallResult, Called, Caller};

use super::fault::Fault;
use super::ids::uuid;
use super::standing::{gates, why_failed};
use crate::Doors;
use crate::api::convert::{Reader, is_open};

/// Headers of an answer that belong to its connection, or to a browser.
const NOT_HANDED_ON: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// Stands where an approval has no deadline; the client needs one.
const NEVER: &str = "9999-12-31T00:00:00.000000Z";
const NEVER_SECONDS: u64 = 1_000_000_000;

/// The answer to a call that was just asked for.
pub(super) async fn called(doors: &Doors, caller: &Caller, outcome: &Called) -> Result<Response, Fault> {
    let submitted = &outcome.submitted;
    let approval = submitted.approval_id;
    if let Some(answer) = answered(doors.engine(), caller, outcome, approval)? {
        return Ok(Json(answer).into_response());
    }
    match (&outcome.result, approval) {
        (_, Some(id)) if is_open(outcome) => {
            let view = doors.engine().approval(caller, id).await?;
            Ok((StatusCode::ACCEPTED, Json(pending(doors.engine(), &view))).into_response())
        }
        (Some(result), _) => Err(unanswered(result)),
        (None, _) if submitted.effect == Effect::Deny => {
            let code = submitted
                .code
                .map_or("policy_denied", signoff_core::judge::ReasonCode::as_str);
            let why = submitted
                .reason
                .clone()
                .unwrap_or_else(|| "the call was refused".into());
            let policy = submitted.policy.as_ref().map(|policy| policy.name.clone());
            Err(Fault::new(StatusCode::FORBIDDEN, code, why).with("policy", policy))
        }
        (None, _) => Err(in_progress()),
    }
}

/// The provider's answer, if there is one: with the headers as one text each.
pub(super) fn answered(
    engine: &Engine,
    caller: &Caller,
    outcome: &Called,
    approval: Option<ApprovalId>,
) -> Result<Option<Value>, Fault> {
    let answer = Reader { engine, caller }.answer(outcome)?;
    let (Some(response), Some(result)) = (answer.response, &outcome.result) else {
        return Ok(None);
    };
    let headers: Map<String, Value> = response
        .headers
        .into_iter()
        .filter(|(name, _)| !NOT_HANDED_ON.contains(&name.as_str()))
        .map(|(name, values)| (name, Value::from(values.join(", "))))
        .collect();
    let row = &result.row;
    let started = row.call.as_ref().and_then(|run| run.started_at);
    let took = started
        .zip(row.ended_at)
        .map(|(start, end)| start.until(end).0 / 1_000);
    Ok(Some(json!({
        "approval_id": approval.map(|id| uuid(id.0)),
        "status_code": response.status,
        "headers": headers,
        "body_b64": response.body_base64,
        "body_truncated": response.truncated,
        "duration_ms": took,
        "credential_hint": null,
    })))
}

/// An approval that people decide on.
fn pending(engine: &Engine, view: &ApprovalView) -> Value {
    let id = uuid(view.row.id.0);
    let (expires_at, expires_in) = expiry(view.row.decide_by, view.now);
    let url = engine.approval_url(view.row.id);
    json!({
        "approval_id": id,
        "approval_group_id": id,
        "status": "pending",
        "expires_at": expires_at,
        "expires_in": expires_in,
        "approval_url": url,
        "gates": gates(view).into_iter().map(|_| json!({
            "approval_id": id,
            "expires_at": expires_at,
            "expires_in": expires_in,
            "approval_url": url,
        })).collect::<Vec<_>>(),
    })
}

/// A deadline, and the seconds until then.
pub(super) fn expiry(decide_by: Option<Timestamp>, now: Timestamp) -> (String, u64) {
    match decide_by {
        Some(at) => (
            at.to_string(),
            u64::try_from(now.until(at).as_seconds()).unwrap_or(0),
        ),
        None => (NEVER.to_owned(), NEVER_SECONDS),
    }
}

/// Why a call that policy let through has no answer.
fn unanswered(result: &CallResult) -> Fault {
    use ExecutionState as S;
    let run = result.row.call.as_deref();
    let fault = |status, code| Fault::new(status, code, why_failed(result));
    match result.state {
        S::Ready | S::Executing => in_progress(),
        S::Failed => match run.and_then(|run| run.fault) {
            Some(CallFault::Forbidden) => fault(StatusCode::UNPROCESSABLE_ENTITY, "blocked_destination"),
            Some(CallFault::Credential) => fault(StatusCode::BAD_GATEWAY, "credential_unavailable"),
            Some(CallFault::TimedOut) => {
                fault(StatusCode::GATEWAY_TIMEOUT, "call_failed").with("timeout_reason", "upstream_timeout")
            }
            Some(CallFault::Unreachable | CallFault::Broken | CallFault::Interrupted) | None => {
                fault(StatusCode::BAD_GATEWAY, "call_failed")
            }
        },
        S::Indeterminate => fault(StatusCode::GATEWAY_TIMEOUT, "call_indeterminate")
            .with("timeout_reason", "upstream_timeout"),
        S::Revoked => fault(StatusCode::FORBIDDEN, "revoked"),
        S::Lapsed => fault(StatusCode::CONFLICT, "lapsed"),
        S::Executed | S::Consumed | S::Reported => fault(StatusCode::BAD_GATEWAY, "result_gone"),
    }
}

fn in_progress() -> Fault {
    let why = "the call is being made and its answer is not there yet; don't repeat it";
    Fault::new(StatusCode::GATEWAY_TIMEOUT, "call_in_progress", why).with("timeout_reason", "gateway_timeout")
}

//! `POST /api/v1/actions` and `GET /api/v1/policies/check`: what an agent is about to do, or would be told.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use signoff_core::action::{Action, Claims, Trace};
use signoff_core::actor::Principal;
use signoff_core::condition::{Outcome, Report};
use signoff_core::event::ApprovalStatus;
use signoff_core::judge::ReasonCode;
use signoff_core::policy::Effect;
use signoff_engine::request::Submit;
use signoff_engine::view::{Caller, Submitted};

use super::fault::Fault;
use crate::Doors;
use crate::api::query::Query;
use crate::dialects::permission::Permission;
use crate::dialects::vendor::{Known, Sent};

/// The caller's own name for a request: sent again it is the same one.
const EVENT_ID: &str = "x-al-event-id";
/// The delegation that a request is made under.
const DELEGATION_ID: &str = "x-al-delegation-id";

/// What the client sends. Its time stamp is another one at each try, so it is not a part of what was asked.
#[derive(Debug, Deserialize)]
pub(super) struct Execute {
    action_type: String,
    #[serde(default)]
    data_accessed: Option<Vec<Map<String, Value>>>,
    #[serde(default)]
    metadata: Option<Map<String, Value>>,
}

/// What the client asks beforehand. It can't say any metadata.
#[derive(Debug, Deserialize)]
pub(super) struct Check {
    action_type: String,
}

pub(super) async fn execute(
    known: Known<Fault>,
    State(doors): State<Doors>,
    headers: HeaderMap,
    sent: Sent<Execute, Fault>,
) -> Result<Response, Fault> {
    let caller = &known.caller;
    let delegation = delegation(&doors, caller, &headers)?;
    let body = sent.body;
    let data = body.data_accessed.filter(|data| !data.is_empty());
    let trace = delegation.map(|id| Trace {
        parent: Some(id),
        ..Trace::default()
    });
    let action = Action {
        inputs: data.map_or_else(Map::new, |data| {
            Map::from_iter([("data_accessed".to_owned(), json!(data))])
        }),
        context: body.metadata.unwrap_or_default(),
        claims: Claims {
            trace,
            ..Claims::default()
        },
        ..Action::named(body.action_type)
    };
    let key = event_key(&headers)?;
    let engine = doors.engine();
    let submitted = engine.submit(caller, Submit::of(action), key.as_deref()).await?;
    let (status, http) = standing(&doors, caller, &submitted).await?;
    let mut answer = json!({
        "status": status, "audit_event_id": submitted.action_id.to_string(),
        "conditions_evaluated": conditions(&submitted.conditions),
    });
    if let Some(id) = submitted.approval_id {
        answer["approval_id"] = json!(id.to_string());
        answer["approval_url"] = json!(engine.approval_url(id));
    }
    if let Some(at) = submitted.decide_by {
        answer["timeout_at"] = json!(at.to_string());
    }
    if let Some(policy) = &submitted.policy {
        answer["policy_name"] = json!(policy.name);
    }
    if status == "denied" {
        answer["denial_reason"] = json!(denial_reason(submitted.code));
    }
    answer["message"] = json!(submitted.reason);
    Ok((http, Json(answer)).into_response())
}

/// The delegation of the key, which the client must not say otherwise.
fn delegation(doors: &Doors, caller: &Caller, headers: &HeaderMap) -> Result<Option<String>, Fault> {
    if !matches!(caller.principal, Principal::Agent(_)) {
        return Err(Fault::forbidden(
            "this client speaks for one agent, with that agent's own key",
        ));
    }
    let claimed = headers
        .get(DELEGATION_ID)
        .map(|value| value.to_str().unwrap_or_default());
    let own = doors
        .engine()
        .delegations(caller)?
        .1
        .map(|own| own.id.to_string());
    match claimed {
        Some(claimed) if Some(claimed) != own.as_deref() => Err(Fault::forbidden(
            "the key is not that of the delegation in `x-al-delegation-id`",
        )),
        _ => Ok(own),
    }
}

fn event_key(headers: &HeaderMap) -> Result<Option<String>, Fault> {
    let Some(given) = headers.get(EVENT_ID) else {
        return Ok(None);
    };
    if given.is_empty() {
        return Err(Fault::invalid("/x-al-event-id", "an event id says something"));
    }
    Ok(Some(format!(
        "agentlattice.event.{}",
        hex::encode(Sha256::digest(given.as_bytes()))
    )))
}

/// Where a request stands, in the client's word. Sent again, it says how things are by then.
async fn standing(
    doors: &Doors,
    caller: &Caller,
    submitted: &Submitted,
) -> Result<(&'static str, StatusCode), Fault> {
    let word = match (submitted.effect, submitted.approval_id) {
        (Effect::Ask, _) => return Ok(("requested", StatusCode::ACCEPTED)),
        (Effect::Allow, None) => "executed",
        (Effect::Allow, Some(approval)) => {
            let view = doors.engine().approval(caller, approval).await?;
            match view.row.status {
                ApprovalStatus::Approved | ApprovalStatus::Answered => match Permission::of(&view) {
                    Permission::Given => "executed",
                    Permission::Held => return Ok(("requested", StatusCode::ACCEPTED)),
                    Permission::RanOut => "timed_out",
                    Permission::TakenBack => "denied",
                },
                ApprovalStatus::Pending | ApprovalStatus::InfoRequested => {
                    return Ok(("requested", StatusCode::ACCEPTED));
                }
                ApprovalStatus::Expired => "timed_out",
                ApprovalStatus::Denied | ApprovalStatus::Cancelled | ApprovalStatus::Superseded => "denied",
            }
        }
        (Effect::Deny, _) => match submitted.code {
            Some(ReasonCode::Unmatched) => "policy_not_found",
            Some(ReasonCode::ApprovalTimeout) => "timed_out",
            _ => "denied",
        },
    };
    Ok((word, StatusCode::OK))
}

/// A code as the client's documents write them.
fn denial_reason(code: Option<ReasonCode>) -> String {
    code.map_or_else(
        || "APPROVAL_REVOKED".to_owned(),
        |code| code.as_str().to_ascii_uppercase(),
    )
}

/// Conditions in the client's form, which needs all four; one that could not be evaluated did not hold.
pub(super) fn conditions(reports: &[Report]) -> Vec<Value> {
    let shown = reports.iter().map(|report| {
        let mut shown = json!({
            "field": report.expression, "operator": "holds", "expected": true,
            "result": report.result == Outcome::True,
        });
        if let Some(saw) = &report.saw {
            shown["saw"] = saw.clone();
        }
        if let Some(error) = &report.error {
            shown["error"] = json!(error);
        }
        shown
    });
    shown.collect()
}

pub(super) async fn check(
    known: Known<Fault>,
    State(doors): State<Doors>,
    query: Result<Query<Check>, crate::api::Refused>,
) -> Result<Json<Value>, Fault> {
    let Query(Check { action_type }) = query?;
    let submit = Submit::of(Action::named(action_type.clone()));
    let judged = doors.engine().check(&known.caller, &submit).await?;
    let verdict = &judged.verdict;
    let mut answer = json!({
        "allowed": verdict.effect == Effect::Allow, "needs_approval": verdict.effect == Effect::Ask,
        "action_type": action_type, "conditions_evaluated": conditions(&verdict.conditions),
    });
    if let Some(policy) = &verdict.policy {
        answer["policy_name"] = json!(policy.name);
    }
    if verdict.effect == Effect::Deny {
        answer["reason"] = json!(match verdict.code {
            Some(ReasonCode::Unmatched) => "POLICY_NOT_FOUND".to_owned(),
            code => denial_reason(code),
        });
    }
    answer["message"] = json!(judged.reason);
    Ok(Json(answer))
}

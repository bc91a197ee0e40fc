//! `/api/v1/approvals`: asked, polled, answered, called off.

use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use signoff_api::{Code, Decimal};
use signoff_core::action::Action;
use signoff_core::actor::Principal;
use signoff_core::event::{ApprovalStatus, ExecutionState};
use signoff_core::execution::Refusal;
use signoff_core::id::{ActionId, ApprovalId};
use signoff_core::policy::Effect;
use signoff_core::time::Micros;
use signoff_engine::request::{Submit, Until};
use signoff_engine::view::{ApprovalView, Caller, Submitted};
use signoff_engine::{Engine, EngineError};

use super::fault::Fault;
use super::request::{Request, cost};
use crate::Doors;
use crate::api::Refused;
use crate::api::path::At;
use crate::dialects::vendor::{Known, Sent};

/// How long a poll is held while nothing changes: well below the 10 seconds after which the client gives everything up.
const HELD: Duration = Duration::from_secs(4);

/// How long a further question stays hidden after the answer to the one before, by the server's clock: the client answers it only
/// if a poll between the two shows that nothing is asked, and polls every 5 seconds.
const QUESTIONS_APART: Micros = Micros::seconds(6);

/// A request as it stands.
#[derive(Debug, Serialize)]
pub(super) struct Approval {
    id: String,
    status: &'static str,
    decided_at: Option<String>,
    decided_by_email: Option<String>,
    decision_notes: Option<String>,
    info_request_message: Option<String>,
    expires_at: Option<String>,
}

impl Approval {
    /// A request that ended, or was let through, without a person being asked: it has no approval of Signoff's.
    fn at_once(submitted: &Submitted, status: &'static str) -> Self {
        Self {
            id: submitted.action_id.to_string(),
            status,
            decided_at: None,
            decided_by_email: None,
            decision_notes: submitted.reason.clone(),
            info_request_message: None,
            expires_at: None,
        }
    }
}

/// What a poll may name: an approval, or an action about which nobody was asked.
enum Named {
    Approval(ApprovalId),
    Action(ActionId),
}

/// An approval's id where there is one, the action's where nobody was asked.
fn named(id: Result<At<String>, Refused>) -> Result<Named, Fault> {
    let At(id) = id?;
    let approval = id.parse().map(Named::Approval);
    let named = approval.or_else(|_| id.parse().map(Named::Action));
    named.map_err(|_| EngineError::not_found("approval", &id).into())
}

pub(super) async fn submit(
    known: Known<Fault>,
    State(doors): State<Doors>,
    headers: HeaderMap,
    Sent { mut body, .. }: Sent<Request, Fault>,
) -> Result<(StatusCode, Json<Approval>), Fault> {
    let (engine, caller) = (doors.engine(), &known.caller);
    let agent = super::agent(engine, caller, &headers, body.agent_id.take())?;
    let allowed = |url: &mut String| engine.calls_back(caller, url);
    let callback_url = body.callback_url.take_if(allowed).map(SecretString::from);
    let submit = Submit {
        agent,
        callback_url,
        ..Submit::of(body.action()?)
    };
    let submitted = engine.submit(caller, submit, None).await?;
    let answer = match submitted.effect {
        Effect::Ask => Approval {
            id: submitted.action_id.approval().to_string(),
            expires_at: submitted.decide_by.map(|at| at.to_string()),
            ..Approval::at_once(&submitted, "pending")
        },
        // The client reads nothing but the id; the next poll says how it ended.
        Effect::Allow => Approval::at_once(&submitted, "approved"),
        Effect::Deny => Approval::at_once(&submitted, "rejected"),
    };
    Ok((StatusCode::CREATED, Json(answer)))
}

pub(super) async fn poll(
    known: Known<Fault>,
    State(doors): State<Doors>,
    id: Result<At<String>, Refused>,
) -> Result<Json<Approval>, Fault> {
    let (engine, caller) = (doors.engine(), &known.caller);
    let id = match named(id)? {
        Named::Approval(id) => id,
        Named::Action(id) => return at_once(engine, caller, id).await.map(Json),
    };
    let mut approval = engine.approval(caller, id).await?;
    if approval.row.status == ApprovalStatus::Pending {
        approval = doors.wait(caller, id, Until::Changed, HELD).await?;
    }
    shown(engine, caller, &approval).await.map(Json)
}

pub(super) async fn cancel(
    known: Known<Fault>,
    State(doors): State<Doors>,
    id: Result<At<String>, Refused>,
) -> Result<Json<Approval>, Fault> {
    let (engine, caller) = (doors.engine(), &known.caller);
    let id = match named(id)? {
        Named::Approval(id) => id,
        Named::Action(id) => return at_once(engine, caller, id).await.map(Json),
    };
    let approval = match engine.cancel(caller, id, None, None).await {
        Ok(approval) => approval,
        // The client calls off what ran out of its own time, which may have ended meanwhile.
        Err(EngineError::Ended { .. } | EngineError::Decision(_)) => engine.approval(caller, id).await?,
        Err(error) => return Err(error.into()),
    };
    Ok(Json(described(engine, caller, &approval)))
}

/// What the agent says to a question.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    response: String,
}

pub(super) async fn respond(
    known: Known<Fault>,
    State(doors): State<Doors>,
    id: Result<At<String>, Refused>,
    Sent { body, .. }: Sent<Answer, Fault>,
) -> Result<Json<Approval>, Fault> {
    let (engine, caller) = (doors.engine(), &known.caller);
    let id = match named(id)? {
        Named::Approval(id) => id,
        Named::Action(_) => return Err(Refused::new(Code::NotPending, "nobody asked anything").into()),
    };
    let approval = engine.answer(caller, id, body.response, None).await?;
    Ok(Json(described(engine, caller, &approval)))
}

/// What is asked before asking.
#[derive(Debug, Deserialize)]
pub(super) struct Check {
    action_name: String,
    #[serde(default)]
    cost_usd: Option<String>,
    #[serde(default)]
    agent_id: Option<String>,
}

/// Whether a person has to be asked.
#[derive(Debug, Serialize)]
pub(super) struct Checked {
    requires_approval: bool,
    action_name: String,
    verdict: &'static str,
    policy: Option<String>,
    reason: Option<String>,
    timeout_seconds: Option<i64>,
}

pub(super) async fn check(
    known: Known<Fault>,
    State(doors): State<Doors>,
    headers: HeaderMap,
    query: Result<Query<Check>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Checked>, Fault> {
    let (engine, caller) = (doors.engine(), &known.caller);
    let Query(query) = query.map_err(|error| Refused::parameter(error.body_text()))?;
    // As the client writes floats: 1e-05 is a number, but no decimal.
    let given = query.cost_usd.map(|cost| {
        let number = cost
            .parse()
            .map_err(|_| EngineError::invalid("/cost_usd", "it is no number"))?;
        Ok::<_, EngineError>(decimal(number))
    });
    let given = given.transpose()?;
    let submit = Submit {
        agent: super::agent(engine, caller, &headers, query.agent_id)?,
        ..Submit::of(Action {
            cost: given.as_ref().map(cost).transpose()?.flatten(),
            ..Action::named(&query.action_name)
        })
    };
    let judged = engine.check(caller, &submit).await?;
    let verdict = &judged.verdict;
    Ok(Json(Checked {
        // Anything but true is "go on" to the client: what is denied has to be asked for, and is then refused.
        requires_approval: verdict.effect != Effect::Allow,
        action_name: query.action_name,
        verdict: match verdict.effect {
            Effect::Allow => "allowed",
            Effect::Ask => "pending_approval",
            Effect::Deny => "denied",
        },
        policy: verdict.policy.as_ref().map(|policy| policy.name.clone()),
        reason: judged.reason,
        timeout_seconds: verdict.decide_within.map(Micros::as_seconds),
    }))
}

fn decimal(number: f64) -> Decimal {
    Decimal(number.to_string())
}

/// How an action stands about which nobody was asked.
async fn at_once(engine: &Engine, caller: &Caller, id: ActionId) -> Result<Approval, Fault> {
    let view = engine.action(caller, id).await?;
    if let Some(approval) = view.submitted.approval_id {
        let approval = engine.approval(caller, approval).await?;
        return shown(engine, caller, &approval).await;
    }
    let status = match view.submitted.effect {
        Effect::Allow => taken(engine, caller, id, "approved").await?,
        Effect::Deny => "rejected",
        Effect::Ask => "pending",
    };
    Ok(Approval {
        decided_at: (status != "pending").then(|| view.created_at.to_string()),
        ..Approval::at_once(&view.submitted, status)
    })
}

/// As it stands; whoever reads `approved` for the first time takes the permission.
async fn shown(engine: &Engine, caller: &Caller, approval: &ApprovalView) -> Result<Approval, Fault> {
    let answer = described(engine, caller, approval);
    let status = match answer.status {
        "approved" => taken(engine, caller, approval.row.id.action(), "approved").await?,
        other => other,
    };
    Ok(Approval { status, ..answer })
}

/// Takes the permission, unless an earlier poll did.
async fn taken(
    engine: &Engine,
    caller: &Caller,
    id: ActionId,
    granted: &'static str,
) -> Result<&'static str, Fault> {
    if !matches!(caller.principal, Principal::Agent(_) | Principal::Application(_)) {
        return Ok(granted);
    }
    let refusal = match engine.consume(caller, id.execution(), None).await {
        Ok(_) => return Ok(granted),
        Err(EngineError::Execution(refusal)) => refusal,
        Err(EngineError::Stopped(_)) => return Ok("rejected"),
        Err(error) => return Err(error.into()),
    };
    Ok(match refusal {
        // It is the same request, read again.
        Refusal::NotFrom(ExecutionState::Consumed | ExecutionState::Reported) => granted,
        // A person has to let it go on first.
        Refusal::Held => "pending",
        Refusal::Lapsed | Refusal::NotFrom(ExecutionState::Lapsed) => "expired",
        Refusal::NotFrom(
            ExecutionState::Ready
            | ExecutionState::Executing
            | ExecutionState::Executed
            | ExecutionState::Failed
            | ExecutionState::Indeterminate
            | ExecutionState::Revoked,
        )
        | Refusal::NotDue
        | Refusal::NotConsumed
        | Refusal::Call
        | Refusal::NoCall
        | Refusal::NotHeld
        | Refusal::OtherRunner
        | Refusal::NotAnEnd(_) => "cancelled",
    })
}

/// The request in the client's words; an approval as it was decided, whatever became of it.
fn described(engine: &Engine, caller: &Caller, approval: &ApprovalView) -> Approval {
    let row = &approval.row;
    let status = match row.status {
        ApprovalStatus::Pending => "pending",
        ApprovalStatus::InfoRequested if is_hidden(approval) => "pending",
        ApprovalStatus::InfoRequested => "info_requested",
        ApprovalStatus::Approved | ApprovalStatus::Answered => "approved",
        ApprovalStatus::Denied => "rejected",
        ApprovalStatus::Expired => "expired",
        ApprovalStatus::Cancelled | ApprovalStatus::Superseded => "cancelled",
    };
    let ended = row.status.is_terminal();
    let by = row.decided_by.as_ref().and_then(|actor| actor.id.as_deref());
    let by = by.and_then(|id| id.parse().ok());
    let code = row.code.map(|code| code.to_string());
    Approval {
        id: row.id.to_string(),
        status,
        decided_at: row.decided_at.filter(|_| ended).map(|at| at.to_string()),
        decided_by_email: by.filter(|_| ended).and_then(|id| engine.email_of(caller, id)),
        decision_notes: approval.decision_reason.clone().or(code).filter(|_| ended),
        info_request_message: approval
            .info
            .last()
            .filter(|_| status == "info_requested")
            .and_then(|info| info.question.clone()),
        expires_at: row.decide_by.map(|at| at.to_string()),
    }
}

/// Whether the question came too soon after an answer for the client to take it for another one.
fn is_hidden(approval: &ApprovalView) -> bool {
    let answered = approval.info.iter().rev().find_map(|info| info.answered_at);
    answered.is_some_and(|at| at.until(approval.now) < QUESTIONS_APART)
}

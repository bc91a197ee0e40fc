//! `GET /api/v1/audit`, `/audit/verify` and `POST /api/v1/report`: what the log says of an agent's own requests.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use signoff_core::actor::ActorKind;
use signoff_core::event::{ApprovalStatus, Event, ExecutionState, ReportOutcome};
use signoff_core::id::ActionId;
use signoff_engine::request::{EventFilter, Report};
use signoff_engine::view::EventView;

use super::fault::Fault;
use crate::Doors;
use crate::api::Refused;
use crate::api::query::Query;
use crate::dialects::vendor::{Known, Sent};

/// How many rows a page has, unless said.
const PAGE: u32 = 50;
const PAGE_MAX: u32 = 200;

/// Which rows.
#[derive(Debug, Deserialize)]
pub(super) struct Rows {
    #[serde(default)]
    cursor: Option<String>,
    #[serde(default)]
    limit: Option<u32>,
    #[serde(default)]
    action_type: Option<String>,
}

pub(super) async fn list(
    known: Known<Fault>,
    State(doors): State<Doors>,
    query: Result<Query<Rows>, Refused>,
) -> Result<Json<Value>, Fault> {
    let Query(rows) = query?;
    let beyond = rows.cursor.as_deref().filter(|cursor| !cursor.is_empty());
    let beyond = beyond.map(str::parse).transpose();
    let filter = EventFilter {
        action: rows.action_type.filter(|action| !action.is_empty()),
        beyond: beyond
            .map_err(|_| Fault::invalid("/cursor", "`cursor` is the `next_cursor` of an earlier page"))?,
        limit: rows.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX),
        ..EventFilter::default()
    };
    let page = doors.engine().own_events(&known.caller, &filter).await?;
    let events: Vec<Value> = page.items.iter().map(row).collect();
    Ok(Json(
        json!({"events": events, "next_cursor": page.next.map(|next| next.to_string())}),
    ))
}

fn row(event: &EventView) -> Value {
    let record = &event.record;
    let at = record.time.to_string();
    let mut row = json!({
        "id": id(event), "action_type": event.action, "status": word(&record.event), "timestamp": at, "created_at": at,
        "data_accessed": [], "agent": event.agent.as_ref().map(|agent| &agent.name), "summary": event.summary,
        "reasoning": event.text, "hash": event.hash.to_string(),
    });
    if event.actor.kind == ActorKind::Operator {
        row["operator"] = json!(event.actor.name);
    }
    if let Some(policy) = record.policy {
        row["policy_id"] = json!(policy.id.to_string());
        row["policy_version"] = json!(policy.version.to_string());
    }
    row
}

/// The first row of a request has the id that its answer had; it is what a report names.
fn id(event: &EventView) -> String {
    let record = &event.record;
    let digits = record.subject.rsplit_once('_').map_or("", |(_, digits)| digits);
    match &record.event {
        Event::ActionAllowed(_) | Event::ActionDenied(_) | Event::ApprovalRequested(_) => {
            format!("act_{digits}")
        }
        _ => record.id.to_string(),
    }
}

/// What happened, in the client's words where it has one, else in the log's.
fn word(event: &Event) -> &str {
    let ended = |status: ApprovalStatus| match status {
        ApprovalStatus::Pending | ApprovalStatus::InfoRequested => "requested",
        ApprovalStatus::Approved | ApprovalStatus::Answered => "approved",
        ApprovalStatus::Denied => "denied",
        ApprovalStatus::Expired => "timed_out",
        ApprovalStatus::Cancelled => "cancelled",
        ApprovalStatus::Superseded => "superseded",
    };
    match event {
        Event::ActionAllowed(_) => "executed",
        Event::ActionDenied(_) => "denied",
        Event::ApprovalRequested(_) => "requested",
        Event::ApprovalVoted(voted) => voted.end.as_ref().map_or("voted", |end| ended(end.status)),
        Event::ApprovalEnded(end) => ended(end.status),
        other => other.type_name().split('.').nth(1).unwrap_or_default(),
    }
}

pub(super) async fn verify(known: Known<Fault>, State(doors): State<Doors>) -> Result<Json<Value>, Fault> {
    let engine = doors.engine();
    let (found, place) = (engine.intact(&known.caller).await?, engine.me(&known.caller)?);
    let mut answer = json!({
        "org_id": place.workspace.id.to_string(), "chain_valid": found.ok, "verified_through_row": found.head.seq,
        "chain_hash": found.head.hash.to_string(), "verified_from_checkpoint": found.from_cut,
        "timestamp": engine.now().to_string(),
    });
    if let Some(seq) = found.broken_at {
        answer["first_broken_at_row_id"] = json!(seq.to_string());
    }
    Ok(Json(answer))
}

/// How it went.
#[derive(Debug, Deserialize)]
pub(super) struct Reported {
    audit_event_id: String,
    outcome: Outcome,
}

#[derive(Debug, Deserialize)]
struct Outcome {
    status: String,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    metadata: Option<Map<String, Value>>,
}

pub(super) async fn report(
    known: Known<Fault>,
    State(doors): State<Doors>,
    sent: Sent<Reported, Fault>,
) -> Result<Json<Value>, Fault> {
    let (caller, engine, body) = (&known.caller, doors.engine(), sent.body);
    let outcome = match body.outcome.status.as_str() {
        "success" => ReportOutcome::Success,
        "failure" => ReportOutcome::Failure,
        "partial" => ReportOutcome::Partial,
        _ => {
            return Err(Fault::invalid(
                "/outcome/status",
                "`status` is success, failure or partial",
            ));
        }
    };
    let id = body.audit_event_id.parse::<ActionId>();
    let id = id
        .map_err(|_| Fault::not_found("action", &body.audit_event_id))?
        .execution();
    // A client that waits for an approval takes it as the permission: reporting says that it did.
    let execution = engine.execution(caller, id).await?;
    if execution.approval_id.is_some() && execution.state == ExecutionState::Ready {
        engine.consume(caller, id, None).await?;
    }
    let report = Report {
        outcome,
        detail: body.outcome.message,
        result: body.outcome.metadata,
    };
    // The client tries again where an answer was lost: the same report is the same.
    let reported = engine
        .report(caller, id, report, Some(&format!("agentlattice.report.{id}")))
        .await?;
    let at = reported.row.ended_at.unwrap_or_else(|| engine.now());
    Ok(Json(json!({
        "audit_event_id": body.audit_event_id, "status": body.outcome.status, "reported_at": at.to_string(),
    })))
}

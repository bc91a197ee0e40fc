//! `POST /sdk/log`: what became of it. An end of what was checked is reported there; anything else is written down as the
//! agent says it.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use signoff_core::event::{ExecutionSource, ExecutionState, ReportOutcome};
use signoff_core::id::ExecutionId;
use signoff_core::time::Timestamp;
use signoff_engine::request::{Note, Report, Submit};
use signoff_engine::view::Caller;
use signoff_engine::{Engine, EngineError};

use super::asked;
use super::fault::Fault;
use crate::Doors;
use crate::dialects::vendor::{Known, Sent, shown};

/// Where `execute` puts what its callback raised, beside the context that it was checked with.
const ERROR: &str = "error";

/// One entry.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    agent_id: String,
    action: String,
    status: String,
    #[serde(default)]
    context: Option<Map<String, Value>>,
}

/// The entry as it was kept; the client requires all but the context.
#[derive(Debug, Serialize)]
pub(super) struct Logged {
    id: String,
    agent_id: String,
    organization_id: String,
    action: String,
    status: String,
    created_at: String,
    context: Option<Map<String, Value>>,
}

pub(super) async fn log(
    known: Known<Fault>,
    State(doors): State<Doors>,
    Sent { body: entry, .. }: Sent<Entry, Fault>,
) -> Result<Json<Logged>, Fault> {
    let (engine, caller) = (doors.engine(), &known.caller);
    let (id, at) = match reported(engine, caller, &entry).await? {
        Some((id, at)) => (id.to_string(), at),
        None => noted(engine, caller, &entry).await?,
    };
    Ok(Json(Logged {
        id,
        agent_id: entry.agent_id,
        organization_id: caller.workspace.to_string(),
        action: entry.action,
        status: entry.status,
        created_at: at.to_string(),
        context: entry.context,
    }))
}

/// The execution whose end the entry is, as it was reported. A permission that was not taken yet is taken by it.
async fn reported(
    engine: &Engine,
    caller: &Caller,
    entry: &Entry,
) -> Result<Option<(ExecutionId, Timestamp)>, Fault> {
    let outcome = match entry.status.as_str() {
        "success" => ReportOutcome::Success,
        "failed" | "failure" => ReportOutcome::Failure,
        "partial" => ReportOutcome::Partial,
        _ => return Ok(None),
    };
    let Some(id) = ended(engine, caller, entry).await? else {
        return Ok(None);
    };
    let report = Report {
        outcome,
        detail: error_of(entry).map(str::to_owned),
        result: entry.context.clone(),
    };
    match engine.report(caller, id, report, None).await {
        Ok(_) => Ok(Some((id, engine.now()))),
        // Another entry was quicker: this one is kept beside it.
        Err(EngineError::Execution(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What the entry is the end of: the last that was checked like this, else, where the entry says nothing of the
/// circumstances, the last permission of that action.
async fn ended(engine: &Engine, caller: &Caller, entry: &Entry) -> Result<Option<ExecutionId>, Fault> {
    for submit in checks(entry) {
        let Some(action) = engine.identical(caller, &submit).await? else {
            continue;
        };
        let id = action.execution();
        let execution = match engine.execution(caller, id).await {
            Ok(execution) => execution,
            // Refused, or not decided: nothing that could have been carried out.
            Err(EngineError::NotFound { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        match (execution.state, execution.row.source) {
            (ExecutionState::Consumed, _) | (ExecutionState::Ready, ExecutionSource::Allowed) => {
                return Ok(Some(id));
            }
            (ExecutionState::Ready, ExecutionSource::Approved) => {
                match engine.consume(caller, id, None).await {
                    Ok(_) => return Ok(Some(id)),
                    Err(EngineError::Execution(_) | EngineError::Stopped(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            (
                ExecutionState::Reported
                | ExecutionState::Executing
                | ExecutionState::Executed
                | ExecutionState::Failed
                | ExecutionState::Indeterminate
                | ExecutionState::Lapsed
                | ExecutionState::Revoked,
                _,
            ) => {}
        }
    }
    if entry.context.is_some() {
        return Ok(None);
    }
    Ok(engine.unreported(caller, &entry.agent_id, &entry.action).await?)
}

/// What may have been checked before this entry.
fn checks(entry: &Entry) -> Vec<Submit> {
    let of = |context| asked(&entry.agent_id, &entry.action, context);
    let mut checks = vec![of(entry.context.clone())];
    if error_of(entry).is_some() {
        let mut context = entry.context.clone().unwrap_or_default();
        context.remove(ERROR);
        checks.push(of(Some(context)));
    }
    checks
}

fn error_of(entry: &Entry) -> Option<&str> {
    let failed = entry.status == "failed";
    entry.context.as_ref()?.get(ERROR)?.as_str().filter(|_| failed)
}

async fn noted(engine: &Engine, caller: &Caller, entry: &Entry) -> Result<(String, Timestamp), Fault> {
    let note = Note {
        action: entry.action.clone(),
        outcome: entry.status.clone(),
        text: entry.context.as_ref().map(shown),
        key: None,
    };
    let noted = engine.note(caller, Some(&entry.agent_id), vec![note]).await;
    let noted = noted.map_err(|error| Fault::of_agent(caller, error))?;
    let noted = noted.first().ok_or(EngineError::Internal)?;
    Ok((noted.action_id.to_string(), noted.at))
}

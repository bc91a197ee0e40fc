//! `/sdk/approvals/…`: how an approval stands, and what its call came to.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use serde_json::{Value, json};
use signoff_core::id::ApprovalId;
use signoff_engine::view::{ApprovalView, Called};

use super::answer::{answered, expiry};
use super::constraints::Scope;
use super::fault::Fault;
use super::ids::{either, uuid};
use super::signed::Signed;
use super::standing::{Word, gates, why_failed, why_not, word};
use crate::Doors;
use crate::api::governed;

/// The longest an answer is held back, in seconds. The client counts on more being refused, not cut.
const WAIT_SECONDS_MAX: u64 = 25;

/// `GET /sdk/approvals/{id}`. Held back until the call is over or refused: every state in between would cost the client
/// one of its pauses.
pub(super) async fn status(State(doors): State<Doors>, signed: Signed) -> Result<Json<Value>, Fault> {
    let wait = wait(&signed.request.uri)?;
    let (view, called) = stands(&doors, &signed, wait).await?;
    let result = called.result.as_ref();
    let word = word(view.row.status, result);
    let id = uuid(view.row.id.0);
    let (expires_at, _) = expiry(view.row.decide_by, view.now);
    let decided_at = view.row.decided_at.map(|at| at.to_string());
    let executed = result.filter(|_| word == Word::Executed);
    let executed_at = executed.and_then(|result| result.row.ended_at);
    let failed = result.filter(|_| word == Word::Failed);
    Ok(Json(json!({
        "approval_id": id,
        "approval_group_id": id,
        "status": word.as_str(),
        "expires_at": expires_at,
        "has_result": executed.is_some(),
        "decided_at": decided_at,
        "executed_at": executed_at.map(|at| at.to_string()),
        "decision_reason": reason(&view),
        "execution_error": failed.map(why_failed),
        "gates": gates(&view).into_iter().map(|gate| json!({
            "approval_id": id,
            "status": gate.as_str(),
            "expires_at": expires_at,
            "decided_at": decided_at,
        })).collect::<Vec<_>>(),
    })))
}

/// `GET /sdk/approvals/{id}/result`: the same as often as it is asked for; nothing is called again.
pub(super) async fn result(State(doors): State<Doors>, signed: Signed) -> Result<Json<Value>, Fault> {
    let (view, called) = stands(&doors, &signed, Duration::ZERO).await?;
    if let Some(answer) = answered(doors.engine(), &signed.caller, &called, Some(view.row.id))? {
        return Ok(Json(answer));
    }
    let conflict = |code: &'static str, why: String| Err(Fault::new(StatusCode::CONFLICT, code, why));
    let reason = reason(&view);
    match word(view.row.status, called.result.as_ref()) {
        Word::Denied => conflict(
            "approval_denied",
            reason.unwrap_or_else(|| "it was denied".into()),
        ),
        Word::Expired => conflict(
            "approval_expired",
            reason.unwrap_or_else(|| "nobody decided in time".into()),
        ),
        Word::Failed => {
            let why = called.result.as_ref().map(why_failed);
            conflict(
                "approval_execution_failed",
                why.unwrap_or_else(|| "the call was not made".into()),
            )
        }
        Word::Pending | Word::Approved | Word::Executing | Word::Executed => {
            conflict("approval_not_executed", "the call was not made yet".into())
        }
    }
}

/// An approval of a call, and the call as far as it is. What is not the caller's does not exist.
async fn stands(doors: &Doors, signed: &Signed, wait: Duration) -> Result<(ApprovalView, Called), Fault> {
    signed.within_either(Scope::ApprovalsRead, Scope::ProxyExecute)?;
    let missing = || {
        Fault::new(
            StatusCode::NOT_FOUND,
            "approval_not_found",
            "there is no such approval of a call",
        )
    };
    let id = either(signed.request.part(0), ApprovalId).ok_or_else(missing)?;
    // It must be theirs, and a call, before anything is waited for.
    let first = doors.engine().approval(&signed.caller, id).await?;
    if first.row.call.is_none() {
        return Err(missing());
    }
    let called = governed::result(doors, &signed.caller, id.action().execution(), wait).await?;
    Ok((doors.engine().approval(&signed.caller, id).await?, called))
}

/// What the decider said, or what else is known.
fn reason(view: &ApprovalView) -> Option<String> {
    let known = why_not(view.row.status).map(str::to_owned);
    match (view.decision_reason.clone(), known) {
        (Some(said), Some(known)) => Some(format!("{known}: {said}")),
        (said, known) => said.or(known),
    }
}

fn wait(uri: &Uri) -> Result<Duration, Fault> {
    let mut seconds = 0;
    for piece in uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|piece| !piece.is_empty())
    {
        let given = piece.strip_prefix("wait=");
        let digits = given.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        seconds = digits
            .and_then(|text| text.parse().ok())
            .filter(|seconds| *seconds <= WAIT_SECONDS_MAX)
            .ok_or_else(|| {
                Fault::invalid(format!(
                    "the one parameter is `wait`, 0 to {WAIT_SECONDS_MAX} whole seconds"
                ))
            })?;
    }
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_too_long_is_refused_and_not_cut() {
        let wait = |query: &str| wait(&format!("/sdk/approvals/x{query}").parse().unwrap()).ok();
        assert_eq!(wait(""), Some(Duration::ZERO));
        assert_eq!(wait("?"), Some(Duration::ZERO));
        assert_eq!(wait("?wait=25"), Some(Duration::from_secs(25)));
        for query in [
            "?wait=26",
            "?wait=-1",
            "?wait=1.5",
            "?wait=",
            "?wait=99999999999999999999",
            "?until=decided",
        ] {
            assert_eq!(wait(query), None, "{query}");
        }
    }
}

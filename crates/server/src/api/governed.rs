//! What the two doors of a call share: asking the engine for it, and waiting for its end no longer than the server runs.

use std::time::Duration;

use signoff_core::execution::Refusal;
use signoff_core::id::ExecutionId;
use signoff_engine::request::Submit;
use signoff_engine::view::{Called, Caller};
use signoff_engine::{EngineError, EngineResult, Tap};

use super::convert::is_open;
use crate::Doors;

/// Asks for a call. What policy lets through is made now; what people must decide is waited for.
pub(crate) async fn call(
    doors: &Doors,
    caller: &Caller,
    submit: Submit,
    key: Option<&str>,
    wait: Duration,
    tap: Option<Tap>,
) -> EngineResult<Called> {
    let engine = doors.engine();
    let outcome = engine.call(caller, submit, key, Duration::ZERO, tap).await?;
    // A repeated one says what it came to, whatever was stopped since.
    let waits = is_open(&outcome) && !wait.is_zero();
    if !waits && !outcome.submitted.replayed {
        return Ok(outcome);
    }
    let id = outcome.submitted.action_id.execution();
    let mut later = result(doors, caller, id, wait).await?;
    later.submitted.dropped_headers = outcome.submitted.dropped_headers;
    Ok(later)
}

/// What a call came to, or how it stands when the time is up or the server goes down.
pub(crate) async fn result(
    doors: &Doors,
    caller: &Caller,
    id: ExecutionId,
    wait: Duration,
) -> EngineResult<Called> {
    let engine = doors.engine();
    let missing = || EngineError::not_found("execution", id);
    let result = tokio::select! {
        biased;
        result = engine.call_result(caller, id, wait) => result,
        () = doors.stopping().cancelled() => engine.call_result(caller, id, Duration::ZERO).await,
    };
    let result = match result {
        Ok(result) => Some(result),
        // There is none yet, or it was refused; or it is not for the caller, as the next question finds.
        Err(EngineError::NotFound { .. }) => None,
        Err(error) => return Err(error),
    };
    let action = match engine.action(caller, id.action()).await {
        Err(EngineError::NotFound { .. }) => return Err(missing()),
        other => other?,
    };
    if result.is_none() && action.facts.call.is_none() {
        return Err(EngineError::Execution(Refusal::NoCall));
    }
    Ok(Called {
        submitted: action.submitted,
        result,
    })
}

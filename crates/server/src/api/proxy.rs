//! `/v1/proxy`: a call that Signoff makes with a credential that the agent never sees.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use signoff_api::call::{CallAnswer, ProxyCall, ResultQuery};
use signoff_api::limits::CALL_REQUEST_BYTES_MAX;
use signoff_core::id::ExecutionId;
use signoff_engine::view::Called;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::Body;
use super::convert::{self, Reader};
use super::idempotency::{IdempotencyKey, IdempotencyParam};
use super::path::At;
use super::principal::{As, Ask, SeeActions};
use super::query::{Query, wait_seconds};
use super::{Refused, governed};
use crate::Doors;

/// Where the call stands in the body of an action; here it is the body itself.
pub(super) const CALL_POINTER: &str = "/http";

pub(crate) fn router() -> OpenApiRouter<Doors> {
    OpenApiRouter::new()
        .routes(routes!(proxy_call))
        .routes(routes!(execution_result))
}

/// Have a call made
///
/// Policy lets it through, refuses it, or a person decides. What may be made is made once, by Signoff, with the grant's
/// credential, and what came back is the answer. While people decide the answer is 202; with `wait` it is held back until
/// they have decided and the call was made, or the time is up. The result can be fetched again later.
#[utoipa::path(
    post, path = "/v1/proxy", tag = "calls", params(ResultQuery, IdempotencyParam), request_body = ProxyCall,
    responses(
        (status = 200, description = "What came back, or why it was refused", body = CallAnswer),
        (status = 202, description = "People decide, or the call is being made", body = CallAnswer)
    ),
    extensions(("x-signoff-operation" = json!(Ask::NAME)))
)]
pub(crate) async fn proxy_call(
    caller: As<Ask>,
    State(doors): State<Doors>,
    Query(query): Query<ResultQuery>,
    key: IdempotencyKey,
    Body(given): Body<ProxyCall, CALL_REQUEST_BYTES_MAX>,
) -> Result<(StatusCode, Json<CallAnswer>), Refused> {
    let wait = Duration::from_secs(wait_seconds(query.wait)?);
    let here = |refused: Refused| refused.below(CALL_POINTER);
    let submit = convert::submit(given.into_submit()).map_err(here)?;
    let outcome = governed::call(&doors, &caller.caller, submit, key.get(), wait, None).await;
    let outcome = outcome.map_err(|error| here(error.into()))?;
    let reader = Reader {
        engine: doors.engine(),
        caller: &caller.caller,
    };
    answered(reader, &outcome)
}

/// Read what a call came to
///
/// The same answer as `POST /v1/proxy` gives, as often as it is asked for; nothing is called again. What came back is kept
/// as long as the record of the request.
#[utoipa::path(
    get, path = "/v1/executions/{id}/result", tag = "calls",
    params(("id" = String, Path, description = "`exe_…`"), ResultQuery),
    responses(
        (status = 200, description = "What came back, or why it was refused", body = CallAnswer),
        (status = 202, description = "People decide, or the call is being made", body = CallAnswer)
    ),
    extensions(("x-signoff-operation" = json!(SeeActions::NAME)))
)]
pub(crate) async fn execution_result(
    caller: As<SeeActions>,
    State(doors): State<Doors>,
    At(id): At<ExecutionId>,
    Query(query): Query<ResultQuery>,
) -> Result<(StatusCode, Json<CallAnswer>), Refused> {
    let wait = Duration::from_secs(wait_seconds(query.wait)?);
    let outcome = governed::result(&doors, &caller.caller, id, wait).await?;
    let reader = Reader {
        engine: doors.engine(),
        caller: &caller.caller,
    };
    answered(reader, &outcome)
}

/// 202 while there is something to come, else 200.
pub(super) fn answered(
    reader: Reader<'_>,
    outcome: &Called,
) -> Result<(StatusCode, Json<CallAnswer>), Refused> {
    let status = if convert::is_open(outcome) {
        StatusCode::ACCEPTED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(reader.answer(outcome)?)))
}

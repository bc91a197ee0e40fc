//! `/v1/actions`: what an agent is about to do, and how it went.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use signoff_api::WaitQuery;
use signoff_api::action::{Action, Submit, SubmitAnswer, Verdict};
use signoff_api::execution::{Execution, Report};
use signoff_api::limits::CALL_REQUEST_BYTES_MAX;
use signoff_core::id::ActionId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Answer;
use super::body::{Body, Nothing, OptionalBody};
use super::convert::{self, Extent, Reader, ToCore, ToWire};
use super::idempotency::{IdempotencyKey, IdempotencyParam};
use super::path::At;
use super::principal::{As, Ask, Govern, SeeActions};
use super::query::{NoQuery, Query, wait_seconds};
use crate::Doors;

pub(crate) fn router() -> OpenApiRouter<Doors> {
    OpenApiRouter::new()
        .routes(routes!(action_submit))
        .routes(routes!(action_check))
        .routes(routes!(action_view))
        .routes(routes!(action_report))
        .routes(routes!(action_erase))
}

/// Submit an action
///
/// Says what the agent is about to do, and answers whether it may. With `wait` the answer is held back until people
/// have decided, or the time is up. An application names the agent in `agent`. What carries `http` is called by Signoff as
/// soon as it may be; its result is fetched by the execution.
#[utoipa::path(
    post, path = "/v1/actions", tag = "actions", params(WaitQuery, IdempotencyParam), request_body = Submit,
    responses((status = 200, description = "Go on, stop, or wait", body = SubmitAnswer)),
    extensions(("x-signoff-operation" = json!(Ask::NAME)))
)]
pub(crate) async fn action_submit(
    caller: As<Ask>,
    State(doors): State<Doors>,
    Query(query): Query<WaitQuery>,
    key: IdempotencyKey,
    Body(action): Body<Submit, CALL_REQUEST_BYTES_MAX>,
) -> Answer<SubmitAnswer> {
    let seconds = wait_seconds(query.wait)?;
    let engine = doors.engine();
    let submitted = engine
        .submit(&caller.caller, convert::submit(action)?, key.get())
        .await?;
    let id = submitted.action_id;
    let url = || engine.approval_url(id.approval());
    if seconds > 0 && submitted.approval_id.is_some() {
        let until = query.until.unwrap_or_default().to_core();
        let at_most = Duration::from_secs(seconds);
        let view = doors.wait(&caller.caller, id.approval(), until, at_most).await?;
        // The waiting may have changed everything but the id.
        let mut now = engine.action(&caller.caller, id).await?;
        now.submitted.dropped_headers = submitted.dropped_headers;
        let caller = &caller.caller;
        let approval = Some(convert::approval(
            Reader { engine, caller },
            &view,
            Extent::Whole,
        )?);
        return Ok(Json(SubmitAnswer {
            approval,
            ..convert::submit_answer(&now.submitted, url)
        }));
    }
    Ok(Json(convert::submit_answer(&submitted, url)))
}

/// Check an action
///
/// What a submit would be answered now. Nothing is stored and nobody is asked.
#[utoipa::path(
    post, path = "/v1/actions/check", tag = "actions", request_body = Submit,
    responses((status = 200, description = "What policy says", body = Verdict)),
    extensions(("x-signoff-operation" = json!(Ask::NAME)))
)]
pub(crate) async fn action_check(
    caller: As<Ask>,
    State(doors): State<Doors>,
    _: Query<NoQuery>,
    Body(action): Body<Submit, CALL_REQUEST_BYTES_MAX>,
) -> Answer<Verdict> {
    let judged = doors
        .engine()
        .check(&caller.caller, &convert::submit(action)?)
        .await?;
    Ok(Json(judged.to_wire()))
}

/// Read an action
#[utoipa::path(
    get, path = "/v1/actions/{id}", tag = "actions", params(("id" = String, Path, description = "`act_…`")),
    responses((status = 200, description = "The action as it was submitted, and where it stands", body = Action)),
    extensions(("x-signoff-operation" = json!(SeeActions::NAME)))
)]
pub(crate) async fn action_view(
    caller: As<SeeActions>,
    State(doors): State<Doors>,
    At(id): At<ActionId>,
    _: Query<NoQuery>,
) -> Answer<Action> {
    Ok(Json(doors.engine().action(&caller.caller, id).await?.to_wire()))
}

/// Report how an action went
///
/// The same as reporting its execution. What policy allowed may be reported without being consumed.
#[utoipa::path(
    post, path = "/v1/actions/{id}/outcome", tag = "actions",
    params(("id" = String, Path, description = "`act_…`"), IdempotencyParam), request_body = Report,
    responses((status = 200, description = "The execution with its report", body = Execution)),
    extensions(("x-signoff-operation" = json!(Ask::NAME)))
)]
pub(crate) async fn action_report(
    caller: As<Ask>,
    State(doors): State<Doors>,
    At(id): At<ActionId>,
    _: Query<NoQuery>,
    key: IdempotencyKey,
    Body(report): Body<Report>,
) -> Answer<Execution> {
    let report = convert::report(report)?;
    let engine = doors.engine();
    let caller = &caller.caller;
    let execution = engine.report(caller, id.execution(), report, key.get()).await?;
    convert::execution(Reader { engine, caller }, &execution, Extent::Whole).map(Json)
}

/// Erase what an action said
///
/// Deletes inputs, context and all words of a finished request for good. The log keeps its commitments to them and
/// still verifies.
#[utoipa::path(
    post, path = "/v1/actions/{id}/erase", tag = "actions", params(("id" = String, Path, description = "`act_…`")),
    responses((status = 204, description = "Erased")),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn action_erase(
    caller: As<Govern>,
    State(doors): State<Doors>,
    At(id): At<ActionId>,
    _: Query<NoQuery>,
    OptionalBody(Nothing {}): OptionalBody<Nothing>,
) -> Result<StatusCode, super::Refused> {
    doors.engine().erase(&caller.caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

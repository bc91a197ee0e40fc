//! `/v1/executions`: one carrying-out of an allowed or approved action.

use axum::Json;
use axum::extract::State;
use signoff_api::Page;
use signoff_api::execution::{
    Execution, ExecutionQuery, ExecutionStatus, HeldExecutions, Report, Settle as SettleBody,
};
use signoff_core::id::{ExecutionId, RawId};
use signoff_engine::view::{Caller, ExecutionView};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::{Body, Nothing, OptionalBody};
use super::convert::{self, Extent, Reader, ToCore};
use super::cursor::Listing;
use super::idempotency::{IdempotencyKey, IdempotencyParam};
use super::path::At;
use super::principal::{As, Ask, SeeActions, SeeWorkspace, Settle};
use super::query::{NoQuery, Query, limit};
use super::{Answer, Refused};
use crate::Doors;

pub(crate) fn router() -> OpenApiRouter<Doors> {
    OpenApiRouter::new()
        .routes(routes!(execution_list))
        .routes(routes!(execution_view))
        .routes(routes!(execution_consume))
        .routes(routes!(execution_report))
        .routes(routes!(execution_settle))
        .routes(routes!(execution_release))
        .routes(routes!(execution_held))
}

fn whole(doors: &Doors, caller: &Caller, view: &ExecutionView) -> Answer<Execution> {
    let engine = doors.engine();
    convert::execution(Reader { engine, caller }, view, Extent::Whole).map(Json)
}

fn listed(doors: &Doors, caller: &Caller, views: &[ExecutionView]) -> Result<Vec<Execution>, Refused> {
    let engine = doors.engine();
    let reader = Reader { engine, caller };
    let views = views.iter();
    views
        .map(|view| convert::execution(reader, view, Extent::WithoutBody))
        .collect()
}

/// List executions that have not come to their end
///
/// Newest first. What is `indeterminate` waits for a person: nobody knows whether the call arrived. What policy allowed and
/// nobody touched yet is not listed. Bodies of calls are left out.
#[utoipa::path(
    get, path = "/v1/executions", tag = "executions", params(ExecutionQuery),
    responses((status = 200, description = "One page", body = Page<Execution>)),
    extensions(("x-signoff-operation" = json!(SeeWorkspace::NAME)))
)]
pub(crate) async fn execution_list(
    caller: As<SeeWorkspace>,
    State(doors): State<Doors>,
    Query(query): Query<ExecutionQuery>,
) -> Answer<Page<Execution>> {
    let state = query.state.unwrap_or(ExecutionStatus::Indeterminate);
    let listing = Listing::new(caller.caller.workspace, "executions", &state);
    let beyond = listing
        .read_id(query.cursor.as_deref())?
        .map(|id| ExecutionId(RawId(id)));
    let limit = limit(query.limit)?;
    let engine = doors.engine();
    let (views, next) = engine
        .executions(&caller.caller, state.to_core(), beyond, limit)
        .await?;
    Ok(Json(Page {
        items: listed(&doors, &caller.caller, &views)?,
        next_cursor: next.map(|id| listing.write_id(&id.0.0)),
    }))
}

/// Read an execution
#[utoipa::path(
    get, path = "/v1/executions/{id}", tag = "executions", params(("id" = String, Path, description = "`exe_…`")),
    responses((status = 200, description = "The execution", body = Execution)),
    extensions(("x-signoff-operation" = json!(SeeActions::NAME)))
)]
pub(crate) async fn execution_view(
    caller: As<SeeActions>,
    State(doors): State<Doors>,
    At(id): At<ExecutionId>,
    _: Query<NoQuery>,
) -> Answer<Execution> {
    let execution = doors.engine().execution(&caller.caller, id).await?;
    whole(&doors, &caller.caller, &execution)
}

/// Take a permission, once
///
/// Only the first call succeeds; the answer has exactly what was approved. Carry it out, then report. With an
/// idempotency key a repeated call gets the first one's answer.
#[utoipa::path(
    post, path = "/v1/executions/{id}/consume", tag = "executions",
    params(("id" = String, Path, description = "`exe_…`"), IdempotencyParam),
    responses((status = 200, description = "It is yours to carry out", body = Execution)),
    extensions(("x-signoff-operation" = json!(Ask::NAME)))
)]
pub(crate) async fn execution_consume(
    caller: As<Ask>,
    State(doors): State<Doors>,
    At(id): At<ExecutionId>,
    _: Query<NoQuery>,
    key: IdempotencyKey,
    OptionalBody(Nothing {}): OptionalBody<Nothing>,
) -> Answer<Execution> {
    let execution = doors.engine().consume(&caller.caller, id, key.get()).await?;
    whole(&doors, &caller.caller, &execution)
}

/// Report how an execution went
#[utoipa::path(
    post, path = "/v1/executions/{id}/report", tag = "executions",
    params(("id" = String, Path, description = "`exe_…`"), IdempotencyParam), request_body = Report,
    responses((status = 200, description = "The execution with its report", body = Execution)),
    extensions(("x-signoff-operation" = json!(Ask::NAME)))
)]
pub(crate) async fn execution_report(
    caller: As<Ask>,
    State(doors): State<Doors>,
    At(id): At<ExecutionId>,
    _: Query<NoQuery>,
    key: IdempotencyKey,
    Body(report): Body<Report>,
) -> Answer<Execution> {
    let report = convert::report(report)?;
    let execution = doors
        .engine()
        .report(&caller.caller, id, report, key.get())
        .await?;
    whole(&doors, &caller.caller, &execution)
}

/// Settle an execution whose end is unknown
///
/// For an execution that is `indeterminate`: a person found out what became of it. `executed`: it ran; `failed`: it did not
/// run; `ready`: Signoff makes the call again, and if it ran after all it will have run twice.
#[utoipa::path(
    post, path = "/v1/executions/{id}/settle", tag = "executions",
    params(("id" = String, Path, description = "`exe_…`"), IdempotencyParam), request_body = SettleBody,
    responses((status = 200, description = "The execution as settled", body = Execution)),
    extensions(("x-signoff-operation" = json!(Settle::NAME)))
)]
pub(crate) async fn execution_settle(
    caller: As<Settle>,
    State(doors): State<Doors>,
    At(id): At<ExecutionId>,
    _: Query<NoQuery>,
    key: IdempotencyKey,
    Body(settle): Body<SettleBody>,
) -> Answer<Execution> {
    let settle = convert::settle(settle)?;
    let execution = doors
        .engine()
        .settle(&caller.caller, id, settle, key.get())
        .await?;
    whole(&doors, &caller.caller, &execution)
}

/// Release a held execution
///
/// After the database was restored or failed over, what was approved before waits: it may have been carried out already,
/// without this copy knowing. An admin looks, and releases it.
#[utoipa::path(
    post, path = "/v1/executions/{id}/release", tag = "executions",
    params(("id" = String, Path, description = "`exe_…`"), IdempotencyParam),
    responses((status = 200, description = "The execution, which may be carried out", body = Execution)),
    extensions(("x-signoff-operation" = json!(Settle::NAME)))
)]
pub(crate) async fn execution_release(
    caller: As<Settle>,
    State(doors): State<Doors>,
    At(id): At<ExecutionId>,
    _: Query<NoQuery>,
    key: IdempotencyKey,
    OptionalBody(Nothing {}): OptionalBody<Nothing>,
) -> Answer<Execution> {
    let execution = doors.engine().release(&caller.caller, id, key.get()).await?;
    whole(&doors, &caller.caller, &execution)
}

/// List held executions
#[utoipa::path(
    get, path = "/v1/executions/held", tag = "executions",
    responses((status = 200, description = "What waits to be released", body = HeldExecutions)),
    extensions(("x-signoff-operation" = json!(SeeWorkspace::NAME)))
)]
pub(crate) async fn execution_held(
    caller: As<SeeWorkspace>,
    State(doors): State<Doors>,
    _: Query<NoQuery>,
) -> Answer<HeldExecutions> {
    let held = doors.engine().held(&caller.caller).await?;
    let items = listed(&doors, &caller.caller, &held)?;
    Ok(Json(HeldExecutions { items }))
}

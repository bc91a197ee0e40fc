//! `/v1/approvals`: requests for a human decision.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use signoff_api::approval::{
    Answer as InfoAnswer, Approval, ApprovalQuery, Cancel as CancelBody, Decide as DecideBody, Order,
};
use signoff_api::audit::Event;
use signoff_api::limits::{CALL_REQUEST_BYTES_MAX, TEXT_CHARS_MAX};
use signoff_api::stats::{Stats, StatsQuery};
use signoff_api::{Page, PageQuery, WaitQuery};
use signoff_core::id::ApprovalId;
use signoff_engine::request::ApprovalFilter;
use signoff_engine::view::{ApprovalView, Caller};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Answer;
use super::body::{Body, OptionalBody};
use super::convert::{self, Extent, Reader, ToCore, ToWire};
use super::cursor::Listing;
use super::idempotency::{IdempotencyKey, IdempotencyParam};
use super::path::At;
use super::principal::{AnswerInfo, As, Cancel, Decide, SeeActions, SeeWorkspace};
use super::problem::Refused;
use super::query::{NoQuery, Query, limit, wait_seconds};
use crate::Doors;

/// Since when statistics count unless said, as a duration back from now.
const STATS_SINCE: &str = "30d";

pub(crate) fn router() -> OpenApiRouter<Doors> {
    OpenApiRouter::new()
        .routes(routes!(approval_list))
        .routes(routes!(approval_stats))
        .routes(routes!(approval_view))
        .routes(routes!(approval_decide))
        .routes(routes!(approval_answer))
        .routes(routes!(approval_cancel))
        .routes(routes!(approval_events))
}

fn answered(doors: &Doors, caller: &Caller, view: &ApprovalView) -> Answer<Approval> {
    let engine = doors.engine();
    convert::approval(Reader { engine, caller }, view, Extent::Whole).map(Json)
}

/// List approvals
///
/// Askers see their own. Bodies of calls are left out.
#[utoipa::path(
    get, path = "/v1/approvals", tag = "approvals", params(ApprovalQuery),
    responses((status = 200, description = "One page", body = Page<Approval>)),
    extensions(("x-signoff-operation" = json!(SeeActions::NAME)))
)]
pub(crate) async fn approval_list(
    caller: As<SeeActions>,
    State(doors): State<Doors>,
    Query(query): Query<ApprovalQuery>,
) -> Answer<Page<Approval>> {
    let filters = ApprovalQuery {
        cursor: None,
        limit: None,
        ..query.clone()
    };
    let listing = Listing::new(caller.caller.workspace, "approvals", &filters);
    let filter = ApprovalFilter {
        statuses: convert::statuses(query.status.as_deref())?,
        agent: query.agent,
        action: query.action,
        priority: query.priority.map(ToCore::to_core),
        risk: query.risk.map(ToCore::to_core),
        policy: query.policy,
        search: query.q,
        oldest_first: query.order == Some(Order::Oldest),
        beyond: listing.read(query.cursor.as_deref())?,
        limit: limit(query.limit)?,
    };
    let page = doors.engine().approvals(&caller.caller, &filter).await?;
    let reader = Reader {
        engine: doors.engine(),
        caller: &caller.caller,
    };
    let items = page.items.iter();
    let items = items.map(|view| convert::approval(reader, view, Extent::WithoutBody));
    Ok(Json(listing.page(items.collect::<Result<_, _>>()?, page.next)))
}

/// Statistics over approvals
#[utoipa::path(
    get, path = "/v1/approvals/stats", tag = "approvals", params(StatsQuery),
    responses((status = 200, description = "How approvals have gone", body = Stats)),
    extensions(("x-signoff-operation" = json!(SeeWorkspace::NAME)))
)]
pub(crate) async fn approval_stats(
    caller: As<SeeWorkspace>,
    State(doors): State<Doors>,
    Query(query): Query<StatsQuery>,
) -> Answer<Stats> {
    let since = convert::since(
        query.since.as_deref().unwrap_or(STATS_SINCE),
        doors.engine().now(),
    )?;
    Ok(Json(
        doors.engine().stats(&caller.caller, Some(since)).await?.to_wire(),
    ))
}

/// Read an approval, or wait for it
///
/// With `wait` the answer is held back until it is decided (or, with `until=changed`, until anything about it
/// changes) or the time is up.
#[utoipa::path(
    get, path = "/v1/approvals/{id}", tag = "approvals",
    params(("id" = String, Path, description = "`apr_…`"), WaitQuery),
    responses((status = 200, description = "The approval as it stands", body = Approval)),
    extensions(("x-signoff-operation" = json!(SeeActions::NAME)))
)]
pub(crate) async fn approval_view(
    caller: As<SeeActions>,
    State(doors): State<Doors>,
    At(id): At<ApprovalId>,
    Query(query): Query<WaitQuery>,
) -> Answer<Approval> {
    let view = match wait_seconds(query.wait)? {
        0 => doors.engine().approval(&caller.caller, id).await?,
        seconds => {
            let until = query.until.unwrap_or_default().to_core();
            doors
                .wait(&caller.caller, id, until, Duration::from_secs(seconds))
                .await?
        }
    };
    answered(&doors, &caller.caller, &view)
}

/// Decide an approval
///
/// Approve what was shown (by its `digest`), deny it with a reason, or ask the agent first. Only operators whom the
/// requirement names; never a key that asks.
#[utoipa::path(
    post, path = "/v1/approvals/{id}/decide", tag = "approvals",
    params(("id" = String, Path, description = "`apr_…`"), IdempotencyParam), request_body = DecideBody,
    responses((status = 200, description = "The approval after it", body = Approval)),
    extensions(("x-signoff-operation" = json!(Decide::NAME)))
)]
pub(crate) async fn approval_decide(
    caller: As<Decide>,
    State(doors): State<Doors>,
    At(id): At<ApprovalId>,
    _: Query<NoQuery>,
    key: IdempotencyKey,
    Body(decide): Body<DecideBody, CALL_REQUEST_BYTES_MAX>,
) -> Answer<Approval> {
    let decide = convert::decide(decide)?;
    let view = doors
        .engine()
        .decide(&caller.caller, id, decide, key.get())
        .await?;
    answered(&doors, &caller.caller, &view)
}

/// Answer an approver's question
#[utoipa::path(
    post, path = "/v1/approvals/{id}/answer", tag = "approvals",
    params(("id" = String, Path, description = "`apr_…`"), IdempotencyParam), request_body = InfoAnswer,
    responses((status = 200, description = "The approval after it", body = Approval)),
    extensions(("x-signoff-operation" = json!(AnswerInfo::NAME)))
)]
pub(crate) async fn approval_answer(
    caller: As<AnswerInfo>,
    State(doors): State<Doors>,
    At(id): At<ApprovalId>,
    _: Query<NoQuery>,
    key: IdempotencyKey,
    Body(InfoAnswer { answer }): Body<InfoAnswer>,
) -> Answer<Approval> {
    if answer.trim().is_empty() || answer.chars().count() > TEXT_CHARS_MAX {
        return Err(Refused::invalid(
            "/answer",
            format!("an answer has 1 to {TEXT_CHARS_MAX} characters"),
        ));
    }
    let view = doors
        .engine()
        .answer(&caller.caller, id, answer, key.get())
        .await?;
    answered(&doors, &caller.caller, &view)
}

/// Call an approval off
#[utoipa::path(
    post, path = "/v1/approvals/{id}/cancel", tag = "approvals",
    params(("id" = String, Path, description = "`apr_…`"), IdempotencyParam), request_body = Option<CancelBody>,
    responses((status = 200, description = "The approval after it", body = Approval)),
    extensions(("x-signoff-operation" = json!(Cancel::NAME)))
)]
pub(crate) async fn approval_cancel(
    caller: As<Cancel>,
    State(doors): State<Doors>,
    At(id): At<ApprovalId>,
    _: Query<NoQuery>,
    key: IdempotencyKey,
    OptionalBody(CancelBody { reason }): OptionalBody<CancelBody>,
) -> Answer<Approval> {
    if reason
        .as_ref()
        .is_some_and(|reason| reason.chars().count() > TEXT_CHARS_MAX)
    {
        return Err(Refused::invalid(
            "/reason",
            format!("a reason has at most {TEXT_CHARS_MAX} characters"),
        ));
    }
    let view = doors
        .engine()
        .cancel(&caller.caller, id, reason, key.get())
        .await?;
    answered(&doors, &caller.caller, &view)
}

/// What the log says of an approval
///
/// Oldest first.
#[utoipa::path(
    get, path = "/v1/approvals/{id}/events", tag = "approvals",
    params(("id" = String, Path, description = "`apr_…`"), PageQuery),
    responses((status = 200, description = "One page", body = Page<Event>)),
    extensions(("x-signoff-operation" = json!(SeeActions::NAME)))
)]
pub(crate) async fn approval_events(
    caller: As<SeeActions>,
    State(doors): State<Doors>,
    At(id): At<ApprovalId>,
    Query(query): Query<PageQuery>,
) -> Answer<Page<Event>> {
    let limit = limit(query.limit)?;
    let listing = Listing::new(caller.caller.workspace, "approval_events", &id);
    let events = doors.engine().approval_events(&caller.caller, id).await?;
    Ok(Json(listing.slice(
        events.to_wire(),
        query.cursor.as_deref(),
        limit,
    )?))
}

//! `/v1/standing-approvals`: answers that people gave ahead.

use axum::Json;
use axum::extract::State;
use signoff_api::Page;
use signoff_api::approval::{AlwaysPreview, AlwaysQuery, StandingApproval, StandingQuery};
use signoff_core::id::{ApprovalId, StandingId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Answer;
use super::convert::{ToCore, ToWire};
use super::cursor::Listing;
use super::idempotency::{IdempotencyKey, IdempotencyParam};
use super::path::At;
use super::principal::{As, Govern, RevokeStanding, SeeWorkspace};
use super::query::{NoQuery, Query, limit};
use crate::Doors;

pub(crate) fn router() -> OpenApiRouter<Doors> {
    OpenApiRouter::new()
        .routes(routes!(standing_list))
        .routes(routes!(standing_view))
        .routes(routes!(standing_revoke))
        .routes(routes!(approval_always))
}

/// List standing approvals
///
/// Newest first, those that are over too; the latest 1,000. They are given with an approval (`standing` of
/// `POST /v1/approvals/{id}/decide`).
#[utoipa::path(
    get, path = "/v1/standing-approvals", tag = "standing approvals", params(StandingQuery),
    responses((status = 200, description = "One page", body = Page<StandingApproval>)),
    extensions(("x-signoff-operation" = json!(SeeWorkspace::NAME)))
)]
pub(crate) async fn standing_list(
    caller: As<SeeWorkspace>,
    State(doors): State<Doors>,
    Query(query): Query<StandingQuery>,
) -> Answer<Page<StandingApproval>> {
    let listing = Listing::new(caller.caller.workspace, "standing_approvals", &query.state);
    let mut all = doors.engine().standing_approvals(&caller.caller).await?.to_wire();
    all.retain(|standing: &StandingApproval| query.state.is_none_or(|state| standing.state == state));
    Ok(Json(listing.slice(
        all,
        query.cursor.as_deref(),
        limit(query.limit)?,
    )?))
}

/// Get a standing approval
#[utoipa::path(
    get, path = "/v1/standing-approvals/{id}", tag = "standing approvals",
    params(("id" = String, Path, description = "`sta_…`")),
    responses((status = 200, description = "The standing approval", body = StandingApproval)),
    extensions(("x-signoff-operation" = json!(SeeWorkspace::NAME)))
)]
pub(crate) async fn standing_view(
    caller: As<SeeWorkspace>,
    State(doors): State<Doors>,
    At(id): At<StandingId>,
    _: Query<NoQuery>,
) -> Answer<StandingApproval> {
    let view = doors.engine().standing_approval(&caller.caller, id).await?;
    Ok(Json(view.to_wire()))
}

/// Take a standing approval back
///
/// From the answer on a person is asked again. What it let through and the agent has not taken yet can't be taken any more. One
/// that was taken back before stays so.
#[utoipa::path(
    post, path = "/v1/standing-approvals/{id}/revoke", tag = "standing approvals",
    params(("id" = String, Path, description = "`sta_…`"), IdempotencyParam),
    responses((status = 200, description = "The standing approval after it", body = StandingApproval)),
    extensions(("x-signoff-operation" = json!(RevokeStanding::NAME)))
)]
pub(crate) async fn standing_revoke(
    caller: As<RevokeStanding>,
    State(doors): State<Doors>,
    At(id): At<StandingId>,
    _: Query<NoQuery>,
    key: IdempotencyKey,
) -> Answer<StandingApproval> {
    let engine = doors.engine();
    let view = engine.revoke_standing(&caller.caller, id, key.get()).await?;
    Ok(Json(view.to_wire()))
}

/// What approving for ever would come to
///
/// The policy that would be written, what it would have covered in the last 30 days, and what is pending now. Nothing is
/// changed by asking; `always` of `POST /v1/approvals/{id}/decide` does it.
#[utoipa::path(
    get, path = "/v1/approvals/{id}/always", tag = "approvals",
    params(("id" = String, Path, description = "`apr_…`"), AlwaysQuery),
    responses((status = 200, description = "What it would come to", body = AlwaysPreview)),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn approval_always(
    caller: As<Govern>,
    State(doors): State<Doors>,
    At(id): At<ApprovalId>,
    Query(query): Query<AlwaysQuery>,
) -> Answer<AlwaysPreview> {
    let always = query.scope.unwrap_or_default().to_core();
    let view = doors.engine().always(&caller.caller, id, always).await?;
    Ok(Json(view.to_wire()))
}

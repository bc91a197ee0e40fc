//! `/v1/grants`: credentials that agents use without seeing them.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use signoff_api::grant::{Grant, GrantCreate, GrantKeysRotated, GrantUpdate};
use signoff_api::{Page, PageQuery};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::{Body, Nothing, OptionalBody};
use super::convert::{self, ToWire};
use super::cursor::Listing;
use super::idempotency::{IdempotencyKey, IdempotencyParam};
use super::path::At;
use super::principal::{As, Govern, SeeWorkspace};
use super::query::{NoQuery, Query, limit};
use super::{Answer, Refused};
use crate::Doors;

pub(crate) fn router() -> OpenApiRouter<Doors> {
    OpenApiRouter::new()
        .routes(routes!(grant_list, grant_create))
        .routes(routes!(grant_rotate_keys))
        .routes(routes!(grant_view, grant_update, grant_remove))
}

/// List grants
///
/// By name, without their values.
#[utoipa::path(
    get, path = "/v1/grants", tag = "grants", params(PageQuery),
    responses((status = 200, description = "One page", body = Page<Grant>)),
    extensions(("x-signoff-operation" = json!(SeeWorkspace::NAME)))
)]
pub(crate) async fn grant_list(
    caller: As<SeeWorkspace>,
    State(doors): State<Doors>,
    Query(query): Query<PageQuery>,
) -> Answer<Page<Grant>> {
    let listing = Listing::new(caller.caller.workspace, "grants", &());
    let beyond = listing.read(query.cursor.as_deref())?;
    let page = doors
        .engine()
        .grants(&caller.caller, beyond, limit(query.limit)?)?;
    Ok(Json(listing.page(page.items.to_wire(), page.next)))
}

/// Create a grant
///
/// Its value is kept encrypted and never shown again, by no door.
#[utoipa::path(
    post, path = "/v1/grants", tag = "grants", params(IdempotencyParam), request_body = GrantCreate,
    responses((status = 201, description = "The grant, without its value", body = Grant)),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn grant_create(
    caller: As<Govern>,
    State(doors): State<Doors>,
    _: Query<NoQuery>,
    key: IdempotencyKey,
    Body(given): Body<GrantCreate>,
) -> Result<(StatusCode, Json<Grant>), Refused> {
    let (grant, value) = convert::grant_create(given)?;
    let engine = doors.engine();
    let made = engine
        .create_grant(&caller.caller, grant, value, key.get())
        .await?;
    Ok((StatusCode::CREATED, Json(made.to_wire())))
}

/// Rotate the keys of grants
///
/// Seals the value of every grant anew, each with another key of its own. Values and versions stay: what was approved stays
/// approved, and no call is disturbed. One that does not open is named and left as it is.
#[utoipa::path(
    post, path = "/v1/grants/rotate-keys", tag = "grants", params(IdempotencyParam),
    responses((status = 200, description = "How many were sealed anew, and which were not", body = GrantKeysRotated)),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn grant_rotate_keys(
    caller: As<Govern>,
    State(doors): State<Doors>,
    _: Query<NoQuery>,
    key: IdempotencyKey,
    OptionalBody(Nothing {}): OptionalBody<Nothing>,
) -> Answer<GrantKeysRotated> {
    let engine = doors.engine();
    let rotated = engine.rotate_grant_keys(&caller.caller, key.get()).await?;
    Ok(Json(rotated.to_wire()))
}

/// Read a grant
///
/// Without its value.
#[utoipa::path(
    get, path = "/v1/grants/{grant}", tag = "grants",
    params(("grant" = String, Path, description = "Name or `grt_…`")),
    responses((status = 200, description = "The grant", body = Grant)),
    extensions(("x-signoff-operation" = json!(SeeWorkspace::NAME)))
)]
pub(crate) async fn grant_view(
    caller: As<SeeWorkspace>,
    State(doors): State<Doors>,
    At(name): At<String>,
    _: Query<NoQuery>,
) -> Answer<Grant> {
    Ok(Json(doors.engine().grant(&caller.caller, &name)?.to_wire()))
}

/// Change a grant
///
/// What is left out stays, the value too. What was approved before a change is not carried out after it: people approved
/// it with another grant. What is the same already is not written again.
#[utoipa::path(
    patch, path = "/v1/grants/{grant}", tag = "grants",
    params(("grant" = String, Path, description = "Name or `grt_…`")), request_body = GrantUpdate,
    responses((status = 200, description = "The grant as it is now", body = Grant)),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn grant_update(
    caller: As<Govern>,
    State(doors): State<Doors>,
    At(name): At<String>,
    _: Query<NoQuery>,
    Body(given): Body<GrantUpdate>,
) -> Answer<Grant> {
    let engine = doors.engine();
    let present = engine.grant(&caller.caller, &name)?;
    let update = convert::grant_update(given, &present)?;
    // By id: the name may be another's by the time it is written.
    let id = present.row.id.to_string();
    Ok(Json(
        engine.update_grant(&caller.caller, &id, update).await?.to_wire(),
    ))
}

/// Remove a grant
///
/// Nothing is called with it any more; what was approved with it is taken back.
#[utoipa::path(
    delete, path = "/v1/grants/{grant}", tag = "grants",
    params(("grant" = String, Path, description = "Name or `grt_…`")),
    responses((status = 204, description = "Removed")),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn grant_remove(
    caller: As<Govern>,
    State(doors): State<Doors>,
    At(name): At<String>,
    _: Query<NoQuery>,
) -> Result<StatusCode, Refused> {
    doors.engine().remove_grant(&caller.caller, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

//! `/v1/groups`: groups of operators, for requirements to name.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use signoff_api::group::{Group, GroupPut};
use signoff_api::limits::GROUP_MEMBERS_MAX;
use signoff_api::{Page, PageQuery};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::Body;
use super::convert::ToWire;
use super::cursor::Listing;
use super::path::At;
use super::principal::{As, Govern, SeeWorkspace};
use super::query::{NoQuery, Query, limit};
use super::{Answer, Refused};
use crate::Doors;

pub(crate) fn router() -> OpenApiRouter<Doors> {
    OpenApiRouter::new()
        .routes(routes!(group_list))
        .routes(routes!(group_put, group_remove))
}

/// List groups
///
/// By name.
#[utoipa::path(
    get, path = "/v1/groups", tag = "groups", params(PageQuery),
    responses((status = 200, description = "One page", body = Page<Group>)),
    extensions(("x-signoff-operation" = json!(SeeWorkspace::NAME)))
)]
pub(crate) async fn group_list(
    caller: As<SeeWorkspace>,
    State(doors): State<Doors>,
    Query(query): Query<PageQuery>,
) -> Answer<Page<Group>> {
    let listing = Listing::new(caller.caller.workspace, "groups", &());
    let beyond = listing.read(query.cursor.as_deref())?;
    let page = doors
        .engine()
        .groups(&caller.caller, beyond, limit(query.limit)?)?;
    Ok(Json(listing.page(page.items.to_wire(), page.next)))
}

/// Put a group
///
/// Replaces its members, or makes it if there is none of the name.
#[utoipa::path(
    put, path = "/v1/groups/{name}", tag = "groups", params(("name" = String, Path, description = "Name of the group")),
    request_body = GroupPut,
    responses((status = 200, description = "The group", body = Group)),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn group_put(
    caller: As<Govern>,
    State(doors): State<Doors>,
    At(name): At<String>,
    _: Query<NoQuery>,
    Body(GroupPut { members }): Body<GroupPut>,
) -> Answer<Group> {
    if members.len() > GROUP_MEMBERS_MAX {
        return Err(Refused::invalid(
            "/members",
            format!("a group has at most {GROUP_MEMBERS_MAX} members"),
        ));
    }
    Ok(Json(
        doors
            .engine()
            .put_group(&caller.caller, &name, members)
            .await?
            .to_wire(),
    ))
}

/// Remove a group
#[utoipa::path(
    delete, path = "/v1/groups/{name}", tag = "groups",
    params(("name" = String, Path, description = "Name of the group")),
    responses((status = 204, description = "Removed")),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn group_remove(
    caller: As<Govern>,
    State(doors): State<Doors>,
    At(name): At<String>,
    _: Query<NoQuery>,
) -> Result<StatusCode, Refused> {
    doors.engine().remove_group(&caller.caller, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

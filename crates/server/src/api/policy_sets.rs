//! `/v1/policy-sets`: every version of the whole set.

use axum::Json;
use axum::extract::State;
use signoff_api::policy::{PolicySet, PolicySetVersion};
use signoff_api::{Page, PageQuery};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Answer;
use super::convert::ToWire;
use super::cursor::Listing;
use super::path::At;
use super::principal::{As, SeeWorkspace};
use super::query::{NoQuery, Query, limit};
use crate::Doors;

pub(crate) fn router() -> OpenApiRouter<Doors> {
    OpenApiRouter::new()
        .routes(routes!(policy_set_list))
        .routes(routes!(policy_set_view))
}

/// Versions of the policy set
///
/// Newest first.
#[utoipa::path(
    get, path = "/v1/policy-sets", tag = "policies", params(PageQuery),
    responses((status = 200, description = "One page", body = Page<PolicySetVersion>)),
    extensions(("x-signoff-operation" = json!(SeeWorkspace::NAME)))
)]
pub(crate) async fn policy_set_list(
    caller: As<SeeWorkspace>,
    State(doors): State<Doors>,
    Query(query): Query<PageQuery>,
) -> Answer<Page<PolicySetVersion>> {
    let listing = Listing::new(caller.caller.workspace, "policy_sets", &());
    let beyond = listing.read(query.cursor.as_deref())?;
    let limit = limit(query.limit)?;
    let page = doors
        .engine()
        .policy_set_versions(&caller.caller, beyond, limit)
        .await?;
    Ok(Json(listing.page(page.items.to_wire(), page.next)))
}

/// The policy set as it was
#[utoipa::path(
    get, path = "/v1/policy-sets/{version}", tag = "policies",
    params(("version" = u64, Path, description = "Version of the set")),
    responses((status = 200, description = "The set in that version", body = PolicySet)),
    extensions(("x-signoff-operation" = json!(SeeWorkspace::NAME)))
)]
pub(crate) async fn policy_set_view(
    caller: As<SeeWorkspace>,
    State(doors): State<Doors>,
    At(version): At<u64>,
    _: Query<NoQuery>,
) -> Answer<PolicySet> {
    Ok(Json(
        doors
            .engine()
            .policy_set_at(&caller.caller, version)
            .await?
            .to_wire(),
    ))
}

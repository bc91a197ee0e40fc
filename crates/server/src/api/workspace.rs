//! `/v1/workspace` and `/v1/me`: where one is, and who.

use axum::Json;
use axum::extract::State;
use signoff_api::status::Me;
use signoff_api::workspace::{FailoverDeclared, UpgradeFinished, Workspace, WorkspaceUpdate};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Answer;
use super::body::{Body, Nothing, OptionalBody};
use super::convert::{self, ToWire};
use super::principal::{As, Govern, SeeWorkspace, WhoAmI};
use super::query::{NoQuery, Query};
use crate::Doors;

pub(crate) fn router() -> OpenApiRouter<Doors> {
    OpenApiRouter::new()
        .routes(routes!(workspace_view, workspace_update))
        .routes(routes!(workspace_failover))
        .routes(routes!(installation_finish_upgrade))
        .routes(routes!(me_view))
}

/// Read the workspace
#[utoipa::path(
    get, path = "/v1/workspace", tag = "workspace",
    responses((status = 200, description = "The workspace and its settings", body = Workspace)),
    extensions(("x-signoff-operation" = json!(SeeWorkspace::NAME)))
)]
pub(crate) async fn workspace_view(
    caller: As<SeeWorkspace>,
    State(doors): State<Doors>,
    _: Query<NoQuery>,
) -> Answer<Workspace> {
    Ok(Json(doors.engine().workspace(&caller.caller).await?.to_wire()))
}

/// Change the workspace
///
/// What is pending is judged again under the new settings.
#[utoipa::path(
    patch, path = "/v1/workspace", tag = "workspace", request_body = WorkspaceUpdate,
    responses((status = 200, description = "The workspace as it is now", body = Workspace)),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn workspace_update(
    caller: As<Govern>,
    State(doors): State<Doors>,
    _: Query<NoQuery>,
    Body(update): Body<WorkspaceUpdate>,
) -> Answer<Workspace> {
    let change = convert::settings(update)?;
    Ok(Json(
        doors
            .engine()
            .update_workspace(&caller.caller, change)
            .await?
            .to_wire(),
    ))
}

/// Declare a failover
///
/// After a failover that may have lost what was acknowledged, or a restore that the server could not notice: what was
/// approved before is held until an admin releases it.
#[utoipa::path(
    post, path = "/v1/workspace/failover", tag = "workspace",
    responses((status = 200, description = "The log's new epoch", body = FailoverDeclared)),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn workspace_failover(
    caller: As<Govern>,
    State(doors): State<Doors>,
    _: Query<NoQuery>,
    OptionalBody(Nothing {}): OptionalBody<Nothing>,
) -> Answer<FailoverDeclared> {
    let log_epoch = doors.engine().declare_failover(&caller.caller).await?;
    Ok(Json(FailoverDeclared { log_epoch }))
}

/// Finish an upgrade
///
/// Every node runs this version: from now on records may use what it brought. A node of an earlier version stops writing
/// and says that it is not ready.
#[utoipa::path(
    post, path = "/v1/installation/finish-upgrade", tag = "workspace",
    responses((status = 200, description = "The feature level from now on", body = UpgradeFinished)),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn installation_finish_upgrade(
    caller: As<Govern>,
    State(doors): State<Doors>,
    _: Query<NoQuery>,
    OptionalBody(Nothing {}): OptionalBody<Nothing>,
) -> Answer<UpgradeFinished> {
    let feature_level = doors.engine().finish_upgrade(&caller.caller).await?;
    Ok(Json(UpgradeFinished { feature_level }))
}

/// Who the key is
#[utoipa::path(
    get, path = "/v1/me", tag = "workspace",
    responses((status = 200, description = "The principal behind the key", body = Me)),
    extensions(("x-signoff-operation" = json!(WhoAmI::NAME)))
)]
pub(crate) async fn me_view(caller: As<WhoAmI>, State(doors): State<Doors>, _: Query<NoQuery>) -> Answer<Me> {
    Ok(Json(doors.engine().me(&caller.caller)?.to_wire()))
}

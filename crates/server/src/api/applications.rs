//! `/v1/applications`: keys that ask for several named agents.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use signoff_api::application::{Application, ApplicationCreate, ApplicationCreated, ApplicationUpdate};
use signoff_api::{KeyRequest, Page, PageQuery};
use signoff_engine::request::{CreateApplication, UpdateApplication};
use signoff_engine::view::{ApplicationView, Created};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::{Body, OptionalBody};
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
        .routes(routes!(application_list, application_create))
        .routes(routes!(application_view, application_update))
        .routes(routes!(application_rotate_key))
}

fn created(created: Created<ApplicationView>) -> ApplicationCreated {
    ApplicationCreated {
        application: created.made.to_wire(),
        api_key: convert::secret(created.secret),
    }
}

/// List applications
///
/// By name.
#[utoipa::path(
    get, path = "/v1/applications", tag = "applications", params(PageQuery),
    responses((status = 200, description = "One page", body = Page<Application>)),
    extensions(("x-signoff-operation" = json!(SeeWorkspace::NAME)))
)]
pub(crate) async fn application_list(
    caller: As<SeeWorkspace>,
    State(doors): State<Doors>,
    Query(query): Query<PageQuery>,
) -> Answer<Page<Application>> {
    let listing = Listing::new(caller.caller.workspace, "applications", &());
    let beyond = listing.read(query.cursor.as_deref())?;
    let page = doors
        .engine()
        .applications(&caller.caller, beyond, limit(query.limit)?)?;
    Ok(Json(listing.page(page.items.to_wire(), page.next)))
}

/// Create an application and its key
///
/// The key is in the answer, this once.
#[utoipa::path(
    post, path = "/v1/applications", tag = "applications", params(IdempotencyParam), request_body = ApplicationCreate,
    responses((status = 201, description = "The application with its key", body = ApplicationCreated)),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn application_create(
    caller: As<Govern>,
    State(doors): State<Doors>,
    _: Query<NoQuery>,
    key: IdempotencyKey,
    Body(given): Body<ApplicationCreate>,
) -> Result<(StatusCode, Json<ApplicationCreated>), Refused> {
    let create = CreateApplication {
        name: given.name,
        agents: given.agents,
        register_new: given.register_new.unwrap_or_default(),
        key: convert::key_shape(given.dialect),
    };
    let made = doors
        .engine()
        .create_application(&caller.caller, create, key.get())
        .await?;
    Ok((StatusCode::CREATED, Json(created(made))))
}

/// Read an application
#[utoipa::path(
    get, path = "/v1/applications/{application}", tag = "applications",
    params(("application" = String, Path, description = "Name or `app_…`")),
    responses((status = 200, description = "The application", body = Application)),
    extensions(("x-signoff-operation" = json!(SeeWorkspace::NAME)))
)]
pub(crate) async fn application_view(
    caller: As<SeeWorkspace>,
    State(doors): State<Doors>,
    At(name): At<String>,
    _: Query<NoQuery>,
) -> Answer<Application> {
    Ok(Json(doors.engine().application(&caller.caller, &name)?.to_wire()))
}

/// Change an application
///
/// A disabled application's key opens nothing.
#[utoipa::path(
    patch, path = "/v1/applications/{application}", tag = "applications",
    params(("application" = String, Path, description = "Name or `app_…`")), request_body = ApplicationUpdate,
    responses((status = 200, description = "The application as it is now", body = Application)),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn application_update(
    caller: As<Govern>,
    State(doors): State<Doors>,
    At(name): At<String>,
    _: Query<NoQuery>,
    Body(given): Body<ApplicationUpdate>,
) -> Answer<Application> {
    let update = UpdateApplication {
        agents: given.agents,
        register_new: given.register_new,
        disabled: given.disabled,
    };
    Ok(Json(
        doors
            .engine()
            .update_application(&caller.caller, &name, update)
            .await?
            .to_wire(),
    ))
}

/// Give an application a new key
///
/// The old one stops working at once. The new one is in the answer, this once.
#[utoipa::path(
    post, path = "/v1/applications/{application}/rotate-key", tag = "applications",
    params(("application" = String, Path, description = "Name or `app_…`"), IdempotencyParam),
    request_body = Option<KeyRequest>,
    responses((status = 201, description = "The application with its new key", body = ApplicationCreated)),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn application_rotate_key(
    caller: As<Govern>,
    State(doors): State<Doors>,
    At(name): At<String>,
    _: Query<NoQuery>,
    key: IdempotencyKey,
    OptionalBody(given): OptionalBody<KeyRequest>,
) -> Result<(StatusCode, Json<ApplicationCreated>), Refused> {
    let made = doors
        .engine()
        .rotate_application_key(
            &caller.caller,
            &name,
            convert::key_shape(given.dialect),
            key.get(),
        )
        .await?;
    Ok((StatusCode::CREATED, Json(created(made))))
}

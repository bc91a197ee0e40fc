//! `/v1/agents`: the principals that ask.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use signoff_api::agent::{Agent, AgentCreate, AgentCreated, AgentUpdate};
use signoff_api::{KeyRequest, Page, PageQuery};
use signoff_engine::request::{CreateAgent, UpdateAgent};
use signoff_engine::view::{AgentView, Created};
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
        .routes(routes!(agent_list, agent_create))
        .routes(routes!(agent_view, agent_update))
        .routes(routes!(agent_create_key))
        .routes(routes!(agent_rotate_key))
}

fn created(created: Created<AgentView>) -> AgentCreated {
    AgentCreated {
        agent: created.made.to_wire(),
        api_key: convert::secret(created.secret),
    }
}

/// List agents
///
/// By name.
#[utoipa::path(
    get, path = "/v1/agents", tag = "agents", params(PageQuery),
    responses((status = 200, description = "One page", body = Page<Agent>)),
    extensions(("x-signoff-operation" = json!(SeeWorkspace::NAME)))
)]
pub(crate) async fn agent_list(
    caller: As<SeeWorkspace>,
    State(doors): State<Doors>,
    Query(query): Query<PageQuery>,
) -> Answer<Page<Agent>> {
    let listing = Listing::new(caller.caller.workspace, "agents", &());
    let beyond = listing.read(query.cursor.as_deref())?;
    let page = doors
        .engine()
        .agents(&caller.caller, beyond, limit(query.limit)?)?;
    Ok(Json(listing.page(page.items.to_wire(), page.next)))
}

/// Create an agent and its key
///
/// The key is in the answer, this once.
#[utoipa::path(
    post, path = "/v1/agents", tag = "agents", params(IdempotencyParam), request_body = AgentCreate,
    responses((status = 201, description = "The agent with its key", body = AgentCreated)),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn agent_create(
    caller: As<Govern>,
    State(doors): State<Doors>,
    _: Query<NoQuery>,
    key: IdempotencyKey,
    Body(given): Body<AgentCreate>,
) -> Result<(StatusCode, Json<AgentCreated>), Refused> {
    let create = CreateAgent {
        name: given.name,
        labels: given.labels.unwrap_or_default(),
        owner: given.owner,
        key: convert::key_shape(given.dialect),
    };
    let made = doors
        .engine()
        .create_agent(&caller.caller, create, key.get())
        .await?;
    Ok((StatusCode::CREATED, Json(created(made))))
}

/// Read an agent
#[utoipa::path(
    get, path = "/v1/agents/{agent}", tag = "agents",
    params(("agent" = String, Path, description = "Name or `agt_…`")),
    responses((status = 200, description = "The agent", body = Agent)),
    extensions(("x-signoff-operation" = json!(SeeWorkspace::NAME)))
)]
pub(crate) async fn agent_view(
    caller: As<SeeWorkspace>,
    State(doors): State<Doors>,
    At(name): At<String>,
    _: Query<NoQuery>,
) -> Answer<Agent> {
    Ok(Json(doors.engine().agent(&caller.caller, &name)?.to_wire()))
}

/// Change an agent
///
/// A disabled agent's key opens nothing, and what it has pending is withdrawn.
#[utoipa::path(
    patch, path = "/v1/agents/{agent}", tag = "agents",
    params(("agent" = String, Path, description = "Name or `agt_…`")), request_body = AgentUpdate,
    responses((status = 200, description = "The agent as it is now", body = Agent)),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn agent_update(
    caller: As<Govern>,
    State(doors): State<Doors>,
    At(name): At<String>,
    _: Query<NoQuery>,
    Body(given): Body<AgentUpdate>,
) -> Answer<Agent> {
    let update = UpdateAgent {
        labels: given.labels,
        owner: given.owner,
        disabled: given.disabled,
    };
    Ok(Json(
        doors
            .engine()
            .update_agent(&caller.caller, &name, update)
            .await?
            .to_wire(),
    ))
}

/// Give an agent a further key
///
/// The others go on working, until `rotate-key` takes them all away. The new one is in the answer, this once.
#[utoipa::path(
    post, path = "/v1/agents/{agent}/keys", tag = "agents",
    params(("agent" = String, Path, description = "Name or `agt_…`"), IdempotencyParam),
    request_body = Option<KeyRequest>,
    responses((status = 201, description = "The agent with its further key", body = AgentCreated)),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn agent_create_key(
    caller: As<Govern>,
    State(doors): State<Doors>,
    At(name): At<String>,
    _: Query<NoQuery>,
    key: IdempotencyKey,
    OptionalBody(given): OptionalBody<KeyRequest>,
) -> Result<(StatusCode, Json<AgentCreated>), Refused> {
    let (engine, shape) = (doors.engine(), convert::key_shape(given.dialect));
    let secret = engine
        .create_agent_key(&caller.caller, &name, shape, key.get())
        .await?
        .secret;
    let made = engine.agent(&caller.caller, &name)?;
    Ok((StatusCode::CREATED, Json(created(Created { made, secret }))))
}

/// Give an agent a new key
///
/// The old ones stop working at once. The new one is in the answer, this once.
#[utoipa::path(
    post, path = "/v1/agents/{agent}/rotate-key", tag = "agents",
    params(("agent" = String, Path, description = "Name or `agt_…`"), IdempotencyParam),
    request_body = Option<KeyRequest>,
    responses((status = 201, description = "The agent with its new key", body = AgentCreated)),
    extensions(("x-signoff-operation" = json!(Govern::NAME)))
)]
pub(crate) async fn agent_rotate_key(
    caller: As<Govern>,
    State(doors): State<Doors>,
    At(name): At<String>,
    _: Query<NoQuery>,
    key: IdempotencyKey,
    OptionalBody(given): OptionalBody<KeyRequest>,
) -> Result<(StatusCode, Json<AgentCreated>), Refused> {
    let made = doors
        .engine()
        .rotate_agent_key(
            &caller.caller,
            &name,
            convert::key_shape(given.dialect),
            key.get(),
        )
        .await?;
    Ok((StatusCode::CREATED, Json(created(made))))
}

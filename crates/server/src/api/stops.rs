//! `/v1/stops`: the kill switch.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use signoff_api::stop::{Stop as StopBody, StopCreate, StopLift, Stopped, Stops};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::{Body, OptionalBody};
use super::convert::{self, ToWire};
use super::idempotency::{IdempotencyKey, IdempotencyParam};
use super::path::At;
use super::principal::{As, LiftStop, SeeWorkspace, Stop};
use super::query::{NoQuery, Query};
use super::{Answer, Refused};
use crate::Doors;

pub(crate) fn router() -> OpenApiRouter<Doors> {
    OpenApiRouter::new()
        .routes(routes!(stop_list, stop_create))
        .routes(routes!(stop_lift))
}

/// List stops in force
#[utoipa::path(
    get, path = "/v1/stops", tag = "stops",
    responses((status = 200, description = "What is stopped", body = Stops)),
    extensions(("x-signoff-operation" = json!(SeeWorkspace::NAME)))
)]
pub(crate) async fn stop_list(
    caller: As<SeeWorkspace>,
    State(doors): State<Doors>,
    _: Query<NoQuery>,
) -> Answer<Stops> {
    let stops = doors.engine().stops(&caller.caller).await?;
    Ok(Json(Stops {
        items: stops.to_wire(),
    }))
}

/// Stop an agent, a grant, or everything
///
/// From the answer on nothing that is covered is allowed, approved or taken, on any node, whatever policy says. What is
/// pending is denied and permissions that nobody took are taken back, within two seconds; what agents have taken is in
/// their hands and can't be recalled. Where it is stopped already, that stop is the answer. Only an admin lifts it.
#[utoipa::path(
    post, path = "/v1/stops", tag = "stops", params(IdempotencyParam), request_body = StopCreate,
    responses(
        (status = 201, description = "It is stopped, and what that met", body = Stopped),
        (status = 200, description = "It was stopped already", body = Stopped)
    ),
    extensions(("x-signoff-operation" = json!(Stop::NAME)))
)]
pub(crate) async fn stop_create(
    caller: As<Stop>,
    State(doors): State<Doors>,
    _: Query<NoQuery>,
    key: IdempotencyKey,
    Body(given): Body<StopCreate>,
) -> Result<(StatusCode, Json<Stopped>), Refused> {
    convert::check_reason(given.reason.as_deref())?;
    let (target, reason) = (given.target.as_str(), given.reason.as_deref());
    let engine = doors.engine();
    let stopped = engine
        .pull_stop(&caller.caller, target, reason, key.get())
        .await?;
    let status = if stopped.is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(stopped.to_wire())))
}

/// Lift a stop
///
/// Policy answers again, for new actions. What was on its way when it was stopped has come to its end and stays there.
#[utoipa::path(
    post, path = "/v1/stops/{target}/lift", tag = "stops",
    params(("target" = String, Path, description = "`workspace`, an agent's name or `agt_…`, or `grant:` and a grant's name, or `grt_…`"), IdempotencyParam),
    request_body = StopLift,
    responses((status = 200, description = "The stop that was lifted", body = StopBody)),
    extensions(("x-signoff-operation" = json!(LiftStop::NAME)))
)]
pub(crate) async fn stop_lift(
    caller: As<LiftStop>,
    State(doors): State<Doors>,
    At(target): At<String>,
    _: Query<NoQuery>,
    key: IdempotencyKey,
    OptionalBody(given): OptionalBody<StopLift>,
) -> Answer<StopBody> {
    convert::check_reason(given.reason.as_deref())?;
    let (engine, reason) = (doors.engine(), given.reason.as_deref());
    let lifted = engine.lift_stop(&caller.caller, &target, reason, key.get());
    Ok(Json(lifted.await?.to_wire()))
}

//! `/v1/policies/simulate`: a set that is not in force, tried on what was asked before.

use axum::Json;
use axum::extract::State;
use signoff_api::limits::POLICY_SET_BYTES_MAX;
use signoff_api::simulation::{PolicySimulate, Simulation};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Answer;
use super::body::Body;
use super::convert::{self, ToWire};
use super::principal::{As, SeeWorkspace};
use super::query::{NoQuery, Query};
use crate::Doors;

pub(crate) fn router() -> OpenApiRouter<Doors> {
    OpenApiRouter::new().routes(routes!(policy_simulate))
}

/// Simulate a policy set
///
/// Judges recorded actions by this set and by the one in force, each at the time when it was asked for, and lists where
/// they differ: first of all what a reviewer denied and this set would let through. Agents are taken as they are today,
/// stops are left aside, and what was erased is counted and not guessed. Nothing is stored. Newest first, up to 50,000
/// actions or 20 seconds; the answer says where it stopped. One simulation runs at a time: others get `busy`. The body may
/// have up to 16 MiB.
#[utoipa::path(
    post, path = "/v1/policies/simulate", tag = "policies", request_body = PolicySimulate,
    responses((status = 200, description = "What would change", body = Simulation)),
    extensions(("x-signoff-operation" = json!(SeeWorkspace::NAME)))
)]
pub(crate) async fn policy_simulate(
    caller: As<SeeWorkspace>,
    State(doors): State<Doors>,
    _: Query<NoQuery>,
    Body(set): Body<PolicySimulate, POLICY_SET_BYTES_MAX>,
) -> Answer<Simulation> {
    let engine = doors.engine();
    let simulate = convert::simulate(set, engine.now())?;
    Ok(Json(engine.simulate(&caller.caller, simulate).await?.to_wire()))
}

//! AgentLattice's client: actions under policy, an approval that is polled, what an agent may know of itself, a part of its
//! work handed on, and a live feed.

mod act;
mod audit;
mod delegate;
mod fault;
mod poll;
mod realtime;
mod register;
mod whoami;

use axum::Router;
use axum::routing::{delete, get, post};

use super::vendor;
use crate::Doors;
use fault::Fault;

/// The routes below `/dialects/agentlattice`.
pub(super) fn router() -> Router<Doors> {
    let routes = Router::new()
        .route("/api/v1/actions", post(act::execute))
        .route("/api/approvals/{id}/status", get(poll::status))
        .route("/api/v1/policies/check", get(act::check))
        .route("/api/v1/policies", get(whoami::policies))
        .route("/api/v1/whoami", get(whoami::whoami))
        .route("/api/v1/posture", get(whoami::posture))
        .route("/api/v1/audit", get(audit::list))
        .route("/api/v1/audit/verify", get(audit::verify))
        .route("/api/v1/report", post(audit::report))
        .route("/api/v1/delegate", post(delegate::create))
        .route("/api/v1/delegate/{id}", delete(delegate::end))
        .route("/api/v1/delegations", get(delegate::list))
        .route("/api/v1/delegations/revoke", post(delegate::revoke))
        .route("/api/agents/register", post(register::register))
        .route("/realtime/v1", get(realtime::connect));
    vendor::bounded::<Fault>(routes)
}

//! AgentWarden's client: a check before an action, a log entry after it.

mod check;
mod fault;

use axum::Router;
use axum::routing::post;

use super::vendor;
use crate::Doors;
use fault::Fault;

/// The routes below `/dialects/agentwarden`.
pub(super) fn router() -> Router<Doors> {
    let routes = Router::new().route("/sdk/check", post(check::check));
    vendor::bounded::<Fault>(routes)
}

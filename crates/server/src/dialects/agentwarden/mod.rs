//! AgentWarden's client: a check before an action, a log entry after it. It knows a request by nothing but what it asked
//! for, so an identical check is the same request until that is over.

mod approvals;
mod check;
mod fault;
mod log;
mod permissions;

use axum::Router;
use axum::routing::{get, post};
use serde_json::{Map, Value};
use signoff_core::action::Action;
use signoff_engine::request::Submit;

use super::vendor;
use crate::Doors;
use fault::Fault;

/// The routes below `/dialects/agentwarden`.
pub(super) fn router() -> Router<Doors> {
    let routes = Router::new()
        .route("/sdk/check", post(check::check))
        .route("/sdk/log", post(log::log))
        .route("/sdk/approvals/{id}", get(approvals::status))
        .route("/api/agents/{agent}/permissions", post(permissions::set));
    vendor::bounded::<Fault>(routes)
}

/// What a check asks for. No context and an empty one are the same.
fn asked(agent: &str, action: &str, context: Option<Map<String, Value>>) -> Submit {
    Submit {
        agent: Some(agent.to_owned()),
        ..Submit::of(Action {
            context: context.unwrap_or_default(),
            ..Action::named(action)
        })
    }
}

//! AgentSentinel's client: approvals that it polls, policies that it fetches and enforces itself, a ledger of what it did.

mod approvals;
mod control;
mod fault;
mod ledger;
mod policies;
mod request;
mod stats;

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::{any, get, post};
use signoff_api::Code;
use signoff_core::actor::Principal;
use signoff_engine::Engine;
use signoff_engine::view::Caller;

use super::vendor;
use crate::Doors;
use crate::api::Refused;
use fault::Fault;

/// Names the agent where a body does not.
const AGENT_HEADER: &str = "x-sentinel-agent-id";

/// The routes below `/dialects/agentsentinel`.
pub(super) fn router() -> Router<Doors> {
    let served = Router::new()
        .route("/approvals", post(approvals::submit))
        .route("/approvals/check", post(approvals::check))
        .route("/approvals/stats", get(stats::stats))
        .route("/approvals/{id}/poll", get(approvals::poll))
        .route("/approvals/{id}/cancel", post(approvals::cancel))
        .route("/approvals/{id}/respond", post(approvals::respond))
        .route("/policies/sync", get(policies::sync))
        .route("/kill-switch/check", get(control::kill_switch))
        .route("/ingest", post(ledger::ingest))
        // The client follows no redirect: both ways of writing it are one.
        .route("/interventions", post(ledger::intervention))
        .route("/interventions/", post(ledger::intervention))
        .route("/replay/{run}/results", post(ledger::replayed));
    let lacking = [
        (
            "/budgets/reserve",
            "Signoff keeps no budgets; a policy with `cost_over` or `history` limits what is spent",
        ),
        (
            "/actions/register",
            "Signoff keeps no catalogue of tools; its policies name actions",
        ),
        (
            "/replay/{run}/bundle",
            "Signoff does not record runs for replay; the client keeps them in its own files",
        ),
        (
            "/mcp/{*rest}",
            "this facade is not served; Signoff's own API and console do what it did",
        ),
    ];
    let api = lacking.into_iter().fold(served, |routes, (path, why)| {
        routes.route(path, any(move || async move { lacks(why) }))
    });
    let why = "Signoff's MCP server is another one; see its documents";
    let routes = Router::new()
        .nest("/api/v1", api)
        .route("/mcp", any(move || async move { lacks(why) }));
    vendor::bounded::<Fault>(routes)
}

/// What Signoff deliberately does not have.
fn lacks(why: &str) -> Fault {
    Fault::not_served(why)
}

/// The agent that a request is for: whom it names, else whom its header names; else an application's request is for the agent
/// of the application's own name. An agent's own key speaks for itself.
fn agent(
    engine: &Engine,
    caller: &Caller,
    headers: &HeaderMap,
    named: Option<String>,
) -> Result<Option<String>, Fault> {
    let named = named.filter(|name| !name.is_empty());
    let header = || headers.get(AGENT_HEADER)?.to_str().ok().map(str::to_owned);
    if let Some(name) = named.or_else(header) {
        return Ok(Some(name));
    }
    match caller.principal {
        Principal::Application(_) => {
            let name = engine.me(caller)?.actor.name;
            let missing = || Refused::new(Code::InvalidRequest, "the request names no agent");
            name.map(Some).ok_or_else(|| missing().into())
        }
        _ => Ok(None),
    }
}

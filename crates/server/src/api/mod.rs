//! The native HTTP API. A file per resource; each handler names the authority it needs, calls the engine, answers.

mod actions;
mod agents;
mod applications;
mod approvals;
mod audit;
pub(crate) mod body;
mod channels;
mod contacts;
pub(crate) mod convert;
mod cursor;
mod document;
mod executions;
pub(crate) mod governed;
mod grants;
mod groups;
mod health;
pub(crate) mod idempotency;
pub(crate) mod metrics;
mod operators;
pub(crate) mod path;
mod policies;
mod policy_sets;
pub(crate) mod principal;
mod problem;
mod proxy;
pub(crate) mod query;
mod reference;
mod reverse;
pub(crate) mod shape;
mod simulation;
mod slack;
mod standing;
mod stops;
mod stream;
mod strict;
mod webhooks;
mod workspace;

use axum::{Json, Router};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

pub(crate) use problem::Refused;
pub(crate) use reverse::no_answer;

use crate::Doors;

/// What a handler answers.
type Answer<T> = Result<Json<T>, Refused>;

/// The routes of the API and their description.
fn described() -> (Router<Doors>, OpenApi) {
    let (router, mut document) = OpenApiRouter::with_openapi(document::head())
        .merge(actions::router())
        .merge(proxy::router())
        .merge(reverse::router())
        .merge(executions::router())
        .merge(approvals::router())
        .merge(standing::router())
        .merge(stops::router())
        .merge(policies::router())
        .merge(simulation::router())
        .merge(policy_sets::router())
        .merge(agents::router())
        .merge(applications::router())
        .merge(grants::router())
        .merge(operators::router())
        .merge(slack::router())
        .merge(groups::router())
        .merge(channels::router())
        .merge(contacts::router())
        .merge(webhooks::router())
        .merge(audit::router())
        .merge(stream::router())
        .merge(workspace::router())
        .merge(health::router())
        .merge(metrics::router())
        .merge(reference::router())
        .split_for_parts();
    document::complete(&mut document);
    (router, document)
}

/// The routes of the API.
pub(crate) fn router() -> Router<Doors> {
    described().0
}

/// The OpenAPI 3.1 document of the API, as `spec/openapi.json` holds it.
pub fn openapi() -> OpenApi {
    described().1
}

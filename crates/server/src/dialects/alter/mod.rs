//! Alter's client: calls through grants, the approvals they wait for, and the agents and keys behind them.

mod agents;
mod answer;
mod approvals;
mod catalog;
mod constraints;
mod fault;
mod grants;
mod ids;
mod keys;
mod nonces;
mod proxy;
mod query;
mod signature;
mod signed;
mod standing;
mod token;
mod who;

use std::sync::Arc;

use axum::http::StatusCode;
use axum::routing::{delete, get, patch, post};
use axum::{Extension, Router};

use crate::Doors;
use fault::Fault;
use nonces::Nonces;

/// The routes below `/dialects/alter`.
pub(super) fn router() -> Router<Doors> {
    Router::new()
        .route("/sdk/proxy", post(proxy::proxy))
        .route("/sdk/approvals/{id}", get(approvals::status))
        .route("/sdk/approvals/{id}/result", get(approvals::result))
        .route("/sdk/token", post(token::token))
        .route("/sdk/grants/list", post(grants::list))
        .route("/sdk/agents/me", get(agents::me))
        .route("/sdk/agents", post(agents::create).get(agents::list))
        .route(
            "/sdk/agents/{id}",
            get(agents::view).patch(agents::update).delete(agents::retire),
        )
        .route("/sdk/agents/{id}/keys", post(keys::mint).get(keys::list))
        .route("/sdk/agents/{id}/keys/{key}", delete(keys::revoke))
        .route("/sdk/agents/{id}/keys/{key}/{change}", patch(not_supported))
        .route("/sdk/scopes", get(catalog::scopes))
        .route("/sdk/spans", post(catalog::spans))
        .route("/sdk/oauth/audit/api-call", post(catalog::api_call))
        .fallback(not_supported)
        .method_not_allowed_fallback(not_supported)
        .layer(Extension(Arc::new(Nonces::default())))
}

/// What Alter has and Signoff deliberately has not. Its client takes a 404 for a grant that is missing.
async fn not_supported() -> Fault {
    Fault::new(
        StatusCode::NOT_IMPLEMENTED,
        "not_supported",
        "Signoff does not have this; what it has stands in docs/migrate/alter.md",
    )
}

//! Dialects: the wire formats of other products' published clients, so that these run against Signoff unmodified.
//!
//! A dialect only translates: a request into a command of the engine, what the engine answers into the vendor's words.
//! It keeps nothing, judges nothing and waits for nothing that the native API could not wait for. Each is a module of
//! its own under `/dialects/NAME`; what maps to what, and what differs, stands in `docs/migrate/NAME.md`.

mod agentlattice;
mod agentsentinel;
mod agentwarden;
mod alter;
mod humanlayer;
mod permission;
mod vendor;

use axum::Router;

use crate::Doors;

/// The routes of all dialects.
pub(crate) fn router() -> Router<Doors> {
    Router::new()
        .nest("/dialects/agentlattice", agentlattice::router())
        .nest("/dialects/agentsentinel", agentsentinel::router())
        .nest("/dialects/alter", alter::router())
        .nest("/dialects/agentwarden", agentwarden::router())
        .nest("/dialects/humanlayer", humanlayer::router())
}

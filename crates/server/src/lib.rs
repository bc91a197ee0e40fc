//! Signoff's doors: the HTTP API, the console and the dialects. They convert between the wire and the engine, and decide nothing.

pub mod api;
pub mod console;
mod dialects;
mod doors;
mod layers;
pub mod offline;
mod slack;
pub mod written;

pub use doors::Doors;

/// Every door on one router, ready to be served.
pub fn router(doors: Doors) -> axum::Router {
    let routes = api::router()
        .merge(console::router())
        .merge(dialects::router())
        .merge(slack::router());
    layers::wrap(routes, doors)
}

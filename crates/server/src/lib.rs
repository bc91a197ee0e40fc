//! Signoff's doors: the HTTP API and the console. They convert between the wire and the engine, and decide nothing.

pub mod api;
pub mod console;
mod doors;
mod layers;
pub mod offline;
pub mod written;

pub use doors::Doors;

/// Every door on one router, ready to be served.
pub fn router(doors: Doors) -> axum::Router {
    layers::wrap(api::router().merge(console::router()), doors)
}

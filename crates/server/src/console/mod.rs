//! The console: server-rendered pages that work without a script and are safe whatever an agent writes.

pub mod assets;
pub mod body;
#[cfg(test)]
mod gallery;
pub mod inert;
pub mod lookalike;
mod routes;
pub mod shown;
pub mod tree;
pub mod url_shown;
pub mod view;

pub(crate) use routes::refused;
pub use routes::router;

//! The console: server-rendered pages that work without a script and are safe whatever an agent writes.

pub mod assets;
pub mod inert;
pub mod lookalike;
pub mod tree;
pub mod url_shown;
pub mod view;

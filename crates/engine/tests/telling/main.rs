//! Who is told, how often, in which order, and what happens when nobody listens.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod channels;
#[path = "../common/mod.rs"]
mod common;
mod failing;
mod routing;
mod told;

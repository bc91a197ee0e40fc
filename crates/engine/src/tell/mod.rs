//! Who is told what: from what stands in the outbox to messages that are sent.
//!
//! `route.rs` decides who is told, `plan.rs` reads what that takes and makes deliveries, `compose.rs` says what a message
//! says. Sending is the worker's (`workers/deliver.rs`).

mod compose;
mod plan;
mod route;

pub(crate) use plan::fan_out;
pub(crate) use route::{ends, is_told_of_everything, reach, ways};

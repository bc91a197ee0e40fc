//! Who is told what: from what stands in the outbox to messages that are sent.
//!
//! `route.rs` decides who is told, `plan.rs` reads what that takes and makes deliveries, `compose.rs` says what a message
//! says (`digest.rs` of several requests, `facts.rs` of what is asked). Sending is the worker's (`workers/deliver`);
//! `otherwise.rs` finds another way to a person where that fails.

mod compose;
mod digest;
mod facts;
mod otherwise;
mod plan;
mod route;

pub(crate) use compose::Gathered;
pub(crate) use plan::fan_out;
pub(crate) use route::{ends, is_told_of_everything, reach, ways};

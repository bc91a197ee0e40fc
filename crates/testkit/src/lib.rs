//! What tests of several rooms share: builders, a clock that tests turn, a store that goes with its test, an echo
//! upstream and a webhook receiver that remember what they were sent. For tests only; nothing here is in the binary.
//!
//! Which backend a test keeps its data on is read here and nowhere else: [`Backend::chosen`].
//!
//! Servers listen on 127.0.0.1, on a port that the system picks, and end when they are dropped. Whatever does not work
//! panics, because for a test that is the answer.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "for tests, which fail by panicking"
)]

mod action;
mod backdoor;
mod backend;
mod clock;
mod place;
mod policy;
mod recorder;
mod servers;
mod slack;
mod store;

pub use action::{ActionBuilder, action};
pub use backdoor::{Backdoor, Cell};
pub use backend::Backend;
pub use clock::FakeClock;
pub use place::Place;
pub use policy::{PolicyBuilder, policy};
pub use recorder::{Answer, Received, Recorder};
pub use servers::{EchoUpstream, WebhookReceiver};
pub use slack::FakeSlack;
pub use store::TemporaryStore;

//! The outbound call: the only room that builds an HTTP client, and the guard that keeps it away from
//! addresses nobody meant to reach.
//!
//! Absences that hold here: no redirect is followed, no proxy variable is read, no connection is kept for
//! a second call (each call resolves, vets and connects anew), no error carries a URL, a header or a body.

mod address;
mod client;
mod error;
mod guard;
mod message;
mod progress;
mod resolver;

pub use address::AddressClass;
pub use client::{Egress, EgressConfig};
pub use error::{EgressError, EgressSetupError, Refusal};
pub use guard::Guard;
pub use message::{BODY_KEPT_MAX, BodyEnd, OutboundRequest, OutboundResponse, TIMEOUT_MAX};

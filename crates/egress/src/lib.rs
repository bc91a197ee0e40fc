//! The outbound call: the only room that builds an HTTP client, and the guard that keeps it away from
//! addresses nobody meant to reach.
//!
//! A call may carry the credential of a grant ([`Credential`], [`Egress::bearer`]). It is put in behind all checks, and
//! taken out of everything that comes back ([`Answer`]), so that nobody above this room ever sees it in an answer.
//!
//! What is no HTTP (mail) connects through here as well ([`Egress::connect_tcp`]): same resolver, same guard, same trust.
//!
//! Absences that hold here: no redirect is followed, no proxy variable is read, no connection is kept for
//! a second call (each call resolves, vets and connects anew), no error carries a URL, a header or a body.

mod address;
mod answer;
mod client;
mod credential;
mod error;
mod failure;
mod guard;
mod mask;
mod message;
mod oauth;
mod progress;
mod resolver;
mod stream;
mod tokens;
mod unpack;

pub use address::AddressClass;
pub use answer::{Answer, AnswerBody, BodyFault};
pub use client::{Egress, EgressConfig};
pub use credential::{Credential, Injection};
pub use error::{EgressError, EgressSetupError, Refusal};
pub use guard::Guard;
pub use message::{BODY_KEPT_MAX, BodyEnd, OutboundCall, OutboundRequest, OutboundResponse, TIMEOUT_MAX};
pub use oauth::TokenError;
pub use tokens::Bearer;

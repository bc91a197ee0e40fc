//! Wire types and error codes of Signoff's native HTTP API, shared by the server and the Rust client.
//!
//! What is deliberately absent: rules, storage, HTTP. A type here is a promise to everyone who speaks JSON
//! with a server; the domain's own types live in `signoff-core` and are converted by hand.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod action;
pub mod agent;
pub mod application;
pub mod approval;
pub mod audit;
pub mod call;
pub mod cases;
pub mod channel;
pub mod common;
pub mod duration;
pub mod execution;
pub mod file;
pub mod grant;
pub mod group;
pub mod http;
pub mod limits;
pub mod lint;
pub mod operator;
pub mod page;
pub mod policy;
pub mod problem;
pub mod secret;
pub mod simulation;
pub mod stats;
pub mod status;
pub mod stop;
pub mod stream;
pub mod webhook;
pub mod workspace;

pub use common::{Actor, ActorKind, Decimal, NamedRef, Priority, Risk, Until, WaitQuery};
pub use duration::Duration;
pub use page::{Page, PageQuery};
pub use problem::{Code, FieldError, Problem};
pub use secret::{KeyDialect, KeyRequest, Secret};

/// Media type of every error body.
pub const PROBLEM_MEDIA_TYPE: &str = "application/problem+json";

/// Header that makes a repeated create answer what the first one answered.
pub const IDEMPOTENCY_KEY_HEADER: &str = "idempotency-key";

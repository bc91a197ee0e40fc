//! The Rust SDK of Signoff: typed calls of the native API, and waiting for a decision that outlives restarts.
//!
//! The caller installs a rustls provider first (`rustls::crypto::ring::default_provider().install_default()`).
//! What is deliberately absent: proxies, redirects and any decision of its own. A failure is never a yes.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod actions;
mod approvals;
mod audit;
mod calls;
mod channels;
mod error;
mod policies;
mod principals;
mod retry;
mod standing;
mod stops;
mod transport;
mod wait;

#[cfg(test)]
mod fake;

pub use actions::SubmitOptions;
pub use error::Error;
pub use retry::{Patience, is_passing, retry};
pub use signoff_api as api;
pub use transport::Client;
pub use wait::{Progress, WaitOptions, Waited};

/// Result of a call.
pub type Result<T> = std::result::Result<T, Error>;

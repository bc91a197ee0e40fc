//! Signoff's use cases and workers: submit, decide, wait, expire, deliver. The only room where store, notify and egress
//! meet.
//!
//! Everything that changes goes through one writer; everything that judges reads one immutable snapshot.

#[cfg(test)]
extern crate self as signoff_engine;

mod actions;
mod aftermath;
mod agent_keys;
mod agents;
mod applications;
mod approvals;
mod audit;
mod callback;
mod calls;
mod channels;
pub mod contact;
mod contacts;
mod content;
mod credential;
mod decide;
mod delegations;
mod engine;
mod erase;
pub mod error;
mod executions;
mod executions_list;
mod grants;
mod groups;
mod idempotency;
mod identity;
mod keys;
mod links;
mod operators;
mod own;
mod past;
mod policies;
pub mod request;
mod rotate;
mod seal;
mod sessions;
pub mod slack;
mod snapshot;
mod spoken_for;
mod standing;
mod stats;
mod stops;
mod submit;
mod tell;
mod tenant;
mod tokens;
mod turn;
mod verify;
pub mod view;
mod waiters;
mod workers;
mod workspace;
mod writer;

pub use agent_keys::AGENT_KEYS_MAX;
pub use calls::{BrokenOff, CALL_WAIT_MAX, Head, Tap};
pub use channels::{OLD_SECRET_LASTS, Tested};
pub use credential::{ADMIN_KEY_CHARS_MIN, KeyShape, PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN, mint_token};
pub use delegations::Delegate;
pub use engine::{Engine, EngineOptions};
pub use error::{EngineError, EngineResult};
pub use grants::check_grant;
pub use idempotency::KEY_CHARS_MAX;
pub use own::OwnFeed;
pub use policies::{SIMULATE_ACTIONS_MAX, SIMULATE_EXAMPLES_MAX, SIMULATE_SPAN_MAX, check_policies};
pub use rotate::{Rotated, rotate_master_key};
pub use submit::{NOTES_MAX, PENDING_PER_AGENT_MAX, explain};
pub use verify::verify_store;

/// Why an engine does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] signoff_store::StoreError),
    /// Not the key that the data was written with.
    #[error(
        "the master key is not the one that this data was written with; if it was rotated since, put the new one in its place"
    )]
    WrongMasterKey,
    /// An option that can't work.
    #[error("{0}")]
    InvalidOption(String),
    /// What is stored can't be used.
    #[error("{0}")]
    Damaged(String),
}

/// The key that a client gives with a request that must not happen twice.
pub type IdempotencyKey<'a> = Option<&'a str>;

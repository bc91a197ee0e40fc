//! Signoff's use cases and workers: submit, decide, wait, expire, deliver. The only room where store, notify and egress
//! meet.
//!
//! Everything that changes goes through one writer; everything that judges reads one immutable snapshot.

pub mod error;
mod interface;
pub mod request;
pub mod view;

use std::sync::Arc;

pub use error::{EngineError, EngineResult};
use secrecy::SecretString;
use signoff_egress::Egress;
use signoff_store::Store;

/// What an engine is made of.
pub struct EngineOptions {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// Wraps the keys of the workspaces; 32 bytes as 64 hexadecimal digits. A wrong one is refused.
    pub master_key: SecretString,
    /// The only way out.
    pub egress: Egress,
    /// Links are built from this, without a trailing slash; never from a Host header.
    pub public_url: String,
    /// Acts as an automation while set; 32 characters or more.
    pub admin_key: Option<SecretString>,
    /// Approve everything that asks, and mark every event.
    pub auto_approve: bool,
}

/// The running engine; cheap to clone.
#[derive(Clone)]
pub struct Engine {
    #[expect(dead_code, reason = "being written")]
    pub(crate) inner: Arc<()>,
}

/// Why an engine does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store failed.
    #[error("{0}")]
    Store(#[from] signoff_store::StoreError),
    /// Not the key that the data was written with.
    #[error("the master key is not the one that this data was written with")]
    WrongMasterKey,
    /// Keys of the wrong length.
    #[error("{0}")]
    InvalidOption(String),
    /// What is stored can't be used.
    #[error("{0}")]
    Damaged(String),
}

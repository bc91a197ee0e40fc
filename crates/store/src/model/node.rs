//! What several nodes on one store need of each other.

use signoff_core::{
    id::{RawId, WorkspaceId},
    record::Epochs,
    time::{Micros, Timestamp},
};

/// What a node asks for when it wants to be the only one at a piece of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Where.
    pub workspace: WorkspaceId,
    /// What is worked at: a channel's queue, an execution.
    pub subject: RawId,
    /// Who; new for each start of a process.
    pub holder: RawId,
    /// For how long.
    pub lasts: Micros,
}

/// A piece of work that is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Where.
    pub workspace: WorkspaceId,
    /// What is worked at.
    pub subject: RawId,
    /// Who.
    pub holder: RawId,
    /// The fencing number: higher than that of every earlier lease of the store.
    pub fence: u64,
    /// Until when, by the store's clock.
    pub until: Timestamp,
}

/// What a [`Listener`](crate::Listener) heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A log reached this sequence, with these epochs.
    Moved(WorkspaceId, u64, Epochs),
    /// The connection was lost and is back: anything may have been missed.
    Again,
}

/// How a store does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// How far this machine's clock is ahead of the store's; negative where it is behind.
    pub clock_skew: Micros,
    /// Up to which feature level records may be written.
    pub feature_level: u32,
}

//! Messages on their way to channels.

use signoff_core::{
    id::{ChannelId, WorkspaceId},
    time::Timestamp,
};

/// One channel that wants what is in the outbox.
#[derive(Debug, Clone)]
pub struct FanOut {
    /// Which.
    pub channel: ChannelId,
    /// Kinds it wants, each in full: patterns such as `approval.*` are resolved by whoever asks. None means all.
    pub kinds: Vec<String>,
}

/// One message to one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    /// Where.
    pub workspace: WorkspaceId,
    /// To whom.
    pub channel: ChannelId,
    /// About which record.
    pub seq: u64,
    /// Told as.
    pub kind: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// So far.
    pub attempts: u32,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When it is tried again.
    pub next_at: Option<Timestamp>,
    /// When it was delivered or given up.
    pub ended_at: Option<Timestamp>,
    /// The last answer.
    pub last_status: Option<u16>,
    /// What went wrong last, without internals.
    pub last_error: Option<String>,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// Will be tried.
    Waiting,
    /// Arrived.
    Delivered,
    /// Given up.
    Failed,
}

impl DeliveryState {
    /// As stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }

    /// Reads it back.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Waiting, Self::Delivered, Self::Failed]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

//! Messages on their way to channels.

use signoff_core::{
    id::{ActionId, ChannelId, OperatorId, WorkspaceId},
    time::Timestamp,
};

/// What became of turning outbox rows into deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FannedOut {
    /// They are deliveries now.
    Done,
    /// Another node took some of them first; nothing was changed.
    Elsewhere,
    /// The head's authority is not that of the snapshot by which it was decided who is told; nothing was changed.
    Moved,
}

/// One message by one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    /// Where.
    pub workspace: WorkspaceId,
    /// By which channel.
    pub channel: ChannelId,
    /// About which record.
    pub seq: u64,
    /// To which person; none: to the channel's own destination.
    pub recipient: Option<OperatorId>,
    /// Told as.
    pub kind: String,
    /// About which request. Messages about one go to one recipient in the order of their records.
    pub request: Option<ActionId>,
    /// Waits for nothing: neither gathered nor held back.
    pub urgent: bool,
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
    /// The record of the message that told it together with others.
    pub gathered_in: Option<u64>,
    /// What the message is called where it went, for messages that belong beside it.
    pub reference: Option<String>,
}

impl DeliveryRow {
    /// Whether both are about one request, by one channel to one addressee.
    pub fn is_beside(&self, other: &Self) -> bool {
        self.request.is_some()
            && (self.request, self.channel, self.recipient) == (other.request, other.channel, other.recipient)
    }

    /// Who it goes to.
    pub fn addressee(&self) -> Addressee {
        Addressee {
            workspace: self.workspace,
            channel: self.channel,
            recipient: self.recipient,
        }
    }

    /// One that is to be tried from a time on.
    pub fn new(
        (workspace, channel): (WorkspaceId, ChannelId),
        (seq, kind): (u64, &str),
        now: Timestamp,
        next_at: Timestamp,
    ) -> Self {
        Self {
            workspace,
            channel,
            seq,
            recipient: None,
            kind: kind.to_owned(),
            request: None,
            urgent: false,
            state: DeliveryState::Waiting,
            attempts: 0,
            created_at: now,
            next_at: Some(next_at),
            ended_at: None,
            last_status: None,
            last_error: None,
            gathered_in: None,
            reference: None,
        }
    }
}

/// Who a delivery goes to: a person, or the channel's own destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Addressee {
    /// Where.
    pub workspace: WorkspaceId,
    /// By which channel.
    pub channel: ChannelId,
    /// To which person.
    pub recipient: Option<OperatorId>,
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
    /// Not sent, because it was over before it could be told.
    Skipped,
}

impl DeliveryState {
    /// As stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    /// Reads it back.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Waiting, Self::Delivered, Self::Failed, Self::Skipped]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

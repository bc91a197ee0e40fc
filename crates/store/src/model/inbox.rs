//! What comes from outside and is handled later, and codes that link a person to who they are there.

use signoff_core::{
    id::{ChannelId, OperatorId, WorkspaceId},
    time::Timestamp,
};

/// Something that came from Slack.
#[derive(Clone, PartialEq, Eq)]
pub struct InboxRow {
    /// Where.
    pub workspace: WorkspaceId,
    /// The channel whose app it came from.
    pub channel: ChannelId,
    /// The same for the same thing, however often it comes.
    pub key: [u8; 32],
    /// Who its user was when it came, if anybody.
    pub operator: Option<OperatorId>,
    /// What it says, encrypted; empty where nothing of it is needed any more.
    pub body: Vec<u8>,
    /// When it came.
    pub received_at: Timestamp,
    /// Until when it is remembered.
    pub expires_at: Timestamp,
    /// When it was handled.
    pub handled_at: Option<Timestamp>,
}

impl std::fmt::Debug for InboxRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "InboxRow({}, {}, …)", self.channel, hex::encode(self.key))
    }
}

/// A one-time code, by its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkCodeRow {
    /// Where.
    pub workspace: WorkspaceId,
    /// Whom it stands for.
    pub operator: OperatorId,
    /// SHA-256 of the code.
    pub hash: [u8; 32],
    /// Until when it is good.
    pub expires_at: Timestamp,
}

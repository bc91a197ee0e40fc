//! What lives beside the log: secret bytes, what is personal, sessions; and all that snapshots are built from.

use std::collections::BTreeSet;

use signoff_core::{
    fold::Rows,
    id::{OperatorId, RawId, WorkspaceId},
    record::Head,
    time::Timestamp,
};

/// Which secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SecretKind {
    /// SHA-256 of a key or token.
    Key,
    /// An argon2 hash.
    Password,
    /// Encrypted address and signing secret of a channel.
    Channel,
    /// Encrypted value of a stored credential.
    Grant,
    /// How a person is reached, encrypted.
    Contact,
}

impl SecretKind {
    /// As stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Password => "password",
            Self::Channel => "channel",
            Self::Grant => "grant",
            Self::Contact => "contact",
        }
    }

    /// Reads it back.
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Key,
            Self::Password,
            Self::Channel,
            Self::Grant,
            Self::Contact,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == text)
    }
}

/// Secret bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretRow {
    /// Which.
    pub kind: SecretKind,
    /// Whose.
    pub id: RawId,
    /// Never printed.
    pub value: Vec<u8>,
}

impl std::fmt::Debug for SecretRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretRow({}, {}, …)", self.kind.as_str(), self.id)
    }
}

/// The key of a workspace, wrapped with another master key.
#[derive(Clone, PartialEq, Eq)]
pub struct Rewrapping {
    /// Whose.
    pub workspace: WorkspaceId,
    /// As it is stored.
    pub present: Vec<u8>,
    /// As it is to be stored.
    pub next: Vec<u8>,
}

impl Rewrapping {
    /// Whether so many workspaces are named, each of them once.
    pub(crate) fn name_each_once(all: &[Self], workspaces: usize) -> bool {
        let named: BTreeSet<_> = all.iter().map(|one| one.workspace).collect();
        all.len() == workspaces && named.len() == workspaces
    }
}

impl std::fmt::Debug for Rewrapping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rewrapping({}, …)", self.workspace)
    }
}

/// What is personal about an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonRow {
    /// Who.
    pub id: OperatorId,
    /// As typed.
    pub name: String,
    /// As typed; unique without case.
    pub email: String,
}

/// A signed-in browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// SHA-256 of the cookie.
    pub hash: [u8; 32],
    /// Where.
    pub workspace: WorkspaceId,
    /// Who.
    pub operator: OperatorId,
    /// Since when.
    pub created_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Everything that snapshots are built from.
#[derive(Debug, Default)]
pub struct Authority {
    /// Where the log stood.
    pub head: Option<Head>,
    /// All folded rows but those of single requests: approvals, executions, what is counted.
    pub rows: Rows,
    /// Hashes of keys and passwords, encrypted channels and credentials.
    pub secrets: Vec<SecretRow>,
    /// What is personal.
    pub people: Vec<PersonRow>,
}

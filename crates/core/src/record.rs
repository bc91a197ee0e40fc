//! The log: canonical records, each bound to the one before by its hash.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    actor::Actor,
    event::{Event, PolicyVersion},
    id::{EventId, WorkspaceId},
    json,
    payload::{Hash32, PayloadName},
    time::Timestamp,
};

/// The largest record, in canonical bytes. What is larger is a payload.
pub const RECORD_BYTES_MAX: usize = 60 * 1024;

/// The version of a record's own form that this build writes and reads.
pub const RECORD_VERSION: u8 = 1;

/// Counters that move when what earlier judgements relied on changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Epochs {
    /// Policies and settings.
    pub policy: u64,
    /// Who is who and may do what.
    pub authority: u64,
    /// Kill switches.
    pub stop: u64,
}

/// One record. Its canonical JSON (RFC 8785) is what is stored and hashed. Absent, never null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Version of the record's own form: [`RECORD_VERSION`].
    pub v: u8,
    /// Whose log.
    pub workspace: WorkspaceId,
    /// From 1, without gaps.
    pub seq: u64,
    /// Of this event.
    pub id: EventId,
    /// Never before that of the record before.
    pub time: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
    /// Who did it.
    pub actor: Actor,
    /// What it happened to.
    pub subject: String,
    /// The policy that governed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyVersion>,
    /// As they stood when it was decided.
    pub epochs: Epochs,
    /// What belongs to the record and is kept beside it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub payloads: BTreeMap<PayloadName, Hash32>,
    /// `auto_approve` on a server that was started to approve everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Hash of the record before, or the genesis hash.
    pub prev: Hash32,
}

/// A record as stored: the canonical bytes and their hash.
#[derive(Debug, Clone, PartialEq)]
pub struct Sealed {
    /// The record.
    pub record: Record,
    /// Its canonical bytes.
    pub bytes: Vec<u8>,
    /// SHA-256 of the bytes.
    pub hash: Hash32,
}

/// Where a log stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Sequence of the last record, 0 for none.
    pub seq: u64,
    /// Its hash, or the genesis hash.
    pub hash: Hash32,
    /// Its time.
    pub time: Timestamp,
    /// As they stand.
    pub epochs: Epochs,
}

/// What comes before the first record of a workspace.
pub fn genesis(workspace: WorkspaceId) -> Hash32 {
    let mut hash = Sha256::new();
    hash.update(b"signoff.log.genesis.v1\0");
    hash.update(workspace.to_string().as_bytes());
    Hash32(hash.finalize().into())
}

impl Head {
    /// Of an empty log.
    pub fn empty(workspace: WorkspaceId) -> Self {
        Self {
            seq: 0,
            hash: genesis(workspace),
            time: Timestamp(0),
            epochs: Epochs::default(),
        }
    }

    /// Where the log stands after a record.
    #[must_use]
    pub fn after(&self, sealed: &Sealed) -> Self {
        let moves = sealed.record.event.moves();
        let mut epochs = self.epochs;
        epochs.policy += u64::from(moves.policy);
        epochs.authority += u64::from(moves.authority);
        epochs.stop += u64::from(moves.stop);
        Self {
            seq: sealed.record.seq,
            hash: sealed.hash,
            time: sealed.record.time,
            epochs,
        }
    }
}

/// Why a record can't be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Larger than [`RECORD_BYTES_MAX`].
    #[error("the record is {0} bytes large; the limit is {RECORD_BYTES_MAX}")]
    TooLarge(usize),
    /// Not JSON, which no value of this crate is.
    #[error("the record can't be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl Record {
    /// Writes the canonical bytes and hashes them.
    ///
    /// # Errors
    /// If the record is too large.
    pub fn seal(self) -> Result<Sealed, SealError> {
        let bytes = json::canonical(&self)?;
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(SealError::TooLarge(bytes.len()));
        }
        let hash = hash_of(&bytes);
        Ok(Sealed {
            record: self,
            bytes,
            hash,
        })
    }
}

/// The hash of a record's canonical bytes.
pub fn hash_of(bytes: &[u8]) -> Hash32 {
    Hash32(Sha256::digest(bytes).into())
}

/// What is wrong with a log, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record {seq}: {why}")]
pub struct ChainFault {
    /// Sequence that the record should have.
    pub seq: u64,
    /// What is wrong.
    pub why: String,
}

/// Checks records one after another, from the first.
#[derive(Debug, Clone)]
pub struct ChainVerifier {
    workspace: WorkspaceId,
    head: Head,
}

impl ChainVerifier {
    /// Starts before the first record.
    pub fn new(workspace: WorkspaceId) -> Self {
        Self {
            workspace,
            head: Head::empty(workspace),
        }
    }

    /// Starts after a cut: the first record must be the one after it.
    pub fn after(workspace: WorkspaceId, cut: Head) -> Self {
        Self { workspace, head: cut }
    }

    /// Where the checked part ends.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Checks the next record: its bytes, its hash as stored, its place in the chain.
    ///
    /// # Errors
    /// The first thing that is wrong with it. A verifier that found a fault must not be used further.
    pub fn next(&mut self, bytes: &[u8], stored_hash: Hash32) -> Result<Record, ChainFault> {
        let seq = self.head.seq + 1;
        let fault = |why: String| ChainFault { seq, why };
        let hash = hash_of(bytes);
        if hash != stored_hash {
            return Err(fault(format!(
                "its bytes hash to {hash}, but {stored_hash} is stored"
            )));
        }
        let record: Record =
            serde_json::from_slice(bytes).map_err(|error| fault(format!("can't be read: {error}")))?;
        let canonical = json::canonical(&record).map_err(|error| fault(error.to_string()))?;
        if canonical != bytes {
            return Err(fault("its bytes are not in canonical form".into()));
        }
        if record.v != RECORD_VERSION {
            return Err(fault(format!(
                "has the form of version {}, which is not known here",
                record.v
            )));
        }
        if record.seq != seq {
            return Err(fault(format!("says that it is record {}", record.seq)));
        }
        if record.workspace != self.workspace {
            return Err(fault("belongs to another workspace".into()));
        }
        if record.prev != self.head.hash {
            return Err(fault(
                "does not follow the record before it: the hash of that one differs".into(),
            ));
        }
        if record.time < self.head.time {
            return Err(fault("is dated before the record before it".into()));
        }
        if record.epochs != self.head.epochs {
            return Err(fault(
                "does not rest on the epochs of the record before it".into(),
            ));
        }
        let sealed = Sealed {
            record,
            bytes: Vec::new(),
            hash,
        };
        self.head = self.head.after(&sealed);
        Ok(sealed.record)
    }
}

//! What can happen to a log as a whole: it goes on in another place, or its beginning is cut off.

use serde::{Deserialize, Serialize};

use crate::{
    payload::Hash32,
    record::{Epochs, Head},
    time::Timestamp,
};

/// Why the log's epoch rose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EpochCause {
    /// The database is a restored copy, or another server was promoted in its place: what was acknowledged last may be
    /// missing here.
    Displaced,
    /// An admin said that this is so.
    Declared,
}

/// From here on what was approved before is held until a person releases it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRaised {
    /// From 1.
    pub epoch: u64,
    /// Why.
    pub cause: EpochCause,
}

/// The log's beginning was cut off. Fold and verification start from the state kept for the cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogCut {
    /// The last record that was cut off.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash32,
    /// Its time.
    pub time: Timestamp,
    /// As they stood after it.
    pub epochs: Epochs,
    /// SHA-256 of the folded state after it, without the requests that were over by then; the state itself is kept
    /// beside the log under the sequence.
    pub state: Hash32,
}

impl LogCut {
    /// Where the log stood after the last record that was cut off.
    pub fn head(&self) -> Head {
        Head {
            seq: self.seq,
            hash: self.hash,
            time: self.time,
            epochs: self.epochs,
        }
    }
}

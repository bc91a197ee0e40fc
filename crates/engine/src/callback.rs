//! A URL that a request names to be told what becomes of it. It may carry a credential, so it is kept like other payloads.

use serde::{Deserialize, Serialize};
use signoff_core::id::ChannelId;

/// As it is kept.
#[derive(Serialize, Deserialize)]
pub(crate) struct Callback {
    /// Where to.
    pub(crate) url: String,
    /// The channel whose list allows it, and that signs.
    pub(crate) channel: ChannelId,
}

//! The live feed: what happened, as it happens, over server-sent events.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Query of the feed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StreamQuery {
    /// Begin after this sequence; without it the feed begins now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
}

/// One message of the feed. It says that something happened; what it is now is read from the resource.
///
/// The message's `id` is the sequence (send it as `Last-Event-ID` to resume), its `event` the type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Notice {
    /// Place in the log.
    pub sequence: u64,
    /// `evt_…`.
    pub id: String,
    /// When, RFC 3339.
    pub at: String,
    /// What happened, such as `approval.ended.v1`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is about: an id such as `apr_…`.
    pub subject: String,
    /// Where the subject stands now, where it has a status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The agent it concerns, `agt_…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
}

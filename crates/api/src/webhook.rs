//! Webhooks: signed messages to the outside, and their deliveries.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::secret::Secret;

/// A channel that posts signed events to a URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Webhook {
    /// `chn_…`.
    pub id: String,
    /// Unique in the workspace, compared without case.
    pub name: String,
    /// Scheme, host and port it posts to; the rest of the URL may be a credential and is not shown again.
    pub origin: String,
    /// Event types it posts; empty means all of them.
    #[serde(default)]
    pub events: Vec<String>,
    /// `active` or `disabled`.
    pub status: crate::status::PrincipalStatus,
    /// When it was created, RFC 3339.
    pub created_at: String,
}

/// Creates a webhook.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookCreate {
    /// 1 to 200 printable ASCII characters without spaces.
    pub name: String,
    /// An http or https URL without credentials; private addresses only where configuration allows.
    #[schema(max_length = 2000)]
    pub url: String,
    /// Event types such as `approval.pending` or `approval.*`; none means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<String>>,
    /// The signing secret, `whsec_` and 24 to 64 bytes in base64; without one a new one is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
}

/// Changes a webhook; what is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookUpdate {
    /// An http or https URL without credentials; private addresses only where configuration allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2000)]
    pub url: Option<Secret>,
    /// All event types, in place of the present ones; an empty list means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<String>>,
    /// A signing secret, in place of the present one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// Only say what would change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
}

/// A changed webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookUpdated {
    /// Which of `url`, `events` and `secret` changed, or would change.
    pub changed: Vec<String>,
    /// The webhook.
    #[serde(flatten)]
    pub webhook: Webhook,
}

/// A new webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookCreated {
    /// The signing secret, shown this once (`whsec_…`); null when an idempotent call is repeated.
    #[schema(required)]
    pub secret: Option<Secret>,
    /// The webhook.
    #[serde(flatten)]
    pub webhook: Webhook,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// Not yet, or to be tried again.
    Pending,
    /// Received.
    Delivered,
    /// Given up.
    Failed,
    /// Not sent: it was over before it could be told.
    Skipped,
}

crate::common::level_text!(DeliveryStatus {
    Pending => "pending", Delivered => "delivered", Failed => "failed", Skipped => "skipped",
});

/// One message by one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Delivery {
    /// Stable id of the message, the same on every try.
    pub id: String,
    /// Sequence of the event in the log; names the delivery where it is to be sent again.
    pub seq: u64,
    /// Event type, such as `approval.pending`.
    pub event: String,
    /// What it is about, such as `apr_…`.
    pub subject: String,
    /// The person it was for; absent: the channel's own destination.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<crate::common::NamedRef>,
    /// Whether it was told in one message with others.
    pub together: bool,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// How often it was tried.
    pub attempts: u32,
    /// HTTP status of the last try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_status: Option<u16>,
    /// What went wrong on the last try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When it is tried next, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<String>,
    /// When it was delivered, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<String>,
    /// When it was written, RFC 3339.
    pub created_at: String,
}

//! How a channel reaches somebody: one kind for each wire format, with all that is secret about it. Serialised only to be
//! sealed; debug forms show the kind alone.

use serde::{Deserialize, Serialize};
use signoff_core::channel::ChannelKind;

use crate::sign::{SigningKey, WebhookSecret};

/// A channel's way out.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Transport {
    /// See [`ChannelKind::Webhook`].
    Webhook(Webhook),
    /// See [`ChannelKind::Callback`].
    Callback(Callback),
    /// See [`ChannelKind::Email`].
    Email(Email),
    /// See [`ChannelKind::Slack`].
    Slack(SlackApp),
    /// See [`ChannelKind::SlackWebhook`].
    SlackWebhook(Hook),
    /// See [`ChannelKind::Teams`].
    Teams(Hook),
    /// See [`ChannelKind::Pagerduty`].
    Pagerduty(PagerDuty),
    /// See [`ChannelKind::Sms`].
    Sms(Sms),
    /// See [`ChannelKind::Push`].
    Push(Push),
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Transport({}, …)", self.kind().as_str())
    }
}

impl Transport {
    /// What it is.
    pub const fn kind(&self) -> ChannelKind {
        match self {
            Self::Webhook(_) => ChannelKind::Webhook,
            Self::Callback(_) => ChannelKind::Callback,
            Self::Email(_) => ChannelKind::Email,
            Self::Slack(_) => ChannelKind::Slack,
            Self::SlackWebhook(_) => ChannelKind::SlackWebhook,
            Self::Teams(_) => ChannelKind::Teams,
            Self::Pagerduty(_) => ChannelKind::Pagerduty,
            Self::Sms(_) => ChannelKind::Sms,
            Self::Push(_) => ChannelKind::Push,
        }
    }
}

/// What a webhook's body looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Template {
    /// `{"type", "timestamp", "data"}`, as Standard Webhooks has it.
    #[default]
    Standard,
    /// `{"approval_id", "decision", "action", "context"}`, as AgentWarden documents it; decisions only.
    Agentwarden,
}

/// How messages to programs are signed. At least one of the two is there.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Signing {
    /// Written forms of `v1` secrets (`whsec_…`), the present one first; during a rotation two.
    pub secrets: Vec<String>,
    /// Until when (microseconds since 1970) every secret but the first signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_until: Option<i64>,
    /// The `v1a` key (`whsk_…`), for receivers that must not be able to sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key: Option<String>,
}

impl Signing {
    /// The `v1` secrets that sign at this time.
    pub fn live_secrets(&self, now_micros: i64) -> Vec<WebhookSecret> {
        let old_counts = self.old_until.is_none_or(|until| now_micros < until);
        let count = if old_counts { self.secrets.len() } else { 1 };
        let live = self.secrets.iter().take(count);
        live.filter_map(|text| WebhookSecret::parse(text).ok()).collect()
    }

    /// The key of `v1a`, where there is one.
    pub fn key(&self) -> Option<SigningKey> {
        self.private_key
            .as_deref()
            .and_then(|text| SigningKey::parse(text).ok())
    }
}

/// The public half (`whpk_…`) of the `v1a` key, for whoever verifies. No secret.
pub fn public_key(signing: &Signing) -> Option<String> {
    signing.key().map(|key| key.public_text())
}

/// A signed message to a program.
#[derive(Clone, Serialize, Deserialize)]
pub struct Webhook {
    /// Where to; may itself be a secret.
    pub url: String,
    /// How it is signed.
    pub signing: Signing,
    /// What it says.
    #[serde(default)]
    pub template: Template,
}

/// Signed messages to the URLs that requests name.
#[derive(Clone, Serialize, Deserialize)]
pub struct Callback {
    /// URLs that a request may name, each with everything below its path.
    pub allow: Vec<String>,
    /// How they are signed.
    pub signing: Signing,
    /// What they say.
    #[serde(default)]
    pub template: Template,
}

/// How a connection to a mail server is kept private.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmtpSecurity {
    /// Begins in the clear and must change to TLS before anything is said.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// In the clear; for a relay on the same machine.
    None,
}

/// Mail over SMTP.
#[derive(Clone, Serialize, Deserialize)]
pub struct Email {
    /// Name or address of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is kept private.
    #[serde(default)]
    pub security: SmtpSecurity,
    /// To sign in with, if the server wants it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// To sign in with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// The sender, `Signoff <signoff@example.com>` or the address alone.
    pub from: String,
    /// A shared mailbox that is told what the channel is told; people are written to at their own address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
}

/// A Slack app with a bot token.
#[derive(Clone, Serialize, Deserialize)]
pub struct SlackApp {
    /// `xoxb-…`.
    pub bot_token: String,
    /// What Slack signs interactions with.
    pub signing_secret: String,
    /// The Slack workspace, `T…`: interactions of others are refused.
    pub team: String,
    /// Where what the channel is told is posted, `C…`; none: only people are written to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// Where the API is; Slack's own unless said.
    #[serde(default = "slack_api")]
    pub api_url: String,
}

/// Slack's own API.
pub fn slack_api() -> String {
    "https://slack.com/api".into()
}

/// A URL that is posted to, and is itself the secret.
#[derive(Clone, Serialize, Deserialize)]
pub struct Hook {
    /// Where to.
    pub url: String,
}

/// PagerDuty Events API v2.
#[derive(Clone, Serialize, Deserialize)]
pub struct PagerDuty {
    /// The integration key of the service.
    pub routing_key: String,
    /// Where events are sent; PagerDuty's own unless said.
    #[serde(default = "pagerduty_url")]
    pub url: String,
}

/// PagerDuty's own address.
pub fn pagerduty_url() -> String {
    "https://events.pagerduty.com/v2/enqueue".into()
}

/// Text messages through Twilio's API or one of the same form.
#[derive(Clone, Serialize, Deserialize)]
pub struct Sms {
    /// `AC…`.
    pub account_sid: String,
    /// Its token.
    pub auth_token: String,
    /// The sending number, or a messaging service `MG…`.
    pub from: String,
    /// Numbers that are told what the channel is told; people are written to at their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// Where the API is; Twilio's own unless said.
    #[serde(default = "twilio_api")]
    pub api_url: String,
}

/// Twilio's own API.
pub fn twilio_api() -> String {
    "https://api.twilio.com".into()
}

/// Push messages by HTTP, as ntfy has them.
#[derive(Clone, Serialize, Deserialize)]
pub struct Push {
    /// The server, such as `https://ntfy.sh`.
    pub url: String,
    /// The topic that is told what the channel is told; people have their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// An access token, if the server wants one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

//! Channels: how people and programs are told; their deliveries; and how a person is reached.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::common::NamedRef;
use crate::duration::Duration;
use crate::secret::Secret;

/// What a channel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChannelKind {
    /// A signed message to a program, as Standard Webhooks has it.
    Webhook,
    /// The same to a URL that a request names (`callback_url`), within what the channel allows.
    Callback,
    /// Mail over SMTP.
    Email,
    /// A Slack app, with buttons.
    Slack,
    /// A Slack incoming webhook: tells only.
    SlackWebhook,
    /// A Microsoft Teams workflow webhook: tells only.
    Teams,
    /// PagerDuty Events API v2.
    Pagerduty,
    /// Text messages through Twilio's API or one of the same form.
    Sms,
    /// Push messages by HTTP, as ntfy has them.
    Push,
}

crate::common::level_text!(ChannelKind {
    Webhook => "webhook", Callback => "callback", Email => "email", Slack => "slack", SlackWebhook => "slack_webhook",
    Teams => "teams", Pagerduty => "pagerduty", Sms => "sms", Push => "push",
});

/// What a webhook's body looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Template {
    /// `{"type", "timestamp", "data"}`, as Standard Webhooks has it.
    Standard,
    /// `{"approval_id", "decision", "action", "context"}`, as AgentWarden documents it; ends only.
    Agentwarden,
}

/// How a connection to a mail server is kept private.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SmtpSecurity {
    /// Begins in the clear and must change to TLS before anything is said.
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// In the clear; for a relay on the same machine.
    None,
}

/// A signed message to a program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// An http or https URL without credentials; may itself be a secret and is not shown again. Required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Secret>,
    /// The signing secret, `whsec_` and 24 to 64 bytes in base64; without one a new one is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// Sign with an Ed25519 key as well (`v1a`), for receivers that must not be able to sign; the answer has its public key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asymmetric: Option<bool>,
    /// What the body looks like; `standard` unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Template>,
}

/// Signed messages to the URLs that requests name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CallbackSettings {
    /// URLs that a request may name, each with everything below its path. Required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<String>>,
    /// The signing secret, `whsec_` and 24 to 64 bytes in base64; without one a new one is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// Sign with an Ed25519 key as well (`v1a`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asymmetric: Option<bool>,
    /// What the body looks like; `standard` unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Template>,
}

/// Mail over SMTP.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailSettings {
    /// Name or address of the mail server. Required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Its port. Required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// How the connection is kept private; `starttls` unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<SmtpSecurity>,
    /// To sign in with, if the server wants it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// To sign in with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// The sender, `Signoff <signoff@example.com>` or the address alone. Required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// A shared mailbox that is told what the channel is told; people are written to at their own address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Vec<String>>,
}

/// A Slack app with a bot token.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SlackSettings {
    /// `xoxb-…`. Required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot_token: Option<Secret>,
    /// What Slack signs interactions with. Required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_secret: Option<Secret>,
    /// The Slack workspace, `T…`: interactions of others are refused. Required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Where what the channel is told is posted, `C…`; none: only people are written to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// Where the API is; Slack's own unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_url: Option<String>,
}

/// A URL that is posted to, and is itself the secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HookSettings {
    /// As Slack or Teams shows it. Required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Secret>,
}

/// PagerDuty Events API v2.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PagerdutySettings {
    /// The integration key of the service. Required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing_key: Option<Secret>,
    /// Where events are sent; PagerDuty's own unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// Text messages through Twilio's API or one of the same form.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SmsSettings {
    /// `AC…`. Required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_sid: Option<String>,
    /// Its token. Required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_token: Option<Secret>,
    /// The sending number, or a messaging service `MG…`. Required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Numbers that are told what the channel is told; people are written to at their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Vec<String>>,
    /// Where the API is; Twilio's own unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_url: Option<String>,
}

/// Push messages by HTTP, as ntfy has them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PushSettings {
    /// The server, such as `https://ntfy.sh`. Required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The topic that is told what the channel is told; people have their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<Secret>,
    /// An access token, if the server wants one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
}

/// The settings of one kind: exactly one of these.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// A webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookSettings>,
    /// Callbacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<CallbackSettings>,
    /// Mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<EmailSettings>,
    /// A Slack app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slack: Option<SlackSettings>,
    /// A Slack incoming webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slack_webhook: Option<HookSettings>,
    /// Microsoft Teams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teams: Option<HookSettings>,
    /// PagerDuty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pagerduty: Option<PagerdutySettings>,
    /// Text messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sms: Option<SmsSettings>,
    /// Push messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<PushSettings>,
}

/// A way to tell people or programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Channel {
    /// `chn_…`.
    pub id: String,
    /// Unique in the workspace, compared without case; policies name it as `channel:NAME`.
    pub name: String,
    /// What it is.
    pub kind: ChannelKind,
    /// Scheme, host and port of where it sends.
    pub origin: String,
    /// Its settings by name; of secrets only that they are set.
    #[schema(value_type = Object)]
    pub settings: serde_json::Value,
    /// Event types it is told; none: a program is told of all, people of what is asked and how it ended.
    #[serde(default)]
    pub events: Vec<String>,
    /// Told only of what a policy names it for, and of what goes to people whom it reaches.
    pub named_only: bool,
    /// The least time between two messages to one person or conversation, as text such as `1m`; what comes in between is
    /// gathered into one. What is critical does not wait. Programs are told of each event.
    #[schema(value_type = String)]
    pub window: Duration,
    /// `active` or `disabled`.
    pub status: crate::status::PrincipalStatus,
    /// Why Signoff switched it off: `gone` (the receiver wants no more) or `failing` (three days in vain).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switched_off: Option<String>,
    /// What receivers verify `v1a` signatures with (`whpk_…`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// Where Slack is to send what people press.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interactions_url: Option<String>,
    /// Where Slack is to send the command `/signoff`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commands_url: Option<String>,
    /// When it was created, RFC 3339.
    pub created_at: String,
}

/// Creates a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelCreate {
    /// 1 to 200 printable ASCII characters without spaces.
    pub name: String,
    /// What it is, with its settings.
    pub settings: Settings,
    /// Event types such as `approval.pending` or `approval.*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<String>>,
    /// Told only of what a policy names it for, and of what goes to people whom it reaches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named_only: Option<bool>,
    /// The least time between two messages to one person or conversation; a minute unless said, at most a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Duration>,
}

/// Changes a channel; what is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelUpdate {
    /// 1 to 200 printable ASCII characters without spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Settings of the channel's kind; what is left out stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Settings>,
    /// All event types, in place of the present ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<String>>,
    /// Told only of what a policy names it for, and of what goes to people whom it reaches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named_only: Option<bool>,
    /// The least time between two messages to one person or conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Duration>,
    /// Switched off, or on again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// Settings to take away, by name, such as `conversation`; `window` stands for the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clear: Option<Vec<String>>,
    /// Only say what would change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
}

/// A changed channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChannelUpdated {
    /// What changed, or would change, by name.
    pub changed: Vec<String>,
    /// The channel.
    #[serde(flatten)]
    pub channel: Channel,
}

/// A new channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChannelCreated {
    /// The signing secret of a webhook or callback, shown this once (`whsec_…`); null for other kinds, and when an
    /// idempotent call is repeated.
    #[schema(required)]
    pub secret: Option<Secret>,
    /// The channel.
    #[serde(flatten)]
    pub channel: Channel,
}

/// Puts a new signing secret in the place of the present one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretRotate {
    /// How long the old secret signs beside the new one; a day unless said, at most 30 days, `0s`: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_secret_lasts: Option<Duration>,
}

/// What came of a test message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChannelTested {
    /// Whether the receiver took it.
    pub delivered: bool,
    /// The receiver's status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What happened, and what to do.
    pub detail: String,
    /// To whom it went.
    pub to: String,
}

/// Messages that are sent again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Redelivered {
    /// How many messages: one for each recipient.
    pub messages: u64,
}

/// A part of each day in which only what is critical reaches somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    /// When it begins, `22:00`.
    pub from: String,
    /// When it ends, `07:00`; not after `from`: on the next day.
    pub to: String,
    /// Where they live, such as `Europe/Berlin`.
    pub time_zone: String,
}

/// A channel that can reach people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReachedBy {
    /// Which.
    pub channel: NamedRef,
    /// What it is.
    pub kind: ChannelKind,
    /// Whether it has an address of theirs.
    pub has_address: bool,
    /// Whether they are told by it.
    pub used: bool,
}

/// How a person is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Contact {
    /// `usr_…`.
    pub operator: String,
    /// The channels they chose; absent: the first of Slack, push, mail and text message that has an address of theirs, and
    /// every one of them for what is critical.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<Vec<NamedRef>>,
    /// Every channel that can reach people, and whether it reaches them.
    pub reached_by: Vec<ReachedBy>,
    /// For text messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Whether there is a topic for push messages; it is not shown, because whoever knows it can read it.
    pub has_push_topic: bool,
    /// When only what is critical reaches them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<QuietHours>,
    /// The least time between two messages, where they want another than the channel has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub window: Option<Duration>,
}

/// Changes how a person is reached; what is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactUpdate {
    /// The channels to be told by, by id or name; an empty list: by none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<Vec<String>>,
    /// For text messages, `+` and digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// For push messages: long and random, because whoever knows it can read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push_topic: Option<Secret>,
    /// When only what is critical reaches them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<QuietHours>,
    /// The least time between two messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Duration>,
    /// What to take away: any of `channels`, `phone`, `push_topic`, `quiet_hours`, `window`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clear: Option<Vec<String>>,
}

/// A changed contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContactUpdated {
    /// What changed, by name.
    pub changed: Vec<String>,
    /// How the person is reached now.
    #[serde(flatten)]
    pub contact: Contact,
}

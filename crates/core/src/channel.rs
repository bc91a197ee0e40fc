//! Kinds of channels: what each is for, and what it can and can't do.

use serde::{Deserialize, Serialize};

use crate::action::text_enum;

/// What a channel is. The word is the one of the API, the command line and the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelKind {
    /// A signed message to a program, as Standard Webhooks has it.
    #[default]
    Webhook,
    /// The same to a URL that a request names, within what the channel allows.
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

impl ChannelKind {
    /// Whether programs read it: each event is a message of its own, and nothing is gathered.
    pub const fn is_for_programs(self) -> bool {
        matches!(self, Self::Webhook | Self::Callback)
    }

    /// Whether it can reach a single person by an address of theirs.
    pub const fn reaches_people(self) -> bool {
        matches!(self, Self::Email | Self::Slack | Self::Sms | Self::Push)
    }

    /// Whether those who were asked are told there how it ended. A text message about what is over only costs.
    pub const fn tells_ends(self) -> bool {
        !matches!(self, Self::Sms | Self::Push)
    }
}

text_enum!(ChannelKind {
    Webhook => "webhook", Callback => "callback", Email => "email", Slack => "slack", SlackWebhook => "slack_webhook",
    Teams => "teams", Pagerduty => "pagerduty", Sms => "sms", Push => "push",
});

/// Why a channel was switched off by Signoff itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwitchedOff {
    /// The receiver said that it wants no more: 410, or a token that was revoked.
    Gone,
    /// A message was tried for three days in vain, and nothing else arrived in that time.
    Failing,
}

text_enum!(SwitchedOff { Gone => "gone", Failing => "failing" });

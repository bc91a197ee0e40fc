//! Channels: what people and programs are told, in which form, and whether it arrived.
//!
//! Absences that hold here: no clock but for how long an attempt may take, and no randomness (times and jitter come in as
//! arguments), no storage (what to tell, and when to try again, is the engine's), no HTTP client of its own.

mod check;
mod deliver;
mod email;
mod event_type;
mod inert;
mod message;
mod pagerduty;
mod push;
mod retry;
#[cfg(test)]
mod sample;
mod sign;
pub mod slack;
mod sms;
mod story;
mod teams;
mod told;
mod transport;
mod webhook;

pub use check::{CHANNEL_ADDRESSES_MAX, Fault};
pub use deliver::{DELIVERY_TIMEOUT, DeliveryOutcome, deliver};
pub use event_type::{EVENT_TYPES, is_subscribed, is_subscription};
pub use message::{
    Content, DIGEST_ITEMS_MAX, DIGEST_OVER_MAX, Destination, Digest, DigestItem, Message, Notice, Recipient,
};
pub use push::is_topic;
pub use retry::{ATTEMPTS_MAX, RETRY_AFTER_MAX, retry_delay};
pub use sign::{SecretError, Signed, SigningKey, WebhookSecret, new_private_key, sign};
pub use sms::is_number;
pub use told::{
    Fact, Shown, Told, ToldAgent, ToldApproval, ToldExecution, ToldPerson, ToldWorkspace, render,
};
pub use transport::{
    Callback, Email, Hook, PagerDuty, Push, Signing, SlackApp, Sms, SmtpSecurity, Template, Transport,
    Webhook, pagerduty_url, public_key, slack_api, twilio_api,
};
pub use webhook::tells;

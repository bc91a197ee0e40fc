//! Channels: what people and programs are told, in which form, and whether it arrived.
//!
//! Absences that hold here: no clock and no randomness (times and jitter come in as arguments), no storage
//! (what to tell, and when to try again, is the engine's), no HTTP client of its own.

mod deliver;
mod event_type;
mod retry;
mod sign;
mod told;

pub use deliver::{DELIVERY_TIMEOUT, DeliveryOutcome, Endpoint, deliver};
pub use event_type::{EVENT_TYPES, is_subscribed, is_subscription};
pub use retry::{ATTEMPTS_MAX, RETRY_AFTER_MAX, retry_delay};
pub use sign::{SecretError, Signed, WebhookSecret, sign};
pub use told::{Told, ToldAgent, ToldApproval, ToldPerson, ToldWorkspace, render};

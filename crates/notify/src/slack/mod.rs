//! Slack: an app whose messages have buttons, and incoming webhooks that only tell. What Slack sends back is verified and
//! read here too; what follows from it is the engine's.
//!
//! Other people's text stands in `plain_text` alone, where Slack knows no markup, mention or link.

mod api;
mod blocks;
mod inbound;
mod modal;
mod render;
mod reply;
mod send;
mod signature;

pub use api::SlackFault;
pub use inbound::{
    Command, INBOUND_BYTES_MAX, Inbound, Interaction, ParseFault, Presser, Step, WORDS_CHARS_MAX,
    parse_command, parse_interaction,
};
pub use modal::{Modal, WORDS_ID, open_modal};
pub use reply::{Place, Reply, respond};
pub(crate) use send::{send, send_to_hook};
pub use signature::{SIGNATURE_AGE_MAX, SignatureFault, Signed, verify};

/// What a button, or the form behind it, is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// Vote for it.
    Approve,
    /// Vote against it.
    Deny,
    /// Ask the agent.
    Ask,
}

impl Choice {
    const ALL: [Self; 3] = [Self::Approve, Self::Deny, Self::Ask];

    /// As buttons and forms are called.
    const fn id(self) -> &'static str {
        match self {
            Self::Approve => "signoff_approve",
            Self::Deny => "signoff_deny",
            Self::Ask => "signoff_ask",
        }
    }

    fn parse(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|choice| choice.id() == id)
    }
}

/// What the buttons that lead elsewhere are called: pressing them asks nothing of us.
const OPEN_ID: &str = "signoff_open";

/// Whether it is an id as Slack gives them to teams, users and conversations.
fn is_slack_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    (2..=32).contains(&text.len()) && text.bytes().all(plain)
}

/// Whether it is a message's id within its conversation.
fn is_message_id(text: &str) -> bool {
    let digits =
        |part: &str| (1..=20).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('.')
        .is_some_and(|(whole, part)| digits(whole) && digits(part))
}

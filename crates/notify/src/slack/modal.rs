//! The form behind a button that needs words.

use serde_json::{Value, json};
use signoff_core::{id::ApprovalId, payload::Hash32};
use signoff_egress::Egress;

use super::Choice;
use super::api::{SlackFault, call};
use super::blocks::{SECTION_BYTES_MAX, plain, section};
use super::inbound::{Kept, WORDS_CHARS_MAX};
use super::reply::Place;
use crate::inert;
use crate::transport::SlackApp;

/// What the only field of the form is called, as block and as input.
pub const WORDS_ID: &str = "signoff_words";

/// A form to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modal {
    /// What it is for.
    pub choice: Choice,
    /// About which approval.
    pub approval: ApprovalId,
    /// What was shown where the button was pressed.
    pub digest: Hash32,
    /// The digest of the message as Slack showed it.
    pub shown: Option<Hash32>,
    /// The sentence at its head; partly in the agent's words.
    pub summary: String,
    /// Where the button was pressed, for the answer.
    pub place: Place,
}

/// Opens a form for whoever pressed a button a moment ago: the trigger is good for three seconds.
///
/// # Errors
/// Why not, in words without token or URL.
pub async fn open_modal(
    egress: &Egress,
    app: &SlackApp,
    trigger: &str,
    modal: &Modal,
) -> Result<(), SlackFault> {
    let body = json!({"trigger_id": trigger, "view": view(modal)});
    call(egress, app, "views.open", &body).await?;
    Ok(())
}

fn view(modal: &Modal) -> Value {
    let (title, label, hint) = match modal.choice {
        Choice::Approve => (
            "Approve",
            "Reason",
            "The policy asks for one. It stands in the log.",
        ),
        Choice::Deny => ("Deny", "Reason", "The agent is told."),
        Choice::Ask => (
            "Ask a question",
            "Question",
            "The agent is asked; the deadline runs on.",
        ),
    };
    let kept = Kept {
        approval: modal.approval,
        digest: modal.digest,
        shown: modal.shown,
        place: modal.place.clone(),
    };
    json!({
        "type": "modal",
        "callback_id": modal.choice.id(),
        "private_metadata": kept.to_text(),
        "title": plain(title),
        "submit": plain(title),
        "close": plain("Cancel"),
        "blocks": [
            section(&inert::line(&modal.summary, SECTION_BYTES_MAX)),
            {
                "type": "input",
                "block_id": WORDS_ID,
                "label": plain(label),
                "hint": plain(hint),
                "element": {
                    "type": "plain_text_input", "action_id": WORDS_ID, "multiline": true, "min_length": 1,
                    "max_length": WORDS_CHARS_MAX, "focus_on_load": true
                }
            }
        ]
    })
}

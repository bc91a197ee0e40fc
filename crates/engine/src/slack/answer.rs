//! What a person at Slack is told about what they pressed or typed: what happened, and what to do next.

use signoff_core::{approval::Refusal, event::ApprovalStatus, id::ApprovalId, rows::ApprovalRow};
use signoff_notify::slack::{Choice, Reply};

use crate::{
    Engine, EngineError,
    view::{ActorView, ApprovalView},
};

pub(super) fn said(text: impl Into<String>) -> Reply {
    Reply {
        text: text.into(),
        url: None,
    }
}

fn about(engine: &Engine, approval: ApprovalId, text: impl Into<String>) -> Reply {
    Reply {
        text: text.into(),
        url: Some(engine.approval_url(approval)),
    }
}

/// How to be known.
pub(super) fn not_linked(engine: &Engine) -> Reply {
    Reply {
        text: "Signoff doesn't know who you are here, so nothing was decided. Make a code in Signoff (your name, then Slack) \
               and type it here: /signoff link CODE. Then press the button again."
            .into(),
        url: Some(format!("{}/account/slack", engine.public_url())),
    }
}

pub(super) fn of_elsewhere() -> Reply {
    said("Nothing was decided: only people of the Slack workspace that this app belongs to decide here.")
}

pub(super) fn rebound(engine: &Engine) -> Reply {
    Reply {
        text: "Nothing was decided: who you are in Signoff changed since you pressed. Look at /signoff whoami, then press \
               again."
            .into(),
        url: Some(engine.public_url().to_owned()),
    }
}

pub(super) fn too_late(engine: &Engine, approval: ApprovalId) -> Reply {
    about(
        engine,
        approval,
        "Signoff was away for too long after you pressed, so nothing was decided. Look at the request as it is now.",
    )
}

pub(super) fn form_too_late(engine: &Engine, approval: ApprovalId) -> Reply {
    about(
        engine,
        approval,
        "The form could not be opened in time. Press the button again, or decide in Signoff.",
    )
}

pub(super) fn too_risky(engine: &Engine, row: &ApprovalRow) -> Reply {
    let text = format!(
        "Nothing was decided: at risk {} this is too risky to decide here. Decide in Signoff.",
        row.risk
    );
    about(engine, row.id, text)
}

/// What a vote or a question came to.
pub(super) fn done(engine: &Engine, choice: Choice, view: &ApprovalView) -> Reply {
    let text = match (choice, view.row.status) {
        (Choice::Ask, _) => "The agent was asked. You are told when it answers.".to_owned(),
        (Choice::Approve, ApprovalStatus::Approved) => "You approved it.".to_owned(),
        (Choice::Deny, ApprovalStatus::Denied) => "You denied it.".to_owned(),
        (_, status) if status.is_terminal() => ended(status, view.decided_by.as_ref()),
        _ => "Your vote is counted; more people must decide.".to_owned(),
    };
    about(engine, view.row.id, text)
}

/// Why nothing was decided.
pub(super) fn refused(engine: &Engine, approval: ApprovalId, error: &EngineError) -> Reply {
    match error {
        EngineError::Ended { status, by, .. } => {
            let how = ended(*status, by.as_ref());
            about(engine, approval, format!("Nothing was changed. {how}"))
        }
        EngineError::NotFound { .. } => said("This request is not there any more; nothing was changed."),
        EngineError::Decision(Refusal::DigestMismatch) => about(
            engine,
            approval,
            "Nothing was decided: the request was changed after this message. Look at it as it is now.",
        ),
        EngineError::Decision(Refusal::SignInFirst) => about(
            engine,
            approval,
            "Nothing was decided: this is too risky to decide here. Decide in Signoff.",
        ),
        error => about(engine, approval, format!("Nothing was changed: {error}.")),
    }
}

fn ended(status: ApprovalStatus, by: Option<&ActorView>) -> String {
    match by.and_then(|by| by.name.as_deref()) {
        Some(name) => format!("It is {status} already, by {name}."),
        None => format!("It is {status} already."),
    }
}

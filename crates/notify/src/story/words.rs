//! One sentence for each thing that can have happened.

use crate::inert::line;
use crate::told::{Told, ToldExecution, ToldPerson};

/// What a message wants of its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// A decision.
    Asks,
    /// That they know; it goes on.
    News,
    /// That they know how it ended.
    Over,
}

/// What an event wants of its reader.
pub(crate) fn standing(told: &Told) -> Standing {
    let is_pending = told
        .approval
        .as_ref()
        .is_some_and(|approval| approval.status == "pending");
    match told.event_type.as_str() {
        "approval.decided" | "approval.expired" | "approval.cancelled" | "approval.superseded" => {
            Standing::Over
        }
        // It is the agent that is asked.
        "approval.info_requested" => Standing::News,
        other if is_pending && other.starts_with("approval.") => Standing::Asks,
        _ => Standing::News,
    }
}

/// What happened, in a few words.
pub(crate) fn headline(told: &Told) -> String {
    let approval = told.approval.as_ref();
    let decider = decider(approval.and_then(|approval| approval.decided_by.as_ref()));
    match told.event_type.as_str() {
        "approval.rejudged" => "Approval needed, now that policy changed".to_owned(),
        "approval.pending" | "approval.stage_opened" => {
            match approval.map(|approval| approval.priority.as_str()) {
                Some("critical") => "Critical approval needed".to_owned(),
                _ => "Approval needed".to_owned(),
            }
        }
        "approval.escalated" => "Nobody has decided yet".to_owned(),
        "approval.edited" => "An approver changed it".to_owned(),
        "approval.info_requested" => "A question was put to the agent".to_owned(),
        "approval.info_answered" => "The agent answered the question".to_owned(),
        "approval.decided" => match approval.map(|approval| approval.status.as_str()) {
            Some("denied") => format!("{decider} denied it"),
            Some("answered") => format!("{decider} answered it"),
            _ => format!("{decider} approved it"),
        },
        "approval.expired" => "Nobody decided in time, so it is refused".to_owned(),
        "approval.cancelled" => match approval.and_then(|approval| approval.decided_by.as_ref()) {
            Some(person) if person.kind == "agent" => "The agent withdrew it".to_owned(),
            _ => format!("{decider} cancelled it"),
        },
        "approval.superseded" => "The agent replaced it by a changed request".to_owned(),
        other => told
            .execution
            .as_ref()
            .map_or_else(|| line(other, 100), |execution| happened(other, execution)),
    }
}

fn happened(event_type: &str, execution: &ToldExecution) -> String {
    match (event_type, execution.state.as_str()) {
        ("execution.consumed", _) => "The agent is carrying it out".to_owned(),
        ("execution.reported", _) => match &execution.outcome {
            Some(outcome) => format!("The agent reported: {}", line(outcome, 100)),
            None => "The agent reported".to_owned(),
        },
        ("execution.finished", "executed") => "The call was made and answered".to_owned(),
        ("execution.finished", "failed") => "The call was not made".to_owned(),
        ("execution.finished", "indeterminate") => {
            "Nobody knows whether the call was made: somebody has to look and settle it".to_owned()
        }
        ("execution.settled", state) => format!("It was settled as {}", line(state, 100)),
        ("execution.lapsed", _) => "It was approved, but not carried out in time".to_owned(),
        ("execution.revoked", _) => "It was stopped before it was carried out".to_owned(),
        (other, _) => line(other, 100),
    }
}

/// Whoever ended it, as the subject of a sentence.
pub(super) fn decider(person: Option<&ToldPerson>) -> String {
    let Some(person) = person else {
        return "Signoff".to_owned();
    };
    match (&person.name, person.kind.as_str()) {
        (Some(name), _) if !name.trim().is_empty() => line(name, 120),
        (_, "operator") => "An approver".to_owned(),
        (_, "automation") => "An automation".to_owned(),
        (_, "agent") => "The agent".to_owned(),
        _ => "Signoff".to_owned(),
    }
}

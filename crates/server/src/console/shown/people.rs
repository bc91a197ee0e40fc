//! Who must decide, who may, and why not, in plain words.

use signoff_core::approval::Refusal;
use signoff_core::event::Ballot;
use signoff_core::requirement::{Approver, Role};
use signoff_engine::view::{self, ApprovalView};

use super::approval::votes;
use crate::console::inert::Inert;
use crate::console::view::approval::{May, Requirement};

/// Who must decide, and who has. `name_of` knows people by their id.
pub fn requirement(view: &ApprovalView, name_of: impl Fn(&str) -> Option<String>) -> Requirement {
    let needs = &view.row.requirement;
    let so_far = view
        .votes
        .iter()
        .filter(|vote| vote.counted && vote.ballot == Ballot::Approve)
        .count();
    let approvers = needs
        .approvers
        .iter()
        .map(|approver| Inert::all(&approver_text(approver, &name_of)))
        .collect();
    let mut rules = Vec::new();
    if needs.deny_quorum > 1 {
        rules.push(format!("{} denials end it.", needs.deny_quorum));
    } else if needs.quorum > 1 {
        rules.push("One denial ends it.".to_owned());
    }
    if needs.quorum > 1 {
        rules.push("Each person counts once; machines do not count.".to_owned());
    }
    if !needs.self_approval {
        rules.push("The agent’s owner, and the person it asks for, can’t approve.".to_owned());
    }
    if needs.require_decision_reason {
        rules.push("Every decision needs a reason.".to_owned());
    }
    Requirement {
        needed: u64::from(needs.quorum),
        so_far: so_far as u64,
        denials_needed: u64::from(needs.deny_quorum),
        approvers,
        rules,
        votes: votes(view),
    }
}

fn approver_text(approver: &Approver, name_of: &impl Fn(&str) -> Option<String>) -> String {
    match approver {
        Approver::Role(Role::Admin) => "admins".to_owned(),
        Approver::Role(Role::Member) => "members and admins".to_owned(),
        Approver::Role(Role::Viewer) => "everyone".to_owned(),
        Approver::Group(name) => format!("group {name}"),
        Approver::Operator(id) => name_of(&id.to_string()).unwrap_or_else(|| id.to_string()),
        Approver::Email(address) => address.clone(),
        Approver::AgentOwner => "the agent’s owner".to_owned(),
    }
}

/// What an operator may do here, and why not.
pub fn may(may: &view::May) -> May {
    May {
        approve: may.approve.is_ok(),
        deny: may.deny.is_ok(),
        ask: may.request_info.is_ok(),
        cancel: may.cancel,
        why_not: may.approve.as_ref().err().map(refused),
        why_not_ask: may.request_info.as_ref().err().map(refused).unwrap_or_default(),
    }
}

/// A refusal of the decision machine, said to the person who looks.
pub fn refused(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Ended(status) => format!("This request is already {status}."),
        Refusal::DeadlinePassed => "The time to decide has passed.".to_owned(),
        Refusal::NotDue => "The time has not come.".to_owned(),
        Refusal::DigestMismatch => "What would run is not what was shown. Look again.".to_owned(),
        Refusal::NotNamed => {
            "You are not among those who decide this; they stand under “Who decides”.".to_owned()
        }
        Refusal::SelfApproval => {
            "You own this agent, or it asks on your behalf, so you can’t approve it.".to_owned()
        }
        Refusal::AlreadyVoted => "You have voted. Others decide now.".to_owned(),
        Refusal::NotAPerson => "This needs several people, and a machine does not count.".to_owned(),
        Refusal::ReasonRequired => "A reason is needed.".to_owned(),
        Refusal::NotAskable => "This agent’s client can’t answer questions.".to_owned(),
        Refusal::AlreadyAsked => "A question waits for the agent’s answer.".to_owned(),
        Refusal::NothingAsked => "Nothing was asked.".to_owned(),
    }
}

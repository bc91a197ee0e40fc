//! Who must decide, who may, and why not, in plain words.

use signoff_core::approval::{Refusal, StageState};
use signoff_core::event::Ballot;
use signoff_core::requirement::{self, Approver, Role, Unusable};
use signoff_engine::view::{self, ApprovalView};

use super::approval::votes;
use super::{moment, who};
use crate::console::inert::Inert;
use crate::console::view::approval::{May, Requirement, Stage};

/// Who must decide, and who has. `name_of` knows people by their id.
pub fn requirement(view: &ApprovalView, name_of: impl Fn(&str) -> Option<String>) -> Requirement {
    let needs = &view.row.requirement;
    let votes = votes(view);
    let Some(turn) = needs.stages.get(view.row.open_stage()) else {
        return Requirement::default();
    };
    let is_staged = needs.is_staged();
    let so_far = view
        .votes
        .iter()
        .filter(|vote| vote.counted && vote.ballot == Ballot::Approve)
        .count();
    Requirement {
        needed: u64::from(turn.quorum),
        so_far: so_far as u64,
        denials_needed: u64::from(turn.deny_quorum),
        approvers: approvers(turn, &name_of),
        stages: if is_staged {
            stages(view, &name_of)
        } else {
            Vec::new()
        },
        rules: rules(needs, turn),
        edits: view
            .row
            .edits
            .iter()
            .zip(&view.editors)
            .map(|(edit, by)| (who(by), moment(edit.at, view.now)))
            .collect(),
        votes,
    }
}

fn approvers(stage: &requirement::Stage, name_of: &impl Fn(&str) -> Option<String>) -> Vec<Inert> {
    let approvers = stage.approvers.iter();
    approvers
        .map(|approver| Inert::all(&approver_text(approver, name_of)))
        .collect()
}

fn stages(view: &ApprovalView, name_of: &impl Fn(&str) -> Option<String>) -> Vec<Stage> {
    let name = |by: &view::ActorView| by.name.clone().or_else(|| by.id.clone()).unwrap_or_default();
    let names = |by: &[view::ActorView]| by.iter().map(|by| Inert::all(&name(by))).collect();
    let stages = view.stages.iter().map(|stage| {
        let (word, tone) = match stage.state {
            StageState::Done => ("done", "good"),
            StageState::Open => ("open now", "still"),
            StageState::Waiting => ("comes later", "still"),
            StageState::Closed => ("not completed", "bad"),
        };
        Stage {
            name: stage.stage.name.as_deref().map(Inert::all),
            number: stage.number,
            word,
            tone,
            is_open: stage.state == StageState::Open,
            needed: stage.stage.quorum,
            missing: stage.needed,
            approvers: approvers(&stage.stage, name_of),
            approved_by: names(&stage.approved_by),
            denied_by: names(&stage.denied_by),
        }
    });
    stages.collect()
}

/// What else holds, in plain words.
fn rules(needs: &requirement::Requirement, turn: &requirement::Stage) -> Vec<String> {
    let several = turn.quorum > 1 || needs.is_staged();
    let mut rules = Vec::new();
    if turn.deny_quorum > 1 {
        rules.push(format!("{} denials end it.", turn.deny_quorum));
    } else if several {
        rules.push("One denial ends it.".to_owned());
    }
    if needs.is_staged() {
        rules.push("Each person counts once over all stages; machines do not count.".to_owned());
    } else if several {
        rules.push("Each person counts once; machines do not count.".to_owned());
    }
    if !needs.self_approval {
        rules.push("The agent’s owner, and the person it asks for, can’t approve.".to_owned());
    }
    if needs.require_decision_reason {
        rules.push("Every decision needs a reason.".to_owned());
    }
    rules.extend(needs.unresolved.iter().map(unresolved));
    rules
}

/// An approver whom the request should have named. The path is the policy's own text.
fn unresolved(one: &requirement::Unresolved) -> String {
    let why = match one.why {
        Unusable::Missing => "is missing",
        Unusable::NotAnAddress => "is no e-mail address",
        Unusable::OtherDomain => "is of a domain that the policy does not allow",
        Unusable::Unknown => "belongs to no active operator",
    };
    let instead = if one.defaulted {
        ", so the workspace’s default approvers stand in"
    } else {
        ""
    };
    format!("The address in the context at “{}” {why}{instead}.", one.context)
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
        edit: may.edit.is_ok(),
        standing: may.standing.is_ok(),
        always: may.always,
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
        Refusal::SignInFirst => {
            "This is not decided by a link or a message. Sign in to the console to decide it.".to_owned()
        }
        Refusal::NotYet(stage) => format!("Your turn comes after stage {stage}."),
        Refusal::SelfApproval => {
            "You own this agent, or it asks on your behalf, so you can’t approve it.".to_owned()
        }
        Refusal::AlreadyVoted => "You have voted. Others decide now.".to_owned(),
        Refusal::NotAPerson => "This needs several people, and a machine does not count.".to_owned(),
        Refusal::ReasonRequired => "A reason is needed.".to_owned(),
        Refusal::NotAskable => "This agent’s client can’t answer questions.".to_owned(),
        Refusal::NotEditable => {
            "This agent’s client can’t take changes. Deny, and say what to ask instead.".to_owned()
        }
        Refusal::EditForbidden => "The policy that asks lets approvers change nothing.".to_owned(),
        Refusal::EditDenied(code) => {
            format!("Policy denies the request as you changed it ({code}). It was left as it is.")
        }
        Refusal::StandingForbidden => "The policy wants a person to look at each request.".to_owned(),
        Refusal::StandingOfOne => {
            "This takes more than one person, so one person can’t answer for the next ones.".to_owned()
        }
        Refusal::NothingStanding => {
            "No policy asks here, or the agent itself wants a person: that can’t be answered ahead."
                .to_owned()
        }
        Refusal::GrantUnfit(why) => {
            format!("This call could not be made any more: {why}. Deny it, or set the grant right first.")
        }
        Refusal::AlreadyAsked => "A question waits for the agent’s answer.".to_owned(),
        Refusal::NothingAsked => "Nothing was asked.".to_owned(),
    }
}

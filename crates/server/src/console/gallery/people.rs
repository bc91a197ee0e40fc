//! Requests with votes, questions and messages.

use std::sync::Arc;

use signoff_core::approval::StageState;
use signoff_core::event::{ApprovalStatus, Ballot};
use signoff_core::requirement::{Approver, Stage};
use signoff_core::rows::StageDone;
use signoff_engine::view::{ApprovalView, InfoView, StageView, VoteView};

use super::requests::{Ask, ago, critical, person};

/// Two of three have agreed, one vote does not count any more.
pub(super) fn quorum() -> ApprovalView {
    let mut view = critical().view();
    let row = Arc::make_mut(&mut view.row);
    row.requirement.require_decision_reason = true;
    let stage = &mut row.requirement.stages[0];
    (stage.quorum, stage.deny_quorum) = (3, 2);
    stage.approvers = vec![
        Approver::Group("release-managers".to_owned()),
        Approver::Email("cto@example.com".to_owned()),
        Approver::AgentOwner,
    ];
    row.escalated_at = Some(ago(300));
    let vote = |name: &str, ballot, counted, comment: Option<&str>, seconds| VoteView {
        actor: person(name),
        ballot,
        counted,
        via: None,
        comment: comment.map(str::to_owned),
        at: ago(seconds),
    };
    view.votes = vec![
        vote(
            "Ada Lovelace",
            Ballot::Approve,
            true,
            Some("Changelog read, rollback tested on Tuesday."),
            1500,
        ),
        vote(
            "Grace Hopper",
            Ballot::Deny,
            true,
            Some("Not on a Friday evening."),
            1200,
        ),
        vote("Former Colleague", Ballot::Approve, false, None, 900),
        vote("Katherine Johnson", Ballot::Approve, true, None, 400),
    ];
    view
}

/// The first of three stages is done, the second lacks one of two.
pub(super) fn stages() -> ApprovalView {
    let mut view = critical().view();
    let stage = |name: &str, group: &str, quorum| Stage {
        name: Some(name.to_owned()),
        approvers: vec![Approver::Group(group.to_owned())],
        quorum,
        deny_quorum: 1,
    };
    let list = [
        (
            stage("On call", "on-call", 1),
            StageState::Done,
            vec!["Ada Lovelace"],
            0,
        ),
        (
            stage("Release", "release-managers", 2),
            StageState::Open,
            vec!["Grace Hopper"],
            1,
        ),
        (stage("Finance", "finance", 1), StageState::Waiting, vec![], 1),
    ];
    let row = Arc::make_mut(&mut view.row);
    row.requirement.stages = list.iter().map(|(stage, ..)| stage.clone()).collect();
    row.stages_done = vec![StageDone {
        seq: 41,
        at: ago(1500),
        by: Vec::new(),
    }];
    view.stages = list
        .into_iter()
        .zip(1..)
        .map(|((stage, state, by, needed), number)| StageView {
            number,
            stage,
            state,
            approved_by: by.into_iter().map(person).collect(),
            denied_by: Vec::new(),
            needed,
        })
        .collect();
    let vote = |name: &str, seconds| VoteView {
        actor: person(name),
        ballot: Ballot::Approve,
        counted: true,
        via: None,
        comment: None,
        at: ago(seconds),
    };
    view.votes = vec![vote("Ada Lovelace", 1500), vote("Grace Hopper", 400)];
    view
}

/// A question is open, another was answered.
pub(super) fn asked() -> ApprovalView {
    let mut view = Ask {
        number: 5,
        ..Ask::default()
    }
    .view();
    Arc::make_mut(&mut view.row).status = ApprovalStatus::InfoRequested;
    let question = |text: &str, at, answer: Option<&str>| InfoView {
        question: Some(text.to_owned()),
        asked_by: person("Ada Lovelace"),
        asked_at: ago(at),
        answer: answer.map(str::to_owned),
        answered_at: answer.map(|_| ago(at - 30)),
    };
    view.info = vec![
        question(
            "Was the return label sent already?",
            150,
            Some("Yes, on 19 November, tracking 1Z999."),
        ),
        question("Why the full amount, if one lamp works?", 60, None),
    ];
    view
}

//! Requests with votes, questions and messages.

use std::sync::Arc;

use signoff_core::event::{ApprovalStatus, Ballot};
use signoff_core::requirement::Approver;
use signoff_engine::view::{ApprovalView, InfoView, VoteView};

use super::requests::{Ask, ago, critical, person};

/// Two of three have agreed, one vote does not count any more.
pub(super) fn quorum() -> ApprovalView {
    let mut view = critical().view();
    let row = Arc::make_mut(&mut view.row);
    row.requirement.quorum = 3;
    row.requirement.deny_quorum = 2;
    row.requirement.require_decision_reason = true;
    row.requirement.approvers = vec![
        Approver::Group("release-managers".to_owned()),
        Approver::Email("cto@example.com".to_owned()),
        Approver::AgentOwner,
    ];
    row.escalated_at = Some(ago(300));
    let vote = |name: &str, ballot, counted, comment: Option<&str>, seconds| VoteView {
        actor: person(name),
        ballot,
        counted,
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

//! Requests that several stages decide, and what policies of the third feature level say.

use signoff_core::{
    action::{Priority, Risk},
    event::{
        ApprovalEnd, ApprovalRejudged, ApprovalStatus, ApprovalVoted, Ballot, Event, PolicyPut, VotedStage,
    },
    id::PolicyId,
    judge::ReasonCode,
    policy::{
        ApprovalTerms, ApproverRule, Contacts, EscalationTerms, FromContext, PolicyDoc, PolicyEffect,
        PolicyRef, StageTerms,
    },
    requirement::{Approver, LinkMode, Requirement, Stage, Unresolved, Unusable},
    rows::StageDone,
    time::{Micros, Timestamp},
};

use super::{Builder, DANA, action, secret, system};
use crate::support::{operator, person, raw};

const PAYOUTS: PolicyId = PolicyId(raw(0xb3));

fn payouts() -> PolicyDoc {
    let from_context = ApproverRule::FromContext(FromContext {
        context: "customer.manager_email".into(),
        domains: vec!["example.com".into(), "*.example.com".into()],
    });
    let pager = Contacts::From {
        to: vec!["channel:pager".into()],
        priority: Some(Priority::High),
        risk: Some(Risk::High),
    };
    PolicyDoc {
        actions: vec!["payout.*".into()],
        approval: ApprovalTerms {
            stages: vec![
                StageTerms {
                    name: Some("manager".into()),
                    approvers: vec![from_context],
                    ..StageTerms::default()
                },
                StageTerms {
                    approvers: vec![Approver::Group("finance".into()).into()],
                    quorum: Some(1),
                    deny_quorum: Some(2),
                    ..StageTerms::default()
                },
            ],
            link: Some(LinkMode::None),
            escalate: Some(EscalationTerms {
                after: Micros::seconds(60),
                to: vec![pager.clone()],
            }),
            notify: vec!["channel:finance".into(), pager],
            ..ApprovalTerms::default()
        },
        ..PolicyDoc::new("payouts", PolicyEffect::RequireApproval)
    }
}

/// The first stage is of operator 3, the second of the group.
fn requirement() -> Requirement {
    let stage = |name: Option<&str>, approver, deny_quorum| Stage {
        name: name.map(str::to_owned),
        approvers: vec![approver],
        quorum: 1,
        deny_quorum,
    };
    Requirement {
        stages: vec![
            stage(Some("manager"), Approver::Operator(operator(3)), 1),
            stage(None, Approver::Group("finance".into()), 2),
        ],
        link: LinkMode::None,
        ..super::requirement()
    }
}

impl Builder {
    pub(super) fn staged(&mut self) {
        let reference = PolicyRef {
            id: PAYOUTS,
            name: "payouts".into(),
            version: 1,
        };
        let put = PolicyPut {
            version: 1,
            age: 9,
            policy: payouts(),
        };
        self.push(&person(DANA), PAYOUTS, Event::PolicyPut(put));
        // Stage after stage.
        self.ask_staged(0x61, &reference, &requirement());
        self.vote_staged(0x61, 3, Ballot::Approve, completes(1, 3), None);
        self.vote_staged(0x61, 3, Ballot::Deny, for_nothing(2), None);
        let run_by = Some(self.now.plus(Micros::seconds(600)));
        let approved = end(ApprovalStatus::Approved, run_by);
        self.vote_staged(0x61, 1, Ballot::Approve, stage(2), Some(approved));
        // Other stages, of which the votes so far complete the first; then denied.
        let alone = Requirement {
            stages: requirement().stages.split_off(1),
            unresolved: vec![Unresolved {
                stage: 1,
                context: "customer.manager_email".into(),
                why: Unusable::OtherDomain,
                defaulted: true,
            }],
            ..requirement()
        };
        self.ask_staged(0x62, &reference, &alone);
        self.vote_flat(0x62, 3, Ballot::Deny);
        let voted = self.vote_flat(0x62, 1, Ballot::Approve);
        let mut turned = requirement();
        turned.stages.reverse();
        let rejudged = ApprovalRejudged {
            policy: Some(reference),
            requirement: turned,
            stages_done: vec![StageDone {
                seq: voted,
                at: self.now,
                by: vec![person(DANA)],
            }],
            valid_for: Micros::seconds(300),
        };
        let event = Event::ApprovalRejudged(Box::new(rejudged));
        self.push(&system("policy"), action(0x62).approval(), event);
        let denied = end(ApprovalStatus::Denied, None);
        self.vote_staged(0x62, 3, Ballot::Deny, stage(2), Some(denied));
    }

    fn ask_staged(&mut self, number: u8, policy: &PolicyRef, requirement: &Requirement) {
        self.ask(number, |requested| {
            requested.action.name = "payout.send".into();
            requested.action.policy = Some(policy.clone());
            requested.requirement.clone_from(requirement);
        });
    }

    fn vote_flat(&mut self, number: u8, who: u8, ballot: Ballot) -> u64 {
        self.cast(number, who, ballot, None, None);
        self.log.head.seq
    }

    fn vote_staged(
        &mut self,
        number: u8,
        who: u8,
        ballot: Ballot,
        stage: VotedStage,
        end: Option<ApprovalEnd>,
    ) {
        self.cast(number, who, ballot, Some(stage), end);
    }

    fn cast(
        &mut self,
        number: u8,
        who: u8,
        ballot: Ballot,
        stage: Option<VotedStage>,
        end: Option<ApprovalEnd>,
    ) {
        let event = Event::ApprovalVoted(ApprovalVoted {
            ballot,
            digest: secret(0xdd),
            view: None,
            not_counted: Vec::new(),
            stage,
            end,
        });
        self.push(&person(operator(who)), action(number).approval(), event);
    }
}

fn stage(number: u32) -> VotedStage {
    VotedStage {
        number,
        for_nothing: false,
        completed_by: Vec::new(),
    }
}

fn completes(number: u32, by: u8) -> VotedStage {
    VotedStage {
        completed_by: vec![person(operator(by))],
        ..stage(number)
    }
}

fn for_nothing(number: u32) -> VotedStage {
    VotedStage {
        for_nothing: true,
        ..stage(number)
    }
}

pub(super) fn end(status: ApprovalStatus, run_by: Option<Timestamp>) -> ApprovalEnd {
    ApprovalEnd {
        status,
        code: (status == ApprovalStatus::Denied).then_some(ReasonCode::DeniedByReviewer),
        note: None,
        run_by,
        superseded_by: None,
        counted: Vec::new(),
    }
}

//! The golden requests: every verdict, every end, every state of an execution.

use signoff_core::{
    action::{Accepts, Cost, Priority, Risk},
    actor::{Actor, Auth},
    event::{
        ActionAllowed, ActionDenied, ActionNoted, ApprovalEnd, ApprovalEscalated, ApprovalRejudged,
        ApprovalRequested, ApprovalStatus, ApprovalVoted, Ballot, Event, ExecutionFinished, ExecutionOrigin,
        ExecutionReported, ExecutionRevoked, ExecutionSettled, ExecutionStarted, ExecutionState,
        ExecutionTouched, Nothing, OperatorPut, PayloadErased, ReportOutcome, View,
    },
    fold::origin_of,
    judge::ReasonCode,
    payload::PayloadName,
    policy::Escalation,
    requirement::{Requirement, Role},
    time::Micros,
};

use super::{
    Builder, DANA, FINANCE, PAGER, ROBIN, SUITE, action, agent, facts, refunds, requirement, secret, suite,
    system,
};
use crate::support::{AGENT, operator, person};

impl Builder {
    fn allow(&mut self, number: u8) -> Option<ExecutionOrigin> {
        let run_by = self.now.plus(Micros::seconds(3_600));
        let allowed = ActionAllowed {
            action: facts("stripe.refund", Some(refunds(1))),
            run_by,
            standing: None,
        };
        let content = [
            (PayloadName::Inputs, r#"{"amount":"40.00"}"#),
            (PayloadName::Context, r#"{"ticket":"T-1"}"#),
            (PayloadName::Claims, r#"{"reason":"charged twice"}"#),
            (PayloadName::Judgement, "[]"),
        ];
        self.push_with(&agent(), action(number), Event::ActionAllowed(allowed), &content);
        self.log
            .sealed
            .last()
            .and_then(|sealed| origin_of(&sealed.record))
            .map(|(_, origin)| origin)
    }

    pub(super) fn allowed(&mut self) {
        let origin = self.allow(0x01);
        let execution = action(0x01).execution();
        self.push(
            &agent(),
            execution,
            Event::ExecutionConsumed(ExecutionTouched { origin }),
        );
        let reported = |outcome, origin| Event::ExecutionReported(ExecutionReported { outcome, origin });
        let content = [(PayloadName::Report, r#"{"refund":"re_1"}"#)];
        self.push_with(
            &agent(),
            execution,
            reported(ReportOutcome::Success, None),
            &content,
        );
        let origin = self.allow(0x02);
        self.push(
            &agent(),
            action(0x02).execution(),
            reported(ReportOutcome::Partial, origin),
        );
        // Allowed and never carried out: no row.
        self.allow(0x03);
    }

    pub(super) fn denied(&mut self) {
        let codes = [
            ReasonCode::PolicyDenied,
            ReasonCode::ConditionsDenied,
            ReasonCode::Unmatched,
        ];
        for (number, code) in (0x11..).zip(codes) {
            let mut action_facts = facts("db.drop_table", None);
            action_facts.application = Some(SUITE);
            let denied = ActionDenied {
                action: action_facts,
                code,
            };
            self.push(&suite(), action(number), Event::ActionDenied(denied));
        }
    }

    pub(super) fn ask(&mut self, number: u8, change: impl FnOnce(&mut ApprovalRequested)) {
        let mut requested = ApprovalRequested {
            action: facts("stripe.refund", Some(refunds(1))),
            requirement: requirement(),
            decide_by: Some(self.now.plus(Micros::seconds(1_800))),
            escalate_at: Some(self.now.plus(Micros::seconds(60))),
            escalate: Some(Escalation {
                after: Micros::seconds(60),
                to: vec!["channel:pager".into()],
            }),
            notify: vec!["channel:finance".into()],
            valid_for: Micros::seconds(600),
            timeout: None,
            replaces: None,
        };
        change(&mut requested);
        let content = [(PayloadName::Inputs, r#"{"amount":"500.00"}"#)];
        let event = Event::ApprovalRequested(Box::new(requested));
        self.push_with(&agent(), action(number).approval(), event, &content);
    }

    fn vote(
        &mut self,
        number: u8,
        voter: &Actor,
        ballot: Ballot,
        end: Option<ApprovalEnd>,
        not_counted: Vec<Actor>,
    ) {
        let view = View {
            digest: secret(0x77),
            build: "0.1.0".into(),
            locale: "en".into(),
            via: None,
        };
        let event = Event::ApprovalVoted(ApprovalVoted {
            ballot,
            digest: secret(0xdd),
            view: Some(view),
            not_counted,
            stage: None,
            end,
        });
        let content = [(PayloadName::Text, "the ticket says so")];
        self.push_with(voter, action(number).approval(), event, &content);
    }

    pub(super) fn end(
        &self,
        status: ApprovalStatus,
        code: Option<ReasonCode>,
        note: Option<&str>,
    ) -> ApprovalEnd {
        let approved = status == ApprovalStatus::Approved;
        ApprovalEnd {
            status,
            code,
            note: note.map(str::to_owned),
            run_by: approved.then_some(self.now.plus(Micros::seconds(600))),
            superseded_by: None,
            counted: Vec::new(),
        }
    }

    pub(super) fn approved_by_two(&mut self) {
        self.ask(0x21, |requested| {
            requested.action.cost = Cost::parse("500.00").ok();
            requested.action.priority = Priority::Critical;
            requested.action.risk = Risk::High;
            requested.action.require_approval = true;
            requested.timeout = Some(Micros::seconds(900));
        });
        let subject = action(0x21).approval();
        let escalated = ApprovalEscalated {
            to: vec!["channel:pager".into()],
        };
        self.push(&system("clock"), subject, Event::ApprovalEscalated(escalated));
        self.vote(0x21, &person(operator(3)), Ballot::Approve, None, Vec::new());
        let gone = OperatorPut {
            role: Role::Viewer,
            disabled: true,
        };
        self.push(&person(DANA), operator(3), Event::OperatorPut(gone));
        self.vote(
            0x21,
            &person(ROBIN),
            Ballot::Approve,
            None,
            vec![person(operator(3))],
        );
        let rejudged = ApprovalRejudged {
            policy: Some(refunds(1)),
            requirement: Requirement {
                require_decision_reason: true,
                ..requirement()
            },
            stages_done: Vec::new(),
            valid_for: Micros::seconds(300),
        };
        self.push(
            &system("policy"),
            subject,
            Event::ApprovalRejudged(Box::new(rejudged)),
        );
        let dana = Actor {
            auth: Some(Auth::Token),
            ..person(DANA)
        };
        let end = self.end(ApprovalStatus::Approved, None, None);
        self.vote(0x21, &dana, Ballot::Approve, Some(end), vec![person(operator(3))]);
        let execution = action(0x21).execution();
        self.push(
            &agent(),
            execution,
            Event::ExecutionConsumed(ExecutionTouched { origin: None }),
        );
        let reported = ExecutionReported {
            outcome: ReportOutcome::Failure,
            origin: None,
        };
        self.push(&agent(), execution, Event::ExecutionReported(reported));
    }

    pub(super) fn denied_after_a_question(&mut self) {
        self.ask(0x22, |requested| {
            requested.action.accepts = Accepts {
                edits: true,
                info_requests: true,
                answers: true,
            };
        });
        let subject = action(0x22).approval();
        let question = [(PayloadName::Text, "which customer?")];
        self.push_with(
            &person(ROBIN),
            subject,
            Event::InfoRequested(Nothing {}),
            &question,
        );
        self.push_with(
            &agent(),
            subject,
            Event::InfoAnswered(Nothing {}),
            &[(PayloadName::Text, "cus_1")],
        );
        self.vote(0x22, &person(ROBIN), Ballot::Approve, None, Vec::new());
        let end = self.end(ApprovalStatus::Denied, Some(ReasonCode::DeniedByReviewer), None);
        self.vote(0x22, &person(DANA), Ballot::Deny, Some(end), Vec::new());
    }

    pub(super) fn other_ends(&mut self) {
        use ApprovalStatus as S;
        let ends = [
            (0x31, "clock", S::Expired, Some(ReasonCode::ApprovalTimeout), None),
            (
                0x32,
                "policy",
                S::Denied,
                Some(ReasonCode::PolicyDenied),
                Some("policy_changed"),
            ),
            (0x33, "policy", S::Approved, None, Some("orphaned")),
            (0x34, "auto-approve", S::Approved, None, Some("auto_approve")),
            (
                0x35,
                "agents",
                S::Cancelled,
                Some(ReasonCode::Cancelled),
                Some("agent_disabled"),
            ),
        ];
        for (number, part, status, code, note) in ends {
            self.ask(number, |_| {});
            let end = self.end(status, code, note);
            self.push(
                &system(part),
                action(number).approval(),
                Event::ApprovalEnded(end),
            );
        }
        // Two votes that come to suffice under another requirement.
        self.ask(0x36, |requested| requested.requirement.stages[0].quorum = 3);
        self.vote(0x36, &person(ROBIN), Ballot::Approve, None, Vec::new());
        self.vote(0x36, &person(DANA), Ballot::Approve, None, Vec::new());
        let counted = vec![person(ROBIN), person(DANA)];
        let end = ApprovalEnd {
            counted,
            ..self.end(S::Approved, None, Some("policy_changed"))
        };
        self.push(
            &system("policy"),
            action(0x36).approval(),
            Event::ApprovalEnded(end),
        );
        // Withdrawn by the agent, and replaced by an amended request that is still pending.
        self.ask(0x37, |_| {});
        let end = self.end(S::Cancelled, Some(ReasonCode::Cancelled), None);
        self.push_with(
            &agent(),
            action(0x37).approval(),
            Event::ApprovalEnded(end),
            &[(PayloadName::Text, "solved")],
        );
        self.ask(0x38, |_| {});
        let amended = action(0x39).approval();
        let end = self.end(S::Superseded, Some(ReasonCode::Superseded), None);
        let end = ApprovalEnd {
            superseded_by: Some(amended),
            ..end
        };
        self.push(&agent(), action(0x38).approval(), Event::ApprovalEnded(end));
        self.ask(0x39, |requested| {
            requested.replaces = Some(action(0x38).approval());
            requested.decide_by = None;
            requested.escalate_at = None;
            requested.escalate = None;
            requested.notify = Vec::new();
            requested.action.policy = None;
        });
    }

    /// Calls as they were foreseen on the first day, before they said what is called.
    pub(super) fn calls_by_signoff(&mut self) {
        let finished = |state| {
            Event::ExecutionFinished(ExecutionFinished {
                state,
                status: None,
                fault: None,
                runner: None,
            })
        };
        let settled = |state| Event::ExecutionSettled(ExecutionSettled { state });
        let (started, lapsed) = (
            Event::ExecutionStarted(ExecutionStarted {
                origin: None,
                runner: None,
            }),
            Event::ExecutionLapsed(Nothing {}),
        );
        let lives: [(u8, Vec<Event>); 4] = [
            (0x41, vec![started.clone(), finished(ExecutionState::Executed)]),
            (
                0x42,
                vec![
                    started.clone(),
                    finished(ExecutionState::Indeterminate),
                    settled(ExecutionState::Ready),
                    lapsed,
                ],
            ),
            (
                0x43,
                vec![
                    started,
                    finished(ExecutionState::Indeterminate),
                    settled(ExecutionState::Failed),
                ],
            ),
            (0x44, vec![Event::ExecutionRevoked(ExecutionRevoked::default())]),
        ];
        for (number, events) in lives {
            self.ask(number, |_| {});
            let end = self.end(ApprovalStatus::Approved, None, Some("policy_changed"));
            self.push(
                &system("policy"),
                action(number).approval(),
                Event::ApprovalEnded(end),
            );
            for event in events {
                let by_person = matches!(event, Event::ExecutionSettled(_) | Event::ExecutionRevoked(_));
                let actor = if by_person {
                    person(DANA)
                } else {
                    system("executor")
                };
                self.push(&actor, action(number).execution(), event);
            }
        }
    }

    /// What agents did without having asked.
    pub(super) fn noted(&mut self) {
        let noted = ActionNoted {
            name: "search.web".into(),
            agent: AGENT,
            application: Some(SUITE),
            outcome: "success".into(),
        };
        let text = [(PayloadName::Text, "{\"query\": \"weather\"}")];
        self.push_with(&suite(), action(0xe7), Event::ActionNoted(noted), &text);
    }

    pub(super) fn farewells(&mut self) {
        let dana = person(DANA);
        let erased = PayloadErased {
            sequences: vec![self.log.sealed.len() as u64 - 1],
        };
        self.push(&dana, action(0x44), Event::PayloadErased(erased));
        self.push(&dana, FINANCE, Event::GroupRemoved(Nothing {}));
        self.push(&dana, PAGER, Event::ChannelRemoved(Nothing {}));
        self.push(&dana, DANA, Event::SignedOut(Nothing {}));
    }
}

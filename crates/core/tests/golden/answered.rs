//! Standing approvals and changes by approvers in the golden log.

use signoff_core::{
    action::{Priority, Risk},
    condition::Condition,
    event::{
        ActionAllowed, ApprovalEdited, ApprovalEnd, ApprovalStatus, ApprovalVoted, Ballot, Claimed, Event,
        ExecutionOrigin, ExecutionTouched, Nothing, StandingGranted,
    },
    id::StandingId,
    payload::{Hash32, PayloadName},
    requirement::Requirement,
    time::Micros,
};

use super::counted::counted;
use super::{Builder, DANA, ROBIN, action, agent, facts, refunds, requirement, secret};
use crate::support::{AGENT, person, raw};

const STANDING: StandingId = StandingId(raw(0xe1));

impl Builder {
    /// Granted with an approval, used twice, one permission taken, taken back.
    pub(super) fn answered_ahead(&mut self) {
        self.ask(0x81, |_| {});
        let granted = StandingGranted {
            agent: AGENT,
            action: "stripe.refund".into(),
            policy: refunds(2),
            approval: action(0x81).approval(),
            expires_at: self.now.plus(Micros::seconds(8 * 3600)),
            uses: Some(3),
            condition: Some(Condition::Expression("context.amount <= 80".into())),
        };
        self.push(&person(DANA), STANDING, Event::StandingGranted(Box::new(granted)));
        for number in [0x82, 0x83] {
            let allowed = ActionAllowed {
                action: facts("Stripe.Refund", Some(refunds(2))),
                run_by: self.now.plus(Micros::seconds(3600)),
                standing: Some(STANDING),
            };
            self.push(&agent(), action(number), Event::ActionAllowed(allowed));
        }
        let origin = ExecutionOrigin {
            agent: AGENT,
            action: "Stripe.Refund".into(),
            digest: secret(0xdd),
            policy: Some(refunds(2)),
            submitted_seq: self.log.head.seq,
            created_at: self.now,
            run_by: self.now.plus(Micros::seconds(3600)),
            standing: Some(STANDING),
            call: None,
        };
        let consumed = Event::ExecutionConsumed(ExecutionTouched { origin: Some(origin) });
        self.push(&agent(), action(0x83).execution(), consumed);
        self.push(&person(ROBIN), STANDING, Event::StandingRevoked(Nothing {}));
    }

    /// One votes, another changes what is asked, which voids it, and approves it so.
    pub(super) fn edited(&mut self) {
        let id = action(0x84).approval();
        self.ask(0x84, |requested| requested.action.counted = counted(Some("80")));
        self.voted(id, ROBIN, secret(0xdd), None);
        let edited = ApprovalEdited {
            digest: secret(0xde),
            before: secret(0xdd),
            policy: Some(refunds(2)),
            requirement: Requirement {
                allow_edit: true,
                allow_standing: false,
                ..requirement()
            },
            valid_for: Micros::seconds(3600),
            levels: Some(Claimed {
                priority: Priority::High,
                risk: Risk::Medium,
                cost: None,
            }),
            counted: counted(Some("50")),
        };
        self.push_with(
            &person(DANA),
            id,
            Event::ApprovalEdited(Box::new(edited)),
            &[
                (PayloadName::Inputs, r#"{"amount":50}"#),
                (PayloadName::Context, "{}"),
            ],
        );
        self.voted(id, DANA, secret(0xde), None);
        let end = self.end(ApprovalStatus::Approved, None, None);
        self.voted(id, ROBIN, secret(0xde), Some(end));
    }

    fn voted(
        &mut self,
        id: signoff_core::id::ApprovalId,
        who: signoff_core::id::OperatorId,
        digest: Hash32,
        end: Option<ApprovalEnd>,
    ) {
        let event = Event::ApprovalVoted(ApprovalVoted {
            ballot: Ballot::Approve,
            digest,
            view: None,
            not_counted: Vec::new(),
            stage: None,
            end,
        });
        self.push(&person(who), id, event);
    }
}

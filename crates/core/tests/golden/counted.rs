//! Actions that count for a policy that looks back, in every way to come in and to leave.

use std::collections::BTreeMap;

use signoff_core::{
    condition::Condition,
    counted::{Amount, Counted},
    event::{ActionAllowed, ApprovalStatus, Event, Nothing, PolicyPut},
    id::PolicyId,
    policy::{Otherwise, PolicyDoc, PolicyEffect},
    time::Micros,
};

use super::{Builder, DANA, action, agent, facts, system};
use crate::support::{person, raw};

const DAILY: PolicyId = PolicyId(raw(0xb4));

fn daily() -> PolicyDoc {
    let text = "sum_last(\"context.amount\", \"24h\") + context.amount <= 1000 && count_last(\"1h\", \"policy\") < 20";
    PolicyDoc {
        actions: vec!["stripe.refund".into()],
        conditions: vec![Condition::Expression(text.into())],
        otherwise: Some(Otherwise::RequireApproval),
        ..PolicyDoc::new("daily-refunds", PolicyEffect::Conditional)
    }
}

pub(super) fn counted(amount: Option<&str>) -> Vec<Counted> {
    let amount = amount.and_then(Amount::parse);
    vec![Counted {
        policy: DAILY,
        amounts: BTreeMap::from_iter(amount.map(|amount| ("context.amount".to_owned(), amount))),
    }]
}

impl Builder {
    pub(super) fn counted(&mut self) {
        let put = PolicyPut {
            version: 1,
            age: 10,
            policy: daily(),
        };
        self.push(&person(DANA), DAILY, Event::PolicyPut(put));
        let mut allowed = facts("stripe.refund", None);
        allowed.counted = counted(Some("400.50"));
        let run_by = self.now.plus(Micros::seconds(3_600));
        let event = Event::ActionAllowed(ActionAllowed {
            action: allowed,
            run_by,
            standing: None,
        });
        self.push(&agent(), action(0x71), event);
        // One stays, one is denied, one lapses after it was approved, one has no amount.
        for (number, amount) in [
            (0x72, Some("600")),
            (0x73, Some("0.000000001")),
            (0x74, Some("7")),
            (0x75, None),
        ] {
            self.ask(number, |requested| requested.action.counted = counted(amount));
        }
        let denied = super::staged::end(ApprovalStatus::Expired, None);
        self.push(
            &system("clock"),
            action(0x73).approval(),
            Event::ApprovalEnded(denied),
        );
        let approved = super::staged::end(ApprovalStatus::Approved, Some(self.now));
        self.push(
            &system("policy"),
            action(0x74).approval(),
            Event::ApprovalEnded(approved),
        );
        let lapsed = Event::ExecutionLapsed(Nothing {});
        self.push(&system("clock"), action(0x74).execution(), lapsed);
    }
}

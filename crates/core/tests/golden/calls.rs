//! What policies of the fourth feature level say of calls, costs and contexts, and requests whose claims they raised.

use serde_json::json;
use signoff_core::{
    action::{Cost, Priority, Risk},
    event::{ActionDenied, Claimed, Event, PolicyPut},
    id::PolicyId,
    judge::ReasonCode,
    policy::{Floor, HttpMatch, PolicyDoc, PolicyEffect, PolicyRef},
};

use super::{Builder, DANA, action, agent, facts};
use crate::support::{person, raw};

const REFUND_CALLS: PolicyId = PolicyId(raw(0xb5));

fn refund_calls() -> PolicyDoc {
    let schema = json!({
        "type": "object", "required": ["customer"],
        "properties": {"customer": {"type": "string", "description": "id of the customer"}}
    });
    PolicyDoc {
        http: Some(HttpMatch {
            methods: vec!["POST".into()],
            url: vec!["https://api.stripe.com/v1/refunds*".into()],
        }),
        grant: vec!["stripe-*".into()],
        cost_over: Cost::parse("50").ok(),
        cost: Some("money(http.json.amount) / 100".into()),
        floor: Some(Floor {
            risk: Some(Risk::High),
            priority: Some(Priority::High),
        }),
        context_schema: schema.as_object().cloned(),
        ..PolicyDoc::new("refund-calls", PolicyEffect::RequireApproval)
    }
}

impl Builder {
    pub(super) fn raised(&mut self) {
        let put = PolicyPut {
            version: 1,
            age: 10,
            policy: refund_calls(),
        };
        self.push(&person(DANA), REFUND_CALLS, Event::PolicyPut(put));
        let reference = PolicyRef {
            id: REFUND_CALLS,
            name: "refund-calls".into(),
            version: 1,
        };
        let claimed = Claimed {
            priority: Priority::Medium,
            risk: Risk::Low,
            cost: None,
        };
        self.ask(0x91, |requested| {
            requested.action.policy = Some(reference.clone());
            requested.action.risk = Risk::High;
            requested.action.priority = Priority::High;
            requested.action.cost = Cost::parse("50.01").ok();
            requested.action.claimed = Some(claimed.clone());
        });
        let mut denied = facts("db.drop", None);
        denied.risk = Risk::Critical;
        denied.claimed = Some(claimed);
        let denied = ActionDenied {
            action: denied,
            code: ReasonCode::PolicyDenied,
        };
        self.push(&agent(), action(0x92), Event::ActionDenied(denied));
    }
}

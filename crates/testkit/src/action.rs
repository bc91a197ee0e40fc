//! Actions as agents submit them.

use serde_json::Value;
use signoff_core::{
    action::{Action, Cost, Priority, Risk},
    time::Micros,
};

/// Starts an action that says nothing but its name.
pub fn action(name: &str) -> ActionBuilder {
    ActionBuilder(Action::named(name))
}

/// An action in the making.
#[derive(Debug, Clone)]
#[must_use]
pub struct ActionBuilder(Action);

impl ActionBuilder {
    /// An argument of the action.
    pub fn input(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.inputs.insert(key.to_owned(), value.into());
        self
    }

    /// Something else that helps to judge.
    pub fn context(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.context.insert(key.to_owned(), value.into());
        self
    }

    /// Why, in the agent's words.
    pub fn reason(mut self, text: &str) -> Self {
        self.0.claims.reason = Some(text.to_owned());
        self
    }

    /// For whom: an operator's id, an address, or a name.
    pub fn requested_by(mut self, who: &str) -> Self {
        self.0.claims.requested_by = Some(who.to_owned());
        self
    }

    /// As claimed.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.0.priority = priority;
        self
    }

    /// As claimed.
    pub fn risk(mut self, risk: Risk) -> Self {
        self.0.risk = risk;
        self
    }

    /// As claimed, in US dollars such as `500.00`.
    pub fn cost(mut self, dollars: &str) -> Self {
        self.0.cost = Some(Cost::parse(dollars).unwrap());
        self
    }

    /// How long the agent is willing to wait, such as `30m`.
    pub fn timeout(mut self, span: &str) -> Self {
        self.0.timeout = Some(Micros::parse(span).unwrap());
        self
    }

    /// Asks for a person even if policy would allow.
    pub fn require_approval(mut self) -> Self {
        self.0.require_approval = true;
        self
    }

    /// The client can answer questions.
    pub fn accepts_info_requests(mut self) -> Self {
        self.0.accepts.info_requests = true;
        self
    }

    /// The action. Panics if a door would refuse it; a test of that takes [`ActionBuilder::build_unchecked`].
    pub fn build(self) -> Action {
        self.0.check().unwrap();
        self.0
    }

    /// The action, whatever is wrong with it.
    pub fn build_unchecked(self) -> Action {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_says_what_it_was_told_to() {
        let built = action("stripe.refund")
            .input("charge", "ch_1")
            .context("amount", 500)
            .reason("damaged parcel")
            .requested_by("dana@example.com")
            .priority(Priority::High)
            .risk(Risk::Low)
            .cost("500.00")
            .timeout("30m")
            .require_approval()
            .accepts_info_requests()
            .build();
        assert_eq!(built.name, "stripe.refund");
        assert_eq!(
            (&built.inputs["charge"], &built.context["amount"]),
            (&"ch_1".into(), &500.into())
        );
        assert_eq!(built.claims.reason.as_deref(), Some("damaged parcel"));
        assert_eq!(built.claims.requested_by.as_deref(), Some("dana@example.com"));
        assert_eq!((built.priority, built.risk), (Priority::High, Risk::Low));
        assert_eq!(built.cost.unwrap().as_str(), "500.00");
        assert_eq!(built.timeout, Some(Micros::seconds(1_800)));
        assert!(built.require_approval && built.accepts.info_requests && !built.accepts.edits);
    }

    #[test]
    #[should_panic(expected = "/action")]
    fn what_a_door_would_refuse_is_not_built() {
        action("a name with spaces").build();
    }
}

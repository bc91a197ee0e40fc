//! Policies as people write them.

use serde_json::Value;
use signoff_core::{
    condition::{Comparison, Condition, Operator},
    policy::{
        ApproverRule, EscalationTerms, FromContext, Otherwise, PolicyDoc, PolicyEffect, StageTerms,
        TimeoutRule,
    },
    time::Micros,
};

/// Starts a policy that asks a person about every action.
pub fn policy(name: &str) -> PolicyBuilder {
    PolicyBuilder(PolicyDoc::new(name, PolicyEffect::RequireApproval))
}

/// A policy in the making.
#[derive(Debug, Clone)]
#[must_use]
pub struct PolicyBuilder(PolicyDoc);

impl PolicyBuilder {
    /// About actions that match one of these globs.
    pub fn actions<const N: usize>(mut self, globs: [&str; N]) -> Self {
        self.0.actions = globs.map(str::to_owned).to_vec();
        self
    }

    /// About these agents, by name or glob.
    pub fn agents<const N: usize>(mut self, globs: [&str; N]) -> Self {
        self.0.agents = globs.map(str::to_owned).to_vec();
        self
    }

    /// Lets through.
    pub fn allow(mut self) -> Self {
        self.0.effect = PolicyEffect::Allow;
        self
    }

    /// Refuses.
    pub fn deny(mut self) -> Self {
        self.0.effect = PolicyEffect::Deny;
        self
    }

    /// A condition; all must hold.
    pub fn when(mut self, field: &str, operator: Operator, value: impl Into<Value>) -> Self {
        let comparison = Comparison {
            field: field.to_owned(),
            operator,
            value: Some(value.into()),
        };
        self.0.conditions.push(comparison.into());
        self
    }

    /// A condition in CEL; all must hold.
    pub fn holds(mut self, expression: &str) -> Self {
        self.0
            .conditions
            .push(Condition::Expression(expression.to_owned()));
        self
    }

    /// Lets through where the conditions hold, and else does this.
    pub fn conditional(mut self, otherwise: Otherwise) -> Self {
        self.0.effect = PolicyEffect::Conditional;
        self.0.otherwise = Some(otherwise);
        self
    }

    /// An ask of this policy can't be overridden by an allow.
    pub fn guard(mut self) -> Self {
        self.0.guard = true;
        self
    }

    /// Who may decide, such as `role:admin` or `group:finance`.
    pub fn approvers<const N: usize>(mut self, approvers: [&str; N]) -> Self {
        self.0.approval.approvers = approvers
            .iter()
            .map(|approver| ApproverRule::Named(approver.parse().unwrap()))
            .collect();
        self
    }

    /// A stage after those before it, of which so many people must approve.
    pub fn stage<const N: usize>(mut self, approvers: [&str; N], quorum: u32) -> Self {
        self.0.approval.stages.push(StageTerms {
            approvers: approvers
                .iter()
                .map(|approver| ApproverRule::Named(approver.parse().unwrap()))
                .collect(),
            quorum: Some(quorum),
            ..StageTerms::default()
        });
        self
    }

    /// An approver whose address stands at this path of the context.
    pub fn approver_from_context<const N: usize>(mut self, path: &str, domains: [&str; N]) -> Self {
        self.0
            .approval
            .approvers
            .push(ApproverRule::FromContext(FromContext {
                context: path.to_owned(),
                domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
            }));
        self
    }

    /// How many people must approve.
    pub fn quorum(mut self, people: u32) -> Self {
        self.0.approval.quorum = Some(people);
        self
    }

    /// How many people must deny.
    pub fn deny_quorum(mut self, people: u32) -> Self {
        self.0.approval.deny_quorum = Some(people);
        self
    }

    /// The agent's owner and whom it asks for may approve too.
    pub fn self_approval(mut self) -> Self {
        self.0.approval.self_approval = true;
        self
    }

    /// How long people have, such as `30m`.
    pub fn timeout(mut self, span: &str) -> Self {
        self.0.approval.timeout = Some(TimeoutRule::After(Micros::parse(span).unwrap()));
        self
    }

    /// People have as long as it takes.
    pub fn no_timeout(mut self) -> Self {
        self.0.approval.timeout = Some(TimeoutRule::Never);
        self
    }

    /// Tells this contact when nobody has decided after so long.
    pub fn escalate(mut self, after: &str, to: &str) -> Self {
        let after = Micros::parse(after).unwrap();
        self.0.approval.escalate = Some(EscalationTerms {
            after,
            to: vec![to.into()],
        });
        self
    }

    /// How long an approval may be used, such as `1h`.
    pub fn valid_for(mut self, span: &str) -> Self {
        self.0.valid_for = Some(Micros::parse(span).unwrap());
        self
    }

    /// The agent must give a reason.
    pub fn require_reason(mut self) -> Self {
        self.0.require_reason = true;
        self
    }

    /// The context must fit this JSON Schema.
    pub fn context_schema(mut self, schema: &Value) -> Self {
        self.0.context_schema = schema.as_object().cloned();
        self
    }

    /// The approver must give a comment.
    pub fn require_decision_reason(mut self) -> Self {
        self.0.require_decision_reason = true;
        self
    }

    /// Switched off.
    pub fn disabled(mut self) -> Self {
        self.0.disabled = true;
        self
    }

    /// The policy. Panics if it would be refused at save; a test of that takes [`PolicyBuilder::build_unchecked`].
    pub fn build(self) -> PolicyDoc {
        self.0.check().unwrap();
        self.0
    }

    /// The policy, whatever is wrong with it.
    pub fn build_unchecked(self) -> PolicyDoc {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_says_what_it_was_told_to() {
        let built = policy("small-refunds")
            .actions(["stripe.refund*"])
            .agents(["support-*"])
            .when("amount", Operator::Lte, 50)
            .conditional(Otherwise::RequireApproval)
            .guard()
            .approvers(["group:finance", "dana@example.com"])
            .quorum(2)
            .timeout("30m")
            .escalate("10m", "channel:pager")
            .valid_for("1h")
            .build();
        assert_eq!(built.effect, PolicyEffect::Conditional);
        assert_eq!(built.conditions[0].text(), "amount lte 50");
        assert_eq!(built.approval.approvers.len(), 2);
        assert_eq!(
            built.approval.timeout,
            Some(TimeoutRule::After(Micros::seconds(1_800)))
        );
        assert!(built.guard && !built.disabled);
        assert_eq!(
            policy("never-drop").actions(["db.drop*"]).deny().build().effect,
            PolicyEffect::Deny
        );
    }

    #[test]
    #[should_panic(expected = "/conditions")]
    fn what_would_be_refused_at_save_is_not_built() {
        policy("empty").conditional(Otherwise::Deny).build();
    }
}

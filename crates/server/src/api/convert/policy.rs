//! Policies, sets of them, and why one of them governs.

use signoff_api::limits::{APPROVERS_MAX, CONDITIONS_MAX, POLICIES_MAX};
use signoff_api::lint::{self, PolicyLint};
use signoff_api::policy as wire;
use signoff_api::{Code, Duration};
use signoff_core::action::Cost;
use signoff_core::condition::{Comparison, Condition};
use signoff_core::lint::Finding;
use signoff_core::policy::{Effect, PolicyDoc, RiskMatch, Settings};
use signoff_core::requirement::Approver;
use signoff_core::rows::PolicyRow;
use signoff_core::time::Micros;
use signoff_engine::request::{ApplyPolicies, SettingsChange};
use signoff_engine::view::{
    ExplainedMatch, Explanation, PoliciesApplied, PolicySetVersionView, PolicySetView, PolicyVersionView,
};

use super::super::problem::Refused;
use super::action::span;
use super::terms::terms;
use super::{Faults, ToCore, ToWire};

/// One policy.
pub(crate) fn policy_doc(given: wire::PolicyBody) -> Result<PolicyDoc, Refused> {
    let mut faults = Faults::default();
    let doc = doc(&mut faults, "", given);
    faults.done(Code::PolicyInvalid)?;
    Ok(doc)
}

/// A whole set.
pub(crate) fn apply(given: wire::PolicyApply) -> Result<ApplyPolicies, Refused> {
    let mut faults = Faults::default();
    faults.check_count("/policies", given.policies.len(), POLICIES_MAX);
    let policies = given.policies.into_iter().enumerate();
    let policies = policies
        .map(|(at, policy)| doc(&mut faults, &format!("/policies/{at}"), policy))
        .collect();
    let change = given.settings.unwrap_or_default();
    let settings = SettingsChange {
        name: None,
        unmatched: change.unmatched.map(ToCore::to_core),
        unmatched_calls: change.unmatched_calls.map(ToCore::to_core),
        default_approvers: change
            .default_approvers
            .map(|list| approvers(&mut faults, "/settings/default_approvers", &list)),
        orphaned: change.orphaned.map(ToCore::to_core),
        retention_days: None,
    };
    faults.done(Code::PolicyInvalid)?;
    Ok(ApplyPolicies {
        policies,
        settings,
        expected_version: given.expected_version,
        orphaned: given.orphaned.map(ToCore::to_core),
        dry_run: given.dry_run.unwrap_or_default(),
    })
}

/// The policies and the default approvers of a set to look through, where they are given.
pub(crate) type ToLint = (Option<Vec<PolicyDoc>>, Option<Vec<Approver>>);

/// A set to look through.
pub(crate) fn to_lint(given: PolicyLint) -> Result<ToLint, Refused> {
    let given_any = given.policies.is_some();
    let set = apply(wire::PolicyApply {
        policies: given.policies.unwrap_or_default(),
        settings: given.settings,
        ..wire::PolicyApply::default()
    })?;
    Ok((given_any.then_some(set.policies), set.settings.default_approvers))
}

/// A change of the workspace.
pub(crate) fn settings(given: signoff_api::workspace::WorkspaceUpdate) -> Result<SettingsChange, Refused> {
    let mut faults = Faults::default();
    let change = SettingsChange {
        name: given.name,
        unmatched: given.unmatched.map(ToCore::to_core),
        unmatched_calls: given.unmatched_calls.map(ToCore::to_core),
        default_approvers: given
            .default_approvers
            .map(|list| approvers(&mut faults, "/default_approvers", &list)),
        orphaned: given.orphaned.map(ToCore::to_core),
        retention_days: given.retention_days,
    };
    faults.done(Code::InvalidRequest)?;
    Ok(change)
}

fn doc(faults: &mut Faults, at: &str, given: wire::PolicyBody) -> PolicyDoc {
    faults.check_text(&format!("{at}/description"), given.description.as_deref());
    let conditions = given.conditions.unwrap_or_default();
    faults.check_count(&format!("{at}/conditions"), conditions.len(), CONDITIONS_MAX);
    let valid_for = given
        .valid_for
        .and_then(|given| span(faults, &format!("{at}/valid_for"), given));
    let cost_over = given
        .cost_over
        .and_then(|given| faults.keep(&format!("{at}/cost_over"), Cost::parse(given.as_str())));
    PolicyDoc {
        name: given.name,
        description: given.description,
        actions: given.actions.unwrap_or_default(),
        agents: given.agents.unwrap_or_default(),
        labels: given.labels.unwrap_or_default(),
        http: given.http.map(ToCore::to_core),
        grant: given.grant.map(wire::OneOrMany::into_vec).unwrap_or_default(),
        risk: given.risk.map(ToCore::to_core),
        cost_over,
        cost: given.cost,
        floor: given.floor.map(ToCore::to_core),
        effect: given.effect.to_core(),
        conditions: conditions.into_iter().map(condition).collect(),
        otherwise: given.otherwise.map(ToCore::to_core),
        guard: given.guard.unwrap_or_default(),
        disabled: !given.enabled.unwrap_or(true),
        require_reason: given.require_reason.unwrap_or_default(),
        context_schema: given.context_schema,
        require_decision_reason: given.require_decision_reason.unwrap_or_default(),
        valid_for,
        approval: terms(
            faults,
            &format!("{at}/approval"),
            given.approval.unwrap_or_default(),
        ),
    }
}

pub(super) fn condition(given: wire::Condition) -> Condition {
    match given {
        wire::Condition::Expression(source) => Condition::Expression(source),
        wire::Condition::Structured(given) => Condition::Comparison(Comparison {
            field: given.field,
            operator: given.operator.to_core(),
            value: given.value,
        }),
    }
}

impl ToCore for wire::RiskMatch {
    type Core = RiskMatch;

    fn to_core(self) -> RiskMatch {
        match self {
            Self::AtLeast(least) => RiskMatch::AtLeast(least.to_core()),
            Self::OneOf(risks) => RiskMatch::OneOf(risks.into_iter().map(ToCore::to_core).collect()),
        }
    }
}

impl ToWire for RiskMatch {
    type Wire = wire::RiskMatch;

    fn to_wire(&self) -> wire::RiskMatch {
        match self {
            Self::AtLeast(least) => wire::RiskMatch::AtLeast(least.to_wire()),
            Self::OneOf(risks) => wire::RiskMatch::OneOf(risks.iter().map(ToWire::to_wire).collect()),
        }
    }
}

fn approvers(faults: &mut Faults, pointer: &str, given: &[String]) -> Vec<Approver> {
    faults.check_count(pointer, given.len(), APPROVERS_MAX);
    let named = given.iter().enumerate();
    named
        .filter_map(|(at, name)| faults.keep(&format!("{pointer}/{at}"), name.parse()))
        .collect()
}

/// What is not said is left out, so that a policy reads back as it was written.
pub(super) fn unless_default<T: Default + PartialEq>(value: T) -> Option<T> {
    (value != T::default()).then_some(value)
}

impl ToWire for Micros {
    type Wire = Duration;

    fn to_wire(&self) -> Duration {
        Duration::Seconds(super::seconds_left(*self))
    }
}

impl ToWire for Condition {
    type Wire = wire::Condition;

    fn to_wire(&self) -> wire::Condition {
        match self {
            Self::Expression(source) => wire::Condition::Expression(source.clone()),
            Self::Comparison(comparison) => wire::Condition::Structured(wire::StructuredCondition {
                field: comparison.field.clone(),
                operator: comparison.operator.to_wire(),
                value: comparison.value.clone(),
            }),
        }
    }
}

impl ToWire for PolicyDoc {
    type Wire = wire::PolicyBody;

    fn to_wire(&self) -> wire::PolicyBody {
        wire::PolicyBody {
            name: self.name.clone(),
            description: self.description.clone(),
            actions: unless_default(self.actions.clone()),
            agents: unless_default(self.agents.clone()),
            labels: unless_default(self.labels.clone()),
            http: self.http.to_wire(),
            grant: wire::OneOrMany::of(self.grant.clone()),
            risk: self.risk.as_ref().map(ToWire::to_wire),
            cost_over: self.cost_over.to_wire(),
            cost: self.cost.clone(),
            floor: self.floor.to_wire(),
            effect: self.effect.to_wire(),
            conditions: Some(self.conditions.to_wire()).filter(|list| !list.is_empty()),
            otherwise: self.otherwise.to_wire(),
            guard: unless_default(self.guard),
            enabled: self.disabled.then_some(false),
            require_reason: unless_default(self.require_reason),
            context_schema: self.context_schema.clone(),
            require_decision_reason: unless_default(self.require_decision_reason),
            valid_for: self.valid_for.to_wire(),
            approval: unless_default(self.approval.to_wire()),
        }
    }
}

impl ToWire for PolicyRow {
    type Wire = wire::Policy;

    fn to_wire(&self) -> wire::Policy {
        wire::Policy {
            id: self.id.to_string(),
            version: self.version,
            created_at: self.created_at.to_wire(),
            updated_at: self.updated_at.to_wire(),
            body: self.doc.to_wire(),
        }
    }
}

impl ToWire for Settings {
    type Wire = wire::PolicySettings;

    fn to_wire(&self) -> wire::PolicySettings {
        wire::PolicySettings {
            unmatched: Some(self.unmatched.to_wire()),
            unmatched_calls: Some(self.unmatched_calls.to_wire()),
            default_approvers: Some(self.default_approvers.iter().map(ToString::to_string).collect()),
            orphaned: Some(self.orphaned.to_wire()),
        }
    }
}

impl ToWire for PolicySetView {
    type Wire = wire::PolicySet;

    fn to_wire(&self) -> wire::PolicySet {
        wire::PolicySet {
            version: self.version,
            settings: self.settings.to_wire(),
            items: self.policies.to_wire(),
        }
    }
}

impl ToWire for PoliciesApplied {
    type Wire = wire::PolicyApplied;

    fn to_wire(&self) -> wire::PolicyApplied {
        wire::PolicyApplied {
            version: self.version,
            dry_run: self.dry_run,
            added: self.added.clone(),
            changed: self.changed.clone(),
            removed: self.removed.clone(),
            unchanged: self.unchanged.clone(),
            pending_affected: self.pending.total(),
            pending: wire::PendingChange {
                allowed: self.pending.allowed,
                denied: self.pending.denied,
                asked: self.pending.asked,
            },
        }
    }
}

impl ToWire for Finding {
    type Wire = lint::Finding;

    fn to_wire(&self) -> lint::Finding {
        lint::Finding {
            severity: self.severity.to_wire(),
            code: self.code.to_string(),
            policy: self.policy.clone(),
            pointer: self.pointer.clone(),
            other: self.other.clone(),
            message: self.message.clone(),
            next: self.next.clone(),
        }
    }
}

impl ToWire for PolicyVersionView {
    type Wire = wire::PolicyVersion;

    fn to_wire(&self) -> wire::PolicyVersion {
        wire::PolicyVersion {
            version: self.version,
            at: self.at.to_wire(),
            by: self.by.to_wire(),
            policy: self.policy.to_wire(),
        }
    }
}

impl ToWire for PolicySetVersionView {
    type Wire = wire::PolicySetVersion;

    fn to_wire(&self) -> wire::PolicySetVersion {
        wire::PolicySetVersion {
            version: self.version,
            at: self.at.to_wire(),
            by: self.by.to_wire(),
            sequence: self.seq,
            orphaned: self.orphaned.to_wire(),
        }
    }
}

impl ToWire for ExplainedMatch {
    type Wire = wire::PolicyMatch;

    fn to_wire(&self) -> wire::PolicyMatch {
        wire::PolicyMatch {
            policy: self.policy.to_wire(),
            effect: self.effect.map(|effect| match effect {
                Effect::Allow => wire::Yields::Allow,
                Effect::Ask => wire::Yields::Ask,
                Effect::Deny => wire::Yields::Deny,
            }),
            governs: self.governs,
            why: self.why.clone(),
            conditions: self.conditions.to_wire(),
        }
    }
}

impl ToWire for Explanation {
    type Wire = wire::Explanation;

    fn to_wire(&self) -> wire::Explanation {
        wire::Explanation {
            verdict: self.judged.to_wire(),
            matches: self.matches.to_wire(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: serde_json::Value) -> Result<PolicyDoc, Refused> {
        policy_doc(serde_json::from_value(json).unwrap())
    }

    /// A policy that is written reads back with what was said and nothing more.
    #[test]
    fn a_policy_there_and_back() {
        let written = serde_json::json!({
            "name": "refunds", "description": "d", "actions": ["stripe.*"], "agents": ["bot"],
            "effect": "conditional", "otherwise": "deny", "guard": true, "enabled": false, "require_reason": true,
            "context_schema": {"required": ["customer"], "properties": {"customer": {"default": null}}},
            "require_decision_reason": true, "valid_for": "2h",
            "conditions": [{"field": "amount", "operator": "lte", "value": 50}],
            "approval": {
                "approvers": ["group:finance", "email:dana@example.com"], "quorum": 2, "deny_quorum": 1,
                "timeout": "never", "self_approval": true, "escalate": {"after": "10m", "to": ["channel:pager"]},
                "notify": ["channel:finance"]
            }
        });
        let doc = read(written.clone()).unwrap();
        assert_eq!(doc.check(), Ok(()));
        assert_eq!(serde_json::to_value(doc.to_wire()).unwrap(), written);
        let staged = serde_json::json!({
            "name": "payouts", "effect": "require_approval", "approval": {
                "stages": [
                    {"name": "manager", "approvers": [{"context": "customer.manager_email", "domains": ["example.com"]}]},
                    {"approvers": ["group:finance", "agent.owner"], "quorum": 2, "deny_quorum": 2}
                ],
                "link": "none",
                "escalate": {"after": "10m", "to": [{"to": ["channel:pager"], "risk": "high"}]},
                "notify": ["channel:finance", {"to": ["channel:pager"], "priority": "high", "risk": "low"}]
            }
        });
        let doc = read(staged.clone()).unwrap();
        assert_eq!(doc.check(), Ok(()));
        assert_eq!(serde_json::to_value(doc.to_wire()).unwrap(), staged);
        let calls = serde_json::json!({
            "name": "calls", "effect": "deny", "http": {"methods": ["DELETE", "put"], "url": "/v1/*"},
            "grant": ["stripe-*", "paypal"], "cost": "money(http.json.amount) / 100", "floor": {"risk": "high"}
        });
        let doc = read(calls.clone()).unwrap();
        assert_eq!(doc.check(), Ok(()));
        assert_eq!(serde_json::to_value(doc.to_wire()).unwrap(), calls);
        let least = serde_json::json!({"name": "a", "effect": "deny"});
        assert_eq!(
            serde_json::to_value(read(least.clone()).unwrap().to_wire()).unwrap(),
            least
        );
    }

    #[test]
    fn every_fault_of_a_set_is_named_with_its_place() {
        let set = serde_json::json!({
            "policies": [
                {"name": "a", "effect": "deny"},
                {"name": "b", "effect": "deny", "valid_for": "never", "approval": {"approvers": ["role:member", "boss"]}}
            ],
            "settings": {"default_approvers": ["role:viewer"]}
        });
        let refused = apply(serde_json::from_value(set).unwrap()).unwrap_err();
        let pointers: Vec<_> = refused
            .problem()
            .errors
            .iter()
            .map(|error| error.pointer.as_str())
            .collect();
        assert_eq!(
            pointers,
            [
                "/policies/1/valid_for",
                "/policies/1/approval/approvers/1",
                "/settings/default_approvers/0"
            ]
        );
        assert!(refused.problem().is(Code::PolicyInvalid));
    }
}

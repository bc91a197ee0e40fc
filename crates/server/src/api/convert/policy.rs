//! Policies, sets of them, and why one of them governs.

use signoff_api::limits::{APPROVERS_MAX, CONDITIONS_MAX, POLICIES_MAX};
use signoff_api::lint::{self, PolicyLint};
use signoff_api::policy as wire;
use signoff_api::{Code, Duration};
use signoff_core::condition::Condition;
use signoff_core::lint::Finding;
use signoff_core::policy::{ApprovalTerms, Effect, Escalation, PolicyDoc, Settings, TimeoutRule};
use signoff_core::requirement::Approver;
use signoff_core::rows::PolicyRow;
use signoff_core::time::Micros;
use signoff_engine::request::{ApplyPolicies, SettingsChange};
use signoff_engine::view::{
    ExplainedMatch, Explanation, PoliciesApplied, PolicySetVersionView, PolicySetView, PolicyVersionView,
};

use super::super::problem::Refused;
use super::action::{micros, span};
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

/// A set to look through: its policies, if any are given, and its default approvers.
pub(crate) fn to_lint(given: PolicyLint) -> Result<(Option<Vec<PolicyDoc>>, Option<Vec<Approver>>), Refused> {
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
    PolicyDoc {
        name: given.name,
        description: given.description,
        actions: given.actions.unwrap_or_default(),
        agents: given.agents.unwrap_or_default(),
        effect: given.effect.to_core(),
        conditions: conditions.into_iter().map(condition).collect(),
        otherwise: given.otherwise.map(ToCore::to_core),
        guard: given.guard.unwrap_or_default(),
        disabled: !given.enabled.unwrap_or(true),
        require_reason: given.require_reason.unwrap_or_default(),
        require_decision_reason: given.require_decision_reason.unwrap_or_default(),
        valid_for,
        approval: terms(
            faults,
            &format!("{at}/approval"),
            given.approval.unwrap_or_default(),
        ),
    }
}

fn condition(given: wire::Condition) -> Condition {
    let wire::Condition::Structured(given) = given;
    Condition {
        field: given.field,
        operator: given.operator.to_core(),
        value: given.value,
    }
}

fn terms(faults: &mut Faults, at: &str, given: wire::ApprovalRule) -> ApprovalTerms {
    let escalate = given.escalate.and_then(|escalate| {
        let after = span(faults, &format!("{at}/escalate/after"), escalate.after)?;
        Some(Escalation {
            after,
            to: escalate.to,
        })
    });
    ApprovalTerms {
        approvers: approvers(
            faults,
            &format!("{at}/approvers"),
            &given.approvers.unwrap_or_default(),
        ),
        quorum: given.quorum,
        deny_quorum: given.deny_quorum,
        timeout: given.timeout.map(|timeout| match timeout {
            Duration::Seconds(seconds) => TimeoutRule::After(micros(seconds)),
            Duration::Never => TimeoutRule::Never,
        }),
        self_approval: given.self_approval.unwrap_or_default(),
        escalate,
        notify: given.notify.unwrap_or_default(),
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
fn unless_default<T: Default + PartialEq>(value: T) -> Option<T> {
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
        wire::Condition::Structured(wire::StructuredCondition {
            field: self.field.clone(),
            operator: self.operator.to_wire(),
            value: self.value.clone(),
        })
    }
}

impl ToWire for ApprovalTerms {
    type Wire = wire::ApprovalRule;

    fn to_wire(&self) -> wire::ApprovalRule {
        wire::ApprovalRule {
            approvers: unless_default(self.approvers.iter().map(ToString::to_string).collect()),
            quorum: self.quorum,
            deny_quorum: self.deny_quorum,
            timeout: self.timeout.map(|timeout| match timeout {
                TimeoutRule::After(span) => span.to_wire(),
                TimeoutRule::Never => Duration::Never,
            }),
            self_approval: unless_default(self.self_approval),
            escalate: self.escalate.as_ref().map(|escalate| wire::Escalation {
                after: escalate.after.to_wire(),
                to: escalate.to.clone(),
            }),
            notify: unless_default(self.notify.clone()),
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
            effect: self.effect.to_wire(),
            conditions: Some(self.conditions.to_wire()).filter(|list| !list.is_empty()),
            otherwise: self.otherwise.to_wire(),
            guard: unless_default(self.guard),
            enabled: self.disabled.then_some(false),
            require_reason: unless_default(self.require_reason),
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

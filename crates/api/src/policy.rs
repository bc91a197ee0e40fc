//! Policies and policy sets: the rules, their versions, and why one of them governs.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::action::{ConditionReport, PolicyRef, Verdict};
use crate::common::{Actor, Decimal};
use crate::duration::Duration;

mod matchers;
mod raises;
mod terms;

pub use matchers::*;
pub use raises::*;
pub use terms::*;

/// What a policy does with what it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Let it pass.
    Allow,
    /// Refuse it.
    Deny,
    /// Ask a person.
    RequireApproval,
    /// Let it pass when the conditions hold, else do what `otherwise` says.
    Conditional,
}

crate::common::level_text!(Effect {
    Allow => "allow", Deny => "deny", RequireApproval => "require_approval", Conditional => "conditional",
});

/// What a conditional policy does when its conditions do not hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Otherwise {
    /// Ask a person.
    #[default]
    RequireApproval,
    /// Refuse it.
    Deny,
}

/// A rule as it is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyBody {
    /// Unique in the workspace: 1 to 200 printable ASCII characters without spaces.
    pub name: String,
    /// What it is for; at most 4,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4000)]
    pub description: Option<String>,
    /// Globs over action names; none means any. `*` is any run of characters, `?` one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions: Option<Vec<String>>,
    /// Names or globs of agents; none means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<Vec<String>>,
    /// Labels that the agent must have, all of them with these values; none means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Only calls with one of these methods and to one of these URLs; none means whatever the action is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpMatch>,
    /// Only calls with a grant of this name, or one of these; globs. None means any, or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<OneOrMany>,
    /// `high` means high and above; a list means exactly these. None means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<RiskMatch>,
    /// Only what costs more than this many dollars: a number, or a decimal in quotes. What an agent says of cost is a claim,
    /// which `cost` may raise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_over: Option<Decimal>,
    /// An expression that gives what the action costs, in dollars: `money(http.json.amount) / 100`. The highest of it, of
    /// what other matching policies say and of what the agent says counts; where it fails, the cost may be anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4096)]
    pub cost: Option<String>,
    /// The least risk and priority of all that it matches by action, agent, labels and call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<Floor>,
    /// What it does.
    pub effect: Effect,
    /// All must hold: they narrow the match, or decide a `conditional`. At most 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Vec<Condition>>,
    /// Only for `conditional` (default `require_approval`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<Otherwise>,
    /// An asking guard can't be overridden by a more specific allow (default false).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<bool>,
    /// A policy turned off matches nothing (default true).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Whether the agent must give a reason (default false).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_reason: Option<bool>,
    /// A JSON Schema (draft 2020-12) that the action's `context` must fit: what does not is sent back to the agent with
    /// what is missing, and nobody is asked. References stay inside it and lead to nothing that holds them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub context_schema: Option<Map<String, Value>>,
    /// Whether every decision needs a reason (default false).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_decision_reason: Option<bool>,
    /// How long a permission may be used (default 1 hour).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_for: Option<Duration>,
    /// Who must decide, and by when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalRule>,
}

/// One condition of a policy.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Condition {
    /// An expression in CEL, such as `context.amount <= 50`; at most 4 KiB.
    Expression(String),
    /// A field, an operator, a value.
    Structured(StructuredCondition),
}

/// A comparison of one field with one value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StructuredCondition {
    /// Dotted path under `context`, or one that starts with `inputs.`, `agent.` or `http.`.
    pub field: String,
    /// How to compare.
    pub operator: Operator,
    /// What to compare with. `exists` takes a bool (default true); `in` and `not_in` take a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

/// How a structured condition compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Greater; numbers and decimal text.
    Gt,
    /// Greater or equal.
    Gte,
    /// Less.
    Lt,
    /// Less or equal.
    Lte,
    /// One of a list.
    In,
    /// None of a list.
    NotIn,
    /// Text has the value as a part, or a list has it as an item.
    Contains,
    /// Text has a match of a regular expression; anchors are the author's.
    Matches,
    /// The field is there.
    Exists,
}

crate::common::level_text!(Operator {
    Eq => "eq", Ne => "ne", Gt => "gt", Gte => "gte", Lt => "lt", Lte => "lte", In => "in",
    NotIn => "not_in", Contains => "contains", Matches => "matches", Exists => "exists",
});

// Written by hand so that an error names the field at fault: a derived untagged enum only says "no variant".
impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ConditionVisitor)
    }
}

struct ConditionVisitor;

impl<'de> de::Visitor<'de> for ConditionVisitor {
    type Value = Condition;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an expression in quotes, or {field, operator, value}")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Condition, A::Error> {
        StructuredCondition::deserialize(de::value::MapAccessDeserializer::new(map))
            .map(Condition::Structured)
    }

    fn visit_str<E: de::Error>(self, expression: &str) -> Result<Condition, E> {
        Ok(Condition::Expression(expression.to_owned()))
    }
}

/// A rule with its identity and version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Policy {
    /// `pol_…`; stays the same over versions.
    pub id: String,
    /// Version of this policy, from 1.
    pub version: u64,
    /// When the first version was written, RFC 3339.
    pub created_at: String,
    /// When this version was written, RFC 3339.
    pub updated_at: String,
    /// The rule.
    #[serde(flatten)]
    pub body: PolicyBody,
}

/// Settings of a policy set; what is left out stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicySettings {
    /// What happens to an action that no policy covers (first value: `deny`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmatched: Option<Unmatched>,
    /// What happens to a call with a grant that the agent holds and that no policy covers (first value: `allow`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmatched_calls: Option<Unmatched>,
    /// Who decides where a policy names nobody (first value: `["role:member"]`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_approvers: Option<Vec<String>>,
    /// What happens to a pending approval that no policy governs any more (first value: `judge`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orphaned: Option<Orphaned>,
}

/// What happens to an action that no policy covers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unmatched {
    /// It is refused.
    #[default]
    Deny,
    /// A person is asked.
    Ask,
    /// It is allowed.
    Allow,
}

crate::common::level_text!(Unmatched { Deny => "deny", Ask => "ask", Allow => "allow" });

/// What happens to a pending approval that no policy governs any more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Orphaned {
    /// It gets what an identical new action would get.
    #[default]
    Judge,
    /// It is approved.
    Release,
    /// It is denied.
    Deny,
    /// It stays under its old requirement.
    Keep,
}

crate::common::level_text!(Orphaned { Judge => "judge", Release => "release", Deny => "deny", Keep => "keep" });

/// The policies in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PolicySet {
    /// Version of the set; grows with each change.
    pub version: u64,
    /// Settings of the set; every one is given.
    pub settings: PolicySettings,
    /// All its policies, oldest first.
    pub items: Vec<Policy>,
}

/// A whole policy set to put in place of the present one. What is not in it is removed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyApply {
    /// The policies; at most 10,000, each at most 32 KiB, earlier ones win between equals.
    pub policies: Vec<PolicyBody>,
    /// Settings to change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<PolicySettings>,
    /// Refuse with `version_conflict` if the present version is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<u64>,
    /// What happens to pending approvals left without a policy, for this change only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orphaned: Option<Orphaned>,
    /// Only say what would change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
}

/// What an apply changed, or would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyApplied {
    /// Version of the set afterwards.
    pub version: u64,
    /// True when nothing was stored.
    #[serde(default)]
    pub dry_run: bool,
    /// Names of new policies.
    pub added: Vec<String>,
    /// Names of changed ones.
    pub changed: Vec<String>,
    /// Names of removed ones.
    pub removed: Vec<String>,
    /// Names of those left as they were.
    pub unchanged: Vec<String>,
    /// How many pending approvals are judged again with another outcome or requirement.
    pub pending_affected: u64,
    /// What becomes of these.
    #[serde(default)]
    pub pending: PendingChange,
}

/// What a change of policies does to pending approvals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PendingChange {
    /// Approved by the system.
    pub allowed: u64,
    /// Denied by the system.
    pub denied: u64,
    /// Still asked, under another policy or other terms.
    pub asked: u64,
}

/// Query of a removal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PolicyRemoveQuery {
    /// What happens to pending approvals left without a policy; the workspace's choice if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orphaned: Option<Orphaned>,
}

/// One version of one policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PolicyVersion {
    /// Version of this policy.
    pub version: u64,
    /// When, RFC 3339.
    pub at: String,
    /// Who.
    pub by: Actor,
    /// The rule; null when this version removed it.
    #[schema(required)]
    pub policy: Option<PolicyBody>,
}

/// One version of the policy set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PolicySetVersion {
    /// Version of the set.
    pub version: u64,
    /// When, RFC 3339.
    pub at: String,
    /// Who.
    pub by: Actor,
    /// The record of the log that brought it.
    pub sequence: u64,
    /// What became of pending approvals that it left without a policy.
    pub orphaned: Orphaned,
}

/// Why an action gets the verdict it gets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// The verdict, as a check would give it.
    pub verdict: Verdict,
    /// Every policy whose action and agent match, most decisive first.
    pub matches: Vec<PolicyMatch>,
}

/// What one policy says of an action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PolicyMatch {
    /// Which.
    pub policy: PolicyRef,
    /// What it comes to for this action; absent when its conditions keep it from matching.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Yields>,
    /// Whether it is the one that governs.
    pub governs: bool,
    /// Why it does or does not, in words.
    pub why: String,
    /// Its conditions, one by one.
    #[serde(default)]
    pub conditions: Vec<ConditionReport>,
}

/// What a policy comes to for one action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Yields {
    /// Let it pass.
    Allow,
    /// Ask a person.
    Ask,
    /// Refuse it.
    Deny,
}

crate::common::level_text!(Yields { Allow => "allow", Ask => "ask", Deny => "deny" });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_option_is_named_at_any_depth() {
        let cases = [
            (r#"{"name":"a","effect":"deny","gard":true}"#, "gard"),
            (r#"{"name":"a","effect":"deny","approval":{"qorum":2}}"#, "qorum"),
            (
                r#"{"name":"a","effect":"deny","conditions":[{"field":"x","operator":"eq","valu":1}]}"#,
                "valu",
            ),
            (
                r#"{"name":"a","effect":"deny","conditions":[5]}"#,
                "an expression in quotes",
            ),
        ];
        for (json, expected) in cases {
            let error = serde_json::from_str::<PolicyBody>(json).unwrap_err().to_string();
            assert!(error.contains(expected), "{json}: {error}");
        }
    }

    #[test]
    fn a_policy_reads_back_what_it_wrote() {
        let json = r#"{"id":"pol_1","version":2,"created_at":"t","updated_at":"t","name":"a","effect":"conditional",
            "labels":{"team":"ops"},"risk":["low","high"],"cost_over":"10.50",
            "conditions":["context.amount > 5",{"field":"amount","operator":"lte","value":50}],"approval":{"timeout":"30m"}}"#;
        let policy: Policy = serde_json::from_str(json).unwrap();
        assert_eq!(
            policy.body.approval.as_ref().and_then(|a| a.timeout),
            Some(Duration::Seconds(1_800))
        );
        let again: Policy = serde_json::from_str(&serde_json::to_string(&policy).unwrap()).unwrap();
        assert_eq!(again, policy);
    }
}

//! What is wrong with a policy set although every policy in it is valid. Vectors: `spec/lint.json`.
//!
//! Every finding is certain. What can't be known (people where none are given, a matcher this file has not heard of, an
//! expression) leads to silence, never to a guess.

mod cover;
mod never;
mod people;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    action::text_enum,
    id::OperatorId,
    policy::PolicyDoc,
    requirement::{Approver, Role},
};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Probably not what was meant.
    Warning,
    /// It can't do what it says.
    Error,
}

text_enum!(Severity { Note => "note", Warning => "warning", Error => "error" });

/// What kind of finding it is, as a stable code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LintCode {
    /// Another policy denies or guards all that it matches.
    Unreachable,
    /// Another policy is as specific and always comes first.
    Shadowed,
    /// Its conditions can't hold.
    NeverTrue,
    /// Fewer people can decide than must.
    Unmeetable,
    /// Fewer people can deny than must.
    Undeniable,
    /// An approver that names nobody who can decide.
    IdleApprover,
    /// An agent that is not there.
    UnknownAgent,
    /// A channel that is not there.
    UnknownChannel,
    /// People who may decide, and whom no channel reaches.
    Unheard,
    /// It trusts what the agent says of the cost.
    ClaimedCost,
    /// Too many policies to compare each with each.
    TooMany,
}

text_enum!(LintCode {
    Unreachable => "unreachable", Shadowed => "shadowed", NeverTrue => "never_true", Unmeetable => "unmeetable",
    Undeniable => "undeniable", IdleApprover => "idle_approver", UnknownAgent => "unknown_agent",
    UnknownChannel => "unknown_channel", Unheard => "unheard", ClaimedCost => "claimed_cost", TooMany => "too_many",
});

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// What kind.
    pub code: LintCode,
    /// In which policy; none where it is about the settings.
    pub policy: Option<String>,
    /// Where inside it, as a JSON pointer; in the settings if there is no policy.
    pub pointer: String,
    /// The other policy that it is about.
    pub other: Option<String>,
    /// What is wrong, as a sentence.
    pub message: String,
    /// What to do about it.
    pub next: String,
}

/// Who and what there is. None: not known, so nothing is said about it.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// All operators.
    pub operators: Option<Vec<KnownOperator>>,
    /// All groups.
    pub groups: Option<Vec<KnownGroup>>,
    /// All agents.
    pub agents: Option<Vec<KnownAgent>>,
    /// Names of all channels.
    pub channels: Option<Vec<String>>,
    /// Who hears of what is asked; none also where there is no channel at all yet.
    pub heard: Option<Heard>,
}

/// Who hears of what is asked.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// A channel is told of everything.
    pub of_everything: bool,
    /// Addresses of people whom a channel reaches, in lower case.
    pub people: BTreeSet<String>,
}

/// A person.
#[derive(Debug, Clone)]
pub struct KnownOperator {
    /// Their id, where it is known already.
    pub id: Option<OperatorId>,
    /// Their address.
    pub email: String,
    /// What they may do.
    pub role: Role,
    /// Switched off.
    pub disabled: bool,
}

/// People under one name.
#[derive(Debug, Clone)]
pub struct KnownGroup {
    /// Its name.
    pub name: String,
    /// Addresses or ids of its members.
    pub members: Vec<String>,
}

/// A principal that asks.
#[derive(Debug, Clone)]
pub struct KnownAgent {
    /// Its name.
    pub name: String,
    /// Address or id of its owner.
    pub owner: Option<String>,
    /// Switched off.
    pub disabled: bool,
}

/// How many findings are told at most.
pub const FINDINGS_MAX: usize = 1_000;

/// Looks through a set, older policies first. Without default approvers nothing is said about who they are.
pub fn lint(policies: &[PolicyDoc], default_approvers: Option<&[Approver]>, known: &Known) -> Vec<Finding> {
    let mut findings = cover::findings(policies);
    let computed = policies
        .iter()
        .any(|policy| !policy.disabled && policy.cost.is_some());
    for policy in policies.iter().filter(|policy| !policy.disabled) {
        findings.extend(never::finding(policy));
        findings.extend(people::findings(policy, default_approvers, known));
        // A cost that any policy computes may be this one's, too.
        findings.extend((policy.cost_over.is_some() && !computed).then(|| claimed_cost(&policy.name)));
    }
    findings.extend(people::default_findings(policies, default_approvers, known));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings.truncate(FINDINGS_MAX);
    findings
}

/// A policy as the object it is written as: to see whether it has anything that this file does not know.
fn written(policy: &PolicyDoc) -> Map<String, Value> {
    match serde_json::to_value(policy) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    }
}

/// Whether an object says something beside what is listed; `null`, `false` and empty values say nothing.
fn says_more(object: &Map<String, Value>, known: &[&str]) -> bool {
    object.iter().any(|(key, value)| {
        let silent = match value {
            Value::Null | Value::Bool(false) => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        !silent && !known.contains(&key.as_str())
    })
}

fn claimed_cost(name: &str) -> Finding {
    Finding {
        severity: Severity::Note,
        code: LintCode::ClaimedCost,
        policy: Some(name.to_owned()),
        pointer: "/cost_over".into(),
        other: None,
        message: "a cost is the agent's claim: an agent that says less is not matched".into(),
        next: "compute it with `cost`, such as `money(inputs.amount)`, or put a condition on `inputs`, which the approval is bound to".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_nothing_is_no_matcher() {
        let object = |text: &str| serde_json::from_str::<Map<String, Value>>(text).unwrap();
        assert!(!says_more(
            &object(r#"{"name": "a", "labels": {}, "guard": false}"#),
            &["name"]
        ));
        assert!(says_more(
            &object(r#"{"name": "a", "labels": {"team": "x"}}"#),
            &["name"]
        ));
    }
}

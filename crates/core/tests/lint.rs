//! What lint finds, and above all what it does not: the table in `spec/lint.json`, and random sets that are judged.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};
use signoff_core::{
    action::Action,
    id::PolicyId,
    judge::{AgentFacts, PolicySet, Prepared},
    lint::{Finding, Heard, Known, KnownAgent, KnownGroup, KnownOperator, LintCode, Severity, lint},
    policy::{PolicyDoc, PolicyRef, Settings},
    requirement::{Approver, Role},
};

mod support;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(rename = "about")]
    _about: String,
    cases: Vec<Case>,
}

/// Severity, code, policy, place, the other policy.
type Expected = (Severity, LintCode, Option<String>, String, Option<String>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    known: CaseKnown,
    default_approvers: Option<Vec<Approver>>,
    policies: Vec<PolicyDoc>,
    expect: Vec<Expected>,
}

/// Operators as `name role`, perhaps `disabled`, with the address `name@example.com`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseKnown {
    operators: Option<Vec<String>>,
    groups: Option<BTreeMap<String, Vec<String>>>,
    agents: Option<BTreeMap<String, Option<String>>>,
    channels: Option<Vec<String>>,
    /// Names of those whom a channel reaches; `*` for a channel that is told of everything.
    heard: Option<Vec<String>>,
}

fn address(name: &str) -> String {
    format!("{name}@example.com")
}

impl From<CaseKnown> for Known {
    fn from(given: CaseKnown) -> Self {
        let operator = |line: String| {
            let words: Vec<&str> = line.split(' ').collect();
            KnownOperator {
                id: None,
                email: address(words[0]),
                role: Role::parse(words[1]).unwrap(),
                disabled: words.get(2) == Some(&"disabled"),
            }
        };
        let group = |(name, members): (String, Vec<String>)| KnownGroup {
            name,
            members: members.iter().map(|name| address(name)).collect(),
        };
        let agent = |(name, owner): (String, Option<String>)| KnownAgent {
            name,
            owner: owner.map(|owner| address(&owner)),
            disabled: false,
        };
        Self {
            operators: given.operators.map(|all| all.into_iter().map(operator).collect()),
            groups: given.groups.map(|all| all.into_iter().map(group).collect()),
            agents: given.agents.map(|all| all.into_iter().map(agent).collect()),
            channels: given.channels,
            heard: given.heard.map(|names| Heard {
                of_everything: names.iter().any(|name| name == "*"),
                people: names.iter().map(|name| address(name)).collect(),
            }),
        }
    }
}

#[test]
fn lint_finds_what_the_table_says_and_nothing_else() {
    let table: Table = serde_json::from_str(include_str!("../../../spec/lint.json")).unwrap();
    assert!(!table.cases.is_empty());
    for case in table.cases {
        for policy in &case.policies {
            assert_eq!(policy.check(), Ok(()), "{}", case.name);
        }
        let found = lint(
            &case.policies,
            case.default_approvers.as_deref(),
            &case.known.into(),
        );
        let mut seen: Vec<_> = found
            .iter()
            .map(|one| {
                (
                    one.severity,
                    one.code,
                    one.policy.clone(),
                    one.pointer.clone(),
                    one.other.clone(),
                )
            })
            .collect();
        let mut expected = case.expect;
        let order = |one: &(Severity, LintCode, Option<String>, String, Option<String>)| {
            (one.2.clone(), one.3.clone(), one.1.as_str())
        };
        seen.sort_by_key(order);
        expected.sort_by_key(order);
        assert_eq!(seen, expected, "{}: {found:#?}", case.name);
        assert!(
            found
                .iter()
                .all(|one| !one.message.is_empty() && !one.next.is_empty())
        );
    }
}

fn policy(at: usize, parts: (usize, Vec<String>, Vec<String>, bool, Option<i64>)) -> PolicyDoc {
    let (effect, actions, agents, guard, condition) = parts;
    let effects = ["allow", "deny", "require_approval", "conditional"];
    let mut written = json!({
        "name": format!("p{at}"), "effect": effects[effect], "actions": actions, "agents": agents, "guard": guard,
    });
    // A conditional needs one; it holds for some actions, fails for others, and can't be evaluated for the rest.
    if let Some(value) = condition.or((effect == 3).then_some(1)) {
        written["conditions"] = json!([{"field": "n", "operator": "lte", "value": value}]);
    }
    serde_json::from_value(written).unwrap()
}

fn policies() -> impl Strategy<Value = Vec<PolicyDoc>> {
    let globs = |pattern: &'static str, most: usize| prop::collection::vec(pattern, 0..most);
    let parts = (
        0..4_usize,
        globs("[ab?*]{1,3}", 3),
        globs("[xy*]{1,2}", 2),
        any::<bool>(),
        prop::option::of(0..2_i64),
    );
    prop::collection::vec(parts, 1..5).prop_map(|all| {
        all.into_iter()
            .enumerate()
            .map(|(at, parts)| policy(at, parts))
            .collect()
    })
}

fn set(policies: &[PolicyDoc]) -> PolicySet {
    let prepared = policies.iter().enumerate().map(|(at, doc)| {
        let reference = PolicyRef {
            id: PolicyId(support::raw(u8::try_from(at).unwrap())),
            name: doc.name.clone(),
            version: 1,
        };
        std::sync::Arc::new(Prepared::new(reference, doc.clone()).unwrap())
    });
    PolicySet::new(
        prepared.collect(),
        Settings::default(),
        signoff_core::stop::Stops::default(),
    )
    .unwrap()
}

fn silent(findings: &[Finding]) -> Vec<&str> {
    findings
        .iter()
        .filter(|one| matches!(one.code, LintCode::Unreachable | LintCode::Shadowed))
        .filter_map(|one| one.policy.as_deref())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    /// No false alarm: a policy that is said never to govern governs nothing that is tried.
    #[test]
    fn what_never_governs_does_not_govern(policies in policies()) {
        let findings = lint(&policies, None, &Known::default());
        let silent = silent(&findings);
        if silent.is_empty() {
            return Ok(());
        }
        let set = set(&policies);
        for name in ["a", "b", "ab", "ba", "aa", "bb", "aab", "bab", "c"] {
            for agent in ["x", "y", "xy", "z"] {
                for n in [Value::Null, json!(0), json!(1), json!(9)] {
                    let mut action = Action::named(name);
                    if !n.is_null() {
                        action.context.insert("n".into(), n);
                    }
                    let facts = AgentFacts::new(support::AGENT, agent, &BTreeMap::new(), None);
                    if let Some(policy) = set.judge(&action, &facts, signoff_core::time::Timestamp(0)).policy {
                        prop_assert!(!silent.contains(&policy.name.as_str()), "{name} {agent}: {findings:#?}");
                    }
                }
            }
        }
    }
}

//! Which policy governs: the table in `spec/resolution.json`, and random policy sets beside a deliberately naive model.

use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use signoff_core::{
    action::{Action, Cost, Risk},
    condition::Outcome,
    http::{Call, GivenCall},
    id::PolicyId,
    judge::{AgentFacts, PolicySet, Prepared, ReasonCode, Verdict},
    policy::{Effect, PolicyDoc, PolicyRef, Settings, Unmatched},
    stop::Stops,
};

mod reference;
mod support;

use support::NOON;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    settings: CaseSettings,
    policies: Vec<Value>,
    action: String,
    #[serde(default = "bot")]
    agent: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    context: Map<String, Value>,
    #[serde(default)]
    inputs: Map<String, Value>,
    #[serde(default)]
    require_approval: bool,
    #[serde(default)]
    risk: Risk,
    cost: Option<Cost>,
    http: Option<CaseCall>,
    expect: Expected,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseCall {
    method: String,
    url: String,
    json: Option<Value>,
    grant: Option<String>,
}

impl CaseCall {
    fn read(self) -> Call {
        let kind = ("content-type".to_owned(), "application/json".to_owned());
        let given = GivenCall {
            method: self.method,
            url: self.url,
            headers: self.json.iter().map(|_| kind.clone()).collect(),
            body: self.json.map(|json| json.to_string().into_bytes()),
            grant: self.grant,
        };
        Call::new(given).expect("a call")
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseSettings {
    unmatched: Unmatched,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    effect: Effect,
    code: Option<ReasonCode>,
    policy: Option<String>,
}

fn bot() -> String {
    "bot".into()
}

impl From<Verdict> for Expected {
    fn from(verdict: Verdict) -> Self {
        Self {
            effect: verdict.effect,
            code: verdict.code,
            policy: verdict.policy.map(|policy| policy.name),
        }
    }
}

/// Reads a policy of the table; a key that the policy does not know must not vanish silently.
fn policy(case: &str, written: &Value) -> PolicyDoc {
    let doc: PolicyDoc = serde_json::from_value(written.clone()).expect(case);
    doc.check().expect(case);
    let read = serde_json::to_value(&doc).expect(case);
    for key in written.as_object().expect(case).keys() {
        assert!(
            read.get(key).is_some(),
            "{case}: `{key}` is not known or says nothing"
        );
    }
    doc
}

fn set(docs: &[PolicyDoc], unmatched: Unmatched) -> PolicySet {
    let prepare = |(age, doc): (usize, &PolicyDoc)| {
        let reference = PolicyRef {
            id: PolicyId(support::raw(u8::try_from(age).expect("few policies"))),
            name: doc.name.clone(),
            version: 1,
        };
        Arc::new(Prepared::new(reference, doc.clone()).expect("a checked policy compiles"))
    };
    let settings = Settings {
        unmatched,
        ..Settings::default()
    };
    let prepared = docs.iter().enumerate().map(prepare).collect();
    PolicySet::new(prepared, settings, Stops::default()).expect("checked globs compile")
}

fn facts(name: &str, labels: &BTreeMap<String, String>) -> AgentFacts {
    AgentFacts::new(support::AGENT, name, labels, None)
}

/// The table says what design and rules mean, the code does what the table says, and so does the model.
#[test]
fn the_table_of_the_resolution() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../../spec/resolution.json")).expect("the table is readable");
    assert!(cases.len() >= 40, "the table has only {} cases", cases.len());
    for case in cases {
        let name = case.name.as_str();
        let docs: Vec<PolicyDoc> = case
            .policies
            .iter()
            .map(|written| policy(name, written))
            .collect();
        let action = Action {
            inputs: case.inputs,
            context: case.context,
            require_approval: case.require_approval,
            risk: case.risk,
            cost: case.cost,
            http: case.http.map(|call| Arc::new(call.read())),
            ..Action::named(case.action)
        };
        action.check().expect(name);
        let agent = facts(&case.agent, &case.labels);
        let verdict = set(&docs, case.settings.unmatched).judge(&action, &agent, NOON);
        assert_eq!(Expected::from(verdict), case.expect, "{name}");

        let agent = json!({"id": support::AGENT, "name": case.agent, "labels": case.labels});
        let modelled = reference::judge(&docs, case.settings.unmatched, &action, &agent);
        assert_eq!(expected_of(modelled), case.expect, "the model: {name}");
    }
}

fn expected_of(answer: reference::Answer) -> Expected {
    Expected {
        effect: answer.effect,
        code: answer.code,
        policy: answer.policy,
    }
}

fn pattern() -> impl Strategy<Value = String> {
    prop_oneof![
        1 => Just("*".to_owned()),
        2 => "[abAB.]{1,3}",
        5 => "[abAB.*?]{1,4}",
    ]
}

fn condition() -> impl Strategy<Value = Value> {
    let operator = prop::sample::select(vec!["eq", "ne", "gt", "gte", "lt", "lte"]);
    let field = prop::sample::select(vec!["x", "inputs.y", "agent.name", "missing"]);
    let compared = (field.clone(), operator, 0..3_i32)
        .prop_map(|(field, operator, value)| json!({"field": field, "operator": operator, "value": value}));
    let exists = (field, any::<bool>())
        .prop_map(|(field, value)| json!({"field": field, "operator": "exists", "value": value}));
    prop_oneof![4 => compared, 1 => exists]
}

prop_compose! {
    fn any_policy()(
        actions in prop::collection::vec(pattern(), 0..3),
        agents in prop::collection::vec(pattern(), 0..2),
        effect in prop::sample::select(vec!["allow", "deny", "require_approval", "conditional"]),
        conditions in prop::collection::vec(condition(), 0..3),
        first in condition(),
        otherwise in prop::option::of(prop::sample::select(vec!["require_approval", "deny"])),
        guard in prop::bool::weighted(0.2),
        disabled in prop::bool::weighted(0.1),
    ) -> Value {
        let mut conditions = conditions;
        let mut written = json!({"actions": actions, "agents": agents, "effect": effect, "guard": guard, "disabled": disabled});
        if effect == "conditional" {
            conditions.push(first);
            written["otherwise"] = json!(otherwise);
        }
        written["conditions"] = json!(conditions);
        written
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0..3_i32).prop_map(|number| json!(number)),
        Just(json!("1.00")),
        Just(json!("text")),
        Just(json!(null))
    ]
}

prop_compose! {
    fn any_action()(
        name in "[abAB.]{1,3}",
        x in prop::option::of(any_value()),
        y in prop::option::of(any_value()),
        require_approval in prop::bool::weighted(0.2),
    ) -> Action {
        let object = |key: &str, value: Option<Value>| value.map(|value| (key.to_owned(), value)).into_iter().collect();
        Action { context: object("x", x), inputs: object("y", y), require_approval, ..Action::named(name) }
    }
}

fn any_unmatched() -> impl Strategy<Value = Unmatched> {
    prop::sample::select(Unmatched::ALL)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// The indexed set answers what a linear scan over the rules' own words answers.
    #[test]
    fn the_set_agrees_with_the_naive_model(
        written in prop::collection::vec(any_policy(), 0..7),
        action in any_action(),
        agent in "[abAB.]{1,3}",
        unmatched in any_unmatched(),
    ) {
        let docs: Vec<PolicyDoc> = written
            .into_iter()
            .enumerate()
            .map(|(age, mut doc)| {
                doc["name"] = json!(format!("p{age}"));
                serde_json::from_value(doc).expect("a policy")
            })
            .collect();
        for doc in &docs {
            prop_assert_eq!(doc.check(), Ok(()));
        }
        let verdict = set(&docs, unmatched).judge(&action, &facts(&agent, &BTreeMap::new()), NOON);
        let seen: Vec<Outcome> = verdict.conditions.iter().map(|report| report.result).collect();
        let modelled = reference::judge(&docs, unmatched, &action, &json!({"id": support::AGENT, "name": agent, "labels": {}}));
        prop_assert_eq!(&seen, &modelled.conditions);
        prop_assert_eq!(Expected::from(verdict), expected_of(modelled));
    }

    /// I8: a condition that fails opens nothing that would be closed if it held or did not hold.
    #[test]
    fn i8_a_condition_that_fails_never_opens_the_gate(
        written in prop::collection::vec(any_policy(), 1..6),
        action in any_action(),
        agent in "[abAB.]{1,3}",
        unmatched in any_unmatched(),
        unsure in any::<prop::sample::Index>(),
    ) {
        let docs = |condition: Value| -> Vec<PolicyDoc> {
            let mut written = written.clone();
            let at = unsure.index(written.len());
            written[at]["conditions"] = json!([condition]);
            let named = |(age, mut doc): (usize, Value)| {
                doc["name"] = json!(format!("p{age}"));
                serde_json::from_value(doc).expect("a policy")
            };
            written.into_iter().enumerate().map(named).collect()
        };
        let effect = |condition: Value| {
            let verdict = set(&docs(condition), unmatched).judge(&action, &facts(&agent, &BTreeMap::new()), NOON);
            verdict.effect
        };
        let holds = effect(json!({"field": "agent.name", "operator": "exists", "value": true}));
        let does_not = effect(json!({"field": "agent.name", "operator": "exists", "value": false}));
        let fails = effect(json!({"field": "never.there", "operator": "eq", "value": 1}));
        prop_assert!(fails > Effect::Allow || holds == Effect::Allow || does_not == Effect::Allow);
        prop_assert!(fails >= holds.min(does_not), "{:?} {:?} {:?}", fails, holds, does_not);
    }
}

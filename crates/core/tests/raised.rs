//! What policies make of an agent's claims: costs that they compute, floors of risk and priority. Vectors:
//! `spec/raised.json`.

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use signoff_core::{
    action::{Action, Cost, Priority, Risk},
    condition::Outcome,
    http::{Call, GivenCall},
    id::PolicyId,
    judge::{AgentFacts, Claim, PolicySet, Prepared},
    policy::{Contacts, Effect, PolicyDoc, PolicyRef, Settings, Unmatched},
    requirement::LinkMode,
    stop::Stops,
};

mod support;

use support::NOON;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    settings: CaseSettings,
    policies: Vec<PolicyDoc>,
    action: CaseAction,
    expect: Expected,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseSettings {
    unmatched: Unmatched,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseAction {
    name: String,
    #[serde(default)]
    risk: Risk,
    #[serde(default)]
    priority: Priority,
    cost: Option<Cost>,
    #[serde(default)]
    inputs: Map<String, Value>,
    json: Option<Value>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    effect: Effect,
    policy: Option<String>,
    cost: Option<String>,
    #[serde(default)]
    risk: Risk,
    #[serde(default)]
    priority: Priority,
    fails: Option<String>,
}

impl CaseAction {
    fn read(self) -> Action {
        let call = self.json.map(|json| GivenCall {
            method: "POST".into(),
            url: "https://api.example.com/".into(),
            headers: [("content-type".to_owned(), "application/json".to_owned())].into(),
            body: Some(json.to_string().into_bytes()),
            grant: None,
        });
        Action {
            risk: self.risk,
            priority: self.priority,
            cost: self.cost,
            inputs: self.inputs,
            http: call.map(|call| Arc::new(Call::new(call).expect("a call"))),
            ..Action::named(self.name)
        }
    }
}

fn set(docs: &[PolicyDoc], unmatched: Unmatched) -> PolicySet {
    let prepare = |(age, doc): (usize, &PolicyDoc)| {
        doc.check().unwrap_or_else(|why| panic!("{}: {why}", doc.name));
        let reference = PolicyRef {
            id: PolicyId(support::raw(u8::try_from(age).expect("few policies"))),
            name: doc.name.clone(),
            version: 1,
        };
        Arc::new(Prepared::new(reference, doc.clone()).expect("checked"))
    };
    let settings = Settings {
        unmatched,
        ..Settings::default()
    };
    let prepared = docs.iter().enumerate().map(prepare).collect();
    PolicySet::new(prepared, settings, Stops::default()).expect("checked globs")
}

fn bot() -> AgentFacts {
    AgentFacts::new(support::AGENT, "bot", &BTreeMap::new(), None)
}

fn doc(written: Value) -> PolicyDoc {
    serde_json::from_value(written).expect("a policy")
}

#[test]
fn the_table_of_what_counts() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../../spec/raised.json")).expect("the table is readable");
    for case in cases {
        let action = case.action.read();
        let set = set(&case.policies, case.settings.unmatched);
        let verdict = set.judge(&action, &bot(), NOON);
        let raised = verdict.raised.as_deref();
        let failure =
            raised.and_then(|raised| raised.raises.iter().find_map(|raise| raise.value.clone().err()));
        let found = Expected {
            effect: verdict.effect,
            policy: verdict.policy.map(|policy| policy.name),
            cost: match raised {
                Some(raised) => raised.cost.clone().map(String::from),
                None => action.cost.clone().map(String::from),
            },
            risk: raised.map_or(action.risk, |raised| raised.risk),
            priority: raised.map_or(action.priority, |raised| raised.priority),
            fails: case
                .expect
                .fails
                .clone()
                .filter(|fails| failure.as_ref().is_some_and(|why| why.contains(fails.as_str()))),
        };
        assert_eq!(found, case.expect, "{}: {failure:?}", case.name);
        assert_eq!(failure.is_some(), case.expect.fails.is_some(), "{}", case.name);
        // What explains takes the same steps one by one.
        let again = set.verdict(&action, &bot(), NOON, set.matches(&action, &bot(), NOON));
        assert_eq!(again.effect, found.effect, "{}", case.name);
        assert_eq!(again.raised, verdict.raised, "{}", case.name);
    }
}

/// Whoever is asked because a cost is not known reads why.
#[test]
fn a_cost_that_fails_stands_in_the_report() {
    let docs = [
        doc(json!({"name": "price", "actions": ["pay"], "cost": "inputs.amount", "effect": "allow"})),
        doc(json!({"name": "dear", "cost_over": "50", "effect": "require_approval", "guard": true})),
    ];
    let set = set(&docs, Unmatched::Deny);
    let verdict = set.judge(&Action::named("pay"), &bot(), NOON);
    let report = &verdict.conditions[0];
    assert_eq!(
        (report.expression.as_str(), report.result),
        ("cost_over 50", Outcome::Error)
    );
    let why = report.error.as_deref().expect("why");
    assert!(
        why.contains("`price`") && why.contains("`amount` is missing"),
        "{why}"
    );
    let sure = Action {
        cost: Cost::parse("51").ok(),
        ..Action::named("pay")
    };
    assert_eq!(set.judge(&sure, &bot(), NOON).conditions, []);
}

#[test]
fn contacts_and_links_go_by_what_counts() {
    let asks = doc(json!({
        "name": "a", "effect": "require_approval", "floor": {"risk": "high", "priority": "critical"},
        "approval": {"link": "anyone", "notify": [{"to": ["channel:pager"], "priority": "critical", "risk": "high"}]}
    }));
    assert!(matches!(asks.approval.notify[0], Contacts::From { .. }));
    let verdict = set(&[asks], Unmatched::Deny).judge(&Action::named("do"), &bot(), NOON);
    assert_eq!(verdict.notify, ["channel:pager"]);
    assert_eq!(
        verdict.requirement.link,
        LinkMode::Operator,
        "too little at high risk"
    );
    let raised = verdict.raised.expect("raised");
    let counting: Vec<(Claim, bool)> = raised
        .raises
        .iter()
        .map(|raise| (raise.claim, raise.counts))
        .collect();
    assert_eq!(counting, [(Claim::Risk, true), (Claim::Priority, true)]);
}

#[test]
fn a_cost_that_can_never_be_one_is_refused_with_its_place() {
    for (cost, pointer, why) in [
        ("cost * 2", "/cost", "not made of `cost`"),
        ("risk == 'high' ? 5 : 1", "/cost", "not made of `risk`"),
        ("inputs.amount > 5", "/cost", "true or false"),
        ("!inputs.free", "/cost", "true or false"),
        ("[1, 2]", "/cost", "a list"),
        ("null", "/cost", "null"),
        ("inputs", "/cost", "no single number"),
        ("inputs.a +", "/cost", "line 1"),
        ("amount", "/cost", "did you mean"),
        ("100 * money(inputs.a)", "/cost", "left side"),
        ("", "/cost", "empty"),
    ] {
        let refused = doc(json!({"name": "a", "effect": "allow", "cost": cost})).check();
        let problem = refused.expect_err(cost);
        assert_eq!(problem.pointer, pointer, "{cost}");
        assert!(problem.why.contains(why), "{cost}: {problem}");
    }
    let nothing = doc(json!({"name": "a", "effect": "allow", "floor": {}}));
    assert_eq!(nothing.check().expect_err("says nothing").pointer, "/floor");
    let new = doc(json!({"name": "a", "effect": "allow", "floor": {"risk": "high"}}));
    assert_eq!(new.feature_level(), 4);
}

/// I8: whatever a cost comes to, it opens nothing that stays shut without it.
#[test]
fn i8_a_cost_never_opens_the_gate() {
    let rest = [
        json!({"name": "dear", "cost_over": "50", "effect": "deny"}),
        json!({"name": "watch", "cost_over": "10", "effect": "require_approval", "guard": true}),
        json!({"name": "pass", "effect": "allow"}),
    ];
    let effect = |cost: Option<&str>, claim: Option<&str>| {
        let first =
            cost.map(|cost| json!({"name": "price", "actions": ["pay"], "effect": "allow", "cost": cost}));
        let docs: Vec<PolicyDoc> = first.into_iter().chain(rest.clone()).map(doc).collect();
        let action = Action {
            cost: claim.map(|claim| Cost::parse(claim).expect("a cost")),
            ..Action::named("pay")
        };
        set(&docs, Unmatched::Allow).judge(&action, &bot(), NOON).effect
    };
    for claim in [None, Some("0"), Some("10.01"), Some("50.01")] {
        for cost in ["0", "11", "51", "inputs.missing", "money(1) / 0", "-1"] {
            assert!(
                effect(Some(cost), claim) >= effect(None, claim),
                "{cost} {claim:?}"
            );
        }
        assert_eq!(
            effect(Some("inputs.missing"), claim),
            Effect::Deny,
            "it may be anything"
        );
    }
}

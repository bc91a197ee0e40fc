//! The context contract: what a request must say, and which contracts are refused. Vectors: `spec/context_contract.json`.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use signoff_core::{
    action::Action,
    id::PolicyId,
    judge::{AgentFacts, PolicySet, Prepared, Verdict},
    policy::{
        CONTRACT_VALUES_MAX, Effect, LACKS_MAX, PolicyDoc, PolicyEffect, PolicyProblem, PolicyRef, Settings,
    },
    stop::Stops,
};

mod support;

use support::NOON;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    checked: Vec<Case>,
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    schema: Map<String, Value>,
    context: Map<String, Value>,
    lacks: Vec<(String, String)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refused {
    name: String,
    schema: Map<String, Value>,
    pointer: String,
    why: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../spec/context_contract.json"))
        .expect("the vectors are readable")
}

fn under(effect: PolicyEffect, schema: &Map<String, Value>) -> PolicyDoc {
    PolicyDoc {
        context_schema: Some(schema.clone()),
        ..PolicyDoc::new("contract", effect)
    }
}

fn judge(doc: &PolicyDoc, action: &Action) -> Verdict {
    let reference = PolicyRef {
        id: PolicyId(support::raw(1)),
        name: doc.name.clone(),
        version: 1,
    };
    let prepared = Prepared::new(reference, doc.clone()).expect("checked before");
    let set =
        PolicySet::new(vec![Arc::new(prepared)], Settings::default(), Stops::default()).expect("no globs");
    let agent = AgentFacts::new(support::AGENT, "bot", &std::collections::BTreeMap::new(), None);
    set.judge(action, &agent, NOON)
}

fn asking(context: &Map<String, Value>) -> Action {
    Action {
        context: context.clone(),
        ..Action::named("do.it")
    }
}

fn lacks(verdict: &Verdict) -> Vec<(String, String)> {
    let lacks = verdict.lacks.iter();
    lacks
        .map(|lack| (lack.pointer.clone(), lack.why.clone()))
        .collect()
}

fn schema(value: &Value) -> Map<String, Value> {
    value.as_object().expect("an object").clone()
}

fn problem(value: &Value) -> PolicyProblem {
    under(PolicyEffect::Allow, &schema(value))
        .check()
        .expect_err("refused")
}

#[test]
fn contexts_lack_what_the_vectors_say() {
    for case in vectors().checked {
        let doc = under(PolicyEffect::RequireApproval, &case.schema);
        doc.check()
            .unwrap_or_else(|why| panic!("{}: {} {why}", case.name, why.pointer));
        assert_eq!(doc.feature_level(), 4);
        let verdict = judge(&doc, &asking(&case.context));
        assert_eq!(lacks(&verdict), case.lacks, "{}", case.name);
        assert_eq!(verdict.effect, Effect::Ask, "a lack is no verdict: {}", case.name);
    }
}

#[test]
fn contracts_that_promise_what_nobody_keeps_are_refused_with_their_place() {
    for case in vectors().refused {
        let problem = under(PolicyEffect::Allow, &case.schema)
            .check()
            .expect_err(&case.name);
        assert_eq!(problem.pointer, case.pointer, "{}: {problem}", case.name);
        assert!(problem.why.contains(&case.why), "{}: {problem}", case.name);
    }
}

#[test]
fn what_is_let_through_must_be_complete_and_what_is_denied_need_not() {
    let wants = schema(&json!({"required": ["customer"]}));
    let thin = asking(&Map::new());
    assert_eq!(judge(&under(PolicyEffect::Allow, &wants), &thin).lacks.len(), 1);
    assert_eq!(judge(&under(PolicyEffect::Deny, &wants), &thin).lacks, []);
    let mut both = under(PolicyEffect::RequireApproval, &wants);
    both.require_reason = true;
    let pointers: Vec<String> = judge(&both, &thin)
        .lacks
        .into_iter()
        .map(|lack| lack.pointer)
        .collect();
    assert_eq!(pointers, ["/reason", "/context/customer"], "all at once");
}

/// Doubling by references: thirty small definitions would come to a billion.
#[test]
fn a_contract_that_grows_by_references_is_refused() {
    let mut definitions = Map::new();
    for at in 0..28 {
        let next = json!({"$ref": format!("#/$defs/d{}", at + 1)});
        definitions.insert(format!("d{at}"), json!({"allOf": [next, next]}));
    }
    definitions.insert("d28".into(), json!({"type": "object"}));
    let problem = problem(&json!({"$ref": "#/$defs/d0", "$defs": definitions}));
    assert!(
        problem.why.contains("nests deeper") || problem.why.contains("more than"),
        "{problem}"
    );

    let mut wide = Map::new();
    for at in 0..12 {
        let next = json!({"$ref": format!("#/$defs/d{}", at + 1)});
        wide.insert(format!("d{at}"), json!({"anyOf": [next, next, next]}));
    }
    wide.insert("d12".into(), json!(true));
    let problem = self::problem(&json!({"$defs": wide}));
    assert!(
        problem.why.contains(&CONTRACT_VALUES_MAX.to_string()),
        "{problem}"
    );
}

#[test]
fn a_deep_or_a_large_contract_is_refused() {
    let mut deep = json!({"type": "string"});
    for _ in 0..40 {
        deep = json!({"properties": {"a": deep}});
    }
    assert!(problem(&deep).why.contains("nests deeper"));
    let large = json!({"enum": [{"text": "x".repeat(40_000)}]});
    assert!(problem(&large).why.contains("the limit is"));
}

/// A pattern of which others take exponential time, and a context that is too much for a large contract.
#[test]
fn checking_is_bounded() {
    let evil = json!({"properties": {"text": {"pattern": "^(a+)+$"}}});
    let text = "a".repeat(200_000) + "!";
    let context = schema(&json!({"text": text}));
    let verdict = judge(&under(PolicyEffect::Allow, &schema(&evil)), &asking(&context));
    assert_eq!(verdict.lacks.len(), 1);
    let parts: Vec<Value> = (0..2_000).map(|at| json!({"minLength": at})).collect();
    let heavy = json!({"additionalProperties": {"allOf": parts}});
    let verdict = judge(&under(PolicyEffect::Allow, &schema(&heavy)), &asking(&context));
    assert_eq!(verdict.lacks[0].pointer, "/context");
    assert!(verdict.lacks[0].why.contains("too large"));
}

#[test]
fn many_faults_are_named_up_to_a_limit() {
    let strict = json!({"additionalProperties": {"type": "integer"}});
    let context: Map<String, Value> = (0..300).map(|at| (format!("f{at}"), json!("x"))).collect();
    let verdict = judge(&under(PolicyEffect::Allow, &schema(&strict)), &asking(&context));
    assert_eq!(verdict.lacks.len(), LACKS_MAX);
}

//! Structured conditions: what holds, what does not, what is an error, and what is refused at save.
//! Vectors: `spec/conditions.json`.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use signoff_core::condition::{Comparison, Condition, Operator, Outcome, Sight};

mod support;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    evaluated: Vec<Case>,
    refused: Vec<Value>,
}

/// A condition beside what it looks at.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    field: String,
    operator: Operator,
    value: Option<Value>,
    #[serde(default)]
    context: Map<String, Value>,
    #[serde(default)]
    inputs: Map<String, Value>,
    result: Outcome,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../spec/conditions.json")).expect("the vectors are readable")
}

#[test]
fn conditions_come_out_as_the_vectors_say() {
    let cases = vectors().evaluated;
    for operator in Operator::ALL {
        for result in [Outcome::True, Outcome::False] {
            let covered = cases
                .iter()
                .any(|case| case.operator == *operator && case.result == result);
            assert!(covered, "no vector where `{operator}` is {result:?}");
        }
    }
    let agent = json!({"name": "bot", "labels": {"team": "ops"}});
    for case in cases {
        let condition = Condition::Comparison(Comparison {
            field: case.field.clone(),
            operator: case.operator,
            value: case.value.clone(),
        });
        let compiled = condition
            .compile()
            .unwrap_or_else(|why| panic!("{case:?}: {why}"));
        let sight = Sight {
            context: &case.context,
            inputs: &case.inputs,
            agent: &agent,
            ..support::sight(&agent)
        };
        let report = compiled.evaluate(&sight);
        assert_eq!(report.result, case.result, "{case:?}: {report:?}");
        // An error says what is wrong, and nothing else does.
        assert_eq!(
            report.error.is_some(),
            report.result == Outcome::Error,
            "{case:?}"
        );
    }
}

/// What can't work is refused when the policy is saved, not when an action comes.
#[test]
fn what_cannot_work_is_refused_at_save() {
    for written in vectors().refused {
        let compiled =
            serde_json::from_value::<Condition>(written.clone()).map(|condition| condition.compile().is_ok());
        assert!(!compiled.unwrap_or(false), "{written}");
    }
}

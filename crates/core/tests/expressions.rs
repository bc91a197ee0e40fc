//! Conditions in CEL: what holds, what does not, what is an error, what is refused at save, and that no action makes one
//! slow. Vectors: `spec/expressions.json`.

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use signoff_core::condition::{Compiled, Condition, Outcome, SOURCE_BYTES_MAX, Sight};

mod support;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    now: signoff_core::time::Timestamp,
    context: Map<String, Value>,
    inputs: Map<String, Value>,
    agent: Value,
    action: String,
    evaluated: Vec<Case>,
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    expression: String,
    result: Outcome,
    /// Part of what an error says.
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refused {
    expression: String,
    /// Part of the sentence.
    says: String,
    /// Line and column.
    at: Option<(usize, usize)>,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../spec/expressions.json")).expect("the vectors are readable")
}

fn compile(source: &str) -> Compiled {
    Condition::Expression(source.to_owned())
        .compile()
        .unwrap_or_else(|why| panic!("{source}: {why}"))
}

#[test]
fn expressions_come_out_as_the_vectors_say() {
    let vectors = vectors();
    let sight = Sight {
        action: &vectors.action,
        context: &vectors.context,
        inputs: &vectors.inputs,
        now: vectors.now,
        ..support::sight(&vectors.agent)
    };
    for case in &vectors.evaluated {
        let compiled = compile(&case.expression);
        let report = compiled.evaluate(&sight);
        assert_eq!(report.result, case.result, "{}: {report:?}", case.expression);
        assert_eq!(compiled.outcome(&sight), case.result, "{}", case.expression);
        assert_eq!(
            report.error.is_some(),
            case.result == Outcome::Error,
            "{report:?}"
        );
        let said = report.error.unwrap_or_default();
        let expected = case.error.as_deref().unwrap_or_default();
        assert!(said.contains(expected), "{}: {said}", case.expression);
        // Nothing of the machinery shows.
        assert!(
            !said.contains("Arc") && !said.contains("Val("),
            "{}: {said}",
            case.expression
        );
    }
}

/// What can't work is refused when the policy is saved, with its place, not when an action comes.
#[test]
fn what_cannot_work_is_refused_at_save() {
    for case in vectors().refused {
        let refused = Condition::Expression(case.expression.clone()).compile();
        let Err(unusable) = refused else {
            panic!("accepted: {}", case.expression);
        };
        assert!(
            unusable.why.contains(&case.says),
            "{}: {unusable}",
            case.expression
        );
        if case.at.is_some() {
            assert_eq!(unusable.at, case.at, "{}: {unusable}", case.expression);
        }
    }
}

/// People see why: each value that was looked at, under its name where there are several.
#[test]
fn a_report_shows_what_was_seen() {
    let vectors = vectors();
    let sight = Sight {
        context: &vectors.context,
        ..support::sight(&vectors.agent)
    };
    let saw = |source: &str| compile(source).evaluate(&sight).saw;
    assert_eq!(saw("context.amount > 499"), Some(json!(500.0)));
    assert_eq!(
        saw("context.count > 1 && agent.name == 'bot'"),
        Some(json!({"context.count": 3, "agent.name": "bot"}))
    );
    assert_eq!(saw("context.missing > 1"), None);
    assert_eq!(saw("context.tags.exists(t, t == 'b')"), Some(json!(["a", "b"])));
}

/// A hostile action can't make an expression take long, and an expression can't be so large or deep that reading it does.
#[test]
fn i12_expressions_are_bounded() {
    let list: Vec<Value> = (0..2_000).map(Value::from).collect();
    let context: Map<String, Value> = [
        ("many".to_owned(), json!(list)),
        ("some".to_owned(), json!(list[..40])),
        ("nested".to_owned(), json!([{"a": list[..100]}])),
        ("text".to_owned(), json!("x".repeat(200_000))),
    ]
    .into_iter()
    .collect();
    let agent = json!({"name": "bot"});
    let sight = Sight {
        context: &context,
        ..support::sight(&agent)
    };
    for (source, outcome) in [
        ("context.some.all(a, a >= 0)", Outcome::True),
        (
            "context.some.all(a, context.some.exists(b, b == a))",
            Outcome::Error,
        ),
        ("context.many.all(a, a >= 0)", Outcome::Error),
        (
            "context.nested.all(n, n.a.all(x, context.nested.all(m, m.a.all(y, true))))",
            Outcome::Error,
        ),
        (
            "context.many.map(a, a).filter(b, b > 0).size() > 0",
            Outcome::Error,
        ),
        (
            "context.some.map(a, context.text + context.text).size() == 40",
            Outcome::Error,
        ),
        ("context.text.matches('^(x+x+)+y$')", Outcome::False),
    ] {
        let compiled = compile(source);
        assert_eq!(compiled.outcome(&sight), outcome, "{source}");
    }
    let doubled = format!("size({}) > 1", vec!["context.text"; 50].join(" + "));
    assert_eq!(compile(&doubled).outcome(&sight), Outcome::Error);
    for count in [8, 30, 59, 61, 250, 1_000, 2_000, 4_000] {
        for (before, middle, after) in [
            ("(", "true", ")"),
            ("(", "", ""),
            ("[", "1", "]"),
            ("{1:", "1", "}"),
            ("!", "true", ""),
            ("-", "1", ""),
            ("", "context", ".a"),
            ("", "context", "[0]"),
            ("", "'a'", ".trim()"),
            ("", "1", " + 1"),
            ("", "true", " || true"),
            ("true ? true : ", "true", ""),
            ("[1].all(x, ", "true", ")"),
            ("size(", "'a'", ")"),
            ("", "'", "\\\\"),
            ("9", "", ""),
        ] {
            let hostile = format!("{}{middle}{}", before.repeat(count), after.repeat(count));
            // Refused, or read: what counts is that it ends, and does not end the process.
            let _ = Condition::Expression(hostile)
                .compile()
                .map(|compiled| compiled.outcome(&sight));
        }
    }
    for odd in [
        "\u{0}",
        "context.a == '\u{202e}",
        "1e400 > 1",
        "0x",
        "\u{1f600}",
        "'\\ud800' == ''",
    ] {
        let _ = Condition::Expression(odd.to_owned())
            .compile()
            .map(|compiled| compiled.outcome(&sight));
    }
    let too_long = Condition::Expression(format!("true{}", " ".repeat(SOURCE_BYTES_MAX)));
    assert!(too_long.compile().is_err());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z0-9.]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[abc]", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever an agent sends, an expression comes out one of three ways, and twice the same.
    #[test]
    fn any_action_gets_an_outcome(a in any_json(), b in any_json()) {
        let context: Map<String, Value> = [("a".to_owned(), a), ("b".to_owned(), b)].into_iter().collect();
        let agent = json!({"name": "bot"});
        let sight = Sight { context: &context, ..support::sight(&agent) };
        for source in [
            "context.a == context.b", "context.a < context.b", "context.a in context.b", "size(context.a) > 1",
            "context.a.exists(x, x == context.b)", "money(context.a) <= money(context.b)", "context.a + context.b == context.b",
            "context.a.b.c == 1", "context.a[0] == 1", "context == {'a': context.a, 'b': context.b}", "sum(context.a) > 0",
            "has(context.a.b) ? context.a.b : true", "context.a.matches('a+')", "-context.a < 0", "context.a % context.b == 0",
        ] {
            let compiled = compile(source);
            let report = compiled.evaluate(&sight);
            prop_assert_eq!(report.result, compiled.outcome(&sight));
        }
    }

    /// Any text at all is read or refused.
    #[test]
    fn any_text_is_read_or_refused(source in "[a-z0-9 .,()\\[\\]{}'\"<>=!&|?:+*/%-]{0,80}") {
        let agent = json!({"name": "bot"});
        if let Ok(compiled) = Condition::Expression(source).compile() {
            compiled.outcome(&support::sight(&agent));
        }
    }
}

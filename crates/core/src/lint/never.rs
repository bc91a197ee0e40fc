//! Structured conditions of one policy that can't hold together. Expressions are not looked into.

use serde_json::Value;

use super::{Finding, LintCode, Severity};
use crate::{
    condition::{Condition, Operator, compile_regex, decimal},
    decimal::Decimal,
    policy::{PolicyDoc, PolicyEffect},
};

/// What conditions see of an agent.
const AGENT_FIELDS: [&str; 4] = ["id", "name", "labels", "owner"];
/// What they see of a call.
const CALL_FIELDS: [&str; 8] = [
    "method", "url", "host", "path", "query", "headers", "json", "form",
];

/// One structured condition, with the whole path of its field.
struct Said<'a> {
    at: usize,
    field: String,
    operator: Operator,
    value: &'a Value,
}

/// Reads a condition; none for what can't be looked into.
fn said(at: usize, condition: &Condition) -> Option<Said<'_>> {
    let Condition::Comparison(condition) = condition else {
        return None;
    };
    let field = match condition.field.split_once('.') {
        Some(("inputs" | "context" | "agent" | "http", _)) => condition.field.clone(),
        _ => format!("context.{}", condition.field),
    };
    Some(Said {
        at,
        field,
        operator: condition.operator,
        value: condition.value.as_ref().unwrap_or(&Value::Null),
    })
}

impl Said<'_> {
    fn wants_absence(&self) -> bool {
        self.operator == Operator::Exists && *self.value == Value::Bool(false)
    }

    /// The values of which the field must equal one.
    fn candidates(&self) -> Option<Vec<&Value>> {
        match (self.operator, self.value) {
            (Operator::Eq, value) => Some(vec![value]),
            (Operator::In, Value::Array(items)) => Some(items.iter().collect()),
            _ => None,
        }
    }

    /// The bound that the field must keep, whether from below, and whether the bound itself is out.
    fn bound(&self) -> Option<(Decimal, bool, bool)> {
        let (from_below, strict) = match self.operator {
            Operator::Gt => (true, true),
            Operator::Gte => (true, false),
            Operator::Lt => (false, true),
            Operator::Lte => (false, false),
            _ => return None,
        };
        Some((decimal(self.value)?, from_below, strict))
    }
}

pub(super) fn finding(policy: &PolicyDoc) -> Option<Finding> {
    let said: Vec<Said<'_>> = policy
        .conditions
        .iter()
        .enumerate()
        .filter_map(|(at, condition)| said(at, condition))
        .collect();
    let (at, why) = said.iter().find_map(|one| contradiction(one, &said, policy))?;
    let follows = match policy.effect {
        PolicyEffect::Allow => "it never allows anything",
        PolicyEffect::Deny | PolicyEffect::RequireApproval => {
            "it can only match where a condition can't be evaluated"
        }
        PolicyEffect::Conditional => "it never allows anything, and always does its `otherwise`",
    };
    Some(Finding {
        severity: Severity::Error,
        code: LintCode::NeverTrue,
        policy: Some(policy.name.clone()),
        pointer: format!("/conditions/{at}"),
        other: None,
        message: format!("{why}: {follows}"),
        next: "mend the conditions; all of them must hold, for alternatives write two policies or `in`"
            .into(),
    })
}

/// Why a condition can't hold, alone or with the others.
fn contradiction(one: &Said<'_>, all: &[Said<'_>], policy: &PolicyDoc) -> Option<(usize, String)> {
    let text = |at: usize| policy.conditions[at].text();
    if let Some(why) = alone(one) {
        return Some((one.at, format!("`{}` never holds: {why}", text(one.at))));
    }
    let others = || {
        all.iter()
            .filter(|other| other.at != one.at && other.field == one.field)
    };
    let pair = |other: &Said<'_>| {
        let (first, second) = (one.at.min(other.at), one.at.max(other.at));
        (
            second,
            format!("`{}` and `{}` can't both hold", text(first), text(second)),
        )
    };
    if one.wants_absence()
        && let Some(other) = others().find(|other| !other.wants_absence())
    {
        return Some(pair(other));
    }
    if let Some((bound, true, strict)) = one.bound() {
        let empty = |other: &&Said<'_>| {
            other.bound().is_some_and(|(end, from_below, ends_before)| {
                !from_below && (bound > end || (bound == end && (strict || ends_before)))
            })
        };
        if let Some(other) = others().find(empty) {
            return Some(pair(other));
        }
    }
    let candidates = one.candidates()?;
    let excluding = |candidate: &Value| others().find(|other| excludes(other, candidate));
    let excluded: Vec<&Said<'_>> = candidates.iter().map_while(|one| excluding(one)).collect();
    let last = excluded.iter().max_by_key(|other| other.at)?;
    (excluded.len() == candidates.len()).then(|| {
        if excluded.iter().all(|other| other.at == last.at) {
            pair(last)
        } else {
            let at = one.at.max(last.at);
            (at, format!("the conditions on `{}` can't all hold", one.field))
        }
    })
}

fn alone(one: &Said<'_>) -> Option<String> {
    if one.candidates().is_some_and(|list| list.is_empty()) {
        return Some("the list is empty".into());
    }
    let (root, field) = one.field.split_once('.')?;
    let (what, fields) = match root {
        "agent" => ("an agent", AGENT_FIELDS.as_slice()),
        "http" => ("a call", CALL_FIELDS.as_slice()),
        _ => return None,
    };
    let first = field.split('.').next().unwrap_or_default();
    (!fields.contains(&first) && !one.wants_absence())
        .then(|| format!("{what} has {}, and no `{first}`", fields.join(", ")))
}

/// Whether a condition can't hold for whatever equals this value.
fn excludes(other: &Said<'_>, value: &Value) -> bool {
    if let Some((bound, from_below, strict)) = other.bound() {
        return decimal(value).is_none_or(|value| {
            let inside = if from_below { value > bound } else { value < bound };
            !inside && (strict || value != bound)
        });
    }
    match (other.operator, other.value) {
        (Operator::Eq | Operator::In, _) => other
            .candidates()
            .is_some_and(|list| list.into_iter().all(|one| differ(one, value))),
        (Operator::Ne, unwanted) => same(unwanted, value),
        (Operator::NotIn, Value::Array(unwanted)) => unwanted.iter().any(|one| same(one, value)),
        (Operator::Contains, Value::String(part)) => match value {
            Value::String(text) => !text.contains(part.as_str()),
            other => matches!(other, Value::Null | Value::Bool(_) | Value::Object(_)),
        },
        (Operator::Matches, Value::String(pattern)) => match value {
            Value::String(text) => compile_regex(pattern).is_ok_and(|regex| !regex.is_match(text)),
            other => !other.is_number(),
        },
        _ => false,
    }
}

/// Whether nothing equals both values.
fn differ(left: &Value, right: &Value) -> bool {
    match (decimal(left), decimal(right)) {
        (Some(left), Some(right)) => left != right,
        (Some(_), None) | (None, Some(_)) => true,
        // What lists and objects equal is looked at part by part; that goes too far here.
        (None, None) => match (left, right) {
            (Value::Array(_), Value::Array(_)) | (Value::Object(_), Value::Object(_)) => false,
            _ => left != right,
        },
    }
}

/// Whether whatever equals one value equals the other.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(_), Value::Number(_)) => decimal(left).is_some() && decimal(left) == decimal(right),
        _ => left == right,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, json};

    use super::*;
    use crate::{
        action::{Priority, Risk},
        condition::{Comparison, Outcome, Sight},
        time::Timestamp,
    };

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            (0..4_i64).prop_map(|n| json!(n)),
            (0..4_i64).prop_map(|n| json!(n.to_string())),
            (0..4_i64).prop_map(|n| json!(format!("{n}.0"))),
            "[ab]{1,2}".prop_map(|text| json!(text)),
            any::<bool>().prop_map(|one| json!(one)),
            Just(Value::Null),
            Just(json!([1])),
            Just(json!(["a", "b"])),
        ]
    }

    fn condition() -> impl Strategy<Value = Condition> {
        let operators = [
            Operator::Eq,
            Operator::Ne,
            Operator::Gt,
            Operator::Gte,
            Operator::Lt,
            Operator::Lte,
            Operator::Contains,
        ];
        let with = |operator: Operator, value: Value| {
            Condition::Comparison(Comparison {
                field: "x".into(),
                operator,
                value: Some(value),
            })
        };
        prop_oneof![
            4 => (prop::sample::select(operators.to_vec()), value()).prop_map(move |(o, v)| with(o, v)),
            2 => (any::<bool>(), prop::collection::vec(value(), 0..3)).prop_map(move |(is_in, list)| {
                with(if is_in { Operator::In } else { Operator::NotIn }, Value::Array(list))
            }),
            1 => "[ab]|\\^a|\\.".prop_map(move |pattern| with(Operator::Matches, json!(pattern))),
            1 => any::<bool>().prop_map(move |there| with(Operator::Exists, json!(there))),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]
        /// No false alarm: what is said to be never true is not true for anything that is tried.
        #[test]
        fn what_never_holds_does_not_hold(
            conditions in prop::collection::vec(condition(), 1..4), seen in prop::option::of(value())
        ) {
            let compiled: Result<Vec<_>, _> = conditions.iter().map(Condition::compile).collect();
            let Ok(compiled) = compiled else { return Ok(()) };
            let mut policy = PolicyDoc::new("a", PolicyEffect::Allow);
            policy.conditions = conditions;
            if finding(&policy).is_some() {
                let context: Map<String, Value> = seen.map(|seen| ("x".to_owned(), seen)).into_iter().collect();
                let agent = json!({});
                let sight = Sight {
                    action: "a",
                    context: &context,
                    inputs: &Map::new(),
                    agent: &agent,
                    http: None,
                    cost: "0",
                    risk: Risk::Medium,
                    priority: Priority::Medium,
                    now: Timestamp(0),
                    past: None,
                };
                let holds = compiled.iter().all(|one| one.evaluate(&sight).result == Outcome::True);
                prop_assert!(!holds, "{:?}", policy.conditions);
            }
        }
    }
}

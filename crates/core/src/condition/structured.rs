//! Structured conditions `{field, operator, value}`, as dashboards and other products write them.

use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Outcome, Report, Sight};
use crate::{action::text_enum, decimal::Decimal};

/// How a field is compared with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Greater.
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
    /// Text contains text, or a list contains a value.
    Contains,
    /// A regular expression is found in the text.
    Matches,
    /// The field is present (or absent, with the value `false`).
    Exists,
}

text_enum!(Operator {
    Eq => "eq", Ne => "ne", Gt => "gt", Gte => "gte", Lt => "lt", Lte => "lte", In => "in", NotIn => "not_in",
    Contains => "contains", Matches => "matches", Exists => "exists",
});

/// A field compared with a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// A dotted path under `context` unless it starts with `inputs.`, `context.`, `http.` or `agent.`.
    pub field: String,
    /// How to compare.
    pub operator: Operator,
    /// With what; may be left out for `exists`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

/// The largest regular expression, compiled, in bytes.
const REGEX_BYTES_MAX: usize = 256 * 1024;

/// A condition that is ready to be evaluated.
#[derive(Debug, Clone)]
pub(super) struct Compiled {
    source: Comparison,
    /// The source as people read it.
    text: String,
    /// The value to compare with, where it is a number.
    number: Option<Decimal>,
    root: Root,
    path: Vec<String>,
    regex: Option<Regex>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Root {
    Context,
    Inputs,
    Agent,
    Http,
}

impl Comparison {
    /// The condition as people read it: `amount lte 50`.
    pub(super) fn text(&self) -> String {
        match &self.value {
            Some(value) => format!("{} {} {value}", self.field, self.operator),
            None => format!("{} {}", self.field, self.operator),
        }
    }

    /// Checks and prepares.
    ///
    /// # Errors
    /// A sentence that says what can't work.
    pub(super) fn compile(&self) -> Result<Compiled, String> {
        let (root, path) = match self.field.split_once('.') {
            Some(("inputs", rest)) => (Root::Inputs, rest),
            Some(("context", rest)) => (Root::Context, rest),
            Some(("agent", rest)) => (Root::Agent, rest),
            Some(("http", rest)) => (Root::Http, rest),
            _ => (Root::Context, self.field.as_str()),
        };
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) || self.field.len() > 200 {
            return Err(format!(
                "`{}` is not a dotted path such as `amount` or `inputs.customer.id`",
                self.field.chars().take(60).collect::<String>()
            ));
        }
        self.check_value()?;
        let regex = match (self.operator, &self.value) {
            (Operator::Matches, Some(Value::String(pattern))) => Some(compile_regex(pattern)?),
            _ => None,
        };
        Ok(Compiled {
            source: self.clone(),
            text: self.text(),
            number: self.value.as_ref().and_then(decimal),
            root,
            path,
            regex,
        })
    }

    fn check_value(&self) -> Result<(), String> {
        let value = self.value.as_ref();
        let (fits, what) = match self.operator {
            Operator::Exists => (value.is_none_or(Value::is_boolean), "true, false or nothing"),
            Operator::In | Operator::NotIn => (value.is_some_and(Value::is_array), "a list"),
            Operator::Gt | Operator::Gte | Operator::Lt | Operator::Lte => (
                value.and_then(decimal).is_some(),
                "a number or a decimal in quotes",
            ),
            Operator::Matches => (
                value.is_some_and(Value::is_string),
                "a regular expression in quotes",
            ),
            Operator::Eq | Operator::Ne | Operator::Contains => (value.is_some(), "something"),
        };
        if fits {
            Ok(())
        } else {
            Err(format!("`{}` needs {what} as its value", self.operator))
        }
    }
}

/// A regular expression of bounded size.
pub(crate) fn compile_regex(pattern: &str) -> Result<Regex, String> {
    regex::RegexBuilder::new(pattern)
        .size_limit(REGEX_BYTES_MAX)
        .dfa_size_limit(REGEX_BYTES_MAX)
        .build()
        .map_err(|error| format!("the regular expression does not compile: {error}"))
}

impl Compiled {
    /// Evaluates; never fails, an error is an outcome.
    pub(super) fn evaluate(&self, sight: &Sight<'_>) -> Report {
        let seen = self.look_up(sight);
        let (result, error) = match self.compare(seen) {
            Ok(true) => (Outcome::True, None),
            Ok(false) => (Outcome::False, None),
            Err(error) => (Outcome::Error, Some(error)),
        };
        Report {
            expression: self.text.clone(),
            result,
            saw: seen.map(shortened),
            error,
        }
    }

    fn look_up<'a>(&self, sight: &Sight<'a>) -> Option<&'a Value> {
        let mut path = self.path.iter();
        let first = path.next()?;
        let mut value = match self.root {
            Root::Context => sight.context.get(first),
            Root::Inputs => sight.inputs.get(first),
            Root::Agent => sight.agent.get(first),
            Root::Http => sight.http?.get(first),
        }?;
        for step in path {
            value = match value {
                Value::Array(items) => items.get(step.parse::<usize>().ok()?)?,
                other => other.get(step)?,
            };
        }
        Some(value)
    }

    pub(super) fn test(&self, sight: &Sight<'_>) -> Result<bool, String> {
        self.compare(self.look_up(sight))
    }

    fn compare(&self, seen: Option<&Value>) -> Result<bool, String> {
        let source = &self.source;
        if source.operator == Operator::Exists {
            return Ok(seen.is_some() != (source.value == Some(Value::Bool(false))));
        }
        let seen = seen.ok_or_else(|| format!("`{}` is missing", source.field))?;
        let wanted = source.value.as_ref().unwrap_or(&Value::Null);
        let wrong_type = || {
            format!(
                "`{}` is {}, which `{}` can't compare with {}",
                source.field,
                kind(seen),
                source.operator,
                kind(wanted)
            )
        };
        match source.operator {
            Operator::Eq => equal(seen, wanted).ok_or_else(wrong_type),
            Operator::Ne => equal(seen, wanted).map(|same| !same).ok_or_else(wrong_type),
            Operator::In => one_of(seen, wanted).ok_or_else(wrong_type),
            Operator::NotIn => one_of(seen, wanted).map(|is_one| !is_one).ok_or_else(wrong_type),
            Operator::Contains => contains(seen, wanted).ok_or_else(wrong_type),
            Operator::Matches => match (seen, &self.regex) {
                (Value::String(text), Some(regex)) => Ok(regex.is_match(text)),
                _ => Err(format!("`{}` is {}, not text", source.field, kind(seen))),
            },
            Operator::Gt | Operator::Gte | Operator::Lt | Operator::Lte => {
                let (Some(left), Some(right)) = (&decimal(seen), &self.number) else {
                    return Err(format!("`{}` is {}, not a number", source.field, kind(seen)));
                };
                Ok(match source.operator {
                    Operator::Gt => left > right,
                    Operator::Gte => left >= right,
                    Operator::Lt => left < right,
                    _ => left <= right,
                })
            }
            Operator::Exists => unreachable!("answered above"),
        }
    }
}

/// The exact decimal of a number or of a decimal in quotes.
pub(crate) fn decimal(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(number) => Decimal::parse(&number.to_string()),
        Value::String(text) => Decimal::parse(text),
        _ => None,
    }
}

/// Equality as people expect: numbers and decimals in quotes by value, everything else as JSON. None where the types
/// differ, so that `ne` and `not_in` don't hold for what the author of the policy never thought of.
fn equal(seen: &Value, wanted: &Value) -> Option<bool> {
    match (seen, wanted) {
        (Value::Number(_), Value::Number(_) | Value::String(_)) | (Value::String(_), Value::Number(_)) => {
            Some(decimal(seen)? == decimal(wanted)?)
        }
        (_, Value::Null) => Some(seen.is_null()),
        (Value::Array(left), Value::Array(right)) => {
            let same = |(left, right): (&Value, &Value)| equal(left, right) == Some(true);
            Some(left.len() == right.len() && left.iter().zip(right).all(same))
        }
        (Value::Object(left), Value::Object(right)) => {
            let same = |(key, left): (&String, &Value)| {
                right
                    .get(key)
                    .is_some_and(|right| equal(left, right) == Some(true))
            };
            Some(left.len() == right.len() && left.iter().all(same))
        }
        _ => (kind(seen) == kind(wanted)).then(|| seen == wanted),
    }
}

/// Whether a list holds the value. None where nothing in the list is of the value's type.
fn one_of(seen: &Value, list: &Value) -> Option<bool> {
    let items = list.as_array()?;
    let compared: Vec<bool> = items.iter().filter_map(|item| equal(seen, item)).collect();
    (items.is_empty() || !compared.is_empty()).then(|| compared.contains(&true))
}

/// Whether text holds text, or a list a value. None for what contains nothing.
fn contains(seen: &Value, wanted: &Value) -> Option<bool> {
    match (seen, wanted) {
        (Value::String(text), Value::String(part)) => Some(text.contains(part.as_str())),
        (Value::Array(items), wanted) => Some(items.iter().any(|item| equal(item, wanted) == Some(true))),
        _ => None,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// What a report carries of a large value.
pub(super) fn shortened(value: &Value) -> Value {
    match value {
        Value::String(text) if text.chars().count() > 200 => {
            Value::String(text.chars().take(200).chain(['…']).collect())
        }
        Value::Array(_) | Value::Object(_) => {
            let text = value.to_string();
            if text.len() > 400 {
                Value::String(format!("{} ({} bytes)", kind(value), text.len()))
            } else {
                value.clone()
            }
        }
        other => other.clone(),
    }
}

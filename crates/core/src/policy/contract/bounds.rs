//! What a contract may say, and how large it is once its references are followed.

use serde_json::{Map, Value};

use super::{CONTRACT_DEPTH_MAX, CONTRACT_VALUES_MAX};
use crate::policy::{PolicyProblem, problem};

/// The only dialect.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// How often a contract may ask for what nothing else has looked at: each time looks at everything again.
const UNEVALUATED_MAX: usize = 4;

/// Words whose value is a schema.
const ONE: [&str; 11] = [
    "additionalProperties",
    "contains",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contentSchema",
];
/// Words whose value is a list of schemas.
const LISTS: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
/// Words whose value is an object of schemas.
const MAPS: [&str; 5] = [
    "$defs",
    "definitions",
    "dependentSchemas",
    "patternProperties",
    "properties",
];
/// Words whose value is looked at as it is.
const PLAIN: [&str; 31] = [
    "$comment",
    "$ref",
    "$schema",
    "const",
    "default",
    "dependentRequired",
    "deprecated",
    "description",
    "enum",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "pattern",
    "readOnly",
    "required",
    "title",
    "type",
    "uniqueItems",
    "writeOnly",
];
/// The formats that are checked; any other would be a promise that nobody keeps.
const FORMATS: [&str; 10] = [
    "date",
    "date-time",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "time",
    "uri",
    "uuid",
];

struct Walk<'a> {
    root: &'a Value,
    values: usize,
    unevaluated: usize,
    /// References that are being followed.
    open: Vec<&'a str>,
}

/// Checks a schema and counts its values, references followed.
pub(super) fn check(schema: &Value) -> Result<usize, PolicyProblem> {
    let mut walk = Walk {
        root: schema,
        values: 0,
        unevaluated: 0,
        open: Vec::new(),
    };
    walk.schema(schema, &Pointer::Root, 0)?;
    Ok(walk.values)
}

/// Where the walk is, written out only for a problem.
enum Pointer<'p> {
    Root,
    /// Where a reference leads.
    Target(&'p str),
    Under(&'p Pointer<'p>, &'p str),
    At(&'p Pointer<'p>, usize),
}

impl std::fmt::Display for Pointer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Root => f.write_str("/context_schema"),
            Self::Target(target) => write!(f, "/context_schema{}", &target[1..]),
            Self::Under(parent, key) => {
                write!(f, "{parent}/{}", key.replace('~', "~0").replace('/', "~1"))
            }
            Self::At(parent, at) => write!(f, "{parent}/{at}"),
        }
    }
}

impl<'a> Walk<'a> {
    fn count(&mut self, values: usize, at: &Pointer<'_>) -> Result<(), PolicyProblem> {
        self.values = self.values.saturating_add(values);
        if self.values > CONTRACT_VALUES_MAX {
            let why = format!(
                "the schema comes to more than {CONTRACT_VALUES_MAX} values, those that references repeat counted again"
            );
            return Err(problem(at.to_string(), why));
        }
        Ok(())
    }

    fn schema(&mut self, schema: &'a Value, at: &Pointer<'_>, depth: usize) -> Result<(), PolicyProblem> {
        if depth > CONTRACT_DEPTH_MAX {
            let why = format!("the schema nests deeper than {CONTRACT_DEPTH_MAX}, references followed");
            return Err(problem(at.to_string(), why));
        }
        self.count(1, at)?;
        match schema {
            Value::Bool(_) => Ok(()),
            Value::Object(words) => words
                .iter()
                .try_for_each(|(word, value)| self.word(words, word, value, at, depth)),
            _ => Err(problem(at.to_string(), "a schema is an object, true or false")),
        }
    }

    fn word(
        &mut self,
        words: &'a Map<String, Value>,
        word: &'a str,
        value: &'a Value,
        at: &Pointer<'_>,
        depth: usize,
    ) -> Result<(), PolicyProblem> {
        let here = Pointer::Under(at, word);
        if ONE.contains(&word) {
            if word.starts_with("unevaluated") {
                self.unevaluated += 1;
                if self.unevaluated > UNEVALUATED_MAX {
                    let why = format!("`unevaluated…` stands more than {UNEVALUATED_MAX} times");
                    return Err(problem(here.to_string(), why));
                }
            }
            return self.schema(value, &here, depth + 1);
        }
        if LISTS.contains(&word) {
            let Value::Array(list) = value else {
                return Err(problem(here.to_string(), "a list of schemas"));
            };
            let mut parts = list.iter().enumerate();
            return parts
                .try_for_each(|(place, part)| self.schema(part, &Pointer::At(&here, place), depth + 1));
        }
        if MAPS.contains(&word) {
            let Value::Object(map) = value else {
                return Err(problem(here.to_string(), "an object of schemas"));
            };
            return map
                .iter()
                .try_for_each(|(name, part)| self.schema(part, &Pointer::Under(&here, name), depth + 1));
        }
        match (word, value) {
            ("$ref", _) => self.reference(value, &here, depth),
            ("$schema", value) if value != DIALECT => {
                Err(problem(here.to_string(), format!("only {DIALECT} is read")))
            }
            ("format", Value::String(format)) if !FORMATS.contains(&format.as_str()) => {
                let why = format!(
                    "`{}` is not checked; known are {}",
                    short(format),
                    FORMATS.join(", ")
                );
                Err(problem(here.to_string(), why))
            }
            _ if PLAIN.contains(&word) => self.count(values(value), &here),
            _ => Err(unknown(words, word, &here)),
        }
    }

    fn reference(&mut self, target: &'a Value, at: &Pointer<'_>, depth: usize) -> Result<(), PolicyProblem> {
        let target = target.as_str().unwrap_or_default();
        let found = target
            .strip_prefix('#')
            .filter(|pointer| pointer.starts_with('/') && !pointer.contains('%'))
            .and_then(|pointer| self.root.pointer(pointer));
        let Some(found) = found else {
            let why = format!(
                "`{}` leads nowhere: only `#/…` inside the schema is followed",
                short(target)
            );
            return Err(problem(at.to_string(), why));
        };
        if self.open.contains(&target) {
            let why = format!(
                "`{}` refers to itself; a contract is as deep as it is written",
                short(target)
            );
            return Err(problem(at.to_string(), why));
        }
        self.open.push(target);
        let checked = self.schema(found, &Pointer::Target(target), depth + 1);
        self.open.pop();
        checked
    }
}

fn values(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(values).sum(),
        Value::Object(fields) => fields.values().map(values).sum::<usize>(),
        _ => 0,
    }
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

fn unknown(words: &Map<String, Value>, word: &str, at: &Pointer<'_>) -> PolicyProblem {
    let known = ONE.iter().chain(&LISTS).chain(&MAPS).chain(&PLAIN).copied();
    let near = known
        .filter(|known| !words.contains_key(*known))
        .map(|known| (strsim::damerau_levenshtein(word, known), known))
        .filter(|(distance, known)| *distance <= 2 && *distance < known.len())
        .min();
    let hint = match near {
        Some((_, near)) => format!("did you mean `{near}`?"),
        None if word.starts_with('$') => "only `$ref` to `#/…` and `$defs` are followed".into(),
        None => "a word that is not known would promise what nobody checks; say it in `$comment`".into(),
    };
    problem(
        at.to_string(),
        format!("`{}` is not read here; {hint}", short(word)),
    )
}

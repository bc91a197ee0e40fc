//! The contract that a policy makes about `context`: a JSON Schema (draft 2020-12) that every request under it must fit,
//! so that nobody is asked about something that can't be judged. Vectors: `spec/context_contract.json`.
//!
//! What can't be bounded is refused when the policy is saved: schemas that refer to themselves or to another place, and
//! words that this reader does not know, for a misspelt `required` would require nothing.

use std::collections::BTreeSet;

use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value};

use super::{PolicyProblem, problem};

mod bounds;
mod words;

/// How deep a contract may nest, references followed.
pub const CONTRACT_DEPTH_MAX: usize = 32;
/// How many values a contract may have, those that references repeat counted again.
pub const CONTRACT_VALUES_MAX: usize = 10_000;
/// How many faults of one context are named.
pub const LACKS_MAX: usize = 100;
/// What checking one context may take: the values of the contract times the bytes and values of the context.
const WORK_MAX: usize = 64 * 1024 * 1024;
/// What one value of a context counts beside its text.
const VALUE_WORK: usize = 16;
/// The largest pattern of a contract, compiled, in bytes.
const PATTERN_BYTES_MAX: usize = 256 * 1024;

/// Something that a request must say, or say otherwise, before anybody is asked about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lack {
    /// Where in the request, as a JSON pointer: `/context/customer`, `/reason`.
    pub pointer: String,
    /// What to write there, for the agent to read.
    pub why: String,
}

/// A contract that is ready to be checked.
#[derive(Debug)]
pub(crate) struct Contract {
    schema: Value,
    /// How many values it has, references followed.
    values: usize,
    validator: Validator,
}

impl Contract {
    /// Reads a schema and checks that it can be kept within bounds.
    ///
    /// # Errors
    /// What can't work, with its place in the policy.
    pub(crate) fn compile(schema: &Map<String, Value>) -> Result<Self, PolicyProblem> {
        let schema = Value::Object(schema.clone());
        let values = bounds::check(&schema)?;
        let patterns = PatternOptions::regex()
            .size_limit(PATTERN_BYTES_MAX)
            .dfa_size_limit(PATTERN_BYTES_MAX);
        let validator = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .should_validate_formats(true)
            .with_pattern_options(patterns)
            .offline()
            .build(&schema)
            .map_err(|error| {
                let why: String = error.to_string().chars().take(300).collect();
                let place = error.instance_path().as_str();
                problem(
                    format!("/context_schema{place}"),
                    format!("it is no JSON Schema of draft 2020-12: {why}"),
                )
            })?;
        Ok(Self {
            schema,
            values,
            validator,
        })
    }

    /// What a context lacks, by place, at most [`LACKS_MAX`]; empty where it fits.
    pub(crate) fn lacks(&self, context: &Map<String, Value>) -> Vec<Lack> {
        let work = context
            .iter()
            .map(|(key, value)| VALUE_WORK + key.len() + size(value))
            .sum::<usize>()
            .saturating_mul(self.values);
        if work > WORK_MAX {
            return vec![Lack {
                pointer: "/context".into(),
                why: "it is too large to be checked against the policy's schema: send less, or link to it"
                    .into(),
            }];
        }
        let context = Value::Object(context.clone());
        if self.validator.is_valid(&context) {
            return Vec::new();
        }
        let found = self.validator.iter_errors(&context);
        let lacks: BTreeSet<Lack> = found
            .flat_map(|error| words::lacks(&error, &self.schema))
            .collect();
        lacks.into_iter().take(LACKS_MAX).collect()
    }
}

/// How much there is to look at in a value.
fn size(value: &Value) -> usize {
    VALUE_WORK
        + match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(size).sum(),
            Value::Object(fields) => fields.iter().map(|(key, value)| key.len() + size(value)).sum(),
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
}

//! JSON Schemas that policies carry (draft 2020-12): bounded, without references to anywhere else.

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

/// The largest regular expression of a schema, compiled, in bytes.
const REGEX_BYTES_MAX: usize = 256 * 1024;
/// How many faults are told at once.
const FAULTS_MAX: usize = 20;

/// Compiles a schema.
///
/// # Errors
/// A sentence: it is no schema, or refers to something outside of itself.
pub fn compile(schema: &Value) -> Result<Validator, String> {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .with_pattern_options(
            PatternOptions::regex()
                .size_limit(REGEX_BYTES_MAX)
                .dfa_size_limit(REGEX_BYTES_MAX),
        )
        .build(schema)
        .map_err(|error| format!("the schema can't be used: {error}").chars().take(300).collect())
}

/// What is wrong with a value, each with its JSON pointer.
pub fn faults(validator: &Validator, value: &Value) -> Vec<(String, String)> {
    validator
        .iter_errors(value)
        .take(FAULTS_MAX)
        .map(|error| {
            let why = error.to_string().chars().take(200).collect();
            (error.instance_path().to_string(), why)
        })
        .collect()
}

//! `signoff schema`: what `signoff.yaml` may say, as JSON Schema for editors.

use serde_json::{Map, Value, json};
use signoff_api::file::SignoffFile;
use utoipa::{PartialSchema, ToSchema};

use crate::exit::Exit;
use crate::output;

/// Where the schema of the newest version lies.
const ID: &str = "https://raw.githubusercontent.com/signoff-dev/signoff/main/spec/signoff.schema.json";

pub(crate) fn run() -> anyhow::Result<Exit> {
    output::json(&schema()?)?;
    Ok(Exit::Ok)
}

/// The schema, made from the types that the file is read into.
fn schema() -> anyhow::Result<Value> {
    let mut parts = Vec::new();
    SignoffFile::schemas(&mut parts);
    parts.sort_by(|left, right| left.0.cmp(&right.0));
    let mut definitions = Map::new();
    for (name, part) in parts {
        definitions.insert(name, rewritten(serde_json::to_value(part)?));
    }
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": "signoff.yaml",
    });
    if let (Some(schema), Value::Object(whole)) = (
        schema.as_object_mut(),
        rewritten(serde_json::to_value(SignoffFile::schema())?),
    ) {
        schema.extend(whole);
        schema.insert("$defs".to_owned(), Value::Object(definitions));
    }
    Ok(schema)
}

/// References of the API's description as references inside one schema.
fn rewritten(value: Value) -> Value {
    match value {
        Value::Object(object) => Value::Object(
            object
                .into_iter()
                .map(|(key, value)| match (key.as_str(), &value) {
                    ("$ref", Value::String(target)) => {
                        let target = target.replace("#/components/schemas/", "#/$defs/");
                        (key, Value::String(target))
                    }
                    _ => (key, rewritten(value)),
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(rewritten).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../spec/signoff.schema.json");

    /// `just schema` writes it anew.
    #[test]
    fn the_committed_schema_of_the_file_is_not_stale() {
        let made = serde_json::to_string_pretty(&schema().unwrap()).unwrap() + "\n";
        if std::env::var_os("SIGNOFF_WRITE_SPEC").is_some() {
            std::fs::write(COMMITTED, &made).unwrap();
        }
        let committed = std::fs::read_to_string(COMMITTED).unwrap_or_default();
        assert!(
            committed == made,
            "spec/signoff.schema.json is stale: `just schema` writes it anew"
        );
    }

    #[test]
    fn every_reference_leads_somewhere_and_unknown_fields_are_refused() {
        let schema = schema().unwrap();
        let mut open = vec![&schema];
        while let Some(value) = open.pop() {
            if let Some(target) = value.get("$ref").and_then(Value::as_str) {
                let pointer = target.strip_prefix('#').unwrap();
                assert!(schema.pointer(pointer).is_some(), "{target}");
            }
            match value {
                Value::Object(object) => open.extend(object.values()),
                Value::Array(items) => open.extend(items),
                _ => {}
            }
        }
        for name in ["PolicyBody", "AgentEntry", "OperatorEntry", "ApprovalRule"] {
            assert_eq!(schema["$defs"][name]["additionalProperties"], false, "{name}");
        }
        assert_eq!(schema["additionalProperties"], false);
    }
}

//! `k=v` and `k:=JSON` on the command line: how inputs and context of an action are written.

use std::io::Read;

use anyhow::{Context, bail};
use serde_json::{Map, Value};

/// Puts together one object from `k=v` (text), `k:=JSON` (typed), whole JSON objects, and `@FILE` with one.
pub(crate) fn object(arguments: &[String]) -> anyhow::Result<Option<Map<String, Value>>> {
    if arguments.is_empty() {
        return Ok(None);
    }
    let mut object = Map::new();
    for argument in arguments {
        for (name, value) in parse(argument)? {
            if object.contains_key(&name) {
                bail!("`{name}` is given twice");
            }
            object.insert(name, value);
        }
    }
    Ok(Some(object))
}

/// Refuses at the command line what could only be a slip, such as an action behind `--context`.
pub(crate) fn check(argument: &str) -> Result<String, String> {
    if argument.starts_with(['{', '@']) || argument.contains('=') {
        Ok(argument.to_owned())
    } else {
        Err("write k=v for text or k:=JSON for anything else; ACTION goes before the options".to_owned())
    }
}

fn parse(argument: &str) -> anyhow::Result<Map<String, Value>> {
    if let Some(path) = argument.strip_prefix('@') {
        return whole(&read(path)?).with_context(|| format!("in `{path}`"));
    }
    if argument.starts_with('{') {
        return whole(argument);
    }
    let (name, value) = pair(argument)?;
    Ok(Map::from_iter([(name.to_owned(), value)]))
}

fn pair(argument: &str) -> anyhow::Result<(&str, Value)> {
    let (name, value) = argument
        .split_once('=')
        .with_context(|| format!("`{argument}` is neither k=v nor k:=JSON"))?;
    let (name, value) = match name.strip_suffix(':') {
        Some(name) => (name, json(value).with_context(|| format!("in `{argument}`"))?),
        None => (name, Value::String(value.to_owned())),
    };
    if name.is_empty() {
        bail!("`{argument}` has no name before the `=`");
    }
    Ok((name, value))
}

fn whole(text: &str) -> anyhow::Result<Map<String, Value>> {
    match json(text)? {
        Value::Object(object) => Ok(object),
        _ => bail!("the JSON is no object"),
    }
}

/// The same strictness as the server's, before our own parser could hide a duplicate key or round a number.
fn json(text: &str) -> anyhow::Result<Value> {
    signoff_core::json::check(text.trim().as_bytes())?;
    Ok(serde_json::from_str(text)?)
}

/// A file, or standard input for `-`.
pub(crate) fn read(path: &str) -> anyhow::Result<String> {
    if path == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("can't read standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(path).with_context(|| format!("can't read `{path}`"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(arguments: &[&str]) -> anyhow::Result<Option<Map<String, Value>>> {
        object(&arguments.iter().map(|&a| a.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn text_and_typed_values_are_told_apart_by_the_first_equals_sign() {
        let cases = [
            (vec!["a=1"], json!({"a": "1"})),
            (
                vec!["a:=1", "b:=true", "c:=[1,2]"],
                json!({"a": 1, "b": true, "c": [1, 2]}),
            ),
            (vec!["url=http://x?a=b:=c"], json!({"url": "http://x?a=b:=c"})),
            (vec!["a.b=1"], json!({"a.b": "1"})),
            (vec!["empty="], json!({"empty": ""})),
            (vec![r#"{"a": 0.1}"#, "b=x"], json!({"a": 0.1, "b": "x"})),
        ];
        for (arguments, expected) in cases {
            assert_eq!(
                parsed(&arguments).unwrap().map(Value::Object),
                Some(expected),
                "{arguments:?}"
            );
        }
        assert_eq!(parsed(&[]).unwrap(), None);
    }

    #[test]
    fn slips_are_refused() {
        for arguments in [
            vec!["a"],
            vec!["=1"],
            vec![":=1"],
            vec!["a:=nope"],
            vec!["a=1", "a=2"],
            vec!["{\"a\":1,\"a\":2}"],
            vec!["a:=9007199254740993"],
            vec!["@/does/not/exist"],
            vec!["{]"],
        ] {
            assert!(parsed(&arguments).is_err(), "{arguments:?}");
        }
        assert!(check("deploy.production").is_err());
        assert!(check("a=1").is_ok());
    }
}

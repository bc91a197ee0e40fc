//! Reads JSON and parameters into wire types, and says in plain words what does not fit and where.

use std::fmt::Write as _;

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};
use signoff_api::{Code, Problem};
use signoff_core::json;

use super::problem::Refused;
use super::strict::Strict;

/// Names at most so unlike each other that one can be a misspelling of the other (Jaro-Winkler).
const LIKENESS_MIN: f64 = 0.75;
/// How much of what was given stands in a problem, in characters.
const SHOWN_CHARS_MAX: usize = 80;

/// Reads a body: first what every reader must understand alike, then the shape.
pub(crate) fn read_json<T: DeserializeOwned>(raw: &[u8]) -> Result<T, Refused> {
    json::check(raw).map_err(|refusal| Refused::new(Code::InvalidJson, refusal.to_string()))?;
    // What is right is read once; only what is wrong is read again, for the words to say so.
    let reader = &mut serde_json::Deserializer::from_slice(raw);
    T::deserialize(Strict(reader)).or_else(|_| explain(raw))
}

fn explain<T: DeserializeOwned>(raw: &[u8]) -> Result<T, Refused> {
    let value: Value =
        serde_json::from_slice(raw).map_err(|error| Refused::new(Code::InvalidJson, error.to_string()))?;
    serde_path_to_error::deserialize(Strict(value))
        .map_err(|error| misfit(&pointer(error.path()), &error.inner().to_string()))
}

/// What does not fit, from the place and the words of serde.
fn misfit(pointer: &str, message: &str) -> Refused {
    if let Some((field, known)) = quoted_list(message, "unknown field ") {
        let why = unknown("field", &field, &known);
        return Problem::new(Code::UnknownField, why.clone())
            .with_error(pointer, why)
            .into();
    }
    if let Some((field, _)) = quoted_list(message, "missing field ") {
        return Refused::invalid(join(pointer, &field), format!("`{field}` is missing"));
    }
    if let Some((given, known)) = quoted_list(message, "unknown variant ") {
        let nearest = nearest(&given, &known).map(|near| format!(", did you mean `{near}`?"));
        let hint = nearest.unwrap_or_default();
        let why = format!("`{}` is none of: {}{hint}", shown(&given), known.join(", "));
        return Refused::invalid(pointer, why);
    }
    Refused::invalid(pointer, plain(message))
}

/// A name that is not known, with the one that was probably meant.
pub(crate) fn unknown(what: &str, given: &str, known: &[String]) -> String {
    let mut why = format!("unknown {what} `{}`", shown(given));
    match nearest(given, known) {
        Some(near) => drop(write!(why, ", did you mean `{near}`?")),
        None if known.is_empty() => why.push_str(": none is known here"),
        None => drop(write!(why, ": known are {}", known.join(", "))),
    }
    why
}

fn nearest<'a>(given: &str, known: &'a [String]) -> Option<&'a str> {
    let given = given.to_ascii_lowercase();
    let scored = known
        .iter()
        .map(|name| (strsim::jaro_winkler(&given, name), name.as_str()));
    scored
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, name)| name)
}

/// The first name in backticks after `lead`, and all further ones: how serde names what is unknown and what is known.
fn quoted_list(message: &str, lead: &str) -> Option<(String, Vec<String>)> {
    let rest = message.strip_prefix(lead)?.strip_prefix('`')?;
    // What was given may hold backticks itself; serde's own words follow the last part that it wrote.
    let end = rest
        .rfind("`, expected ")
        .max(rest.rfind("`, there are no "))
        .or_else(|| rest.rfind('`'))?;
    let known = rest[end + 1..]
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    Some((rest[..end].to_owned(), known))
}

/// Serde's words without the names of Rust's types.
fn plain(message: &str) -> String {
    let Some((given, expected)) = message.split_once(", expected ") else {
        return shown(message);
    };
    let given = given
        .strip_prefix("invalid type: ")
        .or_else(|| given.strip_prefix("invalid value: "));
    let Some(given) = given else {
        return shown(message);
    };
    let expected = match expected {
        "a map" => "an object",
        "a sequence" => "a list",
        "a string" | "str" | "a borrowed string" => "text",
        "a boolean" => "true or false",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number that is not negative",
        "i8" | "i16" | "i32" | "i64" => "a whole number",
        "f64" => "a number",
        "unit" | "null" => "nothing",
        words if words.starts_with("struct ") => "an object",
        words => words,
    };
    format!("expected {expected}, found {}", kind(given))
}

/// What was found, in the words of JSON.
fn kind(given: &str) -> String {
    let word = match given.split(' ').next().unwrap_or(given) {
        "map" => "an object",
        "sequence" => "a list",
        "null" | "unit" => "null",
        "integer" | "floating" => {
            return given
                .replace("floating point", "number")
                .replace("integer", "number");
        }
        "boolean" => return given.replace("boolean ", ""),
        "string" => return shown(&given.replacen("string", "text", 1)),
        _ => given,
    };
    shown(word)
}

/// Cut to what a problem shows.
pub(crate) fn shown(text: &str) -> String {
    let mut cut: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}

fn pointer(path: &Path) -> String {
    path.iter().fold(String::new(), |pointer, segment| match segment {
        Segment::Seq { index } => format!("{pointer}/{index}"),
        Segment::Map { key } => join(&pointer, key),
        Segment::Enum { variant } => join(&pointer, variant),
        Segment::Unknown => pointer,
    })
}

/// The pointer of a member of what another pointer names (RFC 6901).
fn join(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", shown(key).replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use signoff_api::action::Submit;
    use signoff_api::policy::PolicyApply;

    use super::*;

    fn refused<T: DeserializeOwned + std::fmt::Debug>(raw: &str) -> (String, String, String) {
        let refused = read_json::<T>(raw.as_bytes()).unwrap_err();
        let problem = refused.problem();
        let pointer = problem
            .errors
            .first()
            .map(|error| error.pointer.clone())
            .unwrap_or_default();
        (problem.code.clone(), pointer, problem.detail.clone())
    }

    fn check<T: DeserializeOwned + std::fmt::Debug>(raw: &str, code: Code, pointer: &str, detail: &str) {
        assert_eq!(
            refused::<T>(raw),
            (code.to_string(), pointer.into(), detail.into()),
            "{raw}"
        );
    }

    #[test]
    fn unknown_fields_are_named_with_their_place_and_the_nearest_match() {
        check::<Submit>(
            r#"{"action":"a","require_aproval":true}"#,
            Code::UnknownField,
            "/require_aproval",
            "unknown field `require_aproval`, did you mean `require_approval`?",
        );
        check::<PolicyApply>(
            r#"{"policies":[{"name":"a","effect":"deny","approval":{"qorum":2}}]}"#,
            Code::UnknownField,
            "/policies/0/approval/qorum",
            "unknown field `qorum`, did you mean `quorum`?",
        );
        check::<Submit>(
            r#"{"action":"a","trace":{"a`, expected `b":1}}"#,
            Code::UnknownField,
            "/trace/a`, expected `b",
            "unknown field `a`, expected `b`: known are run_id, task_id, mission_id, parent",
        );
    }

    #[test]
    fn other_misfits_name_the_place_in_plain_words() {
        let submit = |raw, pointer, detail| check::<Submit>(raw, Code::InvalidRequest, pointer, detail);
        check::<PolicyApply>("{}", Code::InvalidRequest, "/policies", "`policies` is missing");
        submit(r#"{"action":5}"#, "/action", "expected text, found number `5`");
        submit(
            r#"{"action":"a","context":[1]}"#,
            "/context",
            "expected an object, found a list",
        );
        submit(
            r#"{"action":"a","inputs":"x"}"#,
            "/inputs",
            "expected an object, found text \"x\"",
        );
        submit("[]", "", "expected an object, found a list");
        submit(
            r#"{"action":"a","trace":{"run_id":true}}"#,
            "/trace/run_id",
            "expected text, found `true`",
        );
        submit(
            r#"{"action":"a","risk":"hgih"}"#,
            "/risk",
            "`hgih` is none of: minimal, low, medium, high, critical, did you mean `high`?",
        );
        submit(
            r#"{"action":"a","risk":5}"#,
            "/risk",
            "expected one of its words as text, found number `5`",
        );
        check::<PolicyApply>(
            r#"{"policies":[{"name":"a","effect":"alow"}]}"#,
            Code::InvalidRequest,
            "/policies/0/effect",
            "`alow` is none of: allow, deny, require_approval, conditional, did you mean `allow`?",
        );
    }

    #[test]
    fn ambiguous_json_is_refused_before_its_shape_is_looked_at() {
        for raw in [
            r#"{"action":"a","action":"b"}"#,
            r#"{"action":"a","context":{"n":9007199254740993}}"#,
            r#"{"action":"a\u0000"}"#,
            "\u{feff}{}",
            "{",
            "",
        ] {
            assert_eq!(refused::<Submit>(raw).0, "invalid_json", "{raw}");
        }
    }

    #[test]
    fn null_for_an_optional_field_is_its_absence() {
        let submit: Submit = read_json(br#"{"action":"a","risk":null,"context":null}"#).unwrap();
        assert_eq!(
            submit,
            Submit {
                action: "a".into(),
                ..Submit::default()
            }
        );
    }
}

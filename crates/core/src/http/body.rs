//! What can be read in a body and in a query: JSON and form fields. What two readers could read differently is not there
//! at all, so that a condition on it fails, and an error never opens the gate.

use serde_json::{Map, Value};

use crate::json;

/// The content of a body that says it is JSON or a form, and its name: `json` or `form`.
pub(super) fn read(headers: &Map<String, Value>, body: &[u8]) -> Option<(&'static str, Value)> {
    let text = |name: &str| headers.get(name).and_then(Value::as_str);
    // Packed bytes are not looked into.
    if text("content-encoding").is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return None;
    }
    let media = text("content-type")?;
    let mut parts = media.split(';').map(|part| part.trim().to_ascii_lowercase());
    let kind = parts.next()?;
    let mut parameters = parts.filter(|part| !part.is_empty());
    let other_charset = |part: String| {
        part.strip_prefix("charset=")
            .is_some_and(|charset| !matches!(charset.trim_matches('"'), "utf-8" | "utf8" | "us-ascii"))
    };
    if parameters.any(other_charset) {
        return None;
    }
    if kind == "application/x-www-form-urlencoded" {
        return Some(("form", Value::Object(fields(body)?)));
    }
    let is_json = kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"));
    if !is_json || json::check(body).is_err() {
        return None;
    }
    Some(("json", serde_json::from_slice(body).ok()?))
}

/// Fields by name: text, or a list where a name stands several times. None if they can't be read without a doubt.
pub(super) fn fields(encoded: &[u8]) -> Option<Map<String, Value>> {
    let mut fields = Map::new();
    for pair in encoded
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
    {
        let split = pair.iter().position(|byte| *byte == b'=');
        let (name, value) = match split {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &b""[..]),
        };
        let value = Value::String(decoded(value)?);
        match fields.entry(decoded(name)?) {
            serde_json::map::Entry::Vacant(place) => {
                place.insert(value);
            }
            serde_json::map::Entry::Occupied(mut place) => match place.get_mut() {
                Value::Array(values) => values.push(value),
                first => *first = Value::Array(vec![first.take(), value]),
            },
        }
    }
    Some(fields)
}

fn decoded(encoded: &[u8]) -> Option<String> {
    let mut plain = Vec::with_capacity(encoded.len());
    let mut at = 0;
    while at < encoded.len() {
        match encoded[at] {
            b'+' => plain.push(b' '),
            b'%' => {
                let digits = std::str::from_utf8(encoded.get(at + 1..at + 3)?).ok()?;
                if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    return None;
                }
                plain.push(u8::from_str_radix(digits, 16).ok()?);
                at += 2;
            }
            byte => plain.push(byte),
        }
        at += 1;
    }
    String::from_utf8(plain).ok().filter(|text| !text.contains('\0'))
}

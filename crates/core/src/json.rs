//! What JSON Signoff accepts: text in which no two readers can see different values.
//!
//! Duplicate keys, lone surrogates, U+0000, and numbers whose decimal value is not that of their shortest double form
//! are refused on the raw text, so different values never share a digest. Accepted values are written canonically
//! (RFC 8785).

mod ordered;

use std::{borrow::Cow, collections::HashSet, fmt};

use crate::decimal::Decimal;
use serde::{
    Deserializer, Serialize,
    de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};

/// How deep objects and lists may nest.
pub const DEPTH_MAX: usize = 64;

/// How keys start by which the JSON reader talks to itself.
const READER_KEYS: &str = "$serde_json::private::";

/// Why a JSON text is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonRefusal {
    /// Not JSON at all, or one of the forms that readers understand differently.
    #[error("{0}")]
    Invalid(String),
    /// A number that a double can't hold exactly.
    #[error("the number `{0}` can't be held exactly by every reader; send it as a string")]
    InexactNumber(String),
}

/// Checks a whole JSON text.
///
/// # Errors
/// The first thing in it that is not accepted, with its place where the parser knows it.
pub fn check(raw: &[u8]) -> Result<(), JsonRefusal> {
    well_formed(raw)?;
    check_numbers(raw)
}

/// Checks the same but for how exact numbers are: for text that is handed on as it stands, to whoever reads them.
///
/// # Errors
/// As for [`check`].
pub fn well_formed(raw: &[u8]) -> Result<(), JsonRefusal> {
    if raw.starts_with(b"\xef\xbb\xbf") {
        return Err(JsonRefusal::Invalid(
            "the text starts with a byte-order mark; send plain UTF-8".into(),
        ));
    }
    let mut reader = serde_json::Deserializer::from_slice(raw);
    Checked { depth: 0 }
        .deserialize(&mut reader)
        .and_then(|()| reader.end())
        .map_err(|error| JsonRefusal::Invalid(error.to_string()))
}

/// The text is known to be valid JSON here, so outside strings a digit or a minus can only start a number.
fn check_numbers(raw: &[u8]) -> Result<(), JsonRefusal> {
    let mut at = 0;
    while at < raw.len() {
        match raw[at] {
            b'"' => {
                at += 1;
                while raw[at] != b'"' {
                    at += if raw[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            b'-' | b'0'..=b'9' => {
                let start = at;
                while at < raw.len() && matches!(raw[at], b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9') {
                    at += 1;
                }
                check_number(&raw[start..at])?;
            }
            _ => at += 1,
        }
    }
    Ok(())
}

fn check_number(token: &[u8]) -> Result<(), JsonRefusal> {
    // Integers of up to 15 digits are exact in a double; nearly all numbers end here.
    if token.len() <= 15 && token.iter().all(u8::is_ascii_digit) {
        return Ok(());
    }
    let text = String::from_utf8_lossy(token);
    let inexact = || JsonRefusal::InexactNumber(text.chars().take(60).collect());
    let double: f64 = text.parse().map_err(|_| inexact())?;
    if !double.is_finite() {
        return Err(inexact());
    }
    // The shortest form that is written canonically, not that of Rust: where two are equally near, they differ.
    let shortest = canonical(&double).map_err(|_| inexact())?;
    let shortest = String::from_utf8_lossy(&shortest);
    match (Decimal::parse(&text), Decimal::parse(&shortest)) {
        (Some(given), Some(held)) if given == held => Ok(()),
        _ => Err(inexact()),
    }
}

/// The canonical bytes (RFC 8785) of an accepted value.
///
/// # Errors
/// Only for values that can't be JSON, such as a map with keys that are not text.
pub fn canonical<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    match ordered::write(value)? {
        Some(bytes) => Ok(bytes),
        None => serde_json_canonicalizer::to_vec(&serde_json::to_value(value)?),
    }
}

#[derive(Clone, Copy)]
struct Checked {
    /// How many objects and lists stand around the value.
    depth: usize,
}

fn check_text<E: serde::de::Error>(text: &str) -> Result<(), E> {
    if text.contains('\0') {
        Err(E::custom("the character U+0000 is not accepted"))
    } else {
        Ok(())
    }
}

impl Checked {
    /// For what stands inside the object or list that begins here.
    fn inside<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == DEPTH_MAX {
            return Err(E::custom(format!(
                "objects and lists nest deeper than {DEPTH_MAX}"
            )));
        }
        Ok(Self {
            depth: self.depth + 1,
        })
    }
}

impl<'de> DeserializeSeed<'de> for Checked {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Checked {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        check_text(text)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inside = self.inside()?;
        while items.next_element_seed(inside)?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let inside = self.inside()?;
        let mut seen = Keys::default();
        while let Some(key) = entries.next_key_seed(Key)? {
            check_text::<A::Error>(&key)?;
            // The reader takes an object with such a key for a number, or for text to be read in its place, which this
            // check would never see.
            if key.starts_with(READER_KEYS) {
                return Err(A::Error::custom(format!(
                    "keys that start with `{READER_KEYS}` are not accepted"
                )));
            }
            entries.next_value_seed(inside)?;
            if let Some(key) = seen.insert(key) {
                let shown: String = key.chars().take(60).collect();
                return Err(A::Error::custom(format!(
                    "the key `{shown}` stands twice in one object"
                )));
            }
        }
        Ok(())
    }
}

/// A key, where it stands in the text if it can.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(key))
    }
    fn visit_str<E>(self, key: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

/// The keys of one object so far. Most objects have few, which are compared faster than hashed.
#[derive(Default)]
struct Keys<'de> {
    few: Vec<Cow<'de, str>>,
    many: HashSet<Cow<'de, str>>,
}

impl<'de> Keys<'de> {
    const FEW: usize = 16;

    /// Takes a key; gives it back if it is already there.
    fn insert(&mut self, key: Cow<'de, str>) -> Option<Cow<'de, str>> {
        if self.few.contains(&key) || self.many.contains(&key) {
            return Some(key);
        }
        if self.few.len() < Self::FEW {
            self.few.push(key);
        } else {
            self.many.insert(key);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;

    #[test]
    fn canonical_text_is_that_of_the_library() {
        let wide: Map<String, Value> = (0..40).rev().map(|at| (format!("k{at}"), json!(at))).collect();
        for value in [
            json!({"b": [1, -1, 0, 1.0, -0.0, 1.5, 1e21, 1e20, 1e-7, 5e-324, 0.1], "a": {"z": null, "y": true, "": {}}}),
            json!([
                9_007_199_254_740_991_u64,
                9_007_199_254_740_993_u64,
                u64::MAX,
                i64::MIN,
                -9_007_199_254_740_993_i64
            ]),
            json!({"\u{e000}": 1, "\u{1f600}": 2, "a": 3, "é": 4, "\"": {"\u{1f600}\u{e000}": 5, "\n": 6}}),
            json!("\u{0}\u{1f}\u{7f}\u{8}\u{c}\n\r\t\"\\/\u{2028}\u{1f600}é"),
            json!({"\u{1}": 1, "a\"b": 2, "a!": 3, "\\": 4, "A": 5, "~": 6}),
            Value::Object(wide),
        ] {
            let expected = serde_json_canonicalizer::to_vec(&value).unwrap();
            assert_eq!(canonical(&value).unwrap(), expected, "{value}");
        }
    }

    /// A struct's fields come in the order of their declaration, a flattened enum's in the middle of them.
    #[test]
    fn fields_are_put_in_order_at_every_depth() {
        #[derive(serde::Serialize)]
        #[serde(tag = "type", content = "data")]
        enum Happened {
            Thing { z: u8, a: Vec<Inner> },
        }
        #[derive(serde::Serialize, Clone)]
        struct Inner {
            b: &'static str,
            #[serde(rename = "a!")]
            longer: f32,
            a: Option<u8>,
            empty: Map<String, Value>,
        }
        #[derive(serde::Serialize)]
        struct Outer {
            v: u8,
            #[serde(flatten)]
            happened: Happened,
            actor: Inner,
            seq: u64,
        }
        let inner = Inner {
            b: "\"{,}\\",
            longer: 0.5,
            a: None,
            empty: Map::new(),
        };
        let outer = Outer {
            v: 1,
            happened: Happened::Thing {
                z: 1,
                a: vec![inner.clone(), inner.clone()],
            },
            actor: inner,
            seq: u64::MAX,
        };
        let expected = serde_json_canonicalizer::to_vec(&serde_json::to_value(&outer).unwrap()).unwrap();
        let ours = canonical(&outer).unwrap();
        assert_eq!(
            String::from_utf8(ours).unwrap(),
            String::from_utf8(expected).unwrap()
        );
        assert!(
            ordered::write(&outer).unwrap().is_some(),
            "left to the slow writer"
        );
    }

    #[test]
    fn a_key_that_stands_twice_is_found_among_many() {
        let keys = |count: usize| {
            (0..count)
                .map(|at| format!("\"k{at}\":1"))
                .collect::<Vec<_>>()
                .join(",")
        };
        for (count, again) in [(1, 0), (16, 15), (17, 16), (40, 3), (40, 39)] {
            let text = format!("{{{},\"k{again}\":2}}", keys(count));
            assert!(
                matches!(check(text.as_bytes()), Err(JsonRefusal::Invalid(_))),
                "{text}"
            );
            let text = format!("{{{},\"other\":2}}", keys(count));
            assert_eq!(check(text.as_bytes()), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_every_reader_reads_alike_passes() {
        for text in [
            "{}",
            "[1,1.0,1e0,0.1]",
            "9007199254740994",
            "{\"a\":\"\\ud83d\\ude00\"}",
            "-0",
            "1e300",
            "\"a \\\" 9007199254740993\"",
            "123456789012345",
        ] {
            assert_eq!(check(text.as_bytes()), Ok(()), "{text}");
        }
    }

    #[test]
    fn numbers_a_double_cannot_hold_are_refused() {
        for text in [
            "9007199254740993",
            "[1e400]",
            "{\"a\":0.1000000000000000055511151231257827}",
            "18446744073709551615",
            "-9007199254740993",
        ] {
            assert!(
                matches!(
                    check(text.as_bytes()),
                    Err(JsonRefusal::InexactNumber(_) | JsonRefusal::Invalid(_))
                ),
                "{text}"
            );
        }
    }

    #[test]
    fn ambiguous_text_is_refused() {
        let deep = "[".repeat(80) + &"]".repeat(80);
        for text in [
            "{\"a\":1,\"a\":1}",
            "{\"a\":1,\"\\u0061\":2}",
            "\"\\ud800\"",
            "\"\\u0000\"",
            "{\"\\u0000\":1}",
            "\u{feff}{}",
            "{",
            "{} {}",
            "NaN",
            "",
            "01",
            &deep,
        ] {
            assert!(
                matches!(check(text.as_bytes()), Err(JsonRefusal::Invalid(_))),
                "{text}"
            );
        }
        assert!(check(b"\"\xff\"").is_err());
    }
}

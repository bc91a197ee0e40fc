//! Durations as people write them: `"30m"`, `"1h30m"`, or whole seconds.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema, openapi::RefOr};

/// A span of time in a request: text such as `"30m"`, whole seconds, or `"never"` where a policy may say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duration {
    /// Whole seconds.
    Seconds(u64),
    /// No end; only a policy's timeout may say so.
    Never,
}

impl Duration {
    /// Whole seconds; nothing for `never`.
    pub const fn seconds(self) -> Option<u64> {
        match self {
            Self::Seconds(seconds) => Some(seconds),
            Self::Never => None,
        }
    }
}

// By hand: the wire takes text or a number, which no derive says.
impl PartialSchema for Duration {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).examples(["30m"]);
        let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
        AnyOfBuilder::new()
            .item(text)
            .item(seconds)
            .description(Some(
                "A duration such as `30m`, `1h30m` or `2d`, or whole seconds",
            ))
            .into()
    }
}

impl ToSchema for Duration {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Duration")
    }
}

const UNITS: [(char, u64); 5] = [('w', 604_800), ('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Seconds(seconds) = *self else {
            return f.write_str("never");
        };
        if seconds == 0 {
            return f.write_str("0s");
        }
        let mut rest = seconds;
        for (unit, size) in UNITS.into_iter().skip(1) {
            if rest >= size {
                write!(f, "{}{unit}", rest / size)?;
                rest %= size;
            }
        }
        Ok(())
    }
}

impl FromStr for Duration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "never" {
            return Ok(Self::Never);
        }
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            return text.parse().map(Self::Seconds).map_err(|_| bad(text));
        }
        parse_units(text).map(Self::Seconds).ok_or_else(|| bad(text))
    }
}

fn bad(text: &str) -> String {
    format!("`{text}` is no duration: write it like 90s, 30m, 1h30m or 2d")
}

/// Numbers with units, each unit at most once and from large to small.
fn parse_units(text: &str) -> Option<u64> {
    let (mut total, mut rest, mut units) = (0_u64, text, UNITS.as_slice());
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..end].parse().ok()?;
        let unit = rest[end..].chars().next()?;
        let at = units.iter().position(|(name, _)| *name == unit)?;
        total = total.checked_add(number.checked_mul(units[at].1)?)?;
        units = &units[at + 1..];
        rest = &rest[end + unit.len_utf8()..];
    }
    (!text.is_empty()).then_some(total)
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DurationVisitor)
    }
}

struct DurationVisitor;

impl de::Visitor<'_> for DurationVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"30m\", or whole seconds")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Duration, E> {
        Ok(Duration::Seconds(seconds))
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Duration, E> {
        u64::try_from(seconds)
            .map(Duration::Seconds)
            .map_err(|_| E::invalid_value(de::Unexpected::Signed(seconds), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write_and_refuses_the_rest() {
        for (text, seconds) in [
            ("90", 90),
            ("90s", 90),
            ("30m", 1_800),
            ("1h30m", 5_400),
            ("2d", 172_800),
            ("1w1s", 604_801),
        ] {
            assert_eq!(text.parse(), Ok(Duration::Seconds(seconds)), "{text}");
        }
        assert_eq!("never".parse(), Ok(Duration::Never));
        for text in [
            "",
            "m",
            "30x",
            "1m1h",
            "1m1m",
            "-5m",
            "1.5h",
            "5 m",
            "99999999999999999999s",
            "Never",
        ] {
            assert!(text.parse::<Duration>().is_err(), "{text}");
        }
    }

    #[test]
    fn json_takes_text_and_whole_seconds() {
        assert_eq!(
            serde_json::from_str::<Duration>("1800").unwrap(),
            Duration::Seconds(1_800)
        );
        assert_eq!(
            serde_json::from_str::<Duration>("\"30m\"").unwrap(),
            Duration::Seconds(1_800)
        );
        for json in ["-1", "1.5", "true", "null", "\"soon\""] {
            assert!(serde_json::from_str::<Duration>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn prints_what_it_reads() {
        for seconds in [0, 1, 59, 60, 3_661, 86_400, 604_800] {
            let duration = Duration::Seconds(seconds);
            assert_eq!(duration.to_string().parse(), Ok(duration));
        }
    }
}

//! Small types that several resources share: levels, references, actors, decimals, waiting.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Schema, Type};
use utoipa::{IntoParams, PartialSchema, ToSchema, openapi::RefOr};

/// How urgent an action is. An agent's own word for it is a claim: policy may raise it.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Can wait.
    Low,
    /// The usual.
    #[default]
    Medium,
    /// Soon.
    High,
    /// Now.
    Critical,
}

/// How much harm an action can do. An agent's own word for it is a claim: policy may raise it.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// None worth naming.
    Minimal,
    /// Little.
    Low,
    /// Some.
    #[default]
    Medium,
    /// Much.
    High,
    /// Hard or impossible to undo.
    Critical,
}

macro_rules! level_text {
    ($name:ident { $($variant:ident => $text:literal),+ $(,)? }) => {
        impl $name {
            /// The word used on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    other => Err(format!("`{other}` is none of: {}", [$($text),+].join(", "))),
                }
            }
        }
    };
}
pub(crate) use level_text;

level_text!(Priority { Low => "low", Medium => "medium", High => "high", Critical => "critical" });
level_text!(Risk {
    Minimal => "minimal", Low => "low", Medium => "medium", High => "high", Critical => "critical",
});

/// Something that is named by id and by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NamedRef {
    /// Typed id, such as `agt_…`.
    pub id: String,
    /// Its name at the time of reading.
    pub name: String,
}

/// What kind of principal did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A principal that asks.
    Agent,
    /// A key that asks for several agents.
    Application,
    /// A person.
    Operator,
    /// A machine with operator rights; never counts as a person.
    Automation,
    /// Signoff itself: the clock, or a change of policy.
    System,
    /// Somebody unknown, as in a failed sign-in.
    Stranger,
}

level_text!(ActorKind {
    Agent => "agent", Application => "application", Operator => "operator",
    Automation => "automation", System => "system", Stranger => "stranger",
});

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Actor {
    /// What kind of principal.
    pub kind: ActorKind,
    /// Its id; for the system and the admin key a fixed word.
    pub id: String,
    /// Its name, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// When a long-poll answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// When the approval has ended, whichever way.
    #[default]
    Decided,
    /// When anything about it changed: a vote, a question, an end.
    Changed,
}

level_text!(Until { Decided => "decided", Changed => "changed" });

/// Query of what can be waited for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WaitQuery {
    /// Hold the answer back for at most this many seconds, 0 to 60 (default 0).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 0, maximum = 60)]
    pub wait: Option<u64>,
    /// What to wait for (default `decided`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Until>,
}

/// An amount as decimal text, such as `"500.00"`. A JSON number is accepted and kept as its decimal text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Decimal(pub String);

impl Decimal {
    /// The decimal text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DecimalVisitor)
    }
}

// By hand: the wire takes text or a number, which no derive says.
impl PartialSchema for Decimal {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(r"^-?\d+(\.\d+)?$"))
            .examples(["500.00"]);
        AnyOfBuilder::new()
            .item(text)
            .item(ObjectBuilder::new().schema_type(Type::Number))
            .description(Some("A decimal as text, or a number; always text in answers"))
            .into()
    }
}

impl ToSchema for Decimal {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Decimal")
    }
}

struct DecimalVisitor;

impl de::Visitor<'_> for DecimalVisitor {
    type Value = Decimal;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a decimal as text, such as \"500.00\", or a number")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Decimal, E> {
        if is_decimal(text) {
            Ok(Decimal(text.to_owned()))
        } else {
            Err(E::invalid_value(de::Unexpected::Str(text), &self))
        }
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Decimal, E> {
        Ok(Decimal(number.to_string()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Decimal, E> {
        Ok(Decimal(number.to_string()))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Decimal, E> {
        let text = number.to_string();
        if is_decimal(&text) {
            Ok(Decimal(text))
        } else {
            Err(E::invalid_value(de::Unexpected::Float(number), &self))
        }
    }
}

/// Digits with at most one point between them and an optional minus; at most 40 characters.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits
        .split_once('.')
        .map_or((digits, None), |(w, f)| (w, Some(f)));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    text.len() <= 40 && all_digits(whole) && fraction.is_none_or(all_digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_text_or_a_number_and_nothing_else() {
        for (json, expected) in [
            ("\"500.00\"", Some("500.00")),
            ("500", Some("500")),
            ("0.1", Some("0.1")),
            ("-3", Some("-3")),
        ] {
            let parsed: Result<Decimal, _> = serde_json::from_str(json);
            assert_eq!(parsed.ok().map(|d| d.0).as_deref(), expected, "{json}");
        }
        for json in [
            "\"1e3\"", "\"\"", "\"1.\"", "\".5\"", "\"€5\"", "true", "1e300", "\"0x10\"",
        ] {
            assert!(serde_json::from_str::<Decimal>(json).is_err(), "{json}");
        }
    }
}

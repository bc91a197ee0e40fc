//! Which calls and which risks a policy is about.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::ToSchema;

use crate::common::Risk;

/// Which risks a policy is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum RiskMatch {
    /// This one and all above it.
    AtLeast(Risk),
    /// Exactly these.
    OneOf(Vec<Risk>),
}

/// Which calls a policy is about. An action that stands for no call is not meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpMatch {
    /// Any of these, compared without case; none means every method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub methods: Option<Vec<String>>,
    /// A URL pattern, or a list of which one must match; at most 50. One that starts with `/` is a path on any host, one
    /// without a query matches any: `/v1/refunds*`, `/v1/:what/*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<OneOrMany>,
}

/// A text, or a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Any of these.
    Many(Vec<String>),
}

impl OneOrMany {
    /// The list, none where it is empty; one entry stands alone.
    pub fn of(mut list: Vec<String>) -> Option<Self> {
        match list.len() {
            0 => None,
            1 => list.pop().map(Self::One),
            _ => Some(Self::Many(list)),
        }
    }

    /// As a list.
    pub fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(list) => list,
        }
    }
}

// By hand, so that an error says what was expected.
impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor)
    }
}

struct OneOrManyVisitor;

impl<'de> de::Visitor<'de> for OneOrManyVisitor {
    type Value = OneOrMany;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, or a list of texts")
    }

    fn visit_str<E: de::Error>(self, one: &str) -> Result<OneOrMany, E> {
        Ok(OneOrMany::One(one.to_owned()))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, list: A) -> Result<OneOrMany, A::Error> {
        Vec::deserialize(de::value::SeqAccessDeserializer::new(list)).map(OneOrMany::Many)
    }
}

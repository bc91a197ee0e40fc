//! The terms of asking: who decides, stage by stage, by when, and who is told.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::approval::LinkMode;
use crate::common::{Priority, Risk};
use crate::duration::Duration;

/// Who must decide, and by when.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalRule {
    /// `usr_…`, an e-mail address, `group:NAME`, `role:NAME` or `agent.owner`; none: the workspace's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvers: Option<Vec<Approver>>,
    /// How many must say yes (default 1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100)]
    pub quorum: Option<u32>,
    /// How many must say no (default 1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100)]
    pub deny_quorum: Option<u32>,
    /// One after the other, in place of `approvers` and quorums; at most 10, with quorums of at most 100 people together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, max_items = 10)]
    pub stages: Option<Vec<StageRule>>,
    /// How long people have: a duration of at most 30 days, or `never` (default 30 minutes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Whether the agent's owner and its requester may approve (default false).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_approval: Option<bool>,
    /// Whose link may decide (default `operator`); `anyone` is refused with a quorum above 1 or several stages, and means
    /// `operator` for an action of high risk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<LinkMode>,
    /// Up to which risk a personal link, or a button of a message, may decide (default `medium`); above it people sign in.
    /// Refused with `link: none`, where none decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_risk_max: Option<Risk>,
    /// Whom to tell when nobody has decided for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalate: Option<Escalation>,
    /// Whom to tell beside those who must decide: `channel:NAME`, or people as approvers are named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<Vec<Contacts>>,
    /// What approvers may change of inputs and context before they approve (default false).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_edit: Option<EditRule>,
    /// Whether approvers may answer for further requests of the same agent and action (default true).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_standing: Option<bool>,
}

/// What approvers may change: anything or nothing, or what a JSON Schema of `{inputs, context}` says. Where that lists
/// `properties`, only these may be changed, and what comes out must be valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum EditRule {
    /// Anything, or nothing.
    Any(bool),
    /// What the schema names, to what it allows.
    #[schema(value_type = Object)]
    Within(Map<String, Value>),
}

/// One stage: who may vote in it, and how many of them it takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StageRule {
    /// For people; at most 100 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 100)]
    pub name: Option<String>,
    /// Who may vote, at least one entry.
    #[schema(min_items = 1)]
    pub approvers: Vec<Approver>,
    /// How many must say yes (default 1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100)]
    pub quorum: Option<u32>,
    /// How many must say no, which ends it (default 1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100)]
    pub deny_quorum: Option<u32>,
}

/// One way to name people who may decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Approver {
    /// `usr_…`, an e-mail address, `group:NAME`, `role:NAME` or `agent.owner`.
    Named(String),
    /// The operator whose address the request brings in its context.
    FromContext(FromContext),
}

impl From<&str> for Approver {
    fn from(name: &str) -> Self {
        Self::Named(name.to_owned())
    }
}

/// The operator whose address the request brings in its context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FromContext {
    /// Dotted path under `context`.
    pub context: String,
    /// Domains that the address may have, exactly; `*.example.com` is any domain below it. At most 20.
    #[schema(min_items = 1, max_items = 20)]
    pub domains: Vec<String>,
}

/// Whom to tell: always, or from a priority or risk on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Contacts {
    /// `channel:NAME`, or people as approvers are named, whatever the request is like.
    Always(String),
    /// Only for some requests.
    From(ContactsFrom),
}

impl From<&str> for Contacts {
    fn from(contact: &str) -> Self {
        Self::Always(contact.to_owned())
    }
}

/// Contacts for requests of a level and above; of both, where both are given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactsFrom {
    /// `channel:NAME`, or people as approvers are named.
    #[schema(min_items = 1)]
    pub to: Vec<String>,
    /// From this priority on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// From this risk on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
}

/// Whom to tell when nobody has decided for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Escalation {
    /// After how long.
    pub after: Duration,
    /// `channel:NAME`, or people as approvers are named.
    pub to: Vec<Contacts>,
}

// Written by hand so that an error names the field at fault: a derived untagged enum only says "no variant".
impl<'de> Deserialize<'de> for Approver {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOr {
            expected: "an approver such as \"group:finance\", or {context, domains}",
            text: Self::Named,
            object: Self::FromContext,
        })
    }
}

impl<'de> Deserialize<'de> for Contacts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOr {
            expected: "a contact such as \"channel:finance\", or {to, priority, risk}",
            text: Self::Always,
            object: Self::From,
        })
    }
}

impl<'de> Deserialize<'de> for EditRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Bool(any) => Ok(Self::Any(any)),
            Value::Object(schema) => Ok(Self::Within(schema)),
            _ => Err(de::Error::custom(
                "expected true, false, or a JSON Schema of {inputs, context}",
            )),
        }
    }
}

/// Reads text as one variant, and an object as another.
struct TextOr<T, O> {
    expected: &'static str,
    text: fn(String) -> T,
    object: fn(O) -> T,
}

impl<'de, T, O: Deserialize<'de>> de::Visitor<'de> for TextOr<T, O> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        O::deserialize(de::value::MapAccessDeserializer::new(map)).map(self.object)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        Ok((self.text)(text.to_owned()))
    }
}

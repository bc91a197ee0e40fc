//! `signoff.yaml`: a whole workspace as a file, which `signoff apply` makes true. `spec/signoff.schema.json` is made
//! from these types.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::ToSchema;

use crate::duration::Duration;
use crate::grant::{Credential, IdempotentProvider, Redact};
use crate::operator::Role;
use crate::policy::{PolicyBody, PolicySettings};

/// A workspace as a file. A section that is left out is not touched; one that is there is the whole truth of its
/// kind: what is not in it is removed, or disabled.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignoffFile {
    /// What policies leave open. A setting that is left out stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<PolicySettings>,
    /// All policies; earlier ones win between equals. What is not here is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<Vec<PolicyBody>>,
    /// All agents. What is not here is disabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<Vec<AgentEntry>>,
    /// All groups of operators. What is not here is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<GroupEntry>>,
    /// All people. Who is not here is disabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operators: Option<Vec<OperatorEntry>>,
    /// All grants, without their values. What is not here is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grants: Option<Vec<GrantEntry>>,
    /// All webhooks. What is not here is removed; channels of other kinds stay as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<Vec<ChannelEntry>>,
}

/// A principal that asks. Its key is made by `signoff agents rotate-key NAME`, not here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentEntry {
    /// 1 to 200 printable ASCII characters without spaces, compared without case.
    pub name: String,
    /// Labels that policies may match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// E-mail address of the operator answerable for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Its key opens nothing (default false).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
}

/// A group of operators, for approvers to name as `group:NAME`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupEntry {
    /// 1 to 200 printable ASCII characters without spaces, compared without case.
    pub name: String,
    /// E-mail addresses of operators.
    pub members: Vec<String>,
}

/// A person. Who is new gets a token or a password afterwards, not here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OperatorEntry {
    /// Their e-mail address, by which they are known here.
    #[schema(max_length = 254)]
    pub email: String,
    /// What people call them.
    #[schema(min_length = 1, max_length = 200)]
    pub name: String,
    /// What they may do.
    pub role: Role,
}

/// A credential that agents use without holding it. Its value is named, never written; it is needed where the grant is new,
/// and for another kind of credential.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantEntry {
    /// 1 to 200 printable ASCII characters without spaces, compared without case.
    pub name: String,
    /// How it goes into a call.
    pub credential: Credential,
    /// Where its value is. One that differs from the present one takes its place; where it is not there, the present one
    /// stays.
    #[serde(default, skip_serializing_if = "Option::is_none", alias = "secret")]
    pub value: Option<ValueFrom>,
    /// Where the client's secret beside a refresh token is, if the client has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<ValueFrom>,
    /// Scheme, host and port of where it may go, such as `https://api.example.com`; 1 to 50.
    pub origins: Vec<String>,
    /// The methods it may be used with; none means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub methods: Option<Vec<String>>,
    /// URL patterns such as `/v1/refunds/*`, of which a call must match one; none means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paths: Option<Vec<String>>,
    /// Names or globs of the agents that hold it; at most 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<Vec<String>>,
    /// Agents that carry all of these labels hold it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// How long a call may take: more than 0, at most 5 minutes (default 1 minute).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// What its provider promises of repeated calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotent: Option<IdempotentProvider>,
    /// What operators are not shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redact: Option<Redact>,
    /// Nobody can use it (default false).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
}

/// A value that is not in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum ValueFrom {
    /// The environment of `signoff apply` has it.
    Environment(FromEnvironment),
    /// A file that `signoff apply` can read has it.
    File(FromFile),
}

/// A value that is in another file. A line feed at its end is not part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FromFile {
    /// The file's name.
    pub file: String,
}

// By hand: whoever writes a value into the file reads what to do instead, and nobody reads the value.
impl<'de> Deserialize<'de> for ValueFrom {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueFromVisitor)
    }
}

struct ValueFromVisitor;

impl ValueFromVisitor {
    const ADVICE: &'static str =
        "a value is never written into this file: say where it is, `{env: NAME}` or `{file: PATH}`";
}

impl<'de> de::Visitor<'de> for ValueFromVisitor {
    type Value = ValueFrom;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{env: NAME} or {file: PATH}")
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<ValueFrom, E> {
        Err(E::custom(Self::ADVICE))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<ValueFrom, E> {
        Err(E::custom(Self::ADVICE))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<ValueFrom, E> {
        Err(E::custom(Self::ADVICE))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<ValueFrom, E> {
        Err(E::custom(Self::ADVICE))
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<ValueFrom, E> {
        Err(E::custom(Self::ADVICE))
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<ValueFrom, E> {
        Err(E::custom(Self::ADVICE))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<ValueFrom, E> {
        Err(E::custom(Self::ADVICE))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<ValueFrom, A::Error> {
        let Some(name) = map.next_key::<String>()? else {
            return Err(de::Error::custom(Self::ADVICE));
        };
        let from = match name.as_str() {
            "env" => ValueFrom::Environment(FromEnvironment {
                env: map.next_value()?,
            }),
            "file" => ValueFrom::File(FromFile {
                file: map.next_value()?,
            }),
            other => return Err(de::Error::unknown_field(other, &["env", "file"])),
        };
        match map.next_key::<String>()? {
            None => Ok(from),
            Some(_) => Err(de::Error::custom("a value comes from one place: `env` or `file`")),
        }
    }
}

/// Where messages go. Its secret is named, never written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelEntry {
    /// 1 to 200 printable ASCII characters without spaces, compared without case.
    pub name: String,
    /// What kind.
    pub kind: ChannelKind,
    /// Where to. Only its scheme, host and port are ever compared or shown, for the rest may be a credential.
    pub url: Address,
    /// Event types such as `approval.pending` or `approval.*`; none means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<String>>,
    /// The secret that signs its messages (`whsec_…`).
    pub secret: FromEnvironment,
}

/// What kind of channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChannelKind {
    /// Signed HTTP messages.
    Webhook,
}

crate::common::level_text!(ChannelKind { Webhook => "webhook" });

/// A value that is not in the file: the environment of `signoff apply` has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FromEnvironment {
    /// The variable's name.
    pub env: String,
}

/// An address: written out, or named where a part of it is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Address {
    /// An http or https URL.
    Written(String),
    /// The environment has it.
    Named(FromEnvironment),
}

// By hand, so that an error names the field at fault.
impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AddressVisitor)
    }
}

struct AddressVisitor;

impl<'de> de::Visitor<'de> for AddressVisitor {
    type Value = Address;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a URL, or {env: NAME}")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Address, E> {
        Ok(Address::Written(text.to_owned()))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Address, A::Error> {
        FromEnvironment::deserialize(de::value::MapAccessDeserializer::new(map)).map(Address::Named)
    }
}

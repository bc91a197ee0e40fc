//! `signoff.yaml`: a whole workspace as a file, which `signoff apply` makes true. `spec/signoff.schema.json` is made
//! from these types.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::ToSchema;

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
    /// All channels. What is not here is removed.
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

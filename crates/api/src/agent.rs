//! Agents: the principals that ask.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::common::NamedRef;
use crate::secret::{KeyDialect, Secret};

/// A principal that asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Agent {
    /// `agt_…`.
    pub id: String,
    /// Unique in the workspace, compared without case.
    pub name: String,
    /// Labels that policies may match.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The operator answerable for it; null when there is none.
    #[schema(required)]
    pub owner: Option<NamedRef>,
    /// A disabled agent's key opens nothing.
    pub disabled: bool,
    /// `active` or `disabled`.
    pub status: crate::status::PrincipalStatus,
    /// Whether a stop is in force on this very agent: everything it asks for is refused.
    #[serde(default)]
    pub stopped: bool,
    /// The application that registered it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<NamedRef>,
    /// When it was created, RFC 3339.
    pub created_at: String,
    /// When its key last changed, RFC 3339; absent when it has none of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_created_at: Option<String>,
}

/// Creates an agent and its key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentCreate {
    /// 1 to 200 printable ASCII characters without spaces.
    pub name: String,
    /// At most 50 labels; names and values at most 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Id or e-mail address of the operator answerable for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// How its key looks; as Signoff's own unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialect: Option<KeyDialect>,
}

/// A new agent, or an agent with a new key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentCreated {
    /// The key, shown this once (`sgo_agt_…` unless a dialect was named); null when an idempotent call is repeated.
    #[schema(required)]
    pub api_key: Option<Secret>,
    /// The agent.
    #[serde(flatten)]
    pub agent: Agent,
}

/// Changes an agent; what is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentUpdate {
    /// All labels, in place of the present ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Id or e-mail address of an operator; empty text removes the owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Turns its key off or on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
}

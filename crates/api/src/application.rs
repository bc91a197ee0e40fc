//! Applications: keys that ask for several named agents.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::secret::{KeyDialect, Secret};
use crate::status::PrincipalStatus;

/// A key that asks for several named agents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Application {
    /// `app_…`.
    pub id: String,
    /// Unique in the workspace, compared without case.
    pub name: String,
    /// Names or globs of agents it may ask for; `*` is any.
    pub agents: Vec<String>,
    /// Whether an allowed name that does not exist yet is registered on first use.
    pub register_new: bool,
    /// A disabled application's key opens nothing.
    pub disabled: bool,
    /// `active` or `disabled`.
    pub status: PrincipalStatus,
    /// When it was created, RFC 3339.
    pub created_at: String,
    /// When its key last changed, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_created_at: Option<String>,
}

/// Creates an application and its key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplicationCreate {
    /// 1 to 200 printable ASCII characters without spaces.
    pub name: String,
    /// Names or globs of agents it may ask for: 1 to 100.
    pub agents: Vec<String>,
    /// Whether to register allowed names on first use (default false).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub register_new: Option<bool>,
    /// How its key looks; as Signoff's own unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialect: Option<KeyDialect>,
}

/// A new application, or an application with a new key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApplicationCreated {
    /// The key, shown this once (`sgo_app_…` unless a dialect was named); null when an idempotent call is repeated.
    #[schema(required)]
    pub api_key: Option<Secret>,
    /// The application.
    #[serde(flatten)]
    pub application: Application,
}

/// Changes an application; what is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplicationUpdate {
    /// All names and globs, in place of the present ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<Vec<String>>,
    /// Whether to register allowed names on first use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub register_new: Option<bool>,
    /// Turns its key off or on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
}

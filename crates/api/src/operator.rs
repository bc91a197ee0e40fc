//! Operators: people, their roles, and their personal tokens.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::secret::{KeyDialect, Secret};
use crate::status::PrincipalStatus;

/// What an operator may do; each role includes the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees.
    Viewer,
    /// Decides where a requirement names them.
    Member,
    /// Sets everything up.
    Admin,
}

crate::common::level_text!(Role { Viewer => "viewer", Member => "member", Admin => "admin" });

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Operator {
    /// `usr_…`.
    pub id: String,
    /// What people call them.
    pub name: String,
    /// Unique in the workspace, compared without case.
    pub email: String,
    /// What they may do.
    pub role: Role,
    /// Names of their groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// A disabled operator can't sign in, and their tokens open nothing.
    pub disabled: bool,
    /// `active` or `disabled`.
    pub status: PrincipalStatus,
    /// Whether they can sign in with a password.
    pub has_password: bool,
    /// When they were added, RFC 3339.
    pub created_at: String,
}

/// Adds an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OperatorCreate {
    /// What people call them: 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    pub name: String,
    /// Their e-mail address: at most 254 characters.
    #[schema(max_length = 254)]
    pub email: String,
    /// What they may do.
    pub role: Role,
    /// Names of groups to put them in; each must exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
    /// A first password of at least 12 characters; without one they need a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
}

/// Changes an operator; what is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OperatorUpdate {
    /// What people call them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200)]
    pub name: Option<String>,
    /// Their e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 254)]
    pub email: Option<String>,
    /// What they may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Turns them off or on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// A new password of at least 12 characters; ends their sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
}

/// A personal token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// `key_…`.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// Its last characters, to tell tokens apart.
    pub hint: String,
    /// When it was created, RFC 3339.
    pub created_at: String,
    /// `active` or `disabled` (revoked).
    pub status: PrincipalStatus,
}

/// Creates a personal token.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenCreate {
    /// What it is for; at most 200 characters (default `token`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub name: Option<String>,
    /// How it looks; as Signoff's own unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialect: Option<KeyDialect>,
}

/// A new personal token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenCreated {
    /// `key_…`.
    pub id: String,
    /// The token, shown this once (`sgo_usr_…` unless a dialect was named); null when an idempotent call is repeated.
    #[schema(required)]
    pub token: Option<Secret>,
    /// What it is for.
    pub name: String,
    /// Its last characters, to tell tokens apart.
    pub hint: String,
    /// When it was created, RFC 3339.
    pub created_at: String,
}

/// A code that proves at Slack who one is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SlackCode {
    /// To be typed at Slack, as `/signoff link CODE`; good once.
    pub code: Secret,
    /// Until when it is good, RFC 3339.
    pub expires_at: String,
}

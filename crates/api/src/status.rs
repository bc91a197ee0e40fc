//! What is not about one resource: who a key is, whether a principal is on, whether the server is well.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::common::{ActorKind, NamedRef};
use crate::operator::Role;

/// Whether a principal is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalStatus {
    /// Its keys open what they should.
    Active,
    /// Its keys open nothing.
    Disabled,
}

crate::common::level_text!(PrincipalStatus { Active => "active", Disabled => "disabled" });

/// Who the presented key is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// What kind of principal.
    pub kind: ActorKind,
    /// Its id, or a fixed word for the admin key.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Role of an operator or automation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The workspace it belongs to.
    pub workspace: NamedRef,
    /// The server's time, RFC 3339.
    pub now: String,
    /// Version of the server.
    pub version: String,
}

/// Answer of `/healthz`: the process is up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`.
    pub status: String,
    /// Version of the server.
    pub version: String,
    /// The server's time, RFC 3339.
    pub now: String,
}

/// Answer of `/readyz`: the server can do its work (200), or not (503).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Whether every check passes.
    pub ready: bool,
    /// What was looked at.
    pub checks: Vec<ReadinessCheck>,
}

/// One part of readiness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReadinessCheck {
    /// What was looked at, such as `store`, `writer` or `clock`.
    pub name: String,
    /// Whether it is well.
    pub ok: bool,
    /// What is wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

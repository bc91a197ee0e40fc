//! The workspace and what it does where policies are silent.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::policy::{Orphaned, Unmatched};

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Workspace {
    /// `ws_…`.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// What happens to an action that no policy covers.
    pub unmatched: Unmatched,
    /// What happens to a call with a grant that the agent holds and that no policy covers.
    pub unmatched_calls: Unmatched,
    /// Who decides where a policy names nobody.
    pub default_approvers: Vec<String>,
    /// What happens to a pending approval that no policy governs any more.
    pub orphaned: Orphaned,
    /// For how many days records are kept.
    pub retention_days: u32,
    /// Version of its policy set.
    pub policy_version: u64,
    /// When it was created, RFC 3339.
    pub created_at: String,
}

/// The log's new epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FailoverDeclared {
    /// How often the log went on in another place.
    pub log_epoch: u64,
}

/// What records may use by now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UpgradeFinished {
    /// The feature level from now on.
    pub feature_level: u32,
}

/// Changes a workspace; what is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceUpdate {
    /// What people call it: 1 to 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200)]
    pub name: Option<String>,
    /// What happens to an action that no policy covers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmatched: Option<Unmatched>,
    /// What happens to a call with a grant that the agent holds and that no policy covers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmatched_calls: Option<Unmatched>,
    /// Who decides where a policy names nobody: 1 to 100 approvers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_approvers: Option<Vec<String>>,
    /// What happens to a pending approval that no policy governs any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orphaned: Option<Orphaned>,
    /// For how many days records are kept: 183 to 36,500. What is older is cut off the log and deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 183, maximum = 36500)]
    pub retention_days: Option<u32>,
}

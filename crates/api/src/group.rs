//! Groups of operators, for requirements to name.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::common::NamedRef;

/// A group of operators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Group {
    /// `grp_…`.
    pub id: String,
    /// Unique in the workspace, compared without case.
    pub name: String,
    /// Who is in it.
    pub members: Vec<NamedRef>,
}

/// Creates a group or replaces its members.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupPut {
    /// Ids or e-mail addresses of operators; at most 1,000.
    pub members: Vec<String>,
}

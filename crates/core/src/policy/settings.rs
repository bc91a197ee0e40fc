//! Settings of a workspace.

use serde::{Deserialize, Serialize};

use super::{Orphaned, Unmatched};
use crate::requirement::Approver;

/// The settings of a workspace that judging reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// For people.
    pub name: String,
    /// For actions that no policy matches.
    pub unmatched: Unmatched,
    /// For calls with a grant that no policy matches.
    #[serde(default = "allow", skip_serializing_if = "is_allow")]
    pub unmatched_calls: Unmatched,
    /// Who decides where a policy names nobody.
    pub default_approvers: Vec<Approver>,
    /// For pending approvals that no policy governs any more.
    pub orphaned: Orphaned,
    /// For how many days records are kept: 400, and at least [`RETENTION_DAYS_MIN`].
    #[serde(default = "retention_days", skip_serializing_if = "is_retention_days")]
    pub retention_days: u32,
}

/// The shortest time for which records are kept, in days.
pub const RETENTION_DAYS_MIN: u32 = 183;
/// The longest, in days.
pub const RETENTION_DAYS_MAX: u32 = 36_500;
const RETENTION_DAYS: u32 = 400;

/// Whoever may use a grant was given it for calls: what else should it be for.
fn allow() -> Unmatched {
    Unmatched::Allow
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_allow(unmatched: &Unmatched) -> bool {
    *unmatched == Unmatched::Allow
}

fn retention_days() -> u32 {
    RETENTION_DAYS
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_retention_days(days: &u32) -> bool {
    *days == RETENTION_DAYS
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: "default".into(),
            unmatched: Unmatched::Deny,
            unmatched_calls: Unmatched::Allow,
            default_approvers: vec![Approver::Role(crate::requirement::Role::Member)],
            orphaned: Orphaned::Judge,
            retention_days: RETENTION_DAYS,
        }
    }
}

//! Lint: what is wrong with a policy set although every policy in it is valid.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::policy::{PolicyBody, PolicySettings};

/// A set to look through; without `policies` the one in force.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyLint {
    /// The policies; at most 10,000, older first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<Vec<PolicyBody>>,
    /// Settings that differ from the present ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<PolicySettings>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Probably not what was meant.
    Warning,
    /// It can't do what it says.
    Error,
}

crate::common::level_text!(Severity { Note => "note", Warning => "warning", Error => "error" });

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// What kind, as a stable word: `unreachable`, `shadowed`, `never_true`, `unmeetable`, `undeniable`,
    /// `idle_approver`, `unknown_agent`, `unknown_channel`, `unheard`, `claimed_cost` or `too_many`. More may come.
    pub code: String,
    /// Name of the policy; null where it is about the settings.
    #[schema(required)]
    pub policy: Option<String>,
    /// Where inside it, as a JSON pointer; in the settings if there is no policy.
    pub pointer: String,
    /// Name of the other policy that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<String>,
    /// What is wrong, as a sentence.
    pub message: String,
    /// What to do about it.
    pub next: String,
}

/// What lint found, the worst first; at most 1,000.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Findings {
    /// Each of them.
    pub findings: Vec<Finding>,
}

//! The log: its events, and whether it is intact.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::common::Actor;

/// One record of the log, made readable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// `evt_…`.
    pub id: String,
    /// Its place in the log, from 1, without gaps.
    pub sequence: u64,
    /// When, RFC 3339.
    pub at: String,
    /// What happened, such as `approval.ended.v1`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who did it.
    pub actor: Actor,
    /// What it is about: an id such as `apr_…`.
    pub subject: String,
    /// One plain sentence.
    pub summary: String,
    /// Name of the action, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Name of the agent, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The event's own data, payloads left out.
    pub data: Value,
    /// Free text that came with it (a comment, a reason, a question); absent when there was none or it was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The policy that governed, in the version that did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<EventPolicy>,
    /// SHA-256 of the record as stored, 64 hexadecimal digits. The export has the records themselves.
    pub hash: String,
}

/// The version of a policy that governed an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventPolicy {
    /// `pol_…`.
    pub id: String,
    /// Version of the policy.
    pub version: u64,
}

/// Query of the log. Filters combine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Name or id of an agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Glob over action names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Id of an operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// `allowed`, `denied`, `approve`, `deny` and the like: what was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// Event type, such as `approval.ended`, or the start of one, such as `approval.*`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Id of what it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Since when: an RFC 3339 time or a duration back from now such as `24h`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Items per page, 1 to 200 (default 50). Newest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
}

/// Query of a verification.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct VerifyQuery {
    /// Also fold the log and compare it with the folded tables and secret digests, row by row (default false).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with_store: Option<bool>,
}

/// Whether the log is intact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verification {
    /// True when nothing is wrong.
    pub ok: bool,
    /// How many records were read.
    pub events: u64,
    /// Whether folded tables were compared too.
    pub with_store: bool,
    /// How many folded rows were compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Payloads that were erased; the log verifies without them.
    #[serde(default)]
    pub erased: u64,
    /// The last record.
    pub head: Head,
    /// What is wrong, first in the log first; at most 100 are named.
    #[serde(default)]
    pub problems: Vec<Flaw>,
}

/// The last record of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Head {
    /// Its sequence; 0 for an empty log.
    pub sequence: u64,
    /// Its hash.
    pub hash: String,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Flaw {
    /// What kind: `chain`, `index`, `fold`, `payload`, `secret` or `head`.
    pub kind: String,
    /// The record it shows at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// The table it shows in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The row it shows in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<String>,
    /// In words.
    pub detail: String,
}

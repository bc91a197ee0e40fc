//! The action digest `signoff.action.v1`: what an approver saw and what runs, as one hash (invariant I2).
//! Vectors: `spec/action_digest.json`.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    action::{Accepts, Cost, Priority, Risk},
    id::{ActionId, AgentId, GrantId, WorkspaceId},
    json,
    payload::Hash32,
};

const DOMAIN: &[u8] = b"signoff.action.v1\0";

/// The listed fields, in no particular order: the canonical form sorts them. Absent, never null.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DigestFields<'a> {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// This very request.
    pub action_id: ActionId,
    /// Who asks.
    pub agent: AgentId,
    /// The action's name as written.
    pub action: &'a str,
    /// Commitment of the inputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Hash32>,
    /// Commitment of the context.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<Hash32>,
    /// Commitment of the agent's free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claims: Option<Hash32>,
    /// As claimed.
    pub priority: Priority,
    /// As claimed.
    pub risk: Risk,
    /// As claimed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_cost: Option<&'a Cost>,
    /// What the client can handle.
    pub accepts: Accepts,
    /// Commitment of the call: method, URL, headers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<Hash32>,
    /// Commitment of the call's body, as bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Hash32>,
    /// The stored credential that the call is made with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantId>,
}

/// SHA-256 over a domain string and the canonical JSON of the listed fields.
///
/// # Errors
/// None for values built by this crate.
pub fn action_digest(fields: &DigestFields<'_>) -> Result<Hash32, serde_json::Error> {
    let mut hash = Sha256::new();
    hash.update(DOMAIN);
    hash.update(json::canonical(fields)?);
    Ok(Hash32(hash.finalize().into()))
}

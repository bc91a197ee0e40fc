//! What can happen to a workspace: settings, policies, agents, people, keys, channels.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    channel::{ChannelKind, SwitchedOff},
    grant::Grant,
    id::{AgentId, ApplicationId, KeyId, OperatorId, PolicyId},
    payload::Hash32,
    policy::{Orphaned, PolicyDoc, Settings},
    requirement::Role,
    time::{Micros, Timestamp},
};

/// The workspace's settings, whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkspaceSet {
    /// As they are from now on.
    pub settings: Settings,
}

/// A policy in a new version. The subject is the policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyPut {
    /// From 1.
    pub version: u64,
    /// Its place in age: smaller is older. Kept through versions.
    pub age: u64,
    /// Whole, as written.
    pub policy: PolicyDoc,
}

/// A policy taken out of the set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyRemoved {
    /// The version that was in force.
    pub version: u64,
}

/// A new version of the whole set, after the events of its changed policies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicySetApplied {
    /// From 1.
    pub version: u64,
    /// How many policies are in force.
    pub policies: u64,
    /// What becomes of pending approvals that no policy governs any more.
    pub orphaned: Orphaned,
}

/// One version of one policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PolicyVersion {
    /// Which policy.
    pub id: PolicyId,
    /// Which version.
    pub version: u64,
}

/// An agent, whole, as it is from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentPut {
    /// Unique in the workspace, compared without case.
    pub name: String,
    /// For matching and for people.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The person behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<OperatorId>,
    /// Its keys do nothing, its pending approvals are withdrawn.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// The application that registered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_by: Option<ApplicationId>,
}

/// An application, whole, as it is from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationPut {
    /// Unique among applications, compared without case.
    pub name: String,
    /// Names or globs of the agents it may speak for.
    pub agents: Vec<String>,
    /// Whether it may bring in agents that are not known yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub register_new: bool,
    /// Its keys do nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
}

/// An operator, whole, without name or address (those are personal and live beside the log).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorPut {
    /// What they may do at all.
    pub role: Role,
    /// May do nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
}

/// A password was set; the digest binds the stored hash to the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordSet {
    /// Keyed digest of the stored hash.
    pub digest: Hash32,
}

/// A group, whole, as it is from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupPut {
    /// Unique among groups, compared without case.
    pub name: String,
    /// Its members.
    pub members: Vec<OperatorId>,
}

/// Whose key or token it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum KeyOwner {
    /// An agent's key.
    Agent(AgentId),
    /// An application's key.
    Application(ApplicationId),
    /// An operator's personal token.
    Operator(OperatorId),
}

/// A key or token was made; only what it is called, never what it is. The subject is the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySet {
    /// Whose.
    pub owner: KeyOwner,
    /// The last characters, to tell keys apart.
    pub hint: String,
    /// Keyed digest of the stored hash.
    pub digest: Hash32,
    /// It can do less than its owner, and for a while only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegation: Option<Delegation>,
}

/// A part of what an agent may do, handed on with a key of its own. Whoever holds it is that agent to policy and to every
/// stop, and is refused whatever the part does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegation {
    /// Names of actions, in lower case.
    pub actions: BTreeSet<String>,
    /// The key opens nothing from then on.
    pub expires_at: Timestamp,
    /// The key that it was handed on from, where that was itself a part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<KeyId>,
}

impl Delegation {
    /// Whether an action belongs to the part.
    pub fn covers(&self, action: &str) -> bool {
        self.actions.contains(&action.to_ascii_lowercase())
    }
}

/// A grant, whole, as it is from now on. Its value is kept beside the log, encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantPut {
    /// As written.
    pub grant: Grant,
    /// Tells values apart without giving them away.
    pub fingerprint: String,
    /// Keyed digest of the stored value.
    pub digest: Hash32,
    /// From 1; each change is one more.
    pub version: u64,
}

/// A grant is gone, and with it its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantRemoved {
    /// Keyed digest of what stands in the place of the stored value: nothing.
    pub digest: Hash32,
}

/// A grant's value was sealed anew without another version: its provider gave another refresh token in the place of the one
/// that was used, or an admin had its key rotated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantRefreshed {
    /// Keyed digest of the stored value.
    pub digest: Hash32,
}

/// How a person is reached changed: their channels, addresses, quiet hours. What it is from now on is kept beside the log,
/// encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactSet {
    /// Keyed digest of what is stored.
    pub digest: Hash32,
    /// What of it changed, in the words of the API, such as `quiet_hours` or `slack`.
    pub changed: Vec<String>,
}

/// A channel, whole. Its address and secrets may carry credentials and are kept beside the log, encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelPut {
    /// Unique among channels, compared without case.
    pub name: String,
    /// Scheme, host and port of the address.
    pub origin: String,
    /// What it is.
    #[serde(default, skip_serializing_if = "is_webhook")]
    pub kind: ChannelKind,
    /// Types of messages it wants; none means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// Told only of what policy names it for, and of what goes to people whom it reaches.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub named_only: bool,
    /// The least time between two messages to one person or conversation; what comes in between is gathered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Micros>,
    /// Switched off.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// Why, where Signoff did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switched_off: Option<SwitchedOff>,
    /// Keyed digest of the stored address and secret.
    pub digest: Hash32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_webhook(kind: &ChannelKind) -> bool {
    *kind == ChannelKind::Webhook
}

//! Policies, people, keys and channels.

use super::{ActorView, Named};
use crate::contact::QuietHours;
use serde::{Deserialize, Serialize};
use signoff_core::{
    channel::{ChannelKind, SwitchedOff},
    event::Delegation,
    grant::GrantRow,
    id::{AgentId, ChannelId, GrantId, GroupId, KeyId, OperatorId, PolicyId, WorkspaceId},
    policy::{Orphaned, PolicyDoc, Settings, Unmatched},
    rows::{AgentRow, ApplicationRow, OperatorRow, PolicyRow},
    time::{Micros, Timestamp},
};
use signoff_store::DeliveryState;

/// The policy set in force.
#[derive(Debug, Clone)]
pub struct PolicySetView {
    /// 0 before the first.
    pub version: u64,
    /// As they are.
    pub settings: Settings,
    /// Older first.
    pub policies: Vec<PolicyRow>,
}

/// What applying a set changed, or would change.
#[derive(Debug, Clone)]
pub struct PoliciesApplied {
    /// The version now in force.
    pub version: u64,
    /// Nothing was changed.
    pub dry_run: bool,
    /// Names.
    pub added: Vec<String>,
    /// Names.
    pub changed: Vec<String>,
    /// Names.
    pub removed: Vec<String>,
    /// Names.
    pub unchanged: Vec<String>,
    /// Pending approvals that are judged otherwise under the new set.
    pub pending: PendingChange,
}

/// What a change of policies does to pending approvals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PendingChange {
    /// Approved by the system.
    pub allowed: u64,
    /// Denied by the system.
    pub denied: u64,
    /// Still asked, under another policy or other terms.
    pub asked: u64,
}

impl PendingChange {
    /// All of them.
    pub fn total(self) -> u64 {
        self.allowed + self.denied + self.asked
    }
}

/// How many requests wait under each policy.
#[derive(Debug, Clone, Default)]
pub struct PendingByPolicy {
    /// For those under which any wait.
    pub counts: std::collections::BTreeMap<PolicyId, u64>,
    /// Whether all were counted; else there may be more.
    pub is_whole: bool,
}

impl PendingByPolicy {
    /// How many wait under one.
    pub fn count(&self, policy: PolicyId) -> u64 {
        self.counts.get(&policy).copied().unwrap_or_default()
    }
}

impl PoliciesApplied {
    /// Nothing changed so far.
    pub(crate) fn of(version: u64, dry_run: bool) -> Self {
        let (added, changed, removed, unchanged) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self {
            version,
            dry_run,
            added,
            changed,
            removed,
            unchanged,
            pending: PendingChange::default(),
        }
    }
}

/// Where a caller stands in its workspace.
#[derive(Debug, Clone)]
pub struct Place {
    /// Which.
    pub workspace: Named<WorkspaceId>,
    /// The agent that the caller is; none for operators.
    pub agent: Option<AgentRow>,
    /// A stop is in force over it.
    pub stopped: bool,
    /// What becomes of actions that no policy covers.
    pub unmatched: Unmatched,
    /// Policies that may be about what it asks for, older first.
    pub policies: Vec<PolicyRow>,
}

/// One version of one policy.
#[derive(Debug, Clone)]
pub struct PolicyVersionView {
    /// From 1.
    pub version: u64,
    /// When.
    pub at: Timestamp,
    /// As written; none where it was removed.
    pub policy: Option<PolicyDoc>,
    /// Who.
    pub by: ActorView,
}

/// One version of the set.
#[derive(Debug, Clone)]
pub struct PolicySetVersionView {
    /// From 1.
    pub version: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: ActorView,
    /// The record.
    pub seq: u64,
    /// What became of pending approvals that it orphaned.
    pub orphaned: Orphaned,
}

/// An agent.
#[derive(Debug, Clone)]
pub struct AgentView {
    /// As it is.
    pub row: AgentRow,
    /// The person behind it.
    pub owner: Option<Named<OperatorId>>,
    /// The application that registered it.
    pub application: Option<Named<signoff_core::id::ApplicationId>>,
    /// When its present key was made.
    pub key_created_at: Option<Timestamp>,
}

/// A part of what an agent may do, that was handed on.
#[derive(Debug, Clone)]
pub struct DelegationView {
    /// The key's id.
    pub id: KeyId,
    /// Whose part.
    pub agent: AgentId,
    /// What for, and until when.
    pub part: Delegation,
    /// Its key opens something.
    pub active: bool,
}

/// An application.
#[derive(Debug, Clone)]
pub struct ApplicationView {
    /// As it is.
    pub row: ApplicationRow,
    /// When its present key was made.
    pub key_created_at: Option<Timestamp>,
}

/// An operator.
#[derive(Debug, Clone)]
pub struct OperatorView {
    /// As it is.
    pub row: OperatorRow,
    /// For people.
    pub name: String,
    /// To sign in with.
    pub email: String,
    /// Names of groups.
    pub groups: Vec<String>,
}

/// A key that opens nothing any more.
#[derive(Debug, Clone)]
pub struct ClosedKey {
    /// It was taken away; else its owner is switched off.
    pub revoked: bool,
    /// Whose it is, where that is an agent.
    pub agent: Option<AgentView>,
    /// The record that this agent is as it is since; 0 where it is none, or the log does not reach back so far.
    pub changed_seq: u64,
}

/// A key of an agent, without its value.
#[derive(Debug, Clone)]
pub struct KeyView {
    /// Which.
    pub id: KeyId,
    /// Its last characters.
    pub hint: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was taken away; since then it opens nothing.
    pub revoked_at: Option<Timestamp>,
}

/// A personal token, without its value.
#[derive(Debug, Clone)]
pub struct TokenView {
    /// Which.
    pub id: KeyId,
    /// For people.
    pub name: String,
    /// Its last characters.
    pub hint: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Opens nothing any more.
    pub revoked: bool,
}

/// A group.
#[derive(Debug, Clone)]
pub struct GroupView {
    /// Which.
    pub id: GroupId,
    /// As written.
    pub name: String,
    /// Who.
    pub members: Vec<Named<OperatorId>>,
}

/// A channel, without what is secret of it.
#[derive(Debug, Clone)]
pub struct ChannelView {
    /// Which.
    pub id: ChannelId,
    /// As written.
    pub name: String,
    /// What it is.
    pub kind: ChannelKind,
    /// Scheme, host and port of where it sends.
    pub origin: String,
    /// What it wants; none means all to programs, and what is asked to people.
    pub events: Vec<String>,
    /// Told only of what policy names it for, and of what goes to people whom it reaches.
    pub named_only: bool,
    /// The least time between two messages to one person or conversation.
    pub window: Micros,
    /// Tells nothing.
    pub disabled: bool,
    /// Why, where Signoff did it.
    pub switched_off: Option<SwitchedOff>,
    /// By their names on the wire; secrets say only that they are set.
    pub settings: serde_json::Value,
    /// What receivers verify `v1a` signatures with.
    pub public_key: Option<String>,
    /// When.
    pub created_at: Timestamp,
    /// Where this server is reached, for what must be entered elsewhere.
    pub public_url: String,
}

/// How a person is reached.
#[derive(Debug, Clone)]
pub struct ContactView {
    /// Whose.
    pub operator: OperatorId,
    /// The channels they want to be told by; none said: the first that has an address of theirs.
    pub channels: Option<Vec<Named<ChannelId>>>,
    /// Every channel that could reach them, and whether it does.
    pub reached_by: Vec<ReachedBy>,
    /// For text messages.
    pub phone: Option<String>,
    /// Whether there is a topic for push messages; the topic is as good as a password.
    pub has_push_topic: bool,
    /// When only what is critical reaches them.
    pub quiet_hours: Option<QuietHours>,
    /// The least time between two messages.
    pub window: Option<Micros>,
}

/// A channel that can reach people.
#[derive(Debug, Clone)]
pub struct ReachedBy {
    /// Which.
    pub channel: Named<ChannelId>,
    /// What it is.
    pub kind: ChannelKind,
    /// Whether it has an address of theirs.
    pub has_address: bool,
    /// Whether they are told by it.
    pub used: bool,
}

/// One message by one channel.
#[derive(Debug, Clone)]
pub struct DeliveryView {
    /// The message's stable id: that of the event.
    pub id: String,
    /// The record it is about (the cursor).
    pub seq: u64,
    /// What is told.
    pub kind: String,
    /// Id of what it is about.
    pub subject: String,
    /// To which person; none: to the channel's own destination.
    pub recipient: Option<Named<OperatorId>>,
    /// Told in one message with others.
    pub together: bool,
    /// Where it stands.
    pub state: DeliveryState,
    /// So far.
    pub attempts: u32,
    /// The last answer.
    pub last_status: Option<u16>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When it is tried again.
    pub next_at: Option<Timestamp>,
    /// When it arrived or was given up.
    pub ended_at: Option<Timestamp>,
    /// When it was queued.
    pub created_at: Timestamp,
}

/// A grant, without its value.
#[derive(Debug, Clone)]
pub struct GrantView {
    /// As it is.
    pub row: GrantRow,
    /// Nothing is called with it until an admin lifts the stop.
    pub is_stopped: bool,
}

/// What became of a rotation of the keys of grants.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantKeysRotated {
    /// So many were sealed anew.
    pub rotated: u64,
    /// So many were changed or removed meanwhile by others; a change seals anew as well.
    pub changed: u64,
    /// Those whose value does not open. They are as they were.
    pub unopened: Vec<Unopened>,
}

/// A grant whose value does not open: what is stored is not what was sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unopened {
    /// Which.
    pub id: GrantId,
    /// What it is called.
    pub name: String,
}

/// The workspace.
#[derive(Debug, Clone)]
pub struct WorkspaceView {
    /// Which.
    pub id: WorkspaceId,
    /// As they are.
    pub settings: Settings,
    /// Version of the policy set.
    pub policy_set: u64,
    /// When its log began.
    pub created_at: Timestamp,
}

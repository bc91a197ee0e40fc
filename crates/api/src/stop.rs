//! Stops: the kill switch, for one agent or for all.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::common::{Actor, NamedRef};

/// What a stop is on; further kinds may join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopKind {
    /// Everything that any agent asks for, agents that are not known yet included.
    Workspace,
    /// Everything that one agent asks for.
    Agent,
    /// Every call that is made with one grant.
    Grant,
}

crate::common::level_text!(StopKind { Workspace => "workspace", Agent => "agent", Grant => "grant" });

/// A stop in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stop {
    /// `workspace`, `agt_…` or `grt_…`: what lifting it names.
    pub target: String,
    /// What it is on.
    pub kind: StopKind,
    /// The agent, where it is on one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<NamedRef>,
    /// The grant, where it is on one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<NamedRef>,
    /// Since when, RFC 3339.
    pub stopped_at: String,
    /// By whom.
    pub stopped_by: Actor,
    /// Why, if they said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// All stops in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stops {
    /// That of the workspace first; empty when nothing is stopped.
    pub items: Vec<Stop>,
}

/// Stops an agent, a grant or the whole workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StopCreate {
    /// `workspace`, an agent's name or `agt_…`, or `grant:` and a grant's name, or `grt_…`. (An agent that is called
    /// `workspace` is named by its id.)
    pub target: String,
    /// Why, for the record and for other operators; agents are not told. At most 4,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4000)]
    pub reason: Option<String>,
}

/// Lifts a stop.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StopLift {
    /// Why, for the record; at most 4,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4000)]
    pub reason: Option<String>,
}

/// What stopping came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stopped {
    /// The stop in force.
    #[serde(flatten)]
    pub stop: Stop,
    /// False when it was stopped already; then nothing was recorded.
    pub is_new: bool,
    /// Whether you may lift it; only an admin may.
    pub may_lift: bool,
    /// How many approvals waited when the call came: Signoff denies them.
    pub pending: u64,
    /// How many permissions nobody had taken when the call came: Signoff takes them back.
    pub ready: u64,
    /// Executions that agents have taken and not reported. They are in the agents' hands and can't be recalled. The latest
    /// 100; actions that policy allowed and that an agent carries out without taking the permission are not among them.
    pub consumed: Vec<String>,
    /// Calls that Signoff itself is making; they can't be recalled. The latest 100.
    pub executing: Vec<String>,
    /// Whether there are more than are named.
    pub more: bool,
}

//! The kill switch.

use super::{ActorView, Named};
use signoff_core::{
    id::{AgentId, ExecutionId, GrantId},
    time::Timestamp,
};

/// What a stop is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopTargetView {
    /// Everything that any agent asks for.
    Workspace,
    /// Everything that one agent asks for.
    Agent(Named<AgentId>),
    /// Every call that is made with one grant.
    Grant(Named<GrantId>),
}

/// A stop.
#[derive(Debug, Clone)]
pub struct StopView {
    /// What is stopped.
    pub target: StopTargetView,
    /// Since when.
    pub at: Timestamp,
    /// By whom.
    pub by: ActorView,
    /// Why, if they said so.
    pub reason: Option<String>,
}

/// What is on its way.
#[derive(Debug, Clone, Default)]
pub struct InFlight {
    /// Approvals that wait: Signoff denies them.
    pub pending: u64,
    /// Permissions that nobody took: Signoff takes them back.
    pub ready: u64,
    /// Permissions in the hands of agents, which nobody can take back: the latest, at most 100.
    pub consumed: Vec<ExecutionId>,
    /// Calls that Signoff is making: the latest, at most 100.
    pub executing: Vec<ExecutionId>,
    /// There are more than are named.
    pub more: bool,
}

/// What pulling came to.
#[derive(Debug, Clone)]
pub struct Stopped {
    /// The stop in force.
    pub stop: StopView,
    /// It is the one that was asked for; else it was in force before.
    pub is_new: bool,
    /// Whether who asked may lift it again.
    pub may_lift: bool,
    /// What it met.
    pub in_flight: InFlight,
}

/// What pulling would meet.
#[derive(Debug, Clone)]
pub struct StopOutlook {
    /// What would be stopped.
    pub target: StopTargetView,
    /// The stop in force on this very target.
    pub stop: Option<StopView>,
    /// What it would meet.
    pub in_flight: InFlight,
}

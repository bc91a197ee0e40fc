//! The kill switch: what is stopped, and what that refuses. Asked before every policy, in one place
//! ([`PolicySet`](crate::judge::PolicySet)), so that nothing that is judged can forget it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    fold::Rows,
    id::{AgentId, GrantId, WorkspaceId},
    time::Timestamp,
};

/// What a stop is on. Further kinds of targets may join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum StopTarget {
    /// Everything that any agent asks for, agents that are not known yet included.
    Workspace,
    /// Everything that one agent asks for.
    Agent(AgentId),
    /// Every call that is made with one grant.
    Grant(GrantId),
}

impl StopTarget {
    /// What the records about it name as their subject.
    pub fn subject(self, workspace: WorkspaceId) -> String {
        match self {
            Self::Workspace => workspace.to_string(),
            Self::Agent(id) => id.to_string(),
            Self::Grant(id) => id.to_string(),
        }
    }
}

/// A stop in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Who pulled it.
    pub by: Actor,
    /// When.
    pub at: Timestamp,
    /// The record, where its reason is.
    pub seq: u64,
}

/// All stops in force in one workspace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stops {
    workspace: Option<Stop>,
    agents: BTreeMap<AgentId, Stop>,
    grants: BTreeMap<GrantId, Stop>,
}

impl Stops {
    /// Those that folded rows carry.
    pub fn of(rows: &Rows) -> Self {
        let (agents, grants) = (rows.agents.values(), rows.grants.values());
        Self {
            workspace: rows.workspace.as_ref().and_then(|row| row.stop.clone()),
            agents: agents
                .filter_map(|row| Some((row.id, row.stop.clone()?)))
                .collect(),
            grants: grants
                .filter_map(|row| Some((row.id, row.stop.clone()?)))
                .collect(),
        }
    }

    /// Whether nothing is stopped.
    pub fn is_empty(&self) -> bool {
        self.workspace.is_none() && self.agents.is_empty() && self.grants.is_empty()
    }

    /// The stop that refuses what this agent asks for. Where there are several, the widest.
    pub fn over(&self, agent: AgentId) -> Option<(StopTarget, &Stop)> {
        let workspace = self.workspace.as_ref().map(|stop| (StopTarget::Workspace, stop));
        workspace.or_else(|| Some((StopTarget::Agent(agent), self.agents.get(&agent)?)))
    }

    /// The stop that refuses a call of this agent with this grant. Where there are several, the widest.
    pub fn over_call(&self, agent: AgentId, grant: Option<GrantId>) -> Option<(StopTarget, &Stop)> {
        self.over(agent)
            .or_else(|| Some((StopTarget::Grant(grant?), self.grants.get(&grant?)?)))
    }

    /// The stop on this very target.
    pub fn on(&self, target: StopTarget) -> Option<&Stop> {
        match target {
            StopTarget::Workspace => self.workspace.as_ref(),
            StopTarget::Agent(id) => self.agents.get(&id),
            StopTarget::Grant(id) => self.grants.get(&id),
        }
    }

    /// All of them, the widest first.
    pub fn iter(&self) -> impl Iterator<Item = (StopTarget, &Stop)> {
        let workspace = self.workspace.iter().map(|stop| (StopTarget::Workspace, stop));
        let agents = self.agents.iter();
        let grants = self.grants.iter();
        workspace
            .chain(agents.map(|(id, stop)| (StopTarget::Agent(*id), stop)))
            .chain(grants.map(|(id, stop)| (StopTarget::Grant(*id), stop)))
    }
}

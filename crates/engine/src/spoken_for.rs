//! For whom a caller asks, and which credentials that agent may use: what an asker may know of itself.

use signoff_core::{
    actor::Principal,
    authority::{Operation, Permit},
    event::KeyOwner,
    id::AgentId,
    judge::AgentFacts,
    name::GlobIndex,
};
use signoff_store::RecordQuery;

use crate::{
    Engine, EngineError, EngineResult,
    agents::agent_view,
    credential::hash_key,
    snapshot::Snapshot,
    submit::asker,
    tenant::Tenant,
    view::{AgentView, Caller, ClosedKey, GrantView},
};

impl Engine {
    /// The agent that a request of this caller speaks for, by its own id or name; none for one that its first request
    /// would register.
    ///
    /// # Errors
    /// If the caller may not speak for it, or nobody of this name may be registered.
    pub fn spoken_for(&self, caller: &Caller, agent: Option<&str>) -> EngineResult<Option<AgentView>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Ask)?;
        let snapshot = tenant.snapshot();
        let asker = asker(&snapshot, caller, agent, None)?;
        let row = snapshot.rows.agents.get(&asker.facts.id);
        Ok(row.map(|row| agent_view(&snapshot, row)))
    }

    /// The grants that a caller's requests may name, by name: those of the agent that it is or names; of all agents that it
    /// may speak for, for an application that names none; all, for who may see the workspace.
    ///
    /// # Errors
    /// If the caller may not speak for the agent.
    pub fn grants_within_reach(&self, caller: &Caller, agent: Option<&str>) -> EngineResult<Vec<GrantView>> {
        let tenant = self.tenant(caller)?;
        let sees = self.permit(caller, Operation::SeeActions)?;
        let snapshot = tenant.snapshot();
        let holders = match (&caller.principal, agent) {
            (Principal::Application(id), None) => speaks_for(&snapshot, *id)?,
            (_, None) if sees == Permit::All => Vec::new(),
            (_, Some(name)) if sees == Permit::All => {
                let row = snapshot.find_agent(name);
                let row = row.ok_or_else(|| EngineError::not_found("agent", name))?;
                vec![crate::snapshot::facts(row)]
            }
            _ => vec![asker(&snapshot, caller, agent, None)?.facts],
        };
        let all = sees == Permit::All && agent.is_none();
        let live = snapshot.rows.grants.values().filter(|row| !row.removed);
        let mut grants: Vec<GrantView> = live
            .filter(|row| {
                let prepared = snapshot.grant(row.id).map(|(_, prepared)| prepared);
                let holds = |facts: &AgentFacts| prepared.is_some_and(|prepared| prepared.is_held_by(facts));
                all || holders.iter().any(holds)
            })
            .map(|row| GrantView {
                row: row.clone(),
                is_stopped: row.stop.is_some(),
            })
            .collect();
        grants.sort_by_key(|view| view.row.grant.name.to_ascii_lowercase());
        Ok(grants)
    }

    /// The record that an agent is as it is since, which grows with each change of it; 0 where the log does not reach back
    /// so far.
    ///
    /// # Errors
    /// If the caller may see neither the workspace nor is that agent.
    pub async fn agent_changed_seq(&self, caller: &Caller, id: AgentId) -> EngineResult<u64> {
        let tenant = self.tenant(caller)?;
        if caller.principal != Principal::Agent(id) {
            self.permit(caller, Operation::SeeWorkspace)?;
        }
        self.changed_seq(&tenant, id).await
    }

    async fn changed_seq(&self, tenant: &Tenant, id: AgentId) -> EngineResult<u64> {
        let query = RecordQuery {
            newest_first: true,
            limit: 1,
            subject: Some(id.0),
            event_type: Some("agent.put.".to_owned()),
            ..RecordQuery::default()
        };
        let records = self.store().records(tenant.id, &query).await?;
        Ok(records.first().map_or(0, |stored| stored.seq))
    }

    /// Why a key opens nothing, for who has it; none for a text that was never a key here.
    ///
    /// # Errors
    /// If the store can't be read.
    pub async fn closed_key(&self, key: &str) -> EngineResult<Option<ClosedKey>> {
        let Some(hash) = hash_key(key) else {
            return Ok(None);
        };
        for tenant in self.inner.tenants.values() {
            let snapshot = tenant.snapshot();
            let Some(row) = snapshot.key_row(&hash) else {
                continue;
            };
            let agent = match row.owner {
                KeyOwner::Agent(id) => snapshot.rows.agents.get(&id),
                KeyOwner::Application(_) | KeyOwner::Operator(_) => None,
            };
            return Ok(Some(ClosedKey {
                revoked: row.revoked,
                agent: agent.map(|row| agent_view(&snapshot, row)),
                changed_seq: match agent {
                    Some(row) => self.changed_seq(tenant, row.id).await?,
                    None => 0,
                },
            }));
        }
        Ok(None)
    }
}

/// The agents that are known and that an application may speak for.
fn speaks_for(snapshot: &Snapshot, id: signoff_core::id::ApplicationId) -> EngineResult<Vec<AgentFacts>> {
    let application = snapshot.rows.applications.get(&id);
    let application = application.ok_or(EngineError::Unauthorized)?;
    let globs = GlobIndex::new(application.agents.iter().map(String::as_str));
    let globs = globs.map_err(|_| EngineError::Internal)?;
    let agents = snapshot.rows.agents.values();
    let mine = agents.filter(|row| !row.disabled && !globs.matches(&row.name).is_empty());
    Ok(mine.map(crate::snapshot::facts).collect())
}

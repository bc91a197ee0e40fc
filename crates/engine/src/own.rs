//! What an asker may know of the workspace that it works in: its own place there, and no more. Operators see the whole.

use signoff_core::{
    actor::Principal,
    authority::Operation,
    event::KeyOwner,
    id::{AgentId, KeyId},
    rows::PolicyRow,
    stop::StopTarget,
};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::{
    Engine, EngineError, EngineResult,
    approvals::owns,
    request::EventFilter,
    view::{Caller, EventView, Intact, Named, Notice, Page, Place},
};

impl Engine {
    /// Where the caller stands: for an agent which policies may be about what it asks for, and whether it is stopped.
    ///
    /// # Errors
    /// If the caller is an application, which has no place of its own.
    pub fn place(&self, caller: &Caller) -> EngineResult<Place> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeActions)?;
        let snapshot = tenant.snapshot();
        let principal = tenant.present(&snapshot, caller, self.now())?;
        let agent = own_agent(&principal)?;
        let agent = agent.and_then(|id| snapshot.rows.agents.get(&id)).cloned();
        let facts = agent.as_ref().and_then(|row| snapshot.facts(row.id));
        let prepared = snapshot.policies.policies().iter();
        let concern = prepared.filter(|policy| facts.is_none_or(|facts| policy.concerns(facts)));
        let policies: Vec<PolicyRow> = concern
            .filter_map(|policy| snapshot.rows.policies.get(&policy.reference.id).cloned())
            .collect();
        let stops = snapshot.policies.stops();
        let stopped = match &agent {
            Some(row) => stops.over(row.id).is_some(),
            None => stops.on(StopTarget::Workspace).is_some(),
        };
        Ok(Place {
            workspace: Named {
                id: tenant.id,
                name: snapshot.settings().name.clone(),
            },
            agent,
            stopped,
            unmatched: snapshot.settings().unmatched,
            policies,
        })
    }

    /// Whether every record of the log hangs on the one before, and nothing else of the log: an asker may know that what
    /// it did is kept.
    ///
    /// # Errors
    /// If the store can't be read, or somebody else's look at the log is not done yet.
    pub async fn intact(&self, caller: &Caller) -> EngineResult<Intact> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeActions)?;
        let _one = tenant.verifying.try_acquire().map_err(|_| EngineError::Busy {
            what: "the log is being verified for somebody else; one at a time",
            retry_after_seconds: 1,
        })?;
        let found = self.verified(&tenant, false).await?;
        Ok(Intact {
            ok: found.ok,
            head: found.head,
            broken_at: found.faults.iter().filter_map(|fault| fault.seq).min(),
            from_cut: tenant.last_cut().is_some(),
        })
    }

    /// A page of the records about an asker's own requests, newest first: what was asked, decided and carried out. For an
    /// operator of everybody's.
    ///
    /// # Errors
    /// If the filter can't be read.
    pub async fn own_events(&self, caller: &Caller, filter: &EventFilter) -> EngineResult<Page<EventView>> {
        let tenant = self.tenant(caller)?;
        let permit = self.permit(caller, Operation::SeeActions)?;
        let mut page = self.events_of(&tenant, caller, permit, filter).await?;
        page.items.retain(|event| match (&event.agent, &event.action) {
            (Some(agent), Some(action)) => owns(caller, agent.id, None, action),
            _ => false,
        });
        Ok(page)
    }

    /// What happens from now on to an asker's own requests, to what it handed on, and to the rules it works under.
    ///
    /// # Errors
    /// If the caller is an application.
    pub fn own_feed(&self, caller: &Caller) -> EngineResult<OwnFeed> {
        self.permit(caller, Operation::SeeActions)?;
        Ok(OwnFeed {
            engine: self.clone(),
            agent: own_agent(&caller.principal)?,
            caller: caller.clone(),
            live: self.inner.aftermath.notices.subscribe(),
        })
    }
}

/// The agent that the caller is; none for operators.
fn own_agent(principal: &Principal) -> EngineResult<Option<AgentId>> {
    match principal {
        Principal::Agent(id) => Ok(Some(*id)),
        Principal::Operator { .. } | Principal::Automation(_) => Ok(None),
        Principal::Application(_) => Err(EngineError::Forbidden(
            "an application speaks for many agents; this needs an agent's own key".into(),
        )),
    }
}

/// A live feed of what concerns its reader.
pub struct OwnFeed {
    engine: Engine,
    agent: Option<AgentId>,
    caller: Caller,
    live: broadcast::Receiver<Notice>,
}

impl OwnFeed {
    /// The next thing that happened; none once the key opens nothing any more. What a reader was too slow for is left out.
    pub async fn next(&mut self) -> Option<Notice> {
        loop {
            match self.live.recv().await {
                Ok(notice) if notice.workspace == self.caller.workspace => {
                    self.engine.me(&self.caller).ok()?;
                    if self.concerns(&notice) {
                        return Some(notice);
                    }
                }
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// Of keys only those that were handed on are told.
    fn concerns(&self, notice: &Notice) -> bool {
        let Ok(tenant) = self.engine.tenant(&self.caller) else {
            return false;
        };
        let own = |agent: AgentId| self.agent.is_none_or(|own| own == agent);
        match notice.event_type.split('.').next() {
            Some("policy" | "policy_set") => true,
            Some("stop") => {
                let workspace = notice.subject == tenant.id.to_string();
                workspace || self.agent.is_none_or(|own| notice.subject == own.to_string())
            }
            Some("key") => {
                let snapshot = tenant.snapshot();
                let key = notice.subject.parse::<KeyId>().ok();
                let row = key.and_then(|id| snapshot.rows.keys.get(&id));
                row.is_some_and(|row| {
                    row.delegation.is_some() && matches!(row.owner, KeyOwner::Agent(agent) if own(agent))
                })
            }
            _ => notice.agent.map_or(self.agent.is_none(), own),
        }
    }
}

//! Lists of executions for operators, and what doors need to know of the grant of a call.

use signoff_core::{
    actor::Principal,
    authority::Operation,
    event::ExecutionState,
    grant::{Redaction, Unfit},
    id::{ExecutionId, GrantId},
};
use signoff_store::ExecutionQuery;

use crate::{
    Engine, EngineError, EngineResult,
    approvals::check_limit,
    view::{Caller, ExecutionView, Named},
};

impl Engine {
    /// A page of executions in a state that is not an end (ready, consumed, executing, indeterminate), newest first, and
    /// beyond which one the next page begins. What policy allowed and nobody touched has no row and is not among them.
    ///
    /// # Errors
    /// If the caller may not see the workspace, or the state is an end.
    pub async fn executions(
        &self,
        caller: &Caller,
        state: ExecutionState,
        beyond: Option<ExecutionId>,
        limit: u32,
    ) -> EngineResult<(Vec<ExecutionView>, Option<ExecutionId>)> {
        use ExecutionState as S;
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        let limit = check_limit(limit)?;
        if !matches!(state, S::Ready | S::Consumed | S::Executing | S::Indeterminate) {
            let why =
                "only what has not come to its end is listed: ready, consumed, executing, indeterminate";
            return Err(EngineError::invalid("/state", why));
        }
        let query = ExecutionQuery {
            state,
            agent: None,
            beyond,
            limit: limit + 1,
        };
        let mut rows = self.store().executions(tenant.id, &query).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = rows.last().filter(|_| more).map(|row| row.id);
        let mut views = Vec::with_capacity(rows.len());
        for row in rows {
            views.push(self.execution(caller, row.id).await?);
        }
        Ok((views, next))
    }

    /// What a grant is called, gone or not, and what its rules hide from this caller: nothing from whoever asks, who gave
    /// and gets it all.
    ///
    /// # Errors
    /// If the caller may see no calls.
    pub fn grant_of_call(
        &self,
        caller: &Caller,
        id: GrantId,
    ) -> EngineResult<(Named<GrantId>, Option<Redaction>)> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeActions)?;
        let snapshot = tenant.snapshot();
        let named = Named {
            id,
            name: snapshot.grant_name(id),
        };
        let asks = matches!(caller.principal, Principal::Agent(_) | Principal::Application(_));
        // Rules outlive their grant: what was hidden does not come out when it is taken away.
        let row = snapshot.rows.grants.get(&id).filter(|_| !asks);
        let rules = row.map(|row| row.grant.redact.clone());
        Ok((named, rules.filter(|rules| !rules.is_empty())))
    }

    /// Where calls go that name a grant and no origin: its first one.
    ///
    /// # Errors
    /// If there is no such grant, or the agent does not hold it, which reads the same.
    pub fn first_origin(&self, caller: &Caller, grant: &str, agent: Option<&str>) -> EngineResult<String> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Ask)?;
        let snapshot = tenant.snapshot();
        let refused = || EngineError::Grant {
            name: grant.chars().take(80).collect(),
            why: Unfit::NotHeld,
        };
        let row = snapshot.find_grant(grant).ok_or_else(refused)?;
        let (_, prepared) = snapshot.grant(row.id).ok_or_else(refused)?;
        let agent = match (&caller.principal, agent) {
            (Principal::Agent(id), _) => Some(*id),
            (_, Some(name)) => snapshot.find_agent(name).map(|row| row.id),
            _ => None,
        };
        // An agent that is not known yet may hold one by its name: the submit that registers it says so.
        let known = agent.and_then(|id| snapshot.facts(id));
        if known.is_some_and(|facts| !prepared.is_held_by(facts)) {
            return Err(refused());
        }
        row.grant.origins.first().cloned().ok_or(EngineError::Internal)
    }
}

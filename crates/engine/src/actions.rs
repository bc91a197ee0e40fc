//! Reading actions: how a submission stands now.

use std::sync::Arc;

use signoff_core::{
    authority::{Operation, Permit},
    event::{ActionFacts, ApprovalStatus, Event},
    id::ActionId,
    judge::ReasonCode,
    policy::Effect,
    record::Record,
};
use signoff_store::RecordQuery;

use crate::approvals::owns;
use crate::{
    Engine, EngineError, EngineResult,
    content::Opened,
    submit::{SUBMIT, action_of, refusal_sentence, stopped_sentence},
    tell::reach,
    tenant::Tenant,
    view::{ActionView, Caller, Named, Reach, Submitted},
};

/// The first record of a request, and what the log says of it in the clear.
pub(crate) struct Submission {
    pub(crate) record: Record,
    pub(crate) facts: ActionFacts,
}

impl Engine {
    /// The submission of an action.
    ///
    /// # Errors
    /// If there is none, or it belongs to another asker: then it does not exist for the caller.
    pub(crate) async fn submission(
        &self,
        tenant: &Tenant,
        caller: &Caller,
        id: ActionId,
    ) -> EngineResult<Submission> {
        let missing = || EngineError::not_found("action", id);
        let record = self.first_record(tenant, id).await?.ok_or_else(missing)?;
        let facts = match &record.event {
            Event::ActionAllowed(allowed) => allowed.action.clone(),
            Event::ActionDenied(denied) => denied.action.clone(),
            Event::ApprovalRequested(requested) => requested.action.clone(),
            _ => return Err(missing()),
        };
        if owns(caller, facts.agent, facts.application, &facts.name) {
            Ok(Submission { record, facts })
        } else {
            Err(missing())
        }
    }

    /// The first record about an action.
    pub(crate) async fn first_record(&self, tenant: &Tenant, id: ActionId) -> EngineResult<Option<Record>> {
        let query = RecordQuery {
            subject: Some(id.0),
            limit: 1,
            ..RecordQuery::default()
        };
        let stored = self.store().records(tenant.id, &query).await?;
        let read = |bytes: &[u8]| serde_json::from_slice(bytes).map_err(|_| EngineError::Internal);
        stored.first().map(|stored| read(&stored.bytes)).transpose()
    }

    /// The actions that were submitted under an idempotency key: an asker's own, which is one at most; for an operator one
    /// of each agent and application that used this key.
    ///
    /// # Errors
    /// If the caller may not see actions.
    pub async fn submitted_under(&self, caller: &Caller, key: &str) -> EngineResult<Vec<ActionId>> {
        let tenant = self.tenant(caller)?;
        let permit = self.permit(caller, Operation::SeeActions)?;
        let principals = if permit == Permit::Own {
            caller.principal.actor().id.into_iter().collect()
        } else {
            let rows = &tenant.snapshot().rows;
            let agents = rows.agents.keys().map(ToString::to_string);
            let applications = rows.applications.keys().map(ToString::to_string);
            agents.chain(applications).collect::<Vec<_>>()
        };
        let found = self.store().remembered(tenant.id, SUBMIT, key, &principals);
        found.await?.iter().map(|row| action_of(&row.outcome)).collect()
    }

    /// How a submission stands now, as a submit would answer: where a stop is in force, that it is refused, whatever was
    /// answered before.
    pub(crate) async fn present(&self, tenant: &Tenant, id: ActionId) -> EngineResult<Submitted> {
        let nobody = Caller::nobody(tenant.id);
        let submission = self.submission(tenant, &nobody, id).await?;
        let opened = Opened::read(self.store(), tenant, &[submission.record.seq]).await?;
        let conditions = opened.content(submission.record.seq).conditions;
        let mut standing = self.standing(tenant, id, &submission, conditions).await?;
        let (snapshot, agent) = (tenant.snapshot(), submission.facts.agent);
        let grant = submission.facts.call.as_ref().and_then(|call| call.grant);
        let stopped = stopped_sentence(&snapshot, (agent, &snapshot.agent_name(agent)), grant);
        if standing.effect != Effect::Deny && stopped.is_some() {
            standing.effect = Effect::Deny;
            standing.execution_id = None;
            standing.code = Some(ReasonCode::Stopped);
            standing.reason = stopped;
        }
        Ok(standing)
    }

    async fn standing(
        &self,
        tenant: &Tenant,
        id: ActionId,
        submission: &Submission,
        conditions: Vec<signoff_core::condition::Report>,
    ) -> EngineResult<Submitted> {
        let mut standing = Submitted {
            action_id: id,
            effect: Effect::Deny,
            execution_id: None,
            approval_id: None,
            decide_by: None,
            expires_in: None,
            timeout_cut: false,
            policy: submission.facts.policy.clone(),
            conditions,
            code: None,
            reason: None,
            standing: None,
            dropped_headers: Vec::new(),
            reach: Reach::Somebody,
            replayed: false,
        };
        match &submission.record.event {
            Event::ActionAllowed(allowed) => {
                standing.standing = allowed.standing;
                standing.effect = Effect::Allow;
                standing.execution_id = Some(id.execution());
            }
            Event::ActionDenied(denied) => standing.code = Some(denied.code),
            _ => self.stand_by_approval(tenant, id, &mut standing).await?,
        }
        if let (Some(code), None) = (standing.code, &standing.reason) {
            standing.reason = Some(refusal_sentence(
                code,
                standing.policy.as_ref().map(|policy| policy.name.as_str()),
            ));
        }
        Ok(standing)
    }

    async fn stand_by_approval(
        &self,
        tenant: &Tenant,
        id: ActionId,
        standing: &mut Submitted,
    ) -> EngineResult<()> {
        let row = self.store().approval(tenant.id, id.approval()).await?;
        let row = row.ok_or_else(|| EngineError::not_found("approval", id.approval()))?;
        standing.approval_id = Some(row.id);
        standing.policy.clone_from(&row.policy);
        match row.status {
            ApprovalStatus::Pending | ApprovalStatus::InfoRequested => {
                standing.effect = Effect::Ask;
                standing.reach = reach(&tenant.snapshot(), &row, self.now());
                standing.decide_by = row.decide_by;
                standing.expires_in = row.decide_by.map(|at| self.now().until(at));
                standing.timeout_cut = row
                    .timeout
                    .zip(row.decide_by)
                    .is_some_and(|(wish, at)| row.created_at.plus(wish) > at);
            }
            ApprovalStatus::Approved | ApprovalStatus::Answered => {
                standing.effect = Effect::Allow;
                standing.execution_id = Some(id.execution());
            }
            _ => {
                standing.code = row.code;
                if let Some(seq) = row.decided_seq {
                    standing.reason = Opened::read(self.store(), tenant, &[seq]).await?.text(seq);
                }
            }
        }
        Ok(())
    }

    /// One action, whole.
    ///
    /// # Errors
    /// If there is none, or it belongs to another asker.
    pub async fn action(&self, caller: &Caller, id: ActionId) -> EngineResult<ActionView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeActions)?;
        let submission = self.submission(&tenant, caller, id).await?;
        let opened = Opened::read(self.store(), &tenant, &[submission.record.seq]).await?;
        let content = Arc::new(opened.content(submission.record.seq));
        let submitted = self
            .standing(&tenant, id, &submission, content.conditions.clone())
            .await?;
        let snapshot = tenant.snapshot();
        Ok(ActionView {
            submitted,
            action: submission.facts.name.clone(),
            agent: Named {
                id: submission.facts.agent,
                name: snapshot.agent_name(submission.facts.agent),
            },
            created_at: submission.record.time,
            facts: submission.facts,
            content,
        })
    }
}

//! Asking again instead of waiting: for clients that know a request by nothing but what they asked for. While a person has
//! to decide, the same question is the same request; what was approved is handed out to one of those who ask again; how else
//! it ended is said once, and then it may be asked anew.

use signoff_core::{
    action::Action,
    authority::Operation,
    event::{ApprovalStatus, Event, ExecutionState},
    execution::Refusal,
    id::{ActionId, ExecutionId},
    policy::Effect,
    record::Record,
};
use signoff_store::{RecordQuery, Wants};

use super::{Came, Remembered, prepare::SameSubmit};
use crate::{
    Engine, EngineError, EngineResult,
    idempotency::{Once, want},
    request::Submit,
    tenant::Tenant,
    view::{Caller, Submitted},
};

/// Whose outcomes are kept apart from those under a key of the client's.
const OPERATION: &str = "submit_identical";
/// How often it is looked again when others ask the same at the same time.
const ROUNDS_MAX: u32 = 16;
/// How many of the last records of an agent's action are looked at for one that is still to be reported.
const LOOKED_AT_MAX: u32 = 50;

impl Engine {
    /// Submits an action, unless the same caller has asked exactly this before and it is not over. [`Effect::Allow`] for
    /// what a person approved is said once: the permission is taken by saying it. Inputs, context and every claim belong
    /// to what is asked; names compare without case.
    ///
    /// # Errors
    /// As [`Engine::submit`].
    pub async fn submit_identical(&self, caller: &Caller, submit: Submit) -> EngineResult<Submitted> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Ask)?;
        if submit.action.http.is_some() {
            let why = "a call is made by Signoff: it is submitted once, under an idempotency key";
            return Err(EngineError::invalid("/http", why));
        }
        let same = sameness(&tenant, caller, &submit)?;
        let mut once = same.clone();
        for _ in 0..ROUNDS_MAX {
            let before = match self.let_in(&tenant, caller, submit.clone(), Some(once)).await? {
                Came::Now(recorded) => return Ok(recorded.submitted),
                Came::Before(before) => before,
            };
            if let Some(answer) = self.resume(&tenant, caller, before, &same).await? {
                return Ok(answer);
            }
            // Of several who find it over, one begins the next; the others then meet that.
            once = same.clone().after(&before)?;
        }
        Err(EngineError::Unavailable)
    }

    /// What was asked before, and is the last of its kind.
    ///
    /// # Errors
    /// If the caller may not ask.
    pub async fn identical(&self, caller: &Caller, submit: &Submit) -> EngineResult<Option<ActionId>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Ask)?;
        let once = sameness(&tenant, caller, submit)?;
        let mut wants = Wants::default();
        want(&mut wants, Some(&once));
        let before = self
            .write(&tenant, wants, move |turn| turn.before::<Remembered>(Some(&once)))
            .await?;
        Ok(before.map(|before| before.action))
    }

    /// The asker heard how this request ended: the same question is then another request.
    ///
    /// # Errors
    /// If the caller may not ask.
    pub async fn heard_identical(
        &self,
        caller: &Caller,
        submit: &Submit,
        action: ActionId,
    ) -> EngineResult<()> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Ask)?;
        let once = sameness(&tenant, caller, submit)?;
        let heard = self.hear(&tenant, Remembered { action, heard: false }, &once);
        heard.await.map(drop)
    }

    /// The last permission of an agent for an action that was taken, or let through by policy, and not reported yet.
    ///
    /// # Errors
    /// If the caller may not see what it asked for.
    pub async fn unreported(
        &self,
        caller: &Caller,
        agent: &str,
        action: &str,
    ) -> EngineResult<Option<ExecutionId>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeActions)?;
        let Some(agent) = tenant.snapshot().find_agent(agent).map(|row| row.id) else {
            return Ok(None);
        };
        // What is no name is no glob either.
        if Action::named(action).check().is_err() {
            return Ok(None);
        }
        let query = RecordQuery {
            newest_first: true,
            limit: LOOKED_AT_MAX,
            agents: Some(vec![agent]),
            action: Some(action.to_ascii_lowercase()),
            ..RecordQuery::default()
        };
        for stored in self.store().records(tenant.id, &query).await? {
            let record: Record = serde_json::from_slice(&stored.bytes).map_err(|_| EngineError::Internal)?;
            let (id, allowed) = match &record.event {
                Event::ActionAllowed(_) => (record.subject.parse().ok().map(ActionId::execution), true),
                Event::ExecutionConsumed(_) => (record.subject.parse().ok(), false),
                _ => continue,
            };
            let Some(id) = id else { continue };
            let execution = match self.execution(caller, id).await {
                Ok(execution) => execution,
                Err(EngineError::NotFound { .. }) => continue,
                Err(error) => return Err(error),
            };
            match execution.state {
                ExecutionState::Consumed => return Ok(Some(id)),
                ExecutionState::Ready if allowed => return Ok(Some(id)),
                _ => {}
            }
        }
        Ok(None)
    }

    /// What an earlier request is by now; none where it is over and nothing is left to say of it.
    async fn resume(
        &self,
        tenant: &Tenant,
        caller: &Caller,
        before: Remembered,
        same: &Once,
    ) -> EngineResult<Option<Submitted>> {
        let action = before.action;
        let Some(row) = self.store().approval(tenant.id, action.approval()).await? else {
            // Policy answered it at once, and answers anew.
            return Ok(None);
        };
        match row.status {
            ApprovalStatus::Pending | ApprovalStatus::InfoRequested => {
                self.present(tenant, action).await.map(Some)
            }
            ApprovalStatus::Approved | ApprovalStatus::Answered => {
                match self.consume(caller, action.execution(), None).await {
                    Ok(_) => {}
                    Err(EngineError::Execution(Refusal::Held)) => {
                        return Ok(Some(Submitted {
                            effect: Effect::Ask,
                            execution_id: None,
                            reason: Some(Refusal::Held.to_string()),
                            ..self.present(tenant, action).await?
                        }));
                    }
                    // Taken, lapsed or taken back.
                    Err(EngineError::Execution(_)) => return Ok(None),
                    // Said as a refusal, for as long as the stop lasts.
                    Err(EngineError::Stopped(_)) => return self.present(tenant, action).await.map(Some),
                    Err(error) => return Err(error),
                }
                // Stopped between the two: it was taken, and is not carried out.
                self.present(tenant, action).await.map(Some)
            }
            ApprovalStatus::Denied
            | ApprovalStatus::Expired
            | ApprovalStatus::Cancelled
            | ApprovalStatus::Superseded => {
                if before.heard || !self.hear(tenant, before, same).await? {
                    return Ok(None);
                }
                self.present(tenant, action).await.map(Some)
            }
        }
    }

    /// Notes that its end was said; whether this was the first time.
    async fn hear(&self, tenant: &Tenant, before: Remembered, same: &Once) -> EngineResult<bool> {
        let once = same.clone();
        let mut wants = Wants::default();
        want(&mut wants, Some(&once));
        self.write(tenant, wants, move |turn| {
            if turn.before::<Remembered>(Some(&once))? != Some(before) {
                return Ok(false);
            }
            let heard = Remembered {
                heard: true,
                ..before
            };
            turn.remember(Some(&once), &heard).map(|()| true)
        })
        .await
    }
}

/// What makes the same question: all that was asked, under a name that says nothing of it.
fn sameness(tenant: &Tenant, caller: &Caller, submit: &Submit) -> EngineResult<Once> {
    let (action, agent) = (
        submit.action.name.to_ascii_lowercase(),
        submit.agent.as_deref().map(str::to_ascii_lowercase),
    );
    let submit = Submit {
        agent,
        action: Action {
            name: action,
            ..submit.action.clone()
        },
        replaces: None,
        callback_url: None,
    };
    let asked = SameSubmit::of(&submit);
    let canonical = signoff_core::json::canonical(&asked).map_err(|_| EngineError::Internal)?;
    let key = hex::encode(tenant.key.fingerprint(OPERATION, &canonical));
    let once = Once::of(tenant, caller, OPERATION, Some(&key), &asked)?;
    let once = once.ok_or(EngineError::Internal)?;
    Ok(once.kept_like_records(tenant.snapshot().settings()))
}

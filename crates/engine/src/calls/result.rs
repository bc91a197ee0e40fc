//! Asking for a call, and for what came back of it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use signoff_core::{
    authority::Operation, event::ExecutionState, execution::Refusal, id::ExecutionId, payload::PayloadName,
    policy::Effect, rows::ExecutionRow,
};

use super::make::{KeptHead, Tap};
use crate::{
    Engine, EngineError, EngineResult,
    content::Opened,
    request::{Submit, Until},
    tenant::Tenant,
    view::{CallResult, Called, Caller},
};

/// How long somebody may wait for a call that people must decide on.
pub const CALL_WAIT_MAX: Duration = Duration::from_mins(1);

/// How often the store is asked for what another node made.
const LOOK: Duration = Duration::from_millis(500);

impl Engine {
    /// Submits a call. What policy lets through is made at once, and the answer is what came back; what must be decided is
    /// waited for as long as `wait` says. The call goes on whoever goes away. A `tap` gets the answer of a call that is made
    /// at once while it comes in.
    ///
    /// # Errors
    /// Those of a submit.
    pub async fn call(
        &self,
        caller: &Caller,
        submit: Submit,
        key: Option<&str>,
        wait: Duration,
        tap: Option<Tap>,
    ) -> EngineResult<Called> {
        let (submitted, made) = self.submit_call(caller, submit, key).await?;
        let tenant = self.tenant(caller)?;
        let result = match made {
            Some(made) => {
                let id = made.execution;
                let (engine, there) = (self.clone(), Arc::clone(&tenant));
                let task = self
                    .inner
                    .workers
                    .spawn(async move { engine.make(&there, &made, tap).await });
                // Whoever stops waiting does not stop the call.
                match task.await.map_err(|_| EngineError::Internal)? {
                    Some(result) => Some(result),
                    None => Some(self.call_result(caller, id, Duration::ZERO).await?),
                }
            }
            None if submitted.effect == Effect::Deny => None,
            None => {
                let id = submitted.action_id.execution();
                self.result_within(caller, id, wait).await?
            }
        };
        Ok(Called { submitted, result })
    }

    /// What a call came to; waits until it has ended, or its request was refused.
    ///
    /// # Errors
    /// If there is no such execution, or it is nothing that Signoff calls.
    pub async fn call_result(
        &self,
        caller: &Caller,
        id: ExecutionId,
        wait: Duration,
    ) -> EngineResult<CallResult> {
        let missing = || EngineError::not_found("execution", id);
        self.result_within(caller, id, wait).await?.ok_or_else(missing)
    }

    /// The same; none while nobody has approved it.
    async fn result_within(
        &self,
        caller: &Caller,
        id: ExecutionId,
        wait: Duration,
    ) -> EngineResult<Option<CallResult>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeActions)?;
        // It must be theirs before anything is waited for.
        self.submission(&tenant, caller, id.action()).await?;
        let until = tokio::time::Instant::now() + wait.min(CALL_WAIT_MAX);
        loop {
            let place = self
                .inner
                .aftermath
                .waiters
                .register(id.action().approval(), Until::Changed);
            let row = self.store().execution(tenant.id, id).await?;
            let over = match &row {
                Some(row) => !row.is_to_be_made(),
                None => match self.store().approval(tenant.id, id.action().approval()).await? {
                    Some(approval) => approval.status.is_terminal(),
                    None => true,
                },
            };
            if over || tokio::time::Instant::now() >= until {
                return match row {
                    Some(row) => self.result(&tenant, row).await.map(Some),
                    None => Ok(None),
                };
            }
            // Whoever makes the call may be another node, whose executions nobody announces one by one.
            let look = if self.store().is_shared() {
                until.min(tokio::time::Instant::now() + LOOK)
            } else {
                until
            };
            let mut place = place;
            let _ = tokio::time::timeout_at(look, &mut place.woken).await;
        }
    }

    /// What is kept of a call.
    async fn result(&self, tenant: &Tenant, row: ExecutionRow) -> EngineResult<CallResult> {
        let Some(run) = &row.call else {
            return Err(EngineError::Execution(Refusal::NoCall));
        };
        let opened = Opened::read(self.store(), tenant, run.finished_seq.as_slice()).await?;
        let answer = run.finished_seq.and_then(|seq| {
            let kept: KeptHead = opened.json(seq, PayloadName::Response)?;
            let body = opened.raw(seq, PayloadName::ResponseBody)?;
            Some(kept.answered(Bytes::from(body)))
        });
        let erased = row.state == ExecutionState::Executed
            && run.settled.is_none()
            && run.finished_seq.is_some()
            && answer.is_none();
        Ok(CallResult {
            state: self.present_state(&row),
            row,
            answer,
            erased,
        })
    }
}

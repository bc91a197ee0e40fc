//! What is on its way, looked at by every node: what is ready is begun, what a run left without an end is brought to one.

use std::sync::Arc;

use signoff_core::{
    actor::Actor,
    event::{CallFault, ExecutionState},
    execution::{CallEnd, Command, transition},
    fold::RowKey,
    id::{ExecutionId, RunnerId},
    rows::{CallRun, ExecutionRow},
    time::Timestamp,
};
use signoff_store::Wants;

use super::{ToMake, make::PART};
use crate::{
    Engine, EngineError, EngineResult, snapshot::Snapshot, tenant::Tenant, turn::Draft, view::Caller,
};

/// How many calls on their way are looked at in one round.
const ROUND_MAX: u32 = 1_000;

impl Engine {
    /// Begins every call that is ready and takes over what nobody brought to its end. Answers whether there is more to do
    /// than was done. The worker of calls runs it; tests with a clock of their own do too.
    ///
    /// # Errors
    /// If the store fails; what is on its way stays so.
    pub async fn make_calls(&self) -> EngineResult<()> {
        for (workspace, row) in self.store().calls(ROUND_MAX).await? {
            let Some(tenant) = self.inner.tenants.get(&workspace) else {
                continue;
            };
            if self.inner.runners.is_active(row.id) {
                continue;
            }
            let made = match row.state {
                ExecutionState::Ready => self.begin(tenant, &row).await,
                _ => self.pick_up(tenant, &row).await,
            };
            match made {
                Ok(Some(made)) => self.make_in_background(tenant, made),
                // Somebody was faster, or it was taken back.
                Ok(None) | Err(EngineError::Execution(_) | EngineError::Stopped(_)) => {}
                Err(error) => {
                    tracing::error!(%error, execution = %row.id, "a call could not be begun; it is tried again");
                }
            }
        }
        Ok(())
    }

    /// Makes a call on a task of its own, as soon as not too many are being made.
    pub(crate) fn make_in_background(&self, tenant: &Arc<Tenant>, made: ToMake) {
        let (engine, tenant) = (self.clone(), Arc::clone(tenant));
        self.inner.workers.spawn(async move {
            engine.make(&tenant, &made, None).await;
        });
    }

    /// A call that another run of the server began, or this one lost.
    async fn pick_up(&self, tenant: &Tenant, row: &ExecutionRow) -> EngineResult<Option<ToMake>> {
        let Some(run) = &row.call else { return Ok(None) };
        let runner = self.runner(tenant).await?;
        let own = run.runner == Some(runner);
        if !own
            && let Some(other) = run.runner
            && !self.take_over(tenant, other).await?
        {
            return Ok(None);
        }
        let snapshot = tenant.snapshot();
        let again = may_repeat(&snapshot, run, self.now());
        if again && !row.is_held(snapshot.log_epoch()) {
            let task = self.task(tenant, &Caller::nobody(tenant.id), row.id).await?;
            let call = task.action().and_then(|action| action.http);
            if let Some(call) = call
                && self.repeat(tenant, row.id, run.runner, runner).await?
            {
                return Ok(Some(ToMake {
                    execution: row.id,
                    call,
                    grant: super::versioned(&snapshot, run.facts.grant),
                    policy: row.policy.clone(),
                    runner,
                }));
            }
        }
        self.give_up(tenant, row.id, run.runner, runner).await?;
        Ok(None)
    }

    /// Writes that a call is made again; false where a stop or a change came between, so that a person must settle it.
    async fn repeat(
        &self,
        tenant: &Tenant,
        id: ExecutionId,
        before: Option<RunnerId>,
        runner: RunnerId,
    ) -> EngineResult<bool> {
        let repeated = self.write(tenant, wants(tenant, id), move |turn| {
            let row = turn.execution(id).ok_or(EngineError::Internal)?;
            let run = row.call.as_ref().ok_or(EngineError::Internal)?;
            if run.runner != before || !may_repeat(&turn.snapshot(), run, turn.now()) {
                return Ok(false);
            }
            let event = transition(row, Command::Repeat(runner), turn.now(), turn.log_epoch(), None)?;
            let policy = row.policy.clone();
            let draft = Draft::new(event, Actor::system(PART), id).under(policy.as_ref());
            turn.emit(draft).map(|_| true)
        });
        match repeated.await {
            Err(EngineError::Stopped(_)) => Ok(false),
            other => other,
        }
    }

    /// Nobody knows whether it arrived: a person must say so.
    async fn give_up(
        &self,
        tenant: &Tenant,
        id: ExecutionId,
        before: Option<RunnerId>,
        runner: RunnerId,
    ) -> EngineResult<()> {
        let end = CallEnd {
            state: ExecutionState::Indeterminate,
            status: None,
            fault: Some(CallFault::Interrupted),
            runner,
        };
        self.write(tenant, wants(tenant, id), move |turn| {
            let row = turn.execution(id).ok_or(EngineError::Internal)?;
            if row.call.as_ref().and_then(|run| run.runner) != before {
                return Ok(());
            }
            let event = transition(row, Command::Finish(end), turn.now(), turn.log_epoch(), None)?;
            let policy = row.policy.clone();
            let draft = Draft::new(event, Actor::system(PART), id).under(policy.as_ref());
            turn.emit(draft).map(drop)
        })
        .await
    }
}

fn wants(tenant: &Tenant, id: ExecutionId) -> Wants {
    let mut wants = Wants::default();
    wants.rows.insert((tenant.id, RowKey::Execution(id)));
    wants
}

/// I3: only what changes nothing, or what the provider knows again, for as long as it does.
fn may_repeat(snapshot: &Snapshot, run: &CallRun, now: Timestamp) -> bool {
    let grant = run.facts.grant.map(|id| snapshot.grant(id));
    let began = run.started_at.unwrap_or(now);
    let there = match grant {
        // Without a grant nothing is promised.
        None => return run.facts.is_safe(),
        // A grant that was changed since is another one.
        Some(Some((row, _))) => {
            let is_same = run.started_seq.is_some_and(|seq| row.changed_seq < seq);
            Some(row).filter(|row| is_same && !row.grant.disabled)
        }
        Some(None) => None,
    };
    let Some(row) = there else { return false };
    let known = row.grant.idempotent.as_ref();
    run.facts.is_safe() || known.is_some_and(|provider| now < began.plus(provider.window))
}

//! Deadlines: expire, escalate, lapse. Sleeps until the next one; a commit that may bring an earlier one wakes it.

use std::time::Duration;

use futures_util::future::join_all;
use signoff_core::{
    actor::Actor,
    approval::Command,
    execution,
    fold::RowKey,
    id::{ApprovalId, ExecutionId},
};
use signoff_store::{Due, Wants};
use tokio_util::sync::CancellationToken;

use crate::{
    Engine, EngineError, EngineResult,
    decide::{by_system, is_clockwork},
    tenant::Tenant,
    turn::Draft,
};

/// How many deadlines one round takes.
const ROUND_MAX: u32 = 256;
/// How long nudges gather: whoever is woken by the same commit goes first.
const GATHER: Duration = Duration::from_millis(10);
/// How long to wait after the store failed.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest sleep: the system's clock may be set.
const SLEEP_MAX: Duration = Duration::from_mins(1);
/// The longest sleep where another node may have brought an earlier deadline and be gone since.
const SLEEP_SHARED: Duration = Duration::from_secs(1);

pub(crate) async fn run(engine: Engine, stop: CancellationToken) {
    loop {
        let sleep = match engine.tick().await {
            Ok(()) => until_next(&engine).await.unwrap_or(PAUSE),
            Err(error) => {
                tracing::error!(%error, "deadlines could not be looked at");
                PAUSE
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = engine.inner.aftermath.nudges.clock.notified() => tokio::time::sleep(GATHER).await,
            () = tokio::time::sleep(sleep) => {}
        }
    }
}

async fn until_next(engine: &Engine) -> EngineResult<Duration> {
    let longest = if engine.store().is_shared() {
        SLEEP_SHARED
    } else {
        SLEEP_MAX
    };
    let Some(next) = engine.store().next_due().await? else {
        return Ok(longest);
    };
    let micros = u64::try_from(engine.now().until(next).0).unwrap_or(0);
    Ok(Duration::from_micros(micros).min(longest))
}

impl Engine {
    /// Brings about everything whose time has come. The clock's worker calls it; tests with a clock of their own do too.
    ///
    /// # Errors
    /// If the store fails; what is due stays due.
    pub async fn tick(&self) -> EngineResult<()> {
        loop {
            let due = self.store().due(self.now(), ROUND_MAX).await?;
            if due.is_empty() {
                return Ok(());
            }
            for done in join_all(due.into_iter().map(|due| self.meet(due))).await {
                done?;
            }
        }
    }

    async fn meet(&self, due: Due) -> EngineResult<()> {
        let workspace = match due {
            Due::Approval(workspace, ..) | Due::Execution(workspace, ..) => workspace,
        };
        let Some(tenant) = self.inner.tenants.get(&workspace) else {
            return Err(EngineError::Internal);
        };
        let met = match due {
            Due::Approval(_, id, _) => self.expire_or_escalate(tenant, id).await,
            Due::Execution(_, id, _) => self.lapse(tenant, id).await,
        };
        match met {
            // Somebody was faster, which is as good.
            Err(error) if is_clockwork(&error) || matches!(error, EngineError::Execution(_)) => Ok(()),
            other => other,
        }
    }

    async fn expire_or_escalate(&self, tenant: &Tenant, id: ApprovalId) -> EngineResult<()> {
        let Some(row) = self.store().approval(tenant.id, id).await? else {
            return Ok(());
        };
        let wants = crate::decide::wants_of(tenant, &row, None);
        self.write(tenant, wants, move |turn| {
            let overdue = turn.approval(id)?.decide_by.is_some_and(|at| turn.now() >= at);
            let command = if overdue {
                Command::Expire
            } else {
                Command::Escalate
            };
            by_system(turn, id, "clock", &command)
        })
        .await
    }

    async fn lapse(&self, tenant: &Tenant, id: ExecutionId) -> EngineResult<()> {
        let mut wants = Wants::default();
        wants.rows.insert((tenant.id, RowKey::Execution(id)));
        self.write(tenant, wants, move |turn| {
            let row = turn
                .execution(id)
                .ok_or_else(|| EngineError::not_found("execution", id))?;
            let event =
                execution::transition(row, execution::Command::Lapse, turn.now(), turn.log_epoch(), None)?;
            let policy = row.policy.clone();
            turn.emit(Draft::new(event, Actor::system("clock"), id).under(policy.as_ref()))
                .map(drop)
        })
        .await
    }
}

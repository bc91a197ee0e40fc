//! Who makes calls: one run of one server. Where several nodes share a store, a run shows that it is alive by a lease; what
//! it began is taken over only once that lease has ended, and then it begins nothing more under its name.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use signoff_core::{
    id::{ExecutionId, RunnerId, WorkspaceId},
    time::Micros,
};
use signoff_store::Claim;

use crate::{Engine, EngineError, EngineResult, seal::random, tenant::Tenant};
use signoff_core::id::RawId;

/// How long a run is taken for alive without a sign.
const LEASE: Duration = Duration::from_secs(12);
/// How much of that must be left for a call to be begun.
const LEFT_MIN: Duration = Duration::from_secs(8);

/// How often a name is claimed: the present one, one after it was taken for gone, one for luck.
const CLAIMS_MAX: usize = 3;

/// As good as for ever.
const FOR_GOOD: Duration = Duration::from_hours(365 * 24);

/// The runs of this process, one for each workspace, and what they are at.
#[derive(Default)]
pub(crate) struct Runners {
    known: Mutex<HashMap<WorkspaceId, Run>>,
    active: Mutex<HashSet<ExecutionId>>,
}

#[derive(Clone, Copy)]
struct Run {
    id: RunnerId,
    /// By this machine's monotonic clock, from before the lease was asked for: in the store it ends later.
    until: Instant,
}

impl Run {
    fn unclaimed() -> Self {
        Self {
            id: RunnerId(RawId(random())),
            until: Instant::now(),
        }
    }
}

/// A call that is being made here; dropped when it is over.
pub(crate) struct Active<'a> {
    runners: &'a Runners,
    id: ExecutionId,
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        locked(&self.runners.active).remove(&self.id);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Runners {
    /// Notes a call; none where it is being made here already.
    pub(crate) fn enter(&self, id: ExecutionId) -> Option<Active<'_>> {
        locked(&self.active)
            .insert(id)
            .then_some(Active { runners: self, id })
    }

    /// Whether this process is at a call right now.
    pub(crate) fn is_active(&self, id: ExecutionId) -> bool {
        locked(&self.active).contains(&id)
    }

    /// Whether it is at any.
    pub(crate) fn is_busy(&self) -> bool {
        !locked(&self.active).is_empty()
    }

    /// The run of this process; the first to ask names it, so that calls that begin together are of one run.
    fn run(&self, workspace: WorkspaceId) -> Run {
        *locked(&self.known)
            .entry(workspace)
            .or_insert_with(Run::unclaimed)
    }

    /// The run in the place of one that was taken for gone.
    fn after(&self, workspace: WorkspaceId, gone: RunnerId) -> Run {
        let mut known = locked(&self.known);
        let run = known.entry(workspace).or_insert_with(Run::unclaimed);
        if run.id == gone {
            *run = Run::unclaimed();
        }
        *run
    }

    /// Whether it is still the run of this process, which is alive until then at least.
    fn keep(&self, workspace: WorkspaceId, id: RunnerId, until: Instant) -> bool {
        let mut known = locked(&self.known);
        let Some(run) = known.get_mut(&workspace).filter(|run| run.id == id) else {
            return false;
        };
        run.until = run.until.max(until);
        true
    }

    /// Whether this run may still send something under its name.
    pub(crate) fn may_send(&self, workspace: WorkspaceId, id: RunnerId) -> bool {
        let run = self.run(workspace);
        run.id == id && Instant::now() < run.until
    }
}

impl Engine {
    /// The name under which this process begins calls, with time enough left.
    ///
    /// # Errors
    /// If the store can't say that nobody has taken it for gone.
    pub(crate) async fn runner(&self, tenant: &Tenant) -> EngineResult<RunnerId> {
        let runners = &self.inner.runners;
        let mut run = runners.run(tenant.id);
        for _ in 0..CLAIMS_MAX {
            let left = run.until.saturating_duration_since(Instant::now());
            if left >= LEFT_MIN || self.claim_run(tenant, run.id).await? {
                return Ok(run.id);
            }
            // It was taken for gone. What it began is another's by now; this process goes on under a new name.
            run = runners.after(tenant.id, run.id);
        }
        Err(EngineError::Unavailable)
    }

    /// False where the run was taken for gone.
    async fn claim_run(&self, tenant: &Tenant, id: RunnerId) -> EngineResult<bool> {
        let since = Instant::now();
        let until = if self.store().is_shared() {
            if self.lease(tenant, id, id.0).await?.is_none() {
                return Ok(false);
            }
            since + LEASE
        } else {
            // Nobody else writes to this store while this process lives.
            since + FOR_GOOD
        };
        Ok(self.inner.runners.keep(tenant.id, id, until))
    }

    /// Takes over what a run left, if it is gone.
    pub(crate) async fn take_over(&self, tenant: &Tenant, gone: RunnerId) -> EngineResult<bool> {
        if !self.store().is_shared() {
            return Ok(true);
        }
        Ok(self.lease(tenant, gone, self.inner.node).await?.is_some())
    }

    async fn lease(
        &self,
        tenant: &Tenant,
        subject: RunnerId,
        holder: RawId,
    ) -> EngineResult<Option<signoff_store::Lease>> {
        let claim = Claim {
            workspace: tenant.id,
            subject: subject.0,
            holder,
            lasts: Micros(i64::try_from(LEASE.as_micros()).unwrap_or(i64::MAX)),
        };
        Ok(self.store().claim(&claim).await?)
    }
}

//! One workspace in memory: its key, the snapshot in force, and how far its log was told to those who watch.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use arc_swap::ArcSwap;
use signoff_core::{
    actor::Principal,
    event::{KeyOwner, LogCut},
    id::WorkspaceId,
    time::Timestamp,
};
use signoff_store::{Store, StoreError};
use tokio::sync::Semaphore;

use crate::{EngineError, EngineResult, seal::WorkspaceKey, snapshot::Snapshot, view::Caller};

/// One workspace in memory.
pub(crate) struct Tenant {
    pub(crate) id: WorkspaceId,
    pub(crate) key: WorkspaceKey,
    snapshot: ArcSwap<Snapshot>,
    /// The last record that those who watch were told of.
    told: Mutex<u64>,
    /// When the snapshot was last compared with the head.
    compared: tokio::sync::Mutex<Option<Instant>>,
    /// One simulation at a time.
    pub(crate) simulating: Arc<Semaphore>,
    /// One asker's look at the whole log at a time.
    pub(crate) verifying: Semaphore,
}

impl Tenant {
    /// Reads what is needed to judge and authenticate.
    pub(crate) async fn load(
        store: &dyn Store,
        id: WorkspaceId,
        key: WorkspaceKey,
    ) -> Result<Self, StoreError> {
        let authority = store.authority(id).await?;
        let told = authority.head.map_or(0, |head| head.seq);
        let snapshot = Snapshot::build(id, authority, &key, None)?;
        Ok(Self {
            id,
            key,
            snapshot: ArcSwap::from_pointee(snapshot),
            told: Mutex::new(told),
            compared: tokio::sync::Mutex::default(),
            simulating: Arc::new(Semaphore::new(1)),
            verifying: Semaphore::new(1),
        })
    }

    /// What was last cut off the log.
    pub(crate) fn last_cut(&self) -> Option<LogCut> {
        self.snapshot().rows.workspace.as_ref()?.cut.clone()
    }

    /// The last record that those who watch were told of.
    pub(crate) fn told(&self) -> u64 {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of the records after `after` up to `until`, if nobody told of them yet and none is left out: whoever watches
    /// resumes by sequence, so what comes must come in order. Answers whether all up to `until` were told of by now.
    pub(crate) fn tell(&self, after: u64, until: u64, tell: impl FnOnce()) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if *told == after && until > after {
            tell();
            *told = until;
        }
        *told >= until
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Sees to it that the snapshot is not older than this call: for those who knock with what another node just gave
    /// them. Calls at the same time share one look at the head.
    pub(crate) async fn catch_up(&self, store: &dyn Store) -> Result<(), StoreError> {
        let asked = Instant::now();
        let mut compared = self.compared.lock().await;
        if compared.is_some_and(|at| at > asked) {
            return Ok(());
        }
        let began = Instant::now();
        let head = store.head(self.id).await?;
        if head.is_some_and(|head| head.epochs != self.snapshot().epochs) {
            self.reload(store).await?;
        }
        *compared = Some(began);
        Ok(())
    }

    /// Reads the snapshot anew and puts it in force.
    pub(crate) async fn reload(&self, store: &dyn Store) -> Result<Arc<Snapshot>, StoreError> {
        let previous = self.snapshot();
        let fresh = Arc::new(Snapshot::build(
            self.id,
            store.authority(self.id).await?,
            &self.key,
            Some(&previous),
        )?);
        // Two may read at the same time; the older one must not stay in force.
        self.snapshot.rcu(|present| {
            if present.epochs > fresh.epochs {
                Arc::clone(present)
            } else {
                Arc::clone(&fresh)
            }
        });
        Ok(fresh)
    }

    /// The caller as a snapshot knows them; an error for one who lost what they came with.
    pub(crate) fn present(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        now: Timestamp,
    ) -> EngineResult<Principal> {
        if caller.workspace != self.id {
            return Err(EngineError::Unauthorized);
        }
        if let Some(key) = caller.key
            && snapshot.live_key(key, now).is_none()
        {
            return Err(EngineError::Unauthorized);
        }
        match &caller.principal {
            Principal::Operator { id, auth, .. } => {
                if let Some(at) = &caller.slack
                    && snapshot.operator_at_slack(at.channel, &at.team, &at.user) != Some(*id)
                {
                    return Err(EngineError::Unauthorized);
                }
                let row = snapshot.active_operator(*id).ok_or(EngineError::Unauthorized)?;
                Ok(Principal::Operator {
                    id: *id,
                    role: row.role,
                    auth: *auth,
                })
            }
            Principal::Agent(id) if snapshot.rows.agents.get(id).is_none_or(|row| row.disabled) => {
                Err(EngineError::Unauthorized)
            }
            Principal::Application(id)
                if snapshot.rows.applications.get(id).is_none_or(|row| row.disabled) =>
            {
                Err(EngineError::Unauthorized)
            }
            same => Ok(same.clone()),
        }
    }
}

/// The principal behind a key's owner.
pub(crate) fn principal_of(snapshot: &Snapshot, owner: KeyOwner) -> Option<Principal> {
    match owner {
        KeyOwner::Agent(id) => Some(Principal::Agent(id)),
        KeyOwner::Application(id) => Some(Principal::Application(id)),
        KeyOwner::Operator(id) => {
            let role = snapshot.active_operator(id)?.role;
            Some(Principal::Operator {
                id,
                role,
                auth: signoff_core::actor::Auth::Token,
            })
        }
    }
}

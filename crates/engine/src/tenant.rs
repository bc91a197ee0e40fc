//! One workspace in memory: its key and the snapshot in force.

use std::sync::Arc;

use arc_swap::ArcSwap;
use signoff_core::{actor::Principal, event::KeyOwner, id::WorkspaceId};
use signoff_store::{Store, StoreError};

use crate::{EngineError, EngineResult, seal::WorkspaceKey, snapshot::Snapshot, view::Caller};

/// One workspace in memory.
pub(crate) struct Tenant {
    pub(crate) id: WorkspaceId,
    pub(crate) key: WorkspaceKey,
    snapshot: ArcSwap<Snapshot>,
}

impl Tenant {
    /// Reads what is needed to judge and authenticate.
    pub(crate) async fn load(
        store: &dyn Store,
        id: WorkspaceId,
        key: WorkspaceKey,
    ) -> Result<Self, StoreError> {
        let snapshot = Snapshot::build(id, store.authority(id).await?, &key, None)?;
        Ok(Self {
            id,
            key,
            snapshot: ArcSwap::from_pointee(snapshot),
        })
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
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
        self.snapshot.store(Arc::clone(&fresh));
        Ok(fresh)
    }

    /// The caller as a snapshot knows them; an error for one who lost what they came with.
    pub(crate) fn present(&self, snapshot: &Snapshot, caller: &Caller) -> EngineResult<Principal> {
        if caller.workspace != self.id {
            return Err(EngineError::Unauthorized);
        }
        if let Some(key) = caller.key
            && snapshot.live_key(key).is_none()
        {
            return Err(EngineError::Unauthorized);
        }
        match &caller.principal {
            Principal::Operator { id, auth, .. } => {
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

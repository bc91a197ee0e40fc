//! What people are shown of calls beside the calls themselves: the grant that one was made with, and how many need them.

use signoff_core::{authority::Operation, event::ExecutionState, id::GrantId};

use crate::{
    Engine, EngineResult,
    view::{Caller, GrantView},
};

impl Engine {
    /// The grant that a call names, also one that was taken away since; none where there never was one here.
    ///
    /// # Errors
    /// If the caller may not see the workspace.
    pub fn grant_used(&self, caller: &Caller, id: GrantId) -> EngineResult<Option<GrantView>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        let snapshot = tenant.snapshot();
        let row = snapshot.rows.grants.get(&id);
        Ok(row.map(|row| GrantView {
            row: row.clone(),
            is_stopped: row.stop.is_some(),
        }))
    }

    /// How many calls nobody knows the end of: a person must settle them.
    ///
    /// # Errors
    /// If the caller may not see the workspace.
    pub async fn unsettled_count(&self, caller: &Caller) -> EngineResult<u64> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        let count = self
            .store()
            .execution_count(tenant.id, ExecutionState::Indeterminate, None);
        Ok(count.await?)
    }
}

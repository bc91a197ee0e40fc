//! The workspace and its settings.

use signoff_core::{authority::Operation, policy::Settings, record::Record};
use signoff_store::Wants;

use crate::{
    Engine, EngineError, EngineResult,
    request::SettingsChange,
    view::{Caller, WorkspaceView},
};

use crate::policies::{carry_out, plan_of_nothing};

impl SettingsChange {
    /// The settings after the change; none where nothing changes.
    pub(crate) fn applied_to(&self, present: &Settings) -> EngineResult<Option<Settings>> {
        let mut next = present.clone();
        if let Some(name) = &self.name {
            let name = name.trim();
            if name.is_empty() || name.chars().count() > 200 || name.chars().any(char::is_control) {
                return Err(EngineError::invalid(
                    "/name",
                    "a workspace's name has 1 to 200 characters",
                ));
            }
            name.clone_into(&mut next.name);
        }
        if let Some(approvers) = &self.default_approvers {
            if approvers.is_empty() || approvers.len() > signoff_core::policy::LIST_LEN_MAX {
                return Err(EngineError::invalid(
                    "/default_approvers",
                    "name at least one approver and at most 200",
                ));
            }
            next.default_approvers.clone_from(approvers);
        }
        next.unmatched = self.unmatched.unwrap_or(next.unmatched);
        next.orphaned = self.orphaned.unwrap_or(next.orphaned);
        Ok((next != *present).then_some(next))
    }
}

impl Engine {
    /// The workspace.
    ///
    /// # Errors
    /// If the caller may not see it.
    pub async fn workspace(&self, caller: &Caller) -> EngineResult<WorkspaceView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        let first = self
            .store()
            .records_at(tenant.id, &[1])
            .await?
            .into_iter()
            .next()
            .ok_or(EngineError::Internal)?;
        let first: Record = serde_json::from_slice(&first.bytes).map_err(|_| EngineError::Internal)?;
        let snapshot = tenant.snapshot();
        Ok(WorkspaceView {
            id: tenant.id,
            settings: snapshot.settings().clone(),
            policy_set: snapshot.rows.workspace.as_ref().map_or(0, |row| row.policy_set),
            created_at: first.time,
        })
    }

    /// Changes settings of the workspace.
    ///
    /// # Errors
    /// If they can't work.
    pub async fn update_workspace(
        &self,
        caller: &Caller,
        change: SettingsChange,
    ) -> EngineResult<WorkspaceView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        let caller_then = caller.clone();
        self.write(&tenant, Wants::default(), move |turn| {
            let mut plan = plan_of_nothing(&turn.snapshot())?;
            plan.settings = change.applied_to(turn.snapshot().settings())?;
            carry_out(turn, &caller_then, &plan, None).map(drop)
        })
        .await?;
        self.workspace(caller).await
    }
}

//! The workspace and its settings.

use signoff_core::{
    authority::Operation,
    event::{EpochCause, FEATURE_LEVEL},
    policy::{RETENTION_DAYS_MAX, RETENTION_DAYS_MIN, Settings},
    record::Record,
};
use signoff_store::Wants;

use crate::{
    Engine, EngineError, EngineResult,
    request::SettingsChange,
    turn::minted_at,
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
        next.unmatched_calls = self.unmatched_calls.unwrap_or(next.unmatched_calls);
        next.orphaned = self.orphaned.unwrap_or(next.orphaned);
        if let Some(days) = self.retention_days {
            if !(RETENTION_DAYS_MIN..=RETENTION_DAYS_MAX).contains(&days) {
                let why = format!("records are kept for {RETENTION_DAYS_MIN} to {RETENTION_DAYS_MAX} days");
                return Err(EngineError::invalid("/retention_days", why));
            }
            next.retention_days = days;
        }
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
        let first = self.store().records_at(tenant.id, &[1]).await?.into_iter().next();
        let created_at = match first {
            Some(first) => {
                let first: Record =
                    serde_json::from_slice(&first.bytes).map_err(|_| EngineError::Internal)?;
                first.time
            }
            // Cut off by now; the id still says it, to the millisecond.
            None => minted_at(tenant.id.0),
        };
        let snapshot = tenant.snapshot();
        Ok(WorkspaceView {
            id: tenant.id,
            settings: snapshot.settings().clone(),
            policy_set: snapshot.rows.workspace.as_ref().map_or(0, |row| row.policy_set),
            created_at,
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

    /// Says that no node of an earlier version runs any more, so that what this one brought may be used; answers the
    /// feature level from now on.
    ///
    /// # Errors
    /// If the caller may not.
    pub async fn finish_upgrade(&self, caller: &Caller) -> EngineResult<u32> {
        self.permit(caller, Operation::Govern)?;
        Ok(self.store().raise_feature_level(FEATURE_LEVEL).await?)
    }

    /// Says that the log goes on in another place: after a failover that may have lost what was acknowledged, or a
    /// restore that Signoff could not see. What was approved before is held until a person releases it.
    ///
    /// # Errors
    /// If the caller may not.
    pub async fn declare_failover(&self, caller: &Caller) -> EngineResult<u64> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        let caller_then = caller.clone();
        self.write(&tenant, Wants::default(), move |turn| {
            let (principal, _) = turn.principal(&caller_then, Operation::Govern)?;
            turn.raise_epoch(EpochCause::Declared, principal.actor())
        })
        .await
    }
}

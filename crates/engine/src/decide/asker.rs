//! Agents answer what was asked, and withdraw.

use signoff_core::{
    action::check_text, actor::Principal, approval::Command, authority::Operation, id::ApprovalId,
};

use super::{SameDecision, step, wants_of};
use crate::{
    Engine, EngineError, EngineResult,
    approvals::owns,
    content::seal_text,
    idempotency::Once,
    tenant::Tenant,
    view::{ApprovalView, Caller},
};

impl Engine {
    /// The agent answers what was asked.
    ///
    /// # Errors
    /// If nothing was asked, or the approval ended.
    pub async fn answer(
        &self,
        caller: &Caller,
        id: ApprovalId,
        answer: String,
        key: Option<&str>,
    ) -> EngineResult<ApprovalView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::AnswerInfo)?;
        check_text(&answer).map_err(|why| EngineError::invalid("/answer", why))?;
        if answer.trim().is_empty() {
            return Err(EngineError::invalid("/answer", "an answer says something"));
        }
        self.by_asker(
            &tenant,
            caller,
            id,
            ("answer", Operation::AnswerInfo),
            Some(&answer),
            key,
            Command::Answer,
        )
        .await
    }

    /// Withdraws a request: an agent its own, an admin anyone's.
    ///
    /// # Errors
    /// If the approval ended before.
    pub async fn cancel(
        &self,
        caller: &Caller,
        id: ApprovalId,
        reason: Option<String>,
        key: Option<&str>,
    ) -> EngineResult<ApprovalView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Cancel)?;
        check_text(reason.as_deref().unwrap_or_default())
            .map_err(|why| EngineError::invalid("/reason", why))?;
        self.by_asker(
            &tenant,
            caller,
            id,
            ("cancel", Operation::Cancel),
            reason.as_deref(),
            key,
            Command::Cancel,
        )
        .await
    }

    /// Tells those now whom the policy would have told later. Nothing happens where it names nobody, or they were told.
    ///
    /// # Errors
    /// If the approval ended before, or the words are too long.
    pub async fn escalate(&self, caller: &Caller, id: ApprovalId, why: String) -> EngineResult<ApprovalView> {
        let tenant = self.tenant(caller)?;
        let operation = match caller.principal {
            Principal::Agent(_) | Principal::Application(_) => Operation::AnswerInfo,
            Principal::Operator { .. } | Principal::Automation(_) => Operation::Decide,
        };
        self.permit(caller, operation)?;
        check_text(&why).map_err(|why| EngineError::invalid("/reason", why))?;
        self.by_asker(
            &tenant,
            caller,
            id,
            ("escalate", operation),
            Some(&why),
            None,
            Command::EscalateNow,
        )
        .await
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "three callers in this file, each argument differs between them"
    )]
    async fn by_asker(
        &self,
        tenant: &Tenant,
        caller: &Caller,
        id: ApprovalId,
        (name, operation): (&'static str, Operation),
        text: Option<&str>,
        key: Option<&str>,
        command: Command<'static>,
    ) -> EngineResult<ApprovalView> {
        let row = self.approval_row(tenant, caller, id).await?;
        let once = Once::of(
            tenant,
            caller,
            name,
            key,
            &SameDecision {
                approval: id,
                decision: name,
                digest: None,
                text,
                scope: None,
            },
        )?;
        let words = seal_text(&tenant.key, id.0, text);
        let wants = wants_of(tenant, &row, once.as_ref());
        let caller_then = caller.clone();
        self.write(tenant, wants, move |turn| {
            let (principal, _) = turn.principal(&caller_then, operation)?;
            if turn.before::<()>(once.as_ref())?.is_some() {
                return Ok(());
            }
            let row = turn.approval(id)?;
            if !owns(&caller_then, row.agent, row.application, &row.action) {
                return Err(EngineError::not_found("approval", id));
            }
            step(turn, id, &command, &principal.actor(), None, words.clone())?;
            turn.remember(once.as_ref(), &())
        })
        .await?;
        self.approval(caller, id).await
    }
}

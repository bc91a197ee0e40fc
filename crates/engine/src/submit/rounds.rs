//! A submit on its way into a batch: prepared anew, a few times at most, where policy comes to ask for a past that its batch
//! had not read.

use std::sync::Arc;

use signoff_core::{
    counted::{Figures, Moment},
    fold::RowKey,
    judge::AgentFacts,
    rows::ApprovalRow,
};
use signoff_store::Wants;

use super::{Came, Prepared, prepare, take};
use crate::{
    Engine, EngineError, EngineResult,
    idempotency::{Once, want},
    past::{self, ROUNDS_MAX, Ran},
    request::Submit,
    tell::reach,
    tenant::Tenant,
    turn::Turn,
    view::Caller,
};

impl Engine {
    /// Prepares and records; anew where policy came to ask for a past that was not read.
    pub(super) async fn let_in(
        &self,
        tenant: &Tenant,
        caller: &Caller,
        mut submit: Submit,
        once: Option<Once>,
    ) -> EngineResult<Came> {
        let once = Arc::new(once);
        let runner = match submit.action.http {
            Some(_) => Some(self.runner(tenant).await?),
            None => None,
        };
        for _ in 0..ROUNDS_MAX {
            let snapshot = tenant.snapshot();
            let prepared = Arc::new(prepare(tenant, caller, submit, runner, self.now())?);
            let asked = (&prepared.submit.action, &prepared.asker.facts);
            let mut wants = Wants {
                figures: past::keys(tenant, &snapshot.policies, asked, None),
                ..Wants::default()
            };
            want(&mut wants, once.as_ref().as_ref());
            wants
                .rows
                .insert((tenant.id, RowKey::Counter(prepared.asker.facts.id)));
            let standing = prepared.standing.iter();
            wants
                .rows
                .extend(standing.map(|id| (tenant.id, RowKey::Standing(*id))));
            if let Some(replaced) = prepared.submit.replaces {
                wants.rows.insert((tenant.id, RowKey::Approval(replaced)));
            }
            let (caller_then, taken, once) = (caller.clone(), Arc::clone(&prepared), Arc::clone(&once));
            let ran = self.write(tenant, wants, move |turn| {
                turn.attempt(|turn| take(turn, &caller_then, &taken, once.as_ref().as_ref()))
            });
            if let Ran::Done(mut came) = ran.await? {
                if let Came::Now(recorded) = &mut came
                    && let Some(asked) = &recorded.asked
                {
                    recorded.submitted.reach = reach(&tenant.snapshot(), asked, self.now());
                }
                return Ok(came);
            }
            submit = prepared.submit.clone();
        }
        Err(EngineError::Unavailable)
    }
}

/// What was done before, without the pending request that this one takes the place of.
pub(super) fn past_of(turn: &mut Turn<'_>, prepared: &Prepared, facts: &AgentFacts) -> EngineResult<Figures> {
    let rows = &turn.ledger.rows.approvals;
    let replaced = prepared.submit.replaces.and_then(|id| rows.get(&id));
    let leaves = replaced.filter(|row| row.agent == facts.id && !row.status.is_terminal());
    turn.past(
        (&prepared.submit.action, facts),
        None,
        &leaves.map(ApprovalRow::counted_rows).unwrap_or_default(),
    )
}

pub(super) fn at<'a>(turn: &Turn<'_>, past: &'a Figures) -> Moment<'a> {
    Moment {
        now: turn.now(),
        past: Some(past),
    }
}

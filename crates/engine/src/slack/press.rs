//! One press of a button or one form, from what was kept of it: decided as the operator behind the Slack user, once.

use std::sync::Arc;

use signoff_core::{
    actor::{Auth, Principal},
    event::{Via, View},
    id::OperatorId,
    time::Micros,
};
use signoff_notify::slack::{Choice, Interaction, Modal, Reply, Step, open_modal};
use signoff_store::InboxRow;

use super::{At, answer, is_older, operator_at};
use crate::{
    Engine, EngineError, EngineResult,
    contact::SlackIdentity,
    request::{Decide, Decision, Scope},
    view::{ApprovalView, Caller},
};

/// How long what was kept is still decided. Idempotency keys are remembered for longer.
const HANDLED_WITHIN: Micros = Micros::seconds(12 * 3_600);
/// How long Slack lets a press open a form.
const FORM_WITHIN: Micros = Micros::seconds(3);
/// Recorded with each decision.
const BUILD: &str = concat!("signoff-slack ", env!("CARGO_PKG_VERSION"));
const LOCALE: &str = "en";

/// What came of it.
pub(crate) enum Outcome {
    /// The person is to be told.
    Tell(Reply),
    /// A form is open in front of them.
    Asked,
}

impl Engine {
    /// Does what a press or a form asks for, if whoever sent it may.
    ///
    /// # Errors
    /// For what is to be tried again alone; a refusal is an outcome.
    pub(crate) async fn handle_interaction(
        &self,
        at: &At,
        row: &InboxRow,
        interaction: &Interaction,
    ) -> EngineResult<Outcome> {
        let tell = |reply| Ok(Outcome::Tell(reply));
        if is_older(row.received_at, self.now(), HANDLED_WITHIN) {
            return tell(answer::too_late(self, interaction.approval));
        }
        let Some(identity) = at.identity(&interaction.presser) else {
            return tell(answer::of_elsewhere());
        };
        let Some(operator) = row.operator else {
            return tell(answer::not_linked(self));
        };
        if operator_at(&at.tenant.snapshot(), &identity) != Some(operator) {
            return tell(answer::rebound(self));
        }
        let Ok(caller) = caller_of(at, operator, identity) else {
            return tell(answer::rebound(self));
        };
        match self.press(at, row, interaction, &caller).await {
            Ok(outcome) => Ok(outcome),
            Err(
                error @ (EngineError::Unavailable
                | EngineError::Internal
                | EngineError::Busy { .. }
                | EngineError::IdempotencyRunning),
            ) => Err(error),
            // The link was taken back between the look and the vote, or the person was switched off.
            Err(EngineError::Unauthorized) => tell(answer::rebound(self)),
            Err(error) => tell(answer::refused(self, interaction.approval, &error)),
        }
    }

    async fn press(
        &self,
        at: &At,
        row: &InboxRow,
        interaction: &Interaction,
        caller: &Caller,
    ) -> EngineResult<Outcome> {
        at.tenant.present(&at.tenant.snapshot(), caller, self.now())?;
        let view = self.approval(caller, interaction.approval).await?;
        if !view.row.status.is_terminal() && !view.row.decides_elsewhere() {
            return Ok(Outcome::Tell(answer::too_risky(self, &view.row)));
        }
        match &interaction.step {
            Step::Pressed { trigger } if needs_words(interaction.choice, &view) => {
                if let Some(refused) = self.refusal_ahead(caller, interaction, &view) {
                    return Err(refused);
                }
                if is_older(row.received_at, self.now(), FORM_WITHIN) {
                    return Ok(Outcome::Tell(answer::form_too_late(self, interaction.approval)));
                }
                let modal = Modal {
                    choice: interaction.choice,
                    approval: interaction.approval,
                    digest: interaction.digest,
                    shown: interaction.shown,
                    summary: view.sentence.text(),
                    place: interaction.place.clone(),
                };
                match open_modal(&self.inner.egress, &at.app, trigger, &modal).await {
                    Ok(()) => Ok(Outcome::Asked),
                    Err(fault) => {
                        tracing::warn!(channel = %at.channel, %fault, "a form could not be opened at Slack");
                        Ok(Outcome::Tell(answer::form_too_late(self, interaction.approval)))
                    }
                }
            }
            Step::Pressed { .. } => self.decide_at_slack(at, interaction, caller, None).await,
            Step::Submitted { words } => {
                let words = Some(words.clone()).filter(|words| !words.is_empty());
                self.decide_at_slack(at, interaction, caller, words).await
            }
        }
    }

    /// Why the form would be for nothing, before anybody writes anything in it.
    fn refusal_ahead(
        &self,
        caller: &Caller,
        interaction: &Interaction,
        view: &ApprovalView,
    ) -> Option<EngineError> {
        if view.row.status.is_terminal() {
            return Some(EngineError::Ended {
                status: view.row.status,
                by: view.decided_by.clone(),
                at: view.row.decided_at,
            });
        }
        if view.row.digest != interaction.digest {
            return Some(signoff_core::approval::Refusal::DigestMismatch.into());
        }
        let may = self.may(caller, view);
        let refusal = match interaction.choice {
            Choice::Approve => may.approve,
            Choice::Deny => may.deny,
            Choice::Ask => may.request_info,
        };
        refusal.err().map(EngineError::from)
    }

    async fn decide_at_slack(
        &self,
        at: &At,
        interaction: &Interaction,
        caller: &Caller,
        words: Option<String>,
    ) -> EngineResult<Outcome> {
        let digest = interaction.digest;
        let decision = match interaction.choice {
            Choice::Approve => Decision::Approve {
                digest,
                comment: words,
                scope: Scope::Once,
            },
            Choice::Deny => Decision::Deny {
                digest: Some(digest),
                reason: words.unwrap_or_default(),
            },
            Choice::Ask => Decision::RequestInfo {
                question: words.unwrap_or_default(),
            },
        };
        let decide = Decide {
            decision,
            view: Some(View {
                digest: interaction.shown.unwrap_or(digest),
                build: BUILD.to_owned(),
                locale: LOCALE.to_owned(),
                via: Some(Via::Channel { id: at.channel }),
            }),
        };
        // What a crash leaves unmarked is decided once more under the same key, which changes nothing.
        let key = interaction.key.to_string();
        let decided = self
            .decide(caller, interaction.approval, decide, Some(&key))
            .await?;
        Ok(Outcome::Tell(answer::done(self, interaction.choice, &decided)))
    }
}

/// The operator, as a button of a message vouches for them.
fn caller_of(at: &At, operator: OperatorId, identity: SlackIdentity) -> EngineResult<Caller> {
    let snapshot = at.tenant.snapshot();
    // Whether they are switched off is asked when they decide.
    let role = snapshot.rows.operators.get(&operator).map(|row| row.role);
    Ok(Caller {
        workspace: at.tenant.id,
        principal: Principal::Operator {
            id: operator,
            role: role.ok_or(EngineError::Unauthorized)?,
            auth: Auth::Channel,
        },
        key: None,
        part: None,
        slack: Some(Arc::new(identity)),
    })
}

fn needs_words(choice: Choice, view: &ApprovalView) -> bool {
    match choice {
        Choice::Approve => view.row.requirement.require_decision_reason,
        Choice::Deny | Choice::Ask => true,
    }
}

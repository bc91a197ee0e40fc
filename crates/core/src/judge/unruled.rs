//! Answers that no policy gives: that of the workspace where nothing matches, and that of the kill switch.

use super::{DEFAULT_VALID_FOR, PolicySet, ReasonCode, Verdict, deadline};
use crate::{
    action::Action,
    policy::{Effect, Unmatched},
    requirement::Requirement,
};

impl PolicySet {
    pub(super) fn unmatched_verdict(&self, action: &Action, failed: bool) -> Verdict {
        let unmatched = match action.grant {
            Some(_) => self.settings.unmatched_calls,
            None => self.settings.unmatched,
        };
        let effect = match unmatched {
            _ if action.require_approval => Effect::Ask,
            Unmatched::Deny => Effect::Deny,
            Unmatched::RequireApproval => Effect::Ask,
            // A policy that could have governed failed to evaluate: the default can't open the gate.
            Unmatched::Allow if failed => Effect::Ask,
            Unmatched::Allow => Effect::Allow,
        };
        let code = (effect == Effect::Deny).then_some(ReasonCode::Unmatched);
        self.without_policy(action, effect, code)
    }

    /// The strongest denial: no policy, claim or setting comes before it.
    pub(super) fn refused_by_stop(&self, action: &Action) -> Verdict {
        self.without_policy(action, Effect::Deny, Some(ReasonCode::Stopped))
    }

    fn without_policy(&self, action: &Action, effect: Effect, code: Option<ReasonCode>) -> Verdict {
        let (decide_within, timeout_cut) = deadline(None, action);
        Verdict {
            effect,
            code,
            policy: None,
            conditions: Vec::new(),
            requirement: Requirement::of(self.settings.default_approvers.clone(), 1, 1),
            decide_within,
            timeout_cut,
            valid_for: DEFAULT_VALID_FOR,
            escalate: None,
            notify: Vec::new(),
            lacks: Vec::new(),
            raised: None,
        }
    }
}

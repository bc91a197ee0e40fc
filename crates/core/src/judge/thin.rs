//! Requests that say too little for anybody to judge them: bounced back to the agent, so that nobody is disturbed.

use super::Prepared;
use crate::{action::Action, policy::Lack};

impl Prepared {
    /// What the policy wants to be told, and was not; all of it at once.
    pub(super) fn lacks(&self, action: &Action) -> Vec<Lack> {
        let reason = action.claims.reason.as_deref().unwrap_or_default();
        let wordless = self.doc.require_reason && reason.trim().is_empty();
        let reason = wordless.then(|| Lack {
            pointer: "/reason".into(),
            why: "`reason` is missing: say in a sentence why this should be done".into(),
        });
        let contract = self.contract.as_ref();
        let context = contract.map(|contract| contract.lacks(&action.context));
        reason.into_iter().chain(context.unwrap_or_default()).collect()
    }
}

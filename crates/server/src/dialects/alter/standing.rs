//! How a call stands, in Alter's seven words. It knows fewer ends than Signoff: what was withdrawn or replaced reads as
//! denied, what was approved and has no answer of the provider as failed. Nothing that was not approved reads as approved.

use signoff_core::approval::StageState;
use signoff_core::event::{ApprovalStatus, ExecutionState};
use signoff_engine::view::{ApprovalView, CallResult};

use crate::api::no_answer;

/// The state of an approval and of its call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Pending,
    Approved,
    Executing,
    Executed,
    Denied,
    Expired,
    Failed,
}

impl Word {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Executing => "executing",
            Self::Executed => "executed",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Failed => "failed",
        }
    }
}

/// What people said, as far as they did.
fn decision(status: ApprovalStatus) -> Word {
    use ApprovalStatus as S;
    match status {
        S::Pending | S::InfoRequested => Word::Pending,
        S::Approved => Word::Approved,
        // An answer to a question is no permission to call.
        S::Denied | S::Cancelled | S::Superseded | S::Answered => Word::Denied,
        S::Expired => Word::Expired,
    }
}

/// Where a call stands of which nobody knows more than its approval, or also what became of it.
pub(super) fn word(status: ApprovalStatus, result: Option<&CallResult>) -> Word {
    match (decision(status), result) {
        (Word::Approved, Some(result)) => of_call(result.state, result.answer.is_some()),
        (word, _) => word,
    }
}

fn of_call(state: ExecutionState, is_answered: bool) -> Word {
    use ExecutionState as S;
    match state {
        S::Ready => Word::Approved,
        S::Consumed | S::Executing => Word::Executing,
        S::Executed if is_answered => Word::Executed,
        // A person said so, or the answer was erased: there is nothing to hand over, now or later.
        S::Executed | S::Reported | S::Failed | S::Indeterminate | S::Lapsed | S::Revoked => Word::Failed,
    }
}

/// Why there is no answer of the provider, for the agent.
pub(super) fn why_failed(result: &CallResult) -> String {
    let why = no_answer(result).problem().detail.clone();
    if result.state == ExecutionState::Indeterminate {
        return format!(
            "nobody knows whether the call arrived ({why}); a person looks into it, don't repeat it unseen"
        );
    }
    why
}

/// Why there is a denial or nothing at all, beside what the decider said.
pub(super) fn why_not(status: ApprovalStatus) -> Option<&'static str> {
    use ApprovalStatus as S;
    match status {
        S::Cancelled => Some("the request was cancelled"),
        S::Superseded => Some("an amended request took the place of this one"),
        S::Expired => Some("nobody decided in time"),
        S::Answered => Some("a question was answered; that is no permission to call"),
        S::Pending | S::InfoRequested | S::Approved | S::Denied => None,
    }
}

/// The words of the gates, one for each stage: what is decided of it, never how the call goes on.
pub(super) fn gates(view: &ApprovalView) -> Vec<Word> {
    let whole = decision(view.row.status);
    let of_stage = |state: StageState| match (state, whole) {
        (StageState::Done, _) => Word::Approved,
        (StageState::Open | StageState::Waiting | StageState::Closed, whole) => whole,
    };
    let gates: Vec<Word> = view.stages.iter().map(|stage| of_stage(stage.state)).collect();
    if gates.is_empty() { vec![whole] } else { gates }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_was_not_approved_reads_as_approved() {
        for status in ApprovalStatus::ALL {
            let word = word(*status, None);
            let was_approved = *status == ApprovalStatus::Approved;
            assert_eq!(word == Word::Approved, was_approved, "{status:?}");
            assert!(!matches!(word, Word::Executing | Word::Executed), "{status:?}");
        }
    }

    #[test]
    fn only_a_call_with_an_answer_reads_as_executed() {
        for state in ExecutionState::ALL {
            assert_ne!(of_call(*state, false), Word::Executed, "{state:?}");
            let is_executed = of_call(*state, true) == Word::Executed;
            assert_eq!(is_executed, *state == ExecutionState::Executed, "{state:?}");
        }
    }
}

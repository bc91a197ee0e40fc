//! Whether what was approved may still run, for clients that take an approval for the permission itself.

use signoff_core::event::ExecutionState;
use signoff_engine::view::ApprovalView;

/// What became of the permission that an approval gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permission {
    /// It may be used, or was.
    Given,
    /// Nothing goes on before a person releases it: the server was restored from a copy.
    Held,
    /// Its time passed before it was picked up.
    RanOut,
    /// It was taken back before it was picked up.
    TakenBack,
}

impl Permission {
    /// That of an approval, which must have ended well.
    pub(super) fn of(view: &ApprovalView) -> Self {
        let Some(execution) = &view.execution else {
            return Self::TakenBack;
        };
        match execution.state {
            ExecutionState::Ready if view.now >= execution.run_by => Self::RanOut,
            ExecutionState::Ready if view.held => Self::Held,
            ExecutionState::Lapsed => Self::RanOut,
            ExecutionState::Revoked => Self::TakenBack,
            ExecutionState::Ready
            | ExecutionState::Consumed
            | ExecutionState::Reported
            | ExecutionState::Executing
            | ExecutionState::Executed
            | ExecutionState::Failed
            | ExecutionState::Indeterminate => Self::Given,
        }
    }
}

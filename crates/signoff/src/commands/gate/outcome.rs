//! How a gate can end, and with which exit code.

use serde::Serialize;
use signoff_api::action::{SubmitAnswer, VerdictCode, VerdictKind};
use signoff_api::approval::ApprovalStatus;

use crate::exit::Exit;

/// How a gate ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// Policy lets it pass.
    Allowed,
    /// A person said yes.
    Approved,
    /// Policy or a person said no.
    Denied,
    /// It was called off by somebody else.
    Cancelled,
    /// An amended request took its place.
    Superseded,
    /// The approval's own deadline passed.
    Expired,
    /// Our own `--wait` ran out before the approval's deadline.
    WaitOver,
    /// We were told to stop.
    Interrupted,
    /// There was a yes, but its permission is gone: used already, lapsed, taken back.
    Unusable,
}

impl Outcome {
    /// Whether the action may be carried out.
    pub(crate) const fn is_yes(self) -> bool {
        matches!(self, Self::Allowed | Self::Approved)
    }

    /// The exit code, as long as no command's own takes its place.
    pub(crate) const fn exit(self) -> Exit {
        match self {
            Self::Allowed | Self::Approved => Exit::Ok,
            Self::Denied | Self::Cancelled | Self::Superseded | Self::Interrupted | Self::Unusable => {
                Exit::Refused
            }
            Self::Expired | Self::WaitOver => Exit::TimedOut,
        }
    }

    /// The same in words.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded by an amended request",
            Self::Expired => "expired: nobody decided in time",
            Self::WaitOver => "not decided within --wait",
            Self::Interrupted => "interrupted",
            Self::Unusable => "approved, but the permission can't be used",
        }
    }
}

/// What an approval's end, or its lack of one, means for who waits.
pub(crate) const fn of_status(status: ApprovalStatus) -> Outcome {
    match status {
        ApprovalStatus::Approved | ApprovalStatus::Answered => Outcome::Approved,
        ApprovalStatus::Denied => Outcome::Denied,
        ApprovalStatus::Expired => Outcome::Expired,
        ApprovalStatus::Cancelled => Outcome::Cancelled,
        ApprovalStatus::Superseded => Outcome::Superseded,
        ApprovalStatus::Pending | ApprovalStatus::InfoRequested => Outcome::WaitOver,
    }
}

/// What the answer to a submit means; nothing while a person is asked.
pub(crate) const fn of_answer(answer: &SubmitAnswer) -> Option<Outcome> {
    match (answer.verdict, answer.code) {
        (VerdictKind::PendingApproval, _) => None,
        (VerdictKind::Allowed, _) if answer.approval_id.is_some() => Some(Outcome::Approved),
        (VerdictKind::Allowed, _) => Some(Outcome::Allowed),
        (VerdictKind::Denied, Some(VerdictCode::ApprovalTimeout)) => Some(Outcome::Expired),
        (VerdictKind::Denied, Some(VerdictCode::Cancelled)) => Some(Outcome::Cancelled),
        (VerdictKind::Denied, Some(VerdictCode::Superseded)) => Some(Outcome::Superseded),
        (VerdictKind::Denied, _) => Some(Outcome::Denied),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_exits_zero() {
        let cases = [
            (ApprovalStatus::Approved, 0),
            (ApprovalStatus::Answered, 0),
            (ApprovalStatus::Denied, 1),
            (ApprovalStatus::Cancelled, 1),
            (ApprovalStatus::Superseded, 1),
            (ApprovalStatus::Expired, 2),
            (ApprovalStatus::Pending, 2),
            (ApprovalStatus::InfoRequested, 2),
        ];
        for (status, code) in cases {
            let outcome = of_status(status);
            assert_eq!(outcome.exit().code(), code, "{status}");
            assert_eq!(outcome.is_yes(), code == 0, "{status}");
        }
        for outcome in [Outcome::Interrupted, Outcome::Unusable, Outcome::WaitOver] {
            assert!(!outcome.is_yes() && outcome.exit() != Exit::Ok, "{outcome:?}");
        }
    }
}

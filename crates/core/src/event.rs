//! What can happen, in versioned types. An event carries what the fold needs and nothing personal: free text and
//! objects are payloads, people are named by id.

use serde::{Deserialize, Serialize};

use crate::{channel::ChannelKind, judge::ReasonCode, policy::Unmatched, stop::StopTarget};

mod log;
mod request;
mod standing;
mod stop;
mod workspace;

pub use log::*;
pub use request::*;
pub use standing::*;
pub use stop::*;
pub use workspace::*;

/// One thing that happened. The type's name carries its version; core keeps reading old ones for ever.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
#[allow(missing_docs, reason = "each variant is documented by its data type")]
#[allow(
    clippy::large_enum_variant,
    reason = "the event of a policy is large and rare, and moved a few times"
)]
pub enum Event {
    #[serde(rename = "workspace.created.v1")]
    WorkspaceCreated(WorkspaceSet),
    #[serde(rename = "workspace.updated.v1")]
    WorkspaceUpdated(WorkspaceSet),
    #[serde(rename = "policy.put.v1")]
    PolicyPut(PolicyPut),
    #[serde(rename = "policy.removed.v1")]
    PolicyRemoved(PolicyRemoved),
    #[serde(rename = "policy_set.applied.v1")]
    PolicySetApplied(PolicySetApplied),
    #[serde(rename = "agent.put.v1")]
    AgentPut(AgentPut),
    #[serde(rename = "application.put.v1")]
    ApplicationPut(ApplicationPut),
    #[serde(rename = "operator.put.v1")]
    OperatorPut(OperatorPut),
    #[serde(rename = "operator.password_set.v1")]
    PasswordSet(PasswordSet),
    #[serde(rename = "operator.contact_set.v1")]
    ContactSet(ContactSet),
    #[serde(rename = "operator.signed_in.v1")]
    SignedIn(Nothing),
    #[serde(rename = "operator.sign_in_failed.v1")]
    SignInFailed(Nothing),
    #[serde(rename = "operator.signed_out.v1")]
    SignedOut(Nothing),
    #[serde(rename = "group.put.v1")]
    GroupPut(GroupPut),
    #[serde(rename = "group.removed.v1")]
    GroupRemoved(Nothing),
    #[serde(rename = "key.set.v1")]
    KeySet(KeySet),
    #[serde(rename = "key.revoked.v1")]
    KeyRevoked(Nothing),
    #[serde(rename = "channel.put.v1")]
    ChannelPut(ChannelPut),
    #[serde(rename = "channel.removed.v1")]
    ChannelRemoved(Nothing),
    #[serde(rename = "grant.put.v1")]
    GrantPut(Box<GrantPut>),
    #[serde(rename = "grant.refreshed.v1")]
    GrantRefreshed(GrantRefreshed),
    #[serde(rename = "grant.removed.v1")]
    GrantRemoved(GrantRemoved),
    #[serde(rename = "action.allowed.v1")]
    ActionAllowed(ActionAllowed),
    #[serde(rename = "action.denied.v1")]
    ActionDenied(ActionDenied),
    #[serde(rename = "action.noted.v1")]
    ActionNoted(ActionNoted),
    #[serde(rename = "approval.requested.v1")]
    ApprovalRequested(Box<ApprovalRequested>),
    #[serde(rename = "approval.rejudged.v1")]
    ApprovalRejudged(Box<ApprovalRejudged>),
    #[serde(rename = "approval.voted.v1")]
    ApprovalVoted(ApprovalVoted),
    #[serde(rename = "approval.edited.v1")]
    ApprovalEdited(Box<ApprovalEdited>),
    #[serde(rename = "approval.info_requested.v1")]
    InfoRequested(Nothing),
    #[serde(rename = "approval.info_answered.v1")]
    InfoAnswered(Nothing),
    #[serde(rename = "approval.escalated.v1")]
    ApprovalEscalated(ApprovalEscalated),
    #[serde(rename = "approval.ended.v1")]
    ApprovalEnded(ApprovalEnd),
    #[serde(rename = "execution.consumed.v1")]
    ExecutionConsumed(ExecutionTouched),
    #[serde(rename = "execution.reported.v1")]
    ExecutionReported(ExecutionReported),
    #[serde(rename = "execution.started.v1")]
    ExecutionStarted(ExecutionStarted),
    #[serde(rename = "execution.repeated.v1")]
    ExecutionRepeated(ExecutionRepeated),
    #[serde(rename = "execution.finished.v1")]
    ExecutionFinished(ExecutionFinished),
    #[serde(rename = "execution.settled.v1")]
    ExecutionSettled(ExecutionSettled),
    #[serde(rename = "execution.lapsed.v1")]
    ExecutionLapsed(Nothing),
    #[serde(rename = "execution.revoked.v1")]
    ExecutionRevoked(ExecutionRevoked),
    #[serde(rename = "payload.erased.v1")]
    PayloadErased(PayloadErased),
    #[serde(rename = "execution.released.v1")]
    ExecutionReleased(Nothing),
    #[serde(rename = "log.epoch_raised.v1")]
    EpochRaised(EpochRaised),
    #[serde(rename = "log.cut.v1")]
    LogCut(LogCut),
    #[serde(rename = "stop.pulled.v1")]
    StopPulled(StopPulled),
    #[serde(rename = "stop.lifted.v1")]
    StopLifted(StopLifted),
    #[serde(rename = "standing_approval.granted.v1")]
    StandingGranted(Box<StandingGranted>),
    #[serde(rename = "standing_approval.revoked.v1")]
    StandingRevoked(Nothing),
}

/// The feature level that this build reads and writes. Each release that brings new kinds of events raises it by one;
/// they are written only once the store was raised to their level, so that nodes of the release before understand all
/// they meet until the last of them is gone.
pub const FEATURE_LEVEL: u32 = 5;

impl Event {
    /// The versioned name, as in the record.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::WorkspaceCreated(_) => "workspace.created.v1",
            Self::WorkspaceUpdated(_) => "workspace.updated.v1",
            Self::PolicyPut(_) => "policy.put.v1",
            Self::PolicyRemoved(_) => "policy.removed.v1",
            Self::PolicySetApplied(_) => "policy_set.applied.v1",
            Self::AgentPut(_) => "agent.put.v1",
            Self::ApplicationPut(_) => "application.put.v1",
            Self::OperatorPut(_) => "operator.put.v1",
            Self::PasswordSet(_) => "operator.password_set.v1",
            Self::ContactSet(_) => "operator.contact_set.v1",
            Self::SignedIn(_) => "operator.signed_in.v1",
            Self::SignInFailed(_) => "operator.sign_in_failed.v1",
            Self::SignedOut(_) => "operator.signed_out.v1",
            Self::GroupPut(_) => "group.put.v1",
            Self::GroupRemoved(_) => "group.removed.v1",
            Self::KeySet(_) => "key.set.v1",
            Self::KeyRevoked(_) => "key.revoked.v1",
            Self::ChannelPut(_) => "channel.put.v1",
            Self::ChannelRemoved(_) => "channel.removed.v1",
            Self::GrantPut(_) => "grant.put.v1",
            Self::GrantRefreshed(_) => "grant.refreshed.v1",
            Self::GrantRemoved(_) => "grant.removed.v1",
            Self::ActionAllowed(_) => "action.allowed.v1",
            Self::ActionDenied(_) => "action.denied.v1",
            Self::ActionNoted(_) => "action.noted.v1",
            Self::ApprovalRequested(_) => "approval.requested.v1",
            Self::ApprovalRejudged(_) => "approval.rejudged.v1",
            Self::ApprovalVoted(_) => "approval.voted.v1",
            Self::ApprovalEdited(_) => "approval.edited.v1",
            Self::InfoRequested(_) => "approval.info_requested.v1",
            Self::InfoAnswered(_) => "approval.info_answered.v1",
            Self::ApprovalEscalated(_) => "approval.escalated.v1",
            Self::ApprovalEnded(_) => "approval.ended.v1",
            Self::ExecutionConsumed(_) => "execution.consumed.v1",
            Self::ExecutionReported(_) => "execution.reported.v1",
            Self::ExecutionStarted(_) => "execution.started.v1",
            Self::ExecutionRepeated(_) => "execution.repeated.v1",
            Self::ExecutionFinished(_) => "execution.finished.v1",
            Self::ExecutionSettled(_) => "execution.settled.v1",
            Self::ExecutionLapsed(_) => "execution.lapsed.v1",
            Self::ExecutionRevoked(_) => "execution.revoked.v1",
            Self::PayloadErased(_) => "payload.erased.v1",
            Self::ExecutionReleased(_) => "execution.released.v1",
            Self::EpochRaised(_) => "log.epoch_raised.v1",
            Self::LogCut(_) => "log.cut.v1",
            Self::StopPulled(_) => "stop.pulled.v1",
            Self::StopLifted(_) => "stop.lifted.v1",
            Self::StandingGranted(_) => "standing_approval.granted.v1",
            Self::StandingRevoked(_) => "standing_approval.revoked.v1",
        }
    }

    /// The feature level from which the event may be written: that of its type, or of what it says beyond what its type
    /// first said.
    pub fn feature_level(&self) -> u32 {
        match self {
            Self::ExecutionReleased(_) | Self::EpochRaised(_) | Self::LogCut(_) => 2,
            Self::GrantPut(_)
            | Self::GrantRefreshed(_)
            | Self::GrantRemoved(_)
            | Self::ExecutionRepeated(_)
            | Self::ContactSet(_)
            | Self::ActionNoted(_) => 5,
            // An older node would post to it as to a webhook.
            Self::ChannelPut(put) if put.kind != ChannelKind::Webhook => 5,
            Self::StopPulled(StopPulled { target }) | Self::StopLifted(StopLifted { target })
                if matches!(target, StopTarget::Grant(_)) =>
            {
                5
            }
            // An older node would let it do everything.
            Self::KeySet(set) if set.delegation.is_some() => 5,
            Self::ActionDenied(denied) if denied.code == ReasonCode::OutOfScope => 5,
            Self::ExecutionStarted(started) if started.runner.is_some() => 5,
            Self::ExecutionFinished(finished) if finished.runner.is_some() => 5,
            Self::ExecutionRevoked(revoked) if revoked.because.is_some() => 5,
            Self::ActionAllowed(ActionAllowed { action, .. })
            | Self::ActionDenied(ActionDenied { action, .. })
                if action.call.is_some() =>
            {
                5
            }
            Self::ApprovalRequested(requested) if requested.action.call.is_some() => 5,
            Self::StopPulled(_) | Self::StopLifted(_) => 3,
            Self::ApprovalEdited(edited) => edited.requirement.feature_level().max(4),
            Self::StandingGranted(_) | Self::StandingRevoked(_) => 4,
            Self::ActionAllowed(allowed) if allowed.standing.is_some() => 4,
            Self::PolicyPut(put) => put.policy.feature_level(),
            // An older node would let through what this one asks about.
            Self::WorkspaceCreated(set) | Self::WorkspaceUpdated(set)
                if set.settings.unmatched_calls != Unmatched::Allow =>
            {
                5
            }
            Self::ActionAllowed(ActionAllowed { action, .. })
            | Self::ActionDenied(ActionDenied { action, .. })
                if action.claimed.is_some() || !action.counted.is_empty() =>
            {
                4
            }
            Self::ApprovalRequested(requested)
                if requested.action.claimed.is_some() || !requested.action.counted.is_empty() =>
            {
                requested.requirement.feature_level().max(4)
            }
            Self::ApprovalRequested(requested) => requested.requirement.feature_level(),
            Self::ApprovalRejudged(rejudged) => rejudged.requirement.feature_level(),
            // An older node would keep the vote without where it was cast.
            Self::ApprovalVoted(voted) if voted.via().is_some() => 5,
            Self::ApprovalVoted(voted) if voted.stage.is_some() => 3,
            _ => 1,
        }
    }

    /// Which epochs the event moves: what was judged before it must be judged again.
    pub fn moves(&self) -> Moves {
        match self {
            Self::WorkspaceCreated(_) | Self::WorkspaceUpdated(_) => Moves {
                policy: true,
                authority: true,
                stop: false,
            },
            Self::PolicyPut(_)
            | Self::PolicyRemoved(_)
            | Self::PolicySetApplied(_)
            // What is asked next may be answered already.
            | Self::StandingGranted(_)
            | Self::StandingRevoked(_) => Moves {
                policy: true,
                ..Moves::NOTHING
            },
            Self::AgentPut(_)
            | Self::ApplicationPut(_)
            | Self::OperatorPut(_)
            | Self::PasswordSet(_)
            | Self::ContactSet(_)
            | Self::GroupPut(_)
            | Self::GroupRemoved(_)
            | Self::KeySet(_)
            | Self::KeyRevoked(_)
            | Self::ChannelPut(_)
            | Self::ChannelRemoved(_)
            | Self::GrantPut(_)
            | Self::GrantRefreshed(_)
            | Self::GrantRemoved(_)
            // What may be carried out depends on both, and snapshots carry them.
            | Self::EpochRaised(_)
            | Self::LogCut(_) => Moves {
                authority: true,
                ..Moves::NOTHING
            },
            Self::StopPulled(_) | Self::StopLifted(_) => Moves {
                stop: true,
                ..Moves::NOTHING
            },
            _ => Moves::NOTHING,
        }
    }

    /// Whether something may be carried out by it, now or later: what no stop lets happen to whom it covers.
    pub fn lets_go_on(&self) -> bool {
        let approves =
            |end: &ApprovalEnd| matches!(end.status, ApprovalStatus::Approved | ApprovalStatus::Answered);
        match self {
            Self::ActionAllowed(_)
            | Self::ExecutionConsumed(_)
            | Self::ExecutionStarted(_)
            | Self::ExecutionRepeated(_) => true,
            Self::ApprovalVoted(voted) => voted.end.as_ref().is_some_and(approves),
            Self::ApprovalEnded(end) => approves(end),
            Self::ExecutionSettled(settled) => settled.state == ExecutionState::Ready,
            _ => false,
        }
    }
}

/// Which epochs an event moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moves {
    /// Policies or settings changed.
    pub policy: bool,
    /// Who is who, or who may do what, changed.
    pub authority: bool,
    /// A kill switch was pulled or lifted.
    pub stop: bool,
}

impl Moves {
    const NOTHING: Self = Self {
        policy: false,
        authority: false,
        stop: false,
    };

    /// Whether what was judged before may be judged otherwise now.
    pub fn anything(self) -> bool {
        self.policy || self.authority || self.stop
    }
}

/// An event that says all with its type, subject and actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Nothing {}

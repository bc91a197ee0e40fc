//! Closed lists of words that wire and domain spell alike: a new one on either side fails to compile here.

use signoff_api::{
    action, approval, call, channel, common, execution, grant, lint, operator, policy, simulation, webhook,
};
use signoff_core::{
    action as core_action, actor, approval as core_approval, condition, event, grant as core_grant, judge,
    lint as core_lint, policy as core_policy, requirement,
};

use super::{ToCore, ToWire};

macro_rules! to_wire {
    ($($core:ty => $wire:ty { $($from:ident => $to:ident),+ $(,)? })+) => {$(
        impl ToWire for $core {
            type Wire = $wire;

            fn to_wire(&self) -> $wire {
                match self { $(<$core>::$from => <$wire>::$to),+ }
            }
        }
    )+};
}

macro_rules! to_core {
    ($($wire:ty => $core:ty { $($from:ident => $to:ident),+ $(,)? })+) => {$(
        impl ToCore for $wire {
            type Core = $core;

            fn to_core(self) -> $core {
                match self { $(<$wire>::$from => <$core>::$to),+ }
            }
        }
    )+};
}

to_wire! {
    core_action::Priority => common::Priority { Low => Low, Medium => Medium, High => High, Critical => Critical }
    core_action::Risk => common::Risk { Minimal => Minimal, Low => Low, Medium => Medium, High => High, Critical => Critical }
    actor::ActorKind => common::ActorKind {
        Agent => Agent, Application => Application, Operator => Operator, Automation => Automation, System => System,
        Stranger => Stranger,
    }
    requirement::Role => operator::Role { Viewer => Viewer, Member => Member, Admin => Admin }
    core_lint::Severity => lint::Severity { Note => Note, Warning => Warning, Error => Error }
    core_policy::Effect => action::VerdictKind { Allow => Allowed, Ask => PendingApproval, Deny => Denied }
    core_policy::PolicyEffect => policy::Effect {
        Allow => Allow, Deny => Deny, RequireApproval => RequireApproval, Conditional => Conditional,
    }
    core_policy::Otherwise => policy::Otherwise { RequireApproval => RequireApproval, Deny => Deny }
    core_policy::Unmatched => policy::Unmatched { Deny => Deny, RequireApproval => Ask, Allow => Allow }
    core_policy::Orphaned => policy::Orphaned { Judge => Judge, Release => Release, Deny => Deny, Keep => Keep }
    condition::Operator => policy::Operator {
        Eq => Eq, Ne => Ne, Gt => Gt, Gte => Gte, Lt => Lt, Lte => Lte, In => In, NotIn => NotIn,
        Contains => Contains, Matches => Matches, Exists => Exists,
    }
    condition::Outcome => action::ConditionResult { True => True, False => False, Error => Error }
    judge::ReasonCode => action::VerdictCode {
        PolicyDenied => PolicyDenied, ConditionsDenied => ConditionsDenied, Unmatched => Unmatched,
        DeniedByReviewer => DeniedByReviewer, ApprovalTimeout => ApprovalTimeout, Cancelled => Cancelled,
        Superseded => Superseded, Stopped => Stopped, OutOfScope => OutOfScope,
    }
    event::ApprovalStatus => approval::ApprovalStatus {
        Pending => Pending, InfoRequested => InfoRequested, Approved => Approved, Answered => Answered,
        Denied => Denied, Expired => Expired, Cancelled => Cancelled, Superseded => Superseded,
    }
    core_approval::StageState => approval::StageState {
        Done => Done, Open => Open, Waiting => Waiting, Closed => Closed,
    }
    requirement::LinkMode => approval::LinkMode { Operator => Operator, Anyone => Anyone, None => None }
    requirement::Unusable => approval::UnresolvedWhy {
        Missing => Missing, NotAnAddress => NotAnAddress, OtherDomain => OtherDomain, Unknown => Unknown,
    }
    event::Ballot => approval::VoteDecision { Approve => Approve, Deny => Deny }
    event::ExecutionState => execution::ExecutionStatus {
        Ready => Ready, Consumed => Consumed, Reported => Reported, Executing => Executing, Executed => Executed,
        Failed => Failed, Indeterminate => Indeterminate, Lapsed => Lapsed, Revoked => Revoked,
    }
    event::CallFault => call::CallFault {
        Forbidden => Forbidden, Unreachable => Unreachable, TimedOut => TimedOut, Broken => Broken,
        Interrupted => Interrupted, Credential => Credential,
    }
    event::RevokedBecause => call::RevokedBecause {
        Agent => Agent, Stopped => Stopped, Grant => Grant, Policy => Policy, Content => Content,
    }
    core_grant::OauthFlow => grant::OauthFlow {
        ClientCredentials => ClientCredentials, RefreshToken => RefreshToken,
    }
    core_grant::OauthClientAuth => grant::OauthClientAuth { Basic => Basic, Body => Body }
    event::ReportOutcome => execution::Outcome {
        Success => Success, Failure => Failure, Partial => Partial, Blocked => Blocked,
    }
    signoff_engine::view::PastOutcome => simulation::PastOutcome {
        DeniedByReviewer => DeniedByReviewer, Denied => Denied, Stopped => Stopped, Expired => Expired,
        Cancelled => Cancelled, Superseded => Superseded, Pending => Pending, Approved => Approved, Allowed => Allowed,
    }
    signoff_engine::view::Simulated => simulation::SimulatedKind {
        Allowed => Allowed, Asked => PendingApproval, SentBack => SentBack, Denied => Denied,
    }
    signoff_engine::view::CutShort => simulation::CutShort { Actions => Actions, Time => Time }
    signoff_core::channel::ChannelKind => channel::ChannelKind {
        Webhook => Webhook, Callback => Callback, Email => Email, Slack => Slack, SlackWebhook => SlackWebhook,
        Teams => Teams, Pagerduty => Pagerduty, Sms => Sms, Push => Push,
    }
    signoff_engine::view::DeliveryState => webhook::DeliveryStatus {
        Waiting => Pending, Delivered => Delivered, Failed => Failed, Skipped => Skipped,
    }
}

to_core! {
    common::Priority => core_action::Priority { Low => Low, Medium => Medium, High => High, Critical => Critical }
    common::Risk => core_action::Risk { Minimal => Minimal, Low => Low, Medium => Medium, High => High, Critical => Critical }
    operator::Role => requirement::Role { Viewer => Viewer, Member => Member, Admin => Admin }
    approval::LinkMode => requirement::LinkMode { Operator => Operator, Anyone => Anyone, None => None }
    policy::Effect => core_policy::PolicyEffect {
        Allow => Allow, Deny => Deny, RequireApproval => RequireApproval, Conditional => Conditional,
    }
    policy::Otherwise => core_policy::Otherwise { RequireApproval => RequireApproval, Deny => Deny }
    policy::Unmatched => core_policy::Unmatched { Deny => Deny, Ask => RequireApproval, Allow => Allow }
    policy::Orphaned => core_policy::Orphaned { Judge => Judge, Release => Release, Deny => Deny, Keep => Keep }
    policy::Operator => condition::Operator {
        Eq => Eq, Ne => Ne, Gt => Gt, Gte => Gte, Lt => Lt, Lte => Lte, In => In, NotIn => NotIn,
        Contains => Contains, Matches => Matches, Exists => Exists,
    }
    approval::ApprovalStatus => event::ApprovalStatus {
        Pending => Pending, InfoRequested => InfoRequested, Approved => Approved, Answered => Answered,
        Denied => Denied, Expired => Expired, Cancelled => Cancelled, Superseded => Superseded,
    }
    execution::Outcome => event::ReportOutcome {
        Success => Success, Failure => Failure, Partial => Partial, Blocked => Blocked,
    }
    execution::ExecutionStatus => event::ExecutionState {
        Ready => Ready, Consumed => Consumed, Reported => Reported, Executing => Executing, Executed => Executed,
        Failed => Failed, Indeterminate => Indeterminate, Lapsed => Lapsed, Revoked => Revoked,
    }
    grant::OauthFlow => core_grant::OauthFlow {
        ClientCredentials => ClientCredentials, RefreshToken => RefreshToken,
    }
    grant::OauthClientAuth => core_grant::OauthClientAuth { Basic => Basic, Body => Body }
    execution::Settlement => event::ExecutionState { Executed => Executed, Failed => Failed, Ready => Ready }
    common::Until => signoff_engine::request::Until { Decided => Decided, Changed => Changed }
}

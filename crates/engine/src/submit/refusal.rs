//! One sentence for the agent about a refusal.

use signoff_core::{
    actor::ActorKind,
    id::{AgentId, GrantId},
    judge::{ReasonCode, Verdict},
    stop::{Stop, StopTarget},
};

use crate::snapshot::Snapshot;

/// Why a verdict refuses what this agent asks for; none where it does not.
pub(crate) fn refusal(
    snapshot: &Snapshot,
    agent: (AgentId, &str),
    grant: Option<GrantId>,
    verdict: &Verdict,
) -> Option<String> {
    let code = verdict.code?;
    let stopped = stopped_sentence(snapshot, agent, grant).filter(|_| code == ReasonCode::Stopped);
    let policy = verdict.policy.as_ref().map(|policy| policy.name.as_str());
    Some(stopped.unwrap_or_else(|| refusal_sentence(code, policy)))
}

/// What a code alone says, as long as nothing more is known.
pub(crate) fn refusal_sentence(code: ReasonCode, policy: Option<&str>) -> String {
    let policy = policy.unwrap_or("a policy that is gone");
    match code {
        ReasonCode::PolicyDenied => format!("the policy `{policy}` denies this action"),
        ReasonCode::ConditionsDenied => {
            format!("the conditions of the policy `{policy}` do not hold for this action")
        }
        ReasonCode::Unmatched => {
            "no policy covers this action, and the workspace denies what no policy covers".into()
        }
        ReasonCode::DeniedByReviewer => "a reviewer denied it".into(),
        ReasonCode::ApprovalTimeout => "nobody decided in time".into(),
        ReasonCode::Cancelled => "the request was cancelled".into(),
        ReasonCode::Superseded => "an amended request took its place".into(),
        ReasonCode::OutOfScope => "the key was handed on for other actions than this".into(),
        ReasonCode::Stopped => "the agent, the grant, or everything was stopped by an operator".into(),
    }
}

/// What the stop says that covers an agent now; none where none does. Who pulled it is not for agents to know, nor why.
pub(crate) fn stopped_sentence(
    snapshot: &Snapshot,
    (id, name): (AgentId, &str),
    grant: Option<GrantId>,
) -> Option<String> {
    let (target, Stop { by, at, .. }) = snapshot.policies.stops().over_call(id, grant)?;
    let by = match by.kind {
        ActorKind::Automation => "automation",
        _ => "an operator",
    };
    let until = "is carried out until an admin lifts the stop";
    Some(match target {
        StopTarget::Workspace => {
            format!("everything was stopped by {by} at {at}; nothing that any agent asks for {until}")
        }
        StopTarget::Agent(_) => {
            format!("agent {name} was stopped by {by} at {at}; nothing it asks for {until}")
        }
        StopTarget::Grant(id) => {
            let grant = snapshot.grant_name(id);
            format!("the grant {grant} was stopped by {by} at {at}; no call with it {until}")
        }
    })
}

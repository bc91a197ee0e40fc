//! What is wrong with a policy set, with the people, agents and channels that there are.

use signoff_core::{
    authority::Operation,
    id::OperatorId,
    lint::{Finding, Heard, Known, KnownAgent, KnownGroup, KnownOperator, lint},
    policy::PolicyDoc,
    requirement::Approver,
    time::Timestamp,
};

use super::{check_policies, set_view};
use crate::{Engine, EngineResult, snapshot::Snapshot, tell, view::Caller};

impl Engine {
    /// Looks through the set in force, or through one that is not, and leaves no trace.
    ///
    /// # Errors
    /// If any policy can't work.
    pub fn lint(
        &self,
        caller: &Caller,
        policies: Option<Vec<PolicyDoc>>,
        default_approvers: Option<Vec<Approver>>,
    ) -> EngineResult<Vec<Finding>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        let snapshot = tenant.snapshot();
        let policies = if let Some(policies) = policies {
            check_policies(&policies)?;
            policies
        } else {
            let present = set_view(0, snapshot.settings().clone(), &snapshot.rows);
            present.policies.into_iter().map(|row| row.doc).collect()
        };
        let approvers = default_approvers.unwrap_or_else(|| snapshot.settings().default_approvers.clone());
        Ok(lint(&policies, Some(&approvers), &known(&snapshot, self.now())))
    }
}

fn known(snapshot: &Snapshot, now: Timestamp) -> Known {
    let rows = &snapshot.rows;
    let called = |id: OperatorId| {
        snapshot
            .person(id)
            .map_or_else(|| id.to_string(), |person| person.email.clone())
    };
    let operators = rows.operators.values().map(|row| KnownOperator {
        id: Some(row.id),
        email: called(row.id),
        role: row.role,
        disabled: row.disabled,
    });
    let groups = rows.groups.values().filter(|row| !row.removed);
    let groups = groups.map(|row| KnownGroup {
        name: row.name.clone(),
        members: row.members.iter().map(|id| called(*id)).collect(),
    });
    let agents = rows.agents.values().map(|row| KnownAgent {
        name: row.name.clone(),
        owner: row.owner.map(called),
        disabled: row.disabled,
    });
    let channels = rows.channels.values().filter(|row| !row.removed);
    Known {
        operators: Some(operators.collect()),
        groups: Some(groups.collect()),
        agents: Some(agents.collect()),
        channels: Some(channels.map(|row| row.name.clone()).collect()),
        heard: heard(snapshot, now),
    }
}

/// Who hears of what is asked. Without any channel there is nothing to say of single policies.
fn heard(snapshot: &Snapshot, now: Timestamp) -> Option<Heard> {
    snapshot.live_channels().next()?;
    let operators = snapshot.rows.operators.keys();
    let reached = operators.filter(|id| !tell::ways(snapshot, **id, now).is_empty());
    Some(Heard {
        of_everything: tell::is_told_of_everything(snapshot, now),
        people: reached
            .filter_map(|id| snapshot.person(*id))
            .map(|person| person.email.to_ascii_lowercase())
            .collect(),
    })
}

//! Simulations of policy sets.

use signoff_api::policy::PolicyApply;
use signoff_api::simulation as wire;
use signoff_core::time::Timestamp;
use signoff_engine::request::Simulate;
use signoff_engine::view::{
    ChangeGroup, Example, Judgements, PastOutcome, SimulatedVerdict, Simulation, Tally,
};
use signoff_engine::{SIMULATE_ACTIONS_MAX, SIMULATE_EXAMPLES_MAX};

use super::super::problem::Refused;
use super::{ToWire, apply, since};

/// How far back a simulation looks where nobody says.
const SIMULATE_SPAN: &str = "30d";

/// A set to try.
pub(crate) fn simulate(given: wire::PolicySimulate, now: Timestamp) -> Result<Simulate, Refused> {
    let since = since(given.since.as_deref().unwrap_or(SIMULATE_SPAN), now)
        .map_err(|refused| Refused::invalid("/since", refused.problem().detail.clone()))?;
    let set = apply(PolicyApply {
        policies: given.policies,
        settings: given.settings,
        ..PolicyApply::default()
    })?;
    let examples = given
        .examples
        .map(|examples| examples.try_into().unwrap_or(usize::MAX));
    Ok(Simulate {
        policies: set.policies,
        settings: set.settings,
        since,
        actions_max: given.limit.unwrap_or(SIMULATE_ACTIONS_MAX),
        examples_max: examples.unwrap_or(SIMULATE_EXAMPLES_MAX),
    })
}

impl ToWire for Tally {
    type Wire = wire::Tally;

    fn to_wire(&self) -> wire::Tally {
        wire::Tally {
            allowed: self.allowed,
            pending_approval: self.asked,
            sent_back: self.sent_back,
            denied: self.denied,
        }
    }
}

impl ToWire for (&PastOutcome, &Judgements) {
    type Wire = wire::OutcomeTally;

    fn to_wire(&self) -> wire::OutcomeTally {
        wire::OutcomeTally {
            outcome: self.0.to_wire(),
            present: self.1.present.to_wire(),
            proposed: self.1.proposed.to_wire(),
        }
    }
}

impl ToWire for SimulatedVerdict {
    type Wire = wire::SimulatedVerdict;

    fn to_wire(&self) -> wire::SimulatedVerdict {
        wire::SimulatedVerdict {
            verdict: self.simulated.to_wire(),
            policy: self.policy.clone(),
            code: self.code.to_wire(),
            conditions: self.conditions.to_wire(),
        }
    }
}

impl ToWire for Example {
    type Wire = wire::SimulatedAction;

    fn to_wire(&self) -> wire::SimulatedAction {
        wire::SimulatedAction {
            action_id: self.action_id.to_string(),
            approval_id: self.approval_id.map(|id| id.to_string()),
            at: self.at.to_wire(),
            action: self.action.clone(),
            agent: self.agent.to_wire(),
            summary: self.sentence.text(),
            recorded: wire::PastVerdict {
                outcome: self.outcome.to_wire(),
                policy: self.policy.clone(),
                decided_by: self.decided_by.to_wire(),
            },
            present: self.present.to_wire(),
            proposed: self.proposed.to_wire(),
        }
    }
}

impl ToWire for ChangeGroup {
    type Wire = wire::SimulatedChange;

    fn to_wire(&self) -> wire::SimulatedChange {
        wire::SimulatedChange {
            code: self.kind.to_string(),
            count: self.count,
            examples: self.examples.to_wire(),
        }
    }
}

impl ToWire for Simulation {
    type Wire = wire::Simulation;

    fn to_wire(&self) -> wire::Simulation {
        let totals = self.totals();
        wire::Simulation {
            since: self.since.to_wire(),
            until: self.until.to_wire(),
            reached: self.reached.to_wire(),
            cut_short: self.cut_short.to_wire(),
            actions: self.actions,
            judged: self.judged(),
            not_judged: wire::NotJudged {
                erased: self.erased,
                unknown_agent: self.unknown_agent,
            },
            changed: self.changed(),
            present: totals.present.to_wire(),
            proposed: totals.proposed.to_wire(),
            outcomes: self.outcomes.iter().map(|row| row.to_wire()).collect(),
            changes: self.changes.to_wire(),
        }
    }
}

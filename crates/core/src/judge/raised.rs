//! What an agent claims of cost, risk and priority, and what policies make of it. The highest counts: of the claim and of
//! all policies that match by action, agent, labels and call. Policies are judged by what comes out, so that an agent
//! that says little gets past nothing.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{AgentFacts, Match, PolicySet, Prepared, sight};
use crate::{
    action::{Action, Cost, Priority, Risk, text_enum},
    condition::{Outcome, Report, Sight},
    counted::Moment,
    name::Specificity,
    policy::PolicyRef,
    time::Timestamp,
};

/// Something that an agent claims and a policy may raise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// Dollars.
    Cost,
    /// Harm.
    Risk,
    /// Urgency.
    Priority,
}

text_enum!(Claim { Cost => "cost", Risk => "risk", Priority => "priority" });

/// What one policy makes of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raise {
    /// What it is about.
    pub claim: Claim,
    /// The policy.
    pub policy: PolicyRef,
    /// What the policy says; for a cost that could not be computed why, which never opens the gate.
    pub value: Result<String, String>,
    /// Whether it is what counts.
    pub counts: bool,
}

/// Cost, risk and priority by which an action is judged, where policies have something to say of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raised {
    /// The highest cost; none where nobody says any.
    pub cost: Option<Cost>,
    /// The highest risk.
    pub risk: Risk,
    /// The highest priority.
    pub priority: Priority,
    /// What each policy says.
    pub raises: Vec<Raise>,
}

/// An action as it is judged.
pub(super) struct Effective<'a> {
    pub(super) action: Cow<'a, Action>,
    pub(super) raised: Option<Box<Raised>>,
    /// Some policy could not compute the cost: it may be anything above what is known.
    pub(super) cost_unknown: bool,
}

impl<'a> Effective<'a> {
    fn claimed(action: &'a Action) -> Self {
        Self {
            action: Cow::Borrowed(action),
            raised: None,
            cost_unknown: false,
        }
    }
}

impl Prepared {
    /// What is to be said where it can't be known whether the action costs as much as the policy is about.
    pub(super) fn doubt(&self, seen: &Effective<'_>) -> Option<Report> {
        let over = self.doc.cost_over.as_ref().filter(|_| seen.cost_unknown)?;
        let cost = seen.action.cost.as_ref();
        if cost.is_some_and(|cost| cost.value() > over.value()) {
            return None;
        }
        let mut raises = seen.raised.iter().flat_map(|raised| &raised.raises);
        let why = raises.find_map(|raise| Some((raise, raise.value.as_ref().err()?)));
        Some(Report {
            expression: format!("cost_over {}", over.as_str()),
            result: Outcome::Error,
            saw: None,
            error: why
                .map(|(raise, why)| format!("the cost of `{}` can't be computed: {why}", raise.policy.name)),
        })
    }
}

impl Effective<'_> {
    /// What conditions see of it.
    pub(super) fn sight<'s>(&'s self, agent: &'s AgentFacts, now: Timestamp) -> Sight<'s> {
        let sight = sight(&self.action, agent, now);
        if self.cost_unknown {
            return Sight { cost: "", ..sight };
        }
        sight
    }
}

impl PolicySet {
    /// The action with the highest of what is claimed and what policies say. Costs nothing where none says anything.
    pub(super) fn effective<'a>(
        &self,
        action: &'a Action,
        agent: &AgentFacts,
        now: Timestamp,
        named: &[(usize, Specificity)],
    ) -> Effective<'a> {
        if !self.raises {
            return Effective::claimed(action);
        }
        let policies = named.iter().map(|(at, _)| &*self.policies[*at]);
        let raising: Vec<&Prepared> = policies
            .filter(|policy| policy.raises.is_some() && policy.is_about(action, agent))
            .collect();
        if raising.is_empty() {
            return Effective::claimed(action);
        }
        raised(action, agent, now, &raising)
    }

    /// What policies make of the agent's claims; none where they say nothing of them.
    pub fn raised(&self, action: &Action, agent: &AgentFacts, now: Timestamp) -> Option<Box<Raised>> {
        self.effective(action, agent, now, &self.named(action)).raised
    }

    /// Every policy that matches the action and the agent, with what it says. In no particular order.
    pub fn matches<'m>(
        &self,
        action: &Action,
        agent: &AgentFacts,
        moment: impl Into<Moment<'m>>,
    ) -> Vec<Match> {
        let (moment, named) = (moment.into(), self.named(action));
        let seen = self.effective(action, agent, moment.now, &named);
        self.matches_of(&seen, agent, moment, &named)
    }
}

fn raised<'a>(
    action: &'a Action,
    agent: &AgentFacts,
    now: Timestamp,
    raising: &[&Prepared],
) -> Effective<'a> {
    let mut effective = action.clone();
    let mut raises = Vec::new();
    let mut cost_unknown = false;
    for policy in raising {
        let Some(own) = &policy.raises else { continue };
        let mut add = |claim, value| {
            raises.push(Raise {
                claim,
                policy: policy.reference.clone(),
                value,
                counts: false,
            });
        };
        if let Some(expression) = &own.cost {
            let computed = expression.evaluate(&sight(action, agent, now));
            match &computed {
                Ok(cost)
                    if effective
                        .cost
                        .as_ref()
                        .is_none_or(|known| cost.value() > known.value()) =>
                {
                    effective.cost = Some(cost.clone());
                }
                Ok(_) => {}
                Err(_) => cost_unknown = true,
            }
            let why = |why| format!("`{}`: {why}", expression.source());
            add(Claim::Cost, computed.map(String::from).map_err(why));
        }
        if let Some(risk) = own.floor.risk {
            effective.risk = effective.risk.max(risk);
            add(Claim::Risk, Ok(risk.to_string()));
        }
        if let Some(priority) = own.floor.priority {
            effective.priority = effective.priority.max(priority);
            add(Claim::Priority, Ok(priority.to_string()));
        }
    }
    for raise in &mut raises {
        raise.counts = match (&raise.claim, &raise.value) {
            (Claim::Cost, Ok(cost)) => {
                effective.cost != action.cost
                    && effective.cost.as_ref().is_some_and(|most| most.as_str() == cost)
            }
            (Claim::Risk, Ok(risk)) => effective.risk != action.risk && effective.risk.as_str() == risk,
            (Claim::Priority, Ok(priority)) => {
                effective.priority != action.priority && effective.priority.as_str() == priority
            }
            (_, Err(_)) => true,
        };
    }
    Effective {
        raised: Some(Box::new(Raised {
            cost: effective.cost.clone(),
            risk: effective.risk,
            priority: effective.priority,
            raises,
        })),
        action: Cow::Owned(effective),
        cost_unknown,
    }
}

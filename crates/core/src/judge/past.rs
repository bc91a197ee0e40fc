//! What policies ask of the past, and what an action counts for.

use std::collections::BTreeSet;

use super::{AgentFacts, Effective, PolicySet, Prepared};
use crate::{
    action::Action,
    condition::{Compiled, Sight},
    counted::{COUNTED_MAX, Counted, Counter, Moment, Past},
    id::PolicyId,
    time::Timestamp,
};

/// More policies count an action than can be kept of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "more than {COUNTED_MAX} policies with count_last or sum_last are about this action; an admin joins or narrows some of them"
)]
pub struct TooManyCounters;

/// What conditions ask of the past, each once.
pub(super) fn counters(conditions: &[Compiled]) -> Vec<Counter> {
    let all: BTreeSet<&Counter> = conditions.iter().flat_map(Compiled::counters).collect();
    all.into_iter().cloned().collect()
}

impl Prepared {
    pub(super) fn asks_for_past(&self) -> bool {
        !self.counters.is_empty()
    }

    /// What this policy's conditions see, its own past included.
    pub(super) fn looking_back<'a>(&self, sight: Sight<'a>, moment: Moment<'a>) -> Sight<'a> {
        let past = moment.past.map(|figures| Past {
            policy: self.reference.id,
            figures,
        });
        Sight { past, ..sight }
    }

    /// What an action counts for here. A field without a usable amount is left out.
    fn counted(&self, sight: &Sight<'_>) -> Counted {
        let fields: BTreeSet<&String> = self
            .counters
            .iter()
            .filter_map(|counter| counter.field.as_ref())
            .collect();
        Counted {
            policy: self.reference.id,
            amounts: fields
                .into_iter()
                .filter_map(|field| Some((field.clone(), sight.amount(field).ok()?)))
                .collect(),
        }
    }
}

impl PolicySet {
    /// The policies with counters whose matchers fit, whatever their conditions say, older first; and the action as it is
    /// judged. No amount depends on the time.
    fn counting<'a>(&'a self, action: &'a Action, agent: &AgentFacts) -> (Effective<'a>, Vec<&'a Prepared>) {
        let named = if self.asks_for_past {
            self.named(action)
        } else {
            Vec::new()
        };
        let seen = self.effective(action, agent, Timestamp::default(), &named);
        let policies = named.iter().map(|(at, _)| &*self.policies[*at]);
        let counting = policies.filter(|policy| {
            policy.asks_for_past() && policy.agent_rank(agent).is_some() && policy.others(&seen).is_some()
        });
        let counting = counting.collect();
        (seen, counting)
    }

    /// What must be known of the past before this action can be judged.
    pub fn wanted(&self, action: &Action, agent: &AgentFacts) -> Vec<(PolicyId, Counter)> {
        let (_, counting) = self.counting(action, agent);
        counting
            .into_iter()
            .flat_map(|policy| {
                let counters = policy.counters.iter();
                counters.map(|counter| (policy.reference.id, counter.clone()))
            })
            .collect()
    }

    /// What this action counts for, once it is let in.
    ///
    /// # Errors
    /// If more policies count it than can be kept of it: it must not be let in then.
    pub fn counted(&self, action: &Action, agent: &AgentFacts) -> Result<Vec<Counted>, TooManyCounters> {
        let (seen, counting) = self.counting(action, agent);
        if counting.len() > COUNTED_MAX {
            return Err(TooManyCounters);
        }
        let sight = seen.sight(agent, Timestamp::default());
        Ok(counting.iter().map(|policy| policy.counted(&sight)).collect())
    }
}

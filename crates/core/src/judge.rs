//! Policy's answer to one action: pure, in memory, without a lock. The table of the resolution is `spec/resolution.json`.

use std::{collections::HashMap, sync::Arc};

mod past;
mod prepared;
mod raised;
mod thin;
mod unruled;
mod verdict;

pub use past::TooManyCounters;
pub use prepared::Prepared;
pub use verdict::{AgentFacts, ReasonCode, Verdict};

use crate::{
    action::{Action, Cost},
    condition::{Compiled, CostExpression, Outcome, Report, Sight},
    counted::Moment,
    http::Call,
    name::{GlobIndex, Specificity, is_glob},
    policy::{Effect, People, PolicyEffect, Raises, Rank, Settings, TimeoutRule},
    stop::Stops,
    time::{Micros, Timestamp},
};

use prepared::together;
use raised::Effective;
pub use raised::{Claim, Raise, Raised};

/// How long people have where neither policy nor request says.
pub const DEFAULT_TIMEOUT: Micros = Micros::seconds(30 * 60);
/// The same for calls, which people look at longer.
pub const DEFAULT_CALL_TIMEOUT: Micros = Micros::seconds(60 * 60);
/// How long an approval may be used where the policy does not say.
pub const DEFAULT_VALID_FOR: Micros = Micros::seconds(60 * 60);

/// All policies of a workspace in one version, indexed by action. Immutable; shared between threads.
#[derive(Debug)]
pub struct PolicySet {
    exact: HashMap<String, Vec<usize>>,
    globs: GlobIndex,
    /// For each glob its policy and how specific it is.
    glob_owners: Vec<(usize, Specificity)>,
    /// Policies about every action.
    any: Vec<usize>,
    settings: Settings,
    /// Whom addresses of the context may name.
    people: Arc<People>,
    /// Older first.
    policies: Vec<Arc<Prepared>>,
    /// What comes before all of them.
    stops: Stops,
    asks_for_time: bool,
    asks_for_past: bool,
    /// Some policy has something to say of what agents claim.
    raises: bool,
}

/// One policy that matched, and what it says.
#[derive(Debug, Clone)]
pub struct Match {
    /// Position in the set: smaller is older.
    pub age: usize,
    /// How specific it is for this action.
    pub rank: Rank,
    /// What it says; none if its conditions take it out.
    pub effect: Option<Effect>,
    /// How its conditions came out together.
    pub outcome: Outcome,
    /// What they saw, where that is known already.
    reports: Option<Vec<Report>>,
}

impl PolicySet {
    /// Indexes prepared policies, older first, under the stops in force.
    ///
    /// # Errors
    /// A sentence, if a glob never passed its check.
    pub fn new(policies: Vec<Arc<Prepared>>, settings: Settings, stops: Stops) -> Result<Self, String> {
        let mut exact: HashMap<String, Vec<usize>> = HashMap::new();
        let (mut globs, mut glob_owners, mut any) = (Vec::new(), Vec::new(), Vec::new());
        for (at, policy) in policies.iter().enumerate() {
            if policy.doc.disabled {
                continue;
            }
            if policy.doc.actions.is_empty() {
                any.push(at);
            }
            for action in &policy.doc.actions {
                if action.chars().all(|c| c == '*') {
                    any.push(at);
                } else if is_glob(action) {
                    globs.push(action.as_str());
                    glob_owners.push((at, Specificity::of(action)));
                } else {
                    exact.entry(action.to_ascii_lowercase()).or_default().push(at);
                }
            }
        }
        let globs = GlobIndex::new(globs)?;
        let mut conditions = policies.iter().flat_map(|policy| &policy.conditions);
        let raises = || policies.iter().filter_map(|policy| policy.raises.as_ref());
        let timed = |raises: &Raises| raises.cost.as_ref().is_some_and(CostExpression::asks_for_time);
        Ok(Self {
            asks_for_time: conditions.any(Compiled::asks_for_time) || raises().any(timed),
            asks_for_past: policies.iter().any(|policy| policy.asks_for_past()),
            raises: raises().next().is_some(),
            exact,
            globs,
            glob_owners,
            any,
            settings,
            people: Arc::default(),
            policies,
            stops,
        })
    }

    /// The same set, for whom these people are known by their addresses.
    #[must_use]
    pub fn among(mut self, people: Arc<People>) -> Self {
        self.people = people;
        self
    }

    /// Whom addresses of the context may name.
    pub fn people(&self) -> &Arc<People> {
        &self.people
    }

    /// The settings this set judges by.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What is stopped.
    pub fn stops(&self) -> &Stops {
        &self.stops
    }

    /// The policies, older first.
    pub fn policies(&self) -> &[Arc<Prepared>] {
        &self.policies
    }

    /// The policies about actions of this name, each once, with its best pattern.
    fn named(&self, action: &Action) -> Vec<(usize, Specificity)> {
        let lower = action.name.to_ascii_lowercase();
        let mut found: Vec<(usize, Specificity)> =
            self.any.iter().map(|at| (*at, Specificity::ANY)).collect();
        found.extend(
            self.globs
                .matches(&lower)
                .into_iter()
                .map(|glob| self.glob_owners[glob]),
        );
        if let Some(exact) = self.exact.get(&lower) {
            found.extend(exact.iter().map(|at| {
                (
                    *at,
                    Specificity {
                        exact: true,
                        literals: lower.len(),
                    },
                )
            }));
        }
        // One policy may match by several globs; its best one counts.
        found.sort_unstable_by(|left, right| left.0.cmp(&right.0).then(right.1.cmp(&left.1)));
        found.dedup_by_key(|(at, _)| *at);
        found
    }

    fn matches_of(
        &self,
        seen: &Effective<'_>,
        agent: &AgentFacts,
        moment: Moment<'_>,
        named: &[(usize, Specificity)],
    ) -> Vec<Match> {
        let sight = seen.sight(agent, moment.now);
        let examine = |(at, specificity): &(usize, Specificity)| {
            let policy = &self.policies[*at];
            let agent = policy.agent_rank(agent)?;
            let (others, is_sure) = policy.others(seen)?;
            let rank = Rank {
                action: *specificity,
                agent,
                others,
            };
            let sight = policy.looking_back(sight, moment);
            // One that stands alone governs: what it saw is wanted, so it is asked once and not twice.
            let reports = (named.len() == 1).then(|| policy.reports(seen, &sight));
            let outcome = match &reports {
                Some(reports) => together(reports.iter().map(|report| report.result), is_sure),
                None => policy.outcome(&sight, is_sure),
            };
            Some(Match {
                age: *at,
                rank,
                effect: policy.doc.normal_form().effect(outcome),
                outcome,
                reports,
            })
        };
        named.iter().filter_map(examine).collect()
    }

    /// Each condition of a policy that matched, with what it saw.
    pub fn reports<'m>(
        &self,
        found: &Match,
        action: &Action,
        agent: &AgentFacts,
        moment: impl Into<Moment<'m>>,
    ) -> Vec<Report> {
        let moment = moment.into();
        let seen = self.effective(action, agent, moment.now, &self.named(action));
        self.reports_of(found, &seen, agent, moment)
    }

    fn reports_of(
        &self,
        found: &Match,
        seen: &Effective<'_>,
        agent: &AgentFacts,
        moment: Moment<'_>,
    ) -> Vec<Report> {
        let policy = &self.policies[found.age];
        policy.reports(seen, &policy.looking_back(seen.sight(agent, moment.now), moment))
    }

    /// Whether some policy asks what time it is, so that the same action may be judged otherwise a moment later.
    pub fn asks_for_time(&self) -> bool {
        self.asks_for_time
    }

    /// Which of the matches governs: the position in `matches`.
    pub fn governing(&self, matches: &[Match]) -> Option<usize> {
        let best = |wanted: &dyn Fn(&Match) -> bool| {
            matches
                .iter()
                .enumerate()
                .filter(|(_, found)| found.effect.is_some() && wanted(found))
                .max_by(|(_, left), (_, right)| {
                    // Equally specific: the stricter, then the older.
                    left.rank
                        .cmp(&right.rank)
                        .then(left.effect.cmp(&right.effect))
                        .then(right.age.cmp(&left.age))
                })
                .map(|(position, _)| position)
        };
        if let Some(deny) = best(&|found| found.effect == Some(Effect::Deny)) {
            return Some(deny);
        }
        let governing = best(&|_| true)?;
        if matches[governing].effect == Some(Effect::Allow)
            && let Some(guard) =
                best(&|found| found.effect == Some(Effect::Ask) && self.policies[found.age].doc.guard)
        {
            return Some(guard);
        }
        Some(governing)
    }

    /// The answer: that of the kill switch where it is pulled, else policy's.
    pub fn judge<'m>(&self, action: &Action, agent: &AgentFacts, moment: impl Into<Moment<'m>>) -> Verdict {
        if self.stops.over_call(agent.id, action.grant).is_some() {
            return self.refused_by_stop(action);
        }
        let (moment, named) = (moment.into(), self.named(action));
        let seen = self.effective(action, agent, moment.now, &named);
        let matches = self.matches_of(&seen, agent, moment, &named);
        self.verdict_of(seen, agent, moment, matches)
    }

    /// The answer that follows from examined matches, if nothing is stopped.
    pub fn verdict<'m>(
        &self,
        action: &Action,
        agent: &AgentFacts,
        moment: impl Into<Moment<'m>>,
        matches: Vec<Match>,
    ) -> Verdict {
        if self.stops.over_call(agent.id, action.grant).is_some() {
            return self.refused_by_stop(action);
        }
        let moment = moment.into();
        let seen = self.effective(action, agent, moment.now, &self.named(action));
        self.verdict_of(seen, agent, moment, matches)
    }

    fn verdict_of(
        &self,
        seen: Effective<'_>,
        agent: &AgentFacts,
        moment: Moment<'_>,
        mut matches: Vec<Match>,
    ) -> Verdict {
        let action = &*seen.action;
        let Some(position) = self.governing(&matches) else {
            let failed = matches.iter().any(|found| found.outcome == Outcome::Error);
            return Verdict {
                raised: seen.raised,
                ..self.unmatched_verdict(action, failed)
            };
        };
        let mut found = matches.swap_remove(position);
        let policy = &self.policies[found.age];
        let conditions = match found.reports.take() {
            Some(reports) => reports,
            None => self.reports_of(&found, &seen, agent, moment),
        };
        let mut effect = found.effect.unwrap_or(Effect::Deny);
        if effect == Effect::Allow && action.require_approval {
            effect = Effect::Ask;
        }
        let code = (effect == Effect::Deny).then_some(match policy.doc.effect {
            PolicyEffect::Conditional => ReasonCode::ConditionsDenied,
            _ => ReasonCode::PolicyDenied,
        });
        let (decide_within, timeout_cut) = deadline(policy.doc.approval.timeout, action);
        Verdict {
            effect,
            code,
            policy: Some(policy.reference.clone()),
            conditions,
            requirement: policy.doc.approval.requirement(
                &self.settings.default_approvers,
                policy.doc.require_decision_reason,
                action,
                &self.people,
            ),
            decide_within,
            timeout_cut,
            valid_for: policy.doc.valid_for.unwrap_or(DEFAULT_VALID_FOR),
            escalate: policy.doc.approval.escalation(action),
            notify: policy.doc.approval.notified(action),
            lacks: match effect {
                Effect::Deny => Vec::new(),
                Effect::Allow | Effect::Ask => policy.lacks(action),
            },
            raised: seen.raised,
        }
    }
}

/// Whether a condition holds of an action; an error does not.
pub fn holds(condition: &Compiled, action: &Action, agent: &AgentFacts, now: Timestamp) -> bool {
    condition.outcome(&sight(action, agent, now)) == Outcome::True
}

/// What conditions see of an action.
fn sight<'a>(action: &'a Action, agent: &'a AgentFacts, now: Timestamp) -> Sight<'a> {
    Sight {
        action: &action.name,
        context: &action.context,
        inputs: &action.inputs,
        agent: &agent.value,
        http: action.http.as_deref().map(Call::sight),
        cost: action.cost.as_ref().map_or("0", Cost::as_str),
        risk: action.risk,
        priority: action.priority,
        now,
        past: None,
    }
}

/// How long people have, and whether the request was cut.
fn deadline(policy: Option<TimeoutRule>, action: &Action) -> (Option<Micros>, bool) {
    match (policy, action.timeout) {
        (None, None) if action.http.is_some() => (Some(DEFAULT_CALL_TIMEOUT), false),
        (None, None) => (Some(DEFAULT_TIMEOUT), false),
        (Some(TimeoutRule::Never), None) => (None, false),
        (Some(TimeoutRule::After(cap)), None) => (Some(cap), false),
        (Some(TimeoutRule::After(cap)), Some(wish)) => (Some(cap.min(wish)), wish > cap),
        (None | Some(TimeoutRule::Never), Some(wish)) => (Some(wish), false),
    }
}

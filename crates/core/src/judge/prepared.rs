//! One version of one policy, compiled: what it matches, and how its conditions come out.

use super::{AgentFacts, Effective, past};
use crate::{
    action::Action,
    condition::{self, Compiled, Outcome, Report, Sight},
    counted::Counter,
    name::{GlobIndex, is_glob},
    policy::{Calls, Contract, EditRule, PolicyDoc, PolicyRef, Raises},
};

/// One version of one policy, ready to judge.
#[derive(Debug)]
pub struct Prepared {
    /// Which version of which policy.
    pub reference: PolicyRef,
    /// As written.
    pub doc: PolicyDoc,
    pub(super) conditions: Vec<Compiled>,
    /// What they ask of the past, each once.
    pub(super) counters: Vec<Counter>,
    agent_globs: GlobIndex,
    edits: EditRule,
    pub(super) contract: Option<Contract>,
    calls: Option<Calls>,
    pub(super) raises: Option<Raises>,
}

impl Prepared {
    /// Compiles a checked policy.
    ///
    /// # Errors
    /// A sentence, if the policy never passed its check.
    pub fn new(reference: PolicyRef, doc: PolicyDoc) -> Result<Self, String> {
        let conditions = doc
            .conditions
            .iter()
            .map(condition::Condition::compile)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|unusable| unusable.to_string())?;
        let agent_globs = GlobIndex::new(
            doc.agents
                .iter()
                .filter(|agent| is_glob(agent))
                .map(String::as_str),
        )?;
        let edits = EditRule::of(doc.approval.allow_edit.as_ref()).map_err(|problem| problem.to_string())?;
        let contract = doc.context_schema.as_ref().map(Contract::compile).transpose();
        let calls = Calls::compile(doc.http.as_ref(), &doc.grant);
        let raises = Raises::compile(&doc).map_err(|problem| problem.to_string())?;
        Ok(Self {
            counters: past::counters(&conditions),
            raises,
            calls: calls.map_err(|problem| problem.to_string())?,
            contract: contract.map_err(|problem| problem.to_string())?,
            reference,
            doc,
            conditions,
            agent_globs,
            edits,
        })
    }

    /// What approvers may change where this policy asks.
    pub fn edits(&self) -> &EditRule {
        &self.edits
    }

    /// 3 named, 2 by glob, 1 by labels, 0 any, none if the policy is about other agents.
    pub(super) fn agent_rank(&self, agent: &AgentFacts) -> Option<u8> {
        let labels = &self.doc.labels;
        if !labels
            .iter()
            .all(|(key, value)| agent.label(key) == Some(value.as_str()))
        {
            return None;
        }
        if self.doc.agents.is_empty() {
            Some(u8::from(!labels.is_empty()))
        } else if self
            .doc
            .agents
            .iter()
            .any(|name| name.eq_ignore_ascii_case(&agent.name))
        {
            Some(3)
        } else if self.agent_globs.matches(&agent.name).is_empty() {
            None
        } else {
            Some(2)
        }
    }

    /// Whether it may say something about what this agent asks for.
    pub fn concerns(&self, agent: &AgentFacts) -> bool {
        self.agent_rank(agent).is_some()
    }

    /// Whether it is about an action, risk, cost and conditions aside; its name is known to match.
    pub(super) fn is_about(&self, action: &Action, agent: &AgentFacts) -> bool {
        let calls = self.calls.as_ref();
        self.agent_rank(agent).is_some()
            && calls.is_none_or(|calls| calls.fit(action.http.as_deref()).is_some())
    }

    /// How many matchers beside names fit, conditions counted as one, and whether that is sure; none if one of them does
    /// not.
    pub(super) fn others(&self, seen: &Effective<'_>) -> Option<(u8, bool)> {
        let action = &*seen.action;
        let risk = self.doc.risk.as_ref();
        if risk.is_some_and(|risk| !risk.fits(action.risk)) {
            return None;
        }
        let over = self.doc.cost_over.as_ref();
        let cost = action.cost.as_ref();
        let above = over.is_none_or(|over| cost.is_some_and(|cost| cost.value() > over.value()));
        if !above && !seen.cost_unknown {
            return None;
        }
        let calls = match &self.calls {
            Some(calls) => calls.fit(action.http.as_deref())?,
            None => 0,
        };
        let count = [risk.is_some(), over.is_some(), !self.conditions.is_empty()];
        Some((count.into_iter().map(u8::from).sum::<u8>() + calls, above))
    }

    /// How its conditions come out together.
    pub(super) fn outcome(&self, sight: &Sight<'_>, is_sure: bool) -> Outcome {
        together(
            self.conditions.iter().map(|condition| condition.outcome(sight)),
            is_sure,
        )
    }

    /// Each condition with what it saw.
    pub(super) fn reports(&self, seen: &Effective<'_>, sight: &Sight<'_>) -> Vec<Report> {
        let conditions = self.conditions.iter().map(|condition| condition.evaluate(sight));
        conditions.chain(self.doubt(seen)).collect()
    }
}

/// How conditions come out together, as `&&` combines them: a false one settles it, an error counts only where none is false.
/// `is_sure`: whether the matchers fit beyond doubt.
pub(super) fn together(outcomes: impl Iterator<Item = Outcome>, is_sure: bool) -> Outcome {
    let mut together = if is_sure { Outcome::True } else { Outcome::Error };
    for outcome in outcomes {
        match outcome {
            Outcome::False => return Outcome::False,
            Outcome::Error => together = Outcome::Error,
            Outcome::True => {}
        }
    }
    together
}

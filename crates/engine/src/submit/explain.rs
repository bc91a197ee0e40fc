//! Dry runs: what policy would say, and why. Without a trace.

use signoff_core::{
    action::Action,
    actor::Principal,
    authority::Operation,
    condition,
    counted::Moment,
    judge::{AgentFacts, PolicySet, ReasonCode},
    policy::Effect,
};

use crate::{
    Engine, EngineResult, calls,
    request::Submit,
    view::{Caller, ExplainedMatch, Explanation, Judged},
};

use super::asker::{asker, named_or_unknown, within};
use super::{
    check_form,
    refusal::{refusal, refusal_sentence},
};

impl Engine {
    /// What policy would say, without a trace: from memory, but for a policy that asks what was done before, which is read. What
    /// the request lacks is a part of the answer.
    ///
    /// # Errors
    /// If the request is not valid.
    pub async fn check(&self, caller: &Caller, submit: &Submit) -> EngineResult<Judged> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Ask)?;
        let snapshot = tenant.snapshot();
        check_form(&submit.action)?;
        let asker = asker(&snapshot, caller, submit.agent.as_deref(), None)?;
        let action = calls::with_grant(&snapshot, submit.action.clone(), &asker.facts)?;
        let (what, now) = ((&action, &asker.facts), self.now());
        let past = self.past_now(&tenant, &snapshot.policies, what, &[], now).await?;
        let past = Some(&past);
        let mut verdict = snapshot
            .policies
            .judge(&action, &asker.facts, Moment { now, past });
        verdict = within(caller, submit, verdict)?;
        let standing = self.standing_now(&tenant, &snapshot, what, &verdict, now).await?;
        if standing.is_some() {
            verdict.effect = Effect::Allow;
        }
        let agent = (asker.facts.id, asker.facts.name.as_str());
        let reason = refusal(&snapshot, agent, action.grant, &verdict);
        Ok(Judged {
            verdict,
            reason,
            standing,
        })
    }

    /// Every matching policy, and why one of them governs. An operator may name any agent, known or not.
    ///
    /// # Errors
    /// If the request is not valid.
    pub async fn explain(&self, caller: &Caller, submit: &Submit) -> EngineResult<Explanation> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Explain)?;
        let snapshot = tenant.snapshot();
        check_form(&submit.action)?;
        let facts = match caller.principal {
            Principal::Agent(_) | Principal::Application(_) => {
                asker(&snapshot, caller, submit.agent.as_deref(), None)?.facts
            }
            _ => named_or_unknown(&snapshot, submit.agent.as_deref()),
        };
        // Whoever explains may ask about a grant that this agent does not hold, or that is not there.
        let action = calls::with_grant(&snapshot, submit.action.clone(), &facts);
        let action = action.unwrap_or_else(|_| submit.action.clone());
        let (asked, now) = ((&action, &facts), self.now());
        let past = self
            .past_now(&tenant, &snapshot.policies, asked, &[], now)
            .await?;
        let past = Some(&past);
        let mut explanation = explain(&snapshot.policies, &action, &facts, Moment { now, past });
        let judged = &mut explanation.judged;
        judged.reason = refusal(&snapshot, (facts.id, &facts.name), action.grant, &judged.verdict);
        Ok(explanation)
    }
}

/// Every policy of a set that matches an action, and why one of them governs. Needs no engine.
pub fn explain(policies: &PolicySet, action: &Action, facts: &AgentFacts, moment: Moment<'_>) -> Explanation {
    let matches = policies.matches(action, facts, moment);
    let verdict = policies.verdict(action, facts, moment, matches.clone());
    let stopped = verdict.code == Some(ReasonCode::Stopped);
    // A stop comes before every policy: none governs.
    let governing = policies.governing(&matches).filter(|_| !stopped);
    let reason = verdict
        .code
        .map(|code| refusal_sentence(code, verdict.policy.as_ref().map(|policy| policy.name.as_str())));
    let mut order: Vec<_> = matches.into_iter().enumerate().collect();
    order.sort_by(|(left_at, left), (right_at, right)| {
        let first = |at: &usize| Some(*at) != governing;
        first(left_at)
            .cmp(&first(right_at))
            .then(right.rank.cmp(&left.rank))
            .then(left.age.cmp(&right.age))
    });
    let matches = order
        .into_iter()
        .map(|(at, found)| {
            let policy = &policies.policies()[found.age];
            ExplainedMatch {
                policy: policy.reference.clone(),
                effect: found.effect,
                governs: Some(at) == governing,
                why: if stopped {
                    "a stop is in force, and comes before every policy".into()
                } else {
                    why(Some(at) == governing, found.effect, found.outcome, verdict.effect)
                },
                conditions: policies.reports(&found, action, facts, moment),
            }
        })
        .collect();
    Explanation {
        judged: Judged {
            verdict,
            reason,
            standing: None,
        },
        matches,
    }
}

fn why(governs: bool, effect: Option<Effect>, outcome: condition::Outcome, verdict: Effect) -> String {
    match (governs, effect, outcome) {
        (true, Some(Effect::Deny), _) => "it denies, and a denial can't be overridden".into(),
        (true, Some(Effect::Ask), _) => "it asks, and is the most specific or guards".into(),
        (true, _, _) => "it is the most specific policy that matches".into(),
        (false, None, condition::Outcome::False) => {
            "its conditions do not hold, so it says nothing here".into()
        }
        (false, None, _) => "a condition could not be evaluated, and an error never opens the gate".into(),
        (false, _, _) if verdict == Effect::Deny => "another policy denies".into(),
        (false, _, _) => "a more specific, stricter or older policy governs".into(),
    }
}

//! The resolution once more, written naively from the words of the design and nothing of the code under test: every
//! policy in turn, a matcher of its own, a sort over plain tuples.

use serde_json::Value;
use signoff_core::{
    action::Action,
    condition::{Condition, Operator, Outcome, Sight},
    judge::ReasonCode,
    policy::{Effect, Otherwise, PolicyDoc, PolicyEffect, RiskMatch, Unmatched},
};

/// What the model answers.
pub(crate) struct Answer {
    pub(crate) effect: Effect,
    pub(crate) code: Option<ReasonCode>,
    pub(crate) policy: Option<String>,
    pub(crate) conditions: Vec<Outcome>,
}

/// Greater governs: exact name, literal characters, agent, other matchers, strictness, and age counted backwards.
type Order = (bool, usize, u8, u8, u8, i64);

struct Candidate<'a> {
    order: Order,
    policy: &'a PolicyDoc,
    effect: Effect,
    conditions: Vec<Outcome>,
}

pub(crate) fn judge(policies: &[PolicyDoc], unmatched: Unmatched, action: &Action, agent: &Value) -> Answer {
    let mut candidates = Vec::new();
    let mut failed = false;
    for (age, policy) in policies.iter().enumerate() {
        let Some((exact, literals)) = action_rank(policy, &action.name) else {
            continue;
        };
        let Some(agent_rank) = agent_rank(policy, agent["name"].as_str().expect("a name")) else {
            continue;
        };
        let labelled = !policy.labels.is_empty();
        if policy
            .labels
            .iter()
            .any(|(key, value)| agent["labels"][key] != **value)
        {
            continue;
        }
        let agent_rank = if agent_rank == 0 && labelled {
            1
        } else {
            agent_rank
        };
        let over = policy
            .cost_over
            .as_ref()
            .map(|over| number(&Value::from(over.as_str())));
        let cost = action
            .cost
            .as_ref()
            .and_then(|cost| number(&Value::from(cost.as_str())));
        if over.is_some_and(|over| cost.is_none_or(|cost| Some(cost) <= over)) {
            continue;
        }
        let about = match &policy.risk {
            Some(RiskMatch::AtLeast(least)) => action.risk as u8 >= *least as u8,
            Some(RiskMatch::OneOf(risks)) => risks.iter().any(|risk| *risk as u8 == action.risk as u8),
            None => true,
        };
        if !about || !about_calls(policy, action) {
            continue;
        }
        if policy.disabled {
            continue;
        }
        let conditions: Vec<Outcome> = policy
            .conditions
            .iter()
            .map(|one| evaluate(one, action, agent))
            .collect();
        let together = together(&conditions);
        failed |= together == Outcome::Error;
        if let Some(effect) = effect(policy, together) {
            let others = u8::from(!policy.conditions.is_empty())
                + u8::from(policy.risk.is_some())
                + u8::from(policy.cost_over.is_some())
                + u8::from(!policy.grant.is_empty())
                + policy.http.as_ref().map_or(0, |http| {
                    u8::from(!http.methods.is_empty()) + u8::from(!http.url.is_empty())
                });
            let age = -i64::try_from(age).expect("few policies");
            let order = (exact, literals, agent_rank, others, strictness(effect), age);
            candidates.push(Candidate {
                order,
                policy,
                effect,
                conditions,
            });
        }
    }
    candidates.sort_by_key(|candidate| candidate.order);
    candidates.reverse();

    let deny = candidates.iter().position(|one| one.effect == Effect::Deny);
    let guard = candidates
        .iter()
        .position(|one| one.effect == Effect::Ask && one.policy.guard);
    let governing = match (deny, candidates.first(), guard) {
        (Some(deny), _, _) => deny,
        (None, None, _) => return nothing_matches(unmatched, action, failed),
        (None, Some(first), Some(guard)) if first.effect == Effect::Allow => guard,
        (None, Some(_), _) => 0,
    };
    let governing = candidates.swap_remove(governing);
    let asked_for = action.require_approval && governing.effect == Effect::Allow;
    Answer {
        effect: if asked_for { Effect::Ask } else { governing.effect },
        code: (governing.effect == Effect::Deny).then_some(match governing.policy.effect {
            PolicyEffect::Conditional => ReasonCode::ConditionsDenied,
            _ => ReasonCode::PolicyDenied,
        }),
        policy: Some(governing.policy.name.clone()),
        conditions: governing.conditions,
    }
}

fn nothing_matches(unmatched: Unmatched, action: &Action, failed: bool) -> Answer {
    let effect = if action.require_approval {
        Effect::Ask
    } else {
        match unmatched {
            Unmatched::Deny => Effect::Deny,
            Unmatched::RequireApproval => Effect::Ask,
            Unmatched::Allow => {
                if failed {
                    Effect::Ask
                } else {
                    Effect::Allow
                }
            }
        }
    };
    Answer {
        effect,
        code: (effect == Effect::Deny).then_some(ReasonCode::Unmatched),
        policy: None,
        conditions: Vec::new(),
    }
}

/// Only patterns whose one special character is `*`: as globs over the path, or over the URL without its query.
fn about_calls(policy: &PolicyDoc, action: &Action) -> bool {
    let Some(call) = &action.http else {
        return policy.http.is_none() && policy.grant.is_empty();
    };
    let methods = policy.http.iter().flat_map(|http| &http.methods);
    let urls = policy.http.iter().flat_map(|http| &http.url);
    let origin_and_path = call.url().split('?').next().unwrap_or_default();
    let path = call.sight()["path"].as_str().expect("a path");
    let one_of = |all: Vec<bool>| all.is_empty() || all.contains(&true);
    one_of(
        methods
            .map(|method| method.eq_ignore_ascii_case(call.method()))
            .collect(),
    ) && one_of(
        urls.map(|url| {
            covers(
                url,
                if url.starts_with('/') {
                    path
                } else {
                    origin_and_path
                },
            )
        })
        .collect(),
    ) && one_of(
        policy
            .grant
            .iter()
            .map(|grant| call.grant().is_some_and(|name| covers(grant, name)))
            .collect(),
    )
}

fn strictness(effect: Effect) -> u8 {
    match effect {
        Effect::Allow => 0,
        Effect::Ask => 1,
        Effect::Deny => 2,
    }
}

fn effect(policy: &PolicyDoc, together: Outcome) -> Option<Effect> {
    let otherwise = match policy.otherwise {
        Some(Otherwise::Deny) => Effect::Deny,
        _ => Effect::Ask,
    };
    match (policy.effect, together) {
        (PolicyEffect::Allow | PolicyEffect::Conditional, Outcome::True) => Some(Effect::Allow),
        (PolicyEffect::Deny, Outcome::True | Outcome::Error) => Some(Effect::Deny),
        (PolicyEffect::RequireApproval, Outcome::True | Outcome::Error) => Some(Effect::Ask),
        (PolicyEffect::Conditional, _) => Some(otherwise),
        _ => None,
    }
}

fn action_rank(policy: &PolicyDoc, name: &str) -> Option<(bool, usize)> {
    if policy.actions.is_empty() {
        return Some((false, 0));
    }
    let matching = policy.actions.iter().filter(|glob| covers(glob, name));
    matching.map(|glob| (!is_glob(glob), literals(glob))).max()
}

fn agent_rank(policy: &PolicyDoc, name: &str) -> Option<u8> {
    if policy.agents.is_empty() {
        return Some(0);
    }
    let matching = policy.agents.iter().filter(|glob| covers(glob, name));
    matching.map(|glob| if is_glob(glob) { 2 } else { 3 }).max()
}

fn is_glob(text: &str) -> bool {
    text.contains('*') || text.contains('?')
}

fn literals(glob: &str) -> usize {
    glob.bytes().filter(|byte| *byte != b'*' && *byte != b'?').count()
}

/// Whether a glob covers a whole name, by a table of prefixes against prefixes.
fn covers(glob: &str, name: &str) -> bool {
    let (glob, name) = (
        glob.to_ascii_lowercase().into_bytes(),
        name.to_ascii_lowercase().into_bytes(),
    );
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    for letter in glob {
        let mut next = vec![false; name.len() + 1];
        for end in 0..=name.len() {
            next[end] = match letter {
                b'*' => reached[..=end].contains(&true),
                b'?' => end > 0 && reached[end - 1],
                _ => end > 0 && reached[end - 1] && name[end - 1] == letter,
            };
        }
        reached = next;
    }
    reached[name.len()]
}

fn together(conditions: &[Outcome]) -> Outcome {
    if conditions.contains(&Outcome::False) {
        return Outcome::False;
    }
    if conditions.contains(&Outcome::Error) {
        Outcome::Error
    } else {
        Outcome::True
    }
}

/// Only what the tests use: whole numbers of one digit and decimals in quotes, texts, and fields that are not there.
fn evaluate(condition: &Condition, action: &Action, agent: &Value) -> Outcome {
    let condition = match condition {
        Condition::Comparison(comparison) => comparison,
        // The language itself is the library's; the model has only where an expression stands.
        Condition::Expression(_) => {
            let sight = Sight {
                action: &action.name,
                context: &action.context,
                inputs: &action.inputs,
                cost: action.cost.as_ref().map_or("0", |cost| cost.as_str()),
                risk: action.risk,
                priority: action.priority,
                http: action.http.as_ref().map(|call| call.sight()),
                ..crate::support::sight(agent)
            };
            return condition.compile().expect("checked before").outcome(&sight);
        }
    };
    let seen = match condition.field.split_once('.') {
        Some(("inputs", rest)) => action.inputs.get(rest),
        Some(("agent", rest)) => rest.split('.').try_fold(agent, |value, step| value.get(step)),
        Some(("http", rest)) => action.http.as_ref().and_then(|call| {
            rest.split('.')
                .try_fold(call.sight(), |value, step| value.get(step))
        }),
        _ => action.context.get(&condition.field),
    };
    let truth = |holds: bool| if holds { Outcome::True } else { Outcome::False };
    if condition.operator == Operator::Exists {
        let absent_wanted = condition.value == Some(Value::Bool(false));
        return truth(seen.is_some() != absent_wanted);
    }
    let (Some(seen), Some(wanted)) = (seen, &condition.value) else {
        return Outcome::Error;
    };
    let numbers = (number(seen), number(wanted));
    let texts = (seen.as_str(), wanted.as_str());
    match (condition.operator, numbers, texts) {
        (Operator::Matches, _, (Some(text), Some("^support-"))) => truth(text.starts_with("support-")),
        (Operator::Eq, _, (Some(seen), Some(wanted))) => truth(seen == wanted),
        (Operator::Ne, _, (Some(seen), Some(wanted))) => truth(seen != wanted),
        (operator, (Some(seen), Some(wanted)), _) => truth(match operator {
            Operator::Eq => seen == wanted,
            Operator::Ne => seen != wanted,
            Operator::Gt => seen > wanted,
            Operator::Gte => seen >= wanted,
            Operator::Lt => seen < wanted,
            Operator::Lte => seen <= wanted,
            other => panic!("the model does not know `{other}`"),
        }),
        _ => Outcome::Error,
    }
}

/// Hundredths.
fn number(value: &Value) -> Option<i64> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text.as_str(), "0"));
    let fraction = format!("{fraction:0<2}");
    Some(whole.parse::<i64>().ok()? * 100 + fraction.parse::<i64>().ok()?)
}

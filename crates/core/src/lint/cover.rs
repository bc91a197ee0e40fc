//! Policies that never govern, because one other policy always does.

use std::collections::{HashMap, HashSet};

use super::{Finding, LintCode, Severity, says_more, written};
use crate::{
    name::{GlobIndex, Specificity, is_glob},
    policy::{Effect, PolicyDoc, PolicyEffect},
};

/// How many steps of comparing globs a whole set gets; beyond them nothing more is claimed.
const STEPS_MAX: usize = 20_000_000;

/// Everything of a policy that does not narrow what it matches. Whatever else it says is a matcher, known here or not.
const NO_MATCHERS: [&str; 16] = [
    "name",
    "description",
    "actions",
    "agents",
    "effect",
    "conditions",
    "otherwise",
    "guard",
    "disabled",
    "require_reason",
    "context_schema",
    "cost",
    "floor",
    "require_decision_reason",
    "valid_for",
    "approval",
];

struct Candidate<'a> {
    age: usize,
    doc: &'a PolicyDoc,
    /// It has matchers beside actions, agents and conditions.
    narrowed: bool,
}

/// How one policy keeps another from ever governing.
enum Silence {
    Denied,
    Guarded,
    First,
}

pub(super) fn findings(policies: &[PolicyDoc]) -> Vec<Finding> {
    let all: Vec<Candidate<'_>> = policies
        .iter()
        .enumerate()
        .filter(|(_, doc)| !doc.disabled)
        .map(|(age, doc)| Candidate {
            age,
            doc,
            narrowed: says_more(&written(doc), &NO_MATCHERS),
        })
        .collect();
    let wide: Vec<&Candidate<'_>> = all
        .iter()
        .filter(|one| !one.narrowed && one.doc.conditions.is_empty())
        .collect();
    let index = Index::new(&wide);
    let mut steps = STEPS_MAX;
    let mut findings: Vec<Finding> = all
        .iter()
        // Cost and floor hold whoever governs.
        .filter(|narrow| narrow.doc.cost.is_none() && narrow.doc.floor.is_none())
        .filter_map(|narrow| {
            let found = index.covering(narrow).into_iter().find_map(|at| {
                let wide = wide[at];
                (wide.age != narrow.age)
                    .then(|| silenced(wide, narrow, &mut steps).map(|silence| (wide, silence)))
                    .flatten()
            });
            found.map(|(wide, silence)| finding(narrow.doc, wide.doc, &silence))
        })
        .collect();
    if steps == 0 {
        findings.push(Finding {
            severity: Severity::Note,
            code: LintCode::TooMany,
            policy: None,
            pointer: String::new(),
            other: None,
            message: "there are too many policies and patterns to compare each with each".into(),
            next: "nothing: what is found is right, and there may be more".into(),
        });
    }
    findings
}

/// Finds policies that may cover another one without looking at all of them.
struct Index {
    any: Vec<usize>,
    exact: HashMap<String, Vec<usize>>,
    globs: GlobIndex,
    owners: Vec<usize>,
}

impl Index {
    fn new(wide: &[&Candidate<'_>]) -> Self {
        let (mut any, mut exact, mut globs, mut owners) =
            (Vec::new(), HashMap::new(), Vec::new(), Vec::new());
        for (at, one) in wide.iter().enumerate() {
            if actions(one.doc).is_empty() {
                any.push(at);
            }
            for action in &one.doc.actions {
                if is_glob(action) {
                    globs.push(action.as_str());
                    owners.push(at);
                } else {
                    exact
                        .entry(action.to_ascii_lowercase())
                        .or_insert_with(Vec::new)
                        .push(at);
                }
            }
        }
        Self {
            any,
            exact,
            globs: GlobIndex::new(globs).unwrap_or_default(),
            owners,
        }
    }

    /// Positions of those that match one name which the policy matches: whatever covers it is among them.
    fn covering(&self, narrow: &Candidate<'_>) -> Vec<usize> {
        let first = narrow.doc.actions.first().map_or("*", String::as_str);
        let name = first.replace('*', "").replace('?', "a").to_ascii_lowercase();
        let mut found = self.any.clone();
        found.extend(
            self.globs
                .matches(&name)
                .into_iter()
                .map(|glob| self.owners[glob]),
        );
        found.extend(self.exact.get(&name).into_iter().flatten());
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// What a policy may say of actions that it matches.
fn effects(doc: &PolicyDoc) -> Vec<Effect> {
    let form = doc.normal_form();
    let or_else = [form.or_else, form.on_error];
    let conditional = or_else
        .into_iter()
        .flatten()
        .filter(|_| !doc.conditions.is_empty());
    std::iter::once(form.then).chain(conditional).collect()
}

fn silenced(wide: &Candidate<'_>, narrow: &Candidate<'_>, steps: &mut usize) -> Option<Silence> {
    let effect = match wide.doc.effect {
        PolicyEffect::Allow => Effect::Allow,
        PolicyEffect::RequireApproval => Effect::Ask,
        PolicyEffect::Deny => Effect::Deny,
        PolicyEffect::Conditional => return None,
    };
    let effects = effects(narrow.doc);
    let denied = effect == Effect::Deny && !effects.contains(&Effect::Deny);
    let guarded = effect == Effect::Ask && wide.doc.guard && effects.iter().all(|one| *one == Effect::Allow);
    let older = wide.age < narrow.age;
    // Conditions and other matchers make a policy more specific than the wide one, which has none.
    let plain = !narrow.narrowed && narrow.doc.conditions.is_empty();
    let comes_first = plain
        && effects
            .iter()
            .all(|one| effect > *one || (effect == *one && older))
        // A guard still has its say where some third policy would allow.
        && (!narrow.doc.guard || wide.doc.guard || effect == Effect::Deny || effects != [Effect::Ask]);
    if !denied && !guarded && !comes_first {
        return None;
    }
    let by_rank = !denied && !guarded;
    let covers = covers(actions(wide.doc), actions(narrow.doc), by_rank, steps)
        && covers(&wide.doc.agents, &narrow.doc.agents, by_rank, steps);
    covers.then_some(match (denied, guarded) {
        (true, _) => Silence::Denied,
        (_, true) => Silence::Guarded,
        _ => Silence::First,
    })
}

/// The patterns over actions, none for all of them: `*` says as much as nothing. (Over agents it does not.)
fn actions(doc: &PolicyDoc) -> &[String] {
    let says_nothing = |pattern: &String| pattern.bytes().all(|b| b == b'*');
    if doc.actions.iter().all(says_nothing) {
        &[]
    } else {
        &doc.actions
    }
}

/// Whether patterns match everything that others match; if asked for, by patterns that are as specific.
fn covers(wide: &[String], narrow: &[String], as_specific: bool, steps: &mut usize) -> bool {
    if wide.is_empty() {
        return !as_specific || narrow.is_empty();
    }
    if narrow.is_empty() {
        return !as_specific && wide.iter().any(|one| one.bytes().all(|b| b == b'*'));
    }
    narrow.iter().all(|narrow| {
        wide.iter().any(|wide| {
            (!as_specific || Specificity::of(wide) >= Specificity::of(narrow))
                && includes(wide, narrow, steps)
        })
    })
}

/// Whether everything that one glob matches is matched by another: sound, also where it gives up.
///
/// Runs the wide glob as an automaton over the narrow one, whose wildcards are characters that only wildcards match.
fn includes(wide: &str, narrow: &str, steps: &mut usize) -> bool {
    let (wide, narrow) = (wide.to_ascii_lowercase(), narrow.to_ascii_lowercase());
    if wide == narrow {
        return true;
    }
    if !is_glob(&wide) {
        return false;
    }
    let (wide, narrow) = (wide.as_bytes(), narrow.as_bytes());
    let mut start = vec![false; wide.len() + 1];
    reach(wide, &mut start, 0);
    let mut seen = HashSet::new();
    let mut open = vec![(0, start)];
    while let Some((at, states)) = open.pop() {
        let Some(left) = steps.checked_sub(wide.len() + 1) else {
            *steps = 0;
            return false;
        };
        *steps = left;
        if !states.contains(&true) || (at == narrow.len() && !states[wide.len()]) {
            return false;
        }
        if at == narrow.len() || !seen.insert((at, states.clone())) {
            continue;
        }
        match narrow[at] {
            b'*' => {
                open.push((at, step(wide, &states, None)));
                open.push((at + 1, states));
            }
            b'?' => open.push((at + 1, step(wide, &states, None))),
            literal => open.push((at + 1, step(wide, &states, Some(literal)))),
        }
    }
    true
}

/// Marks a state, and what follows from it without a character.
fn reach(wide: &[u8], states: &mut [bool], mut at: usize) {
    states[at] = true;
    while wide.get(at) == Some(&b'*') {
        at += 1;
        states[at] = true;
    }
}

fn step(wide: &[u8], states: &[bool], character: Option<u8>) -> Vec<bool> {
    let mut next = vec![false; states.len()];
    for (at, pattern) in wide.iter().enumerate().filter(|(at, _)| states[*at]) {
        match pattern {
            b'*' => reach(wide, &mut next, at),
            b'?' => reach(wide, &mut next, at + 1),
            literal if Some(*literal) == character => reach(wide, &mut next, at + 1),
            _ => {}
        }
    }
    next
}

fn finding(policy: &PolicyDoc, by: &PolicyDoc, silence: &Silence) -> Finding {
    let name = &by.name;
    let (code, message, next) = match silence {
        Silence::Denied => (
            LintCode::Unreachable,
            format!(
                "it never governs: `{name}` denies everything that it matches, and a denial can't be overridden"
            ),
            format!("take it out, or narrow `{name}` by actions, agents or conditions"),
        ),
        Silence::Guarded => (
            LintCode::Unreachable,
            format!("it never allows anything: `{name}` asks about everything that it matches, and guards"),
            format!("take it out, or `guard` from `{name}`"),
        ),
        Silence::First => (
            LintCode::Shadowed,
            format!("it never governs: `{name}` matches the same, and is stricter or older"),
            format!("take one of the two out, or make this one more specific than `{name}`"),
        ),
    };
    Finding {
        severity: Severity::Warning,
        code,
        policy: Some(policy.name.clone()),
        pointer: String::new(),
        other: Some(name.clone()),
        message,
        next,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_glob_includes_another() {
        let cases = [
            ("*", "a*", true),
            ("a*", "*", false),
            ("a*", "a.b*", true),
            ("a*c", "abc", true),
            ("a?c", "a*c", false),
            ("a*c", "a?c", true),
            ("*a*", "a", true),
            ("*a*b*", "a*b", true),
            ("*a*b*", "b*a", false),
            ("?*", "*?", true),
            ("??", "?*", false),
            ("A*", "a.b", true),
            ("a", "a*", false),
        ];
        for (wide, narrow, expected) in cases {
            assert_eq!(includes(wide, narrow, &mut 100_000), expected, "{wide} {narrow}");
        }
        assert!(
            !includes("*a*", "b*a*", &mut 3),
            "out of steps nothing is claimed"
        );
    }

    proptest! {
        /// No false alarm: whatever the narrow one matches, the wide one does.
        #[test]
        fn what_is_included_is_matched(wide in "[ab*?]{1,6}", narrow in "[ab*?]{1,6}", name in "[abc]{1,6}") {
            let matches = |glob: &str| !GlobIndex::new([glob]).unwrap().matches(&name).is_empty();
            if includes(&wide, &narrow, &mut 1_000_000) && matches(&narrow) {
                prop_assert!(wide == narrow || matches(&wide));
            }
        }
    }
}

//! What a simulation found, sorted by what matters: totals are exact, examples are bounded.

use std::collections::BTreeMap;

use signoff_core::{judge::Verdict, policy::Effect};

use crate::view::{ChangeGroup, ChangeKind, Example, Judgements, PastOutcome, Simulated, SimulatedVerdict};

/// How many examples of each kind are listed before any kind gets more.
const EACH: usize = 10;

/// How many changes of each kind there are, and some of them.
type Groups = BTreeMap<ChangeKind, (u64, Vec<Example>)>;

/// What both sets said so far.
#[derive(Default)]
pub(super) struct Sorted {
    outcomes: BTreeMap<PastOutcome, Judgements>,
    groups: Groups,
}

impl Sorted {
    /// Counts one action; the kind of the change, where there is one.
    pub(super) fn count(
        &mut self,
        outcome: PastOutcome,
        present: &Verdict,
        proposed: &Verdict,
    ) -> Option<ChangeKind> {
        let (before, after) = (simulated(present), simulated(proposed));
        let judgements = self.outcomes.entry(outcome).or_default();
        judgements.present.count(before);
        judgements.proposed.count(after);
        let others = present.requirement != proposed.requirement;
        let kind = change(outcome, before, after, others)?;
        self.groups.entry(kind).or_default().0 += 1;
        Some(kind)
    }

    /// Whether another example of the kind may still be listed.
    pub(super) fn wants(&self, kind: ChangeKind, examples_max: usize) -> bool {
        self.groups
            .get(&kind)
            .is_none_or(|(_, examples)| examples.len() < examples_max)
    }

    pub(super) fn keep(&mut self, kind: ChangeKind, example: Example) {
        self.groups.entry(kind).or_default().1.push(example);
    }

    /// All of it, with at most so many examples together.
    pub(super) fn found(self, examples_max: usize) -> (BTreeMap<PastOutcome, Judgements>, Vec<ChangeGroup>) {
        (self.outcomes, listed(self.groups, examples_max))
    }
}

/// The groups with at most so many examples together: some of each kind, and then more of what matters most.
fn listed(groups: Groups, examples_max: usize) -> Vec<ChangeGroup> {
    let of_each = |count: usize| count.min(EACH);
    let firsts: usize = groups.values().map(|(_, list)| of_each(list.len())).sum();
    let mut rest = examples_max.saturating_sub(firsts);
    let mut left = examples_max;
    let group = |(kind, (count, mut examples)): (ChangeKind, (u64, Vec<Example>))| {
        let first = of_each(examples.len());
        let more = (examples.len() - first).min(rest);
        rest -= more;
        examples.truncate((first + more).min(left));
        left -= examples.len();
        ChangeGroup {
            kind,
            count,
            examples,
        }
    };
    groups.into_iter().map(group).collect()
}

/// What a verdict comes to for the agent.
fn simulated(verdict: &Verdict) -> Simulated {
    match verdict.effect {
        Effect::Deny => Simulated::Denied,
        // As a submit is answered: nothing is asked or allowed with less than policy wants to be told.
        _ if !verdict.lacks.is_empty() => Simulated::SentBack,
        Effect::Allow => Simulated::Allowed,
        Effect::Ask => Simulated::Asked,
    }
}

/// The same with what explains it.
pub(super) fn explained(verdict: Verdict) -> SimulatedVerdict {
    SimulatedVerdict {
        simulated: simulated(&verdict),
        policy: verdict.policy.map(|policy| policy.name),
        code: verdict.code,
        conditions: verdict.conditions,
    }
}

/// In which way the sets differ; none where they do not.
fn change(
    outcome: PastOutcome,
    present: Simulated,
    proposed: Simulated,
    others_asked: bool,
) -> Option<ChangeKind> {
    use ChangeKind as K;
    use PastOutcome as P;
    use Simulated as S;
    if present == proposed {
        return (proposed == S::Asked && others_asked).then_some(K::OtherApprovers);
    }
    Some(match (outcome, proposed) {
        (_, S::SentBack) => K::NowSentBack,
        (P::DeniedByReviewer, S::Allowed) => K::DeniedByReviewerNowAllowed,
        (P::Denied | P::Stopped, S::Allowed) => K::DeniedByPolicyNowAllowed,
        (P::Expired | P::Cancelled | P::Superseded | P::Pending, S::Allowed) => K::UndecidedNowAllowed,
        (P::Approved, S::Allowed) => K::ApprovedNowAllowed,
        (P::Approved, S::Denied) => K::ApprovedNowDenied,
        (P::Allowed, S::Denied) => K::AllowedNowDenied,
        (P::Allowed, S::Asked) => K::AllowedNowAsked,
        (P::Denied | P::Stopped, S::Asked) => K::DeniedNowAsked,
        (P::DeniedByReviewer | P::Expired | P::Cancelled | P::Superseded | P::Pending, S::Denied) => {
            K::NotApprovedNowDenied
        }
        (P::Allowed, S::Allowed)
        | (P::Denied | P::Stopped, S::Denied)
        | (
            P::DeniedByReviewer | P::Expired | P::Cancelled | P::Superseded | P::Pending | P::Approved,
            S::Asked,
        ) => K::AsRecorded,
    })
}

#[cfg(test)]
mod tests {
    use signoff_core::{
        id::{ActionId, AgentId, RawId},
        sentence::Sentence,
        time::Timestamp,
    };

    use super::*;
    use crate::view::Named;

    /// The promise of the list: what a human denied and would pass now stands alone, and first.
    #[test]
    fn every_change_has_its_group() {
        use ChangeKind as K;
        use PastOutcome as P;
        use Simulated as S;
        let cases = [
            (
                P::DeniedByReviewer,
                S::Asked,
                S::Allowed,
                K::DeniedByReviewerNowAllowed,
            ),
            (P::Denied, S::Denied, S::Allowed, K::DeniedByPolicyNowAllowed),
            (P::Stopped, S::Asked, S::Allowed, K::DeniedByPolicyNowAllowed),
            (P::Expired, S::Asked, S::Allowed, K::UndecidedNowAllowed),
            (P::Pending, S::Denied, S::Allowed, K::UndecidedNowAllowed),
            (P::Approved, S::Asked, S::Denied, K::ApprovedNowDenied),
            (P::Allowed, S::Allowed, S::Denied, K::AllowedNowDenied),
            (P::Allowed, S::Allowed, S::SentBack, K::NowSentBack),
            (P::DeniedByReviewer, S::Allowed, S::SentBack, K::NowSentBack),
            (P::Allowed, S::Allowed, S::Asked, K::AllowedNowAsked),
            (P::Denied, S::Denied, S::Asked, K::DeniedNowAsked),
            (P::Approved, S::Asked, S::Allowed, K::ApprovedNowAllowed),
            (P::DeniedByReviewer, S::Asked, S::Denied, K::NotApprovedNowDenied),
            (P::DeniedByReviewer, S::Allowed, S::Asked, K::AsRecorded),
            (P::Allowed, S::Denied, S::Allowed, K::AsRecorded),
        ];
        for (outcome, present, proposed, expected) in cases {
            assert_eq!(
                change(outcome, present, proposed, true),
                Some(expected),
                "{outcome} {present} {proposed}"
            );
        }
        assert_eq!(
            change(P::Approved, S::Asked, S::Asked, true),
            Some(K::OtherApprovers)
        );
        assert_eq!(change(P::Approved, S::Asked, S::Asked, false), None);
        assert_eq!(change(P::DeniedByReviewer, S::Allowed, S::Allowed, true), None);
        assert_eq!(K::ALL[0], K::DeniedByReviewerNowAllowed);
        assert!(K::ALL.is_sorted());
    }

    fn example() -> Example {
        let verdict = SimulatedVerdict {
            simulated: Simulated::Asked,
            policy: None,
            code: None,
            conditions: Vec::new(),
        };
        Example {
            action_id: ActionId(RawId([0; 16])),
            approval_id: None,
            at: Timestamp(0),
            action: "a".into(),
            agent: Named {
                id: AgentId(RawId([0; 16])),
                name: "bot".into(),
            },
            sentence: Sentence {
                parts: Vec::new(),
                assumption: None,
            },
            outcome: PastOutcome::Allowed,
            policy: None,
            decided_by: None,
            present: verdict.clone(),
            proposed: verdict,
        }
    }

    #[test]
    fn no_kind_of_change_is_crowded_out_and_the_worst_gets_the_rest() {
        use ChangeKind as K;
        let filled = |max: usize| {
            let mut sorted = Sorted::default();
            for kind in [K::DeniedByReviewerNowAllowed, K::AllowedNowAsked, K::AsRecorded] {
                for _ in 0..100 {
                    sorted.groups.entry(kind).or_default().0 += 1;
                    if sorted.wants(kind, max) {
                        sorted.keep(kind, example());
                    }
                }
            }
            let (_, groups) = sorted.found(max);
            assert!(groups.iter().all(|group| group.count == 100));
            groups
                .iter()
                .map(|group| group.examples.len())
                .collect::<Vec<_>>()
        };
        assert_eq!(filled(200), [100, 90, 10]);
        assert_eq!(filled(50), [30, 10, 10]);
        assert_eq!(filled(15), [10, 5, 0]);
        assert_eq!(filled(0), [0, 0, 0]);
    }
}

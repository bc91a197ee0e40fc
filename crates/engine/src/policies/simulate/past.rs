//! What was done before, as a simulation knows it: the recorded actions that went on or still wait, counted under each of the
//! two sets. The log is read newest first, so actions that policy judges by their past wait until all of it was read.

use signoff_core::{
    action::Action,
    counted::{CountedRow, CounterKey, Entries, Figure, Figures, Moment},
    judge::{AgentFacts, PolicySet, Verdict},
};

use super::recorded::Recorded;
use crate::view::PastOutcome;

/// An action that one of the sets judges by what was done before.
pub(super) struct Waiting {
    pub(super) recorded: Recorded,
    pub(super) action: Action,
}

/// What counts under one set.
#[derive(Default)]
pub(super) struct Past(Vec<CountedRow>);

impl Past {
    /// Whether a set asks for the past of this action; then it also counts for others.
    pub(super) fn take(
        &mut self,
        set: &PolicySet,
        recorded: &Recorded,
        action: &Action,
        facts: &AgentFacts,
    ) -> bool {
        let Ok(counted) = set.counted(action, facts) else {
            return false;
        };
        let asks = !counted.is_empty();
        if went_on(recorded.outcome)
            && let Some(entries) = Entries::new(recorded.at, recorded.seq, &counted)
        {
            self.0.extend(entries.rows(facts.id, recorded.id));
        }
        asks
    }

    /// What a set says of an action, with the past as it was then.
    pub(super) fn judge(
        &self,
        set: &PolicySet,
        recorded: &Recorded,
        action: &Action,
        facts: &AgentFacts,
    ) -> Verdict {
        let mut figures = Figures::default();
        for (policy, counter) in set.wanted(action, facts) {
            let key = CounterKey::new(policy, &counter, facts.id, Some(recorded.seq));
            let mut figure = Figure::default();
            for row in self.0.iter().filter(|row| key.fits(row, recorded.at)) {
                figure.add(row);
            }
            figures.insert(policy, counter, figure);
        }
        let moment = Moment {
            now: recorded.at,
            past: Some(&figures),
        };
        set.judge(action, facts, moment)
    }
}

/// What ended without having run does not count.
fn went_on(outcome: PastOutcome) -> bool {
    matches!(
        outcome,
        PastOutcome::Allowed | PastOutcome::Approved | PastOutcome::Pending
    )
}

//! What a simulation found, in plain words.

use signoff_core::lint::Finding;
use signoff_core::time::Timestamp;
use signoff_engine::view::{
    ChangeGroup, ChangeKind, CutShort, Example, PastOutcome, PendingChange, Simulated, SimulatedVerdict,
    Simulation, Tally,
};

use super::{moment, who_text};
use crate::console::inert::Inert;
use crate::console::view::policy::{FindingLine, Findings};
use crate::console::view::trial::{Trial, TrialExample, TrialGroup};
use crate::console::view::{SentenceView, grouped};

/// Findings on one page.
const FINDINGS: usize = 20;

/// "1 action", "1,200 actions".
pub fn many(count: u64, one: &str, several: &str) -> String {
    if count == 1 {
        format!("1 {one}")
    } else {
        format!("{} {several}", grouped(count))
    }
}

/// What lint found.
pub fn findings<'a>(found: impl Iterator<Item = &'a Finding>) -> Findings {
    let mut all: Vec<FindingLine> = found
        .map(|finding| FindingLine {
            severity: finding.severity.as_str(),
            policy: finding
                .policy
                .as_ref()
                .map(|name| (Inert::all(name), super::policy::href(name))),
            message: Inert::all(&sentence(&finding.message)),
            next: Inert::all(&sentence(&finding.next)),
        })
        .collect();
    let more = all.len().saturating_sub(FINDINGS);
    all.truncate(FINDINGS);
    Findings { shown: all, more }
}

/// Words as a sentence.
fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(char::to_uppercase).into_iter().flatten();
    let text: String = first.chain(letters).collect();
    if text.ends_with('.') {
        text
    } else {
        format!("{text}.")
    }
}

/// What becomes of requests that wait.
pub fn waiting(change: PendingChange) -> Vec<String> {
    if change.total() == 0 {
        return vec!["No request that waits is affected.".to_owned()];
    }
    let said = [
        (
            change.allowed,
            "is approved by Signoff",
            "are approved by Signoff",
        ),
        (change.denied, "is denied by Signoff", "are denied by Signoff"),
        (
            change.asked,
            "is still asked, on other terms",
            "are still asked, on other terms",
        ),
    ];
    let said = said.into_iter().filter(|(count, ..)| *count > 0);
    said.map(|(count, one, several)| {
        let waits = many(count, "request that waits", "requests that wait");
        format!("{waits} {}.", if count == 1 { one } else { several })
    })
    .collect()
}

/// The trial.
pub fn trial(found: &Simulation, now: Timestamp) -> Trial {
    let totals = found.totals();
    Trial {
        judged: many(found.judged(), "action", "actions"),
        since: moment(found.reached, now),
        notes: notes(found),
        rows: vec![
            ("In force", cells(&totals.present)),
            ("Changed", cells(&totals.proposed)),
        ],
        groups: found.changes.iter().map(|changes| group(changes, now)).collect(),
        loosened: found.count_of(ChangeKind::DeniedByReviewerNowAllowed),
    }
}

fn cells(tally: &Tally) -> [String; 4] {
    [tally.allowed, tally.asked, tally.sent_back, tally.denied].map(grouped)
}

/// What the answer does not cover.
fn notes(found: &Simulation) -> Vec<String> {
    let mut notes = Vec::new();
    match found.cut_short {
        Some(CutShort::Actions) => {
            notes.push("Older ones were not looked at: there are too many.".to_owned());
        }
        Some(CutShort::Time) => notes.push("Older ones were not looked at: it took too long.".to_owned()),
        None => {}
    }
    if found.erased > 0 {
        let gone = many(found.erased, "action was erased", "actions were erased");
        notes.push(format!("{gone} and can’t be judged."));
    }
    if found.unknown_agent > 0 {
        let gone = many(found.unknown_agent, "action is", "actions are");
        notes.push(format!(
            "{gone} of an agent that is not known any more, and can’t be judged."
        ));
    }
    notes
}

fn group(changes: &ChangeGroup, now: Timestamp) -> TrialGroup {
    let (title, tone) = words(changes.kind);
    let hidden = changes.count - changes.examples.len() as u64;
    TrialGroup {
        title,
        tone,
        count: grouped(changes.count),
        examples: changes.examples.iter().map(|one| example(one, now)).collect(),
        more: (hidden > 0).then(|| format!("and {} more", grouped(hidden))),
    }
}

fn words(kind: ChangeKind) -> (&'static str, &'static str) {
    use ChangeKind as K;
    match kind {
        K::DeniedByReviewerNowAllowed => ("People denied it, and it would pass", "bad"),
        K::DeniedByPolicyNowAllowed => ("Policy denied it, and it would pass", "bad"),
        K::UndecidedNowAllowed => ("Nobody decided it, and it would pass", "bad"),
        K::ApprovedNowDenied => ("People approved it, and it would be denied", "still"),
        K::AllowedNowDenied => ("Policy allowed it, and it would be denied", "still"),
        K::NowSentBack => (
            "It would go back to the agent, which left out what is required",
            "still",
        ),
        K::AllowedNowAsked => ("Policy allowed it, and people would be asked", "still"),
        K::DeniedNowAsked => ("Policy denied it, and people would be asked", "still"),
        K::OtherApprovers => ("Other people would be asked, or on other terms", "still"),
        K::ApprovedNowAllowed => ("People approved it, and it would pass without them", "still"),
        K::NotApprovedNowDenied => (
            "People did not approve it, and it would be denied at once",
            "still",
        ),
        K::AsRecorded => ("It would be judged as it was then, unlike now", "still"),
    }
}

fn example(one: &Example, now: Timestamp) -> TrialExample {
    TrialExample {
        href: match one.approval_id {
            Some(id) => format!("/approvals/{id}"),
            None => format!("/audit?subject={}", one.action_id),
        },
        sentence: SentenceView::from(&one.sentence),
        at: moment(one.at, now),
        then: Inert::all(&then(one)),
        present: Inert::all(&verdict(&one.present)),
        proposed: Inert::all(&verdict(&one.proposed)),
    }
}

fn then(one: &Example) -> String {
    let word = match one.outcome {
        PastOutcome::DeniedByReviewer | PastOutcome::Denied => "denied",
        PastOutcome::Stopped => "refused by a stop",
        PastOutcome::Expired => "ran out of time",
        PastOutcome::Cancelled => "cancelled",
        PastOutcome::Superseded => "replaced",
        PastOutcome::Pending => "still waits",
        PastOutcome::Approved => "approved",
        PastOutcome::Allowed => "allowed",
    };
    let decided = matches!(one.outcome, PastOutcome::DeniedByReviewer | PastOutcome::Approved);
    match (&one.decided_by, &one.policy) {
        (Some(by), _) if decided => format!("{word} by {}", who_text(by)),
        (_, Some(policy)) => format!("{word} under {policy}"),
        (_, None) => word.to_owned(),
    }
}

fn verdict(verdict: &SimulatedVerdict) -> String {
    let word = match verdict.simulated {
        Simulated::Allowed => "passes",
        Simulated::Asked => "asks",
        Simulated::SentBack => "goes back",
        Simulated::Denied => "denied",
    };
    match &verdict.policy {
        Some(policy) => format!("{word} by {policy}"),
        None => format!("{word}, as no policy covers it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_told_in_numbers() {
        let change = PendingChange {
            allowed: 1,
            denied: 0,
            asked: 1_200,
        };
        assert_eq!(
            waiting(change),
            [
                "1 request that waits is approved by Signoff.",
                "1,200 requests that wait are still asked, on other terms."
            ]
        );
        assert_eq!(waiting(PendingChange::default()).len(), 1);
    }
}

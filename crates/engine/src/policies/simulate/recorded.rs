//! What the log says of an action: what was asked, and what became of it. Records are read newest first, so that the end of
//! a request is known before its beginning is met.

use std::collections::HashMap;

use signoff_core::{
    action::Action,
    actor::{Actor, ActorKind},
    event::{ActionFacts, ApprovalEnd, ApprovalStatus, Event},
    id::{ActionId, RawId},
    judge::ReasonCode,
    payload::PayloadName,
    record::Record,
    time::{Micros, Timestamp},
};
use signoff_store::subject_digits;

use crate::{content::Opened, view::PastOutcome};

/// What judging needs of what is kept beside a record.
pub(super) const JUDGED: [PayloadName; 3] = [PayloadName::Inputs, PayloadName::Context, PayloadName::Claims];

/// An action as it was submitted, and what became of it.
pub(super) struct Recorded {
    pub(super) id: ActionId,
    /// The record of the submission.
    pub(super) seq: u64,
    /// The record of the last change by an approver: what people decided on is what it left.
    pub(super) edited_seq: Option<u64>,
    pub(super) at: Timestamp,
    pub(super) facts: ActionFacts,
    pub(super) timeout: Option<Micros>,
    /// What judging needs and the record says is kept beside it.
    needs: Vec<PayloadName>,
    pub(super) outcome: PastOutcome,
    /// People were asked.
    pub(super) asked: bool,
    pub(super) decided_by: Option<Actor>,
}

impl Recorded {
    /// The records beside which is kept what was asked.
    pub(super) fn sequences(&self) -> impl Iterator<Item = u64> {
        std::iter::once(self.seq).chain(self.edited_seq)
    }

    /// The action, to judge it again; none where any part of it was erased: what is missing is never guessed.
    pub(super) fn action(&self, opened: &Opened) -> Option<Action> {
        let edited = self
            .edited_seq
            .iter()
            .all(|seq| opened.has(*seq, PayloadName::Inputs));
        if !edited || !self.needs.iter().all(|name| opened.has(self.seq, *name)) {
            return None;
        }
        let content = opened.changed_content(self.seq, self.edited_seq);
        let claims = self.facts.claims();
        Some(Action {
            name: self.facts.name.clone(),
            inputs: content.inputs,
            context: content.context,
            claims: content.claims,
            priority: claims.priority,
            risk: claims.risk,
            cost: claims.cost,
            timeout: self.timeout,
            require_approval: self.facts.require_approval,
            accepts: self.facts.accepts,
            http: content.call,
            grant: self.facts.call.as_ref().and_then(|call| call.grant),
        })
    }
}

/// The ends of requests whose beginning was not met yet.
#[derive(Default)]
pub(super) struct Ends {
    ends: HashMap<RawId, (PastOutcome, Actor)>,
    /// The last change of each.
    edits: HashMap<RawId, u64>,
}

impl Ends {
    /// Takes one record; an action where it is the submission of one.
    pub(super) fn take(&mut self, record: Record) -> Option<Recorded> {
        let subject = subject_digits(&record.subject);
        let (facts, timeout, end) = match record.event {
            // A person had answered ahead.
            Event::ActionAllowed(allowed) if allowed.standing.is_some() => {
                (allowed.action, None, Some((PastOutcome::Approved, None)))
            }
            Event::ActionAllowed(allowed) => (allowed.action, None, Some((PastOutcome::Allowed, None))),
            Event::ActionDenied(denied) => (denied.action, None, Some((refused(denied.code), None))),
            Event::ApprovalRequested(requested) => {
                let end = self.ends.remove(&subject);
                let end = end.map(|(outcome, actor)| (outcome, Some(actor)));
                (requested.action, requested.timeout, end)
            }
            Event::ApprovalEdited(_) => {
                self.edits.entry(subject).or_insert(record.seq);
                return None;
            }
            Event::ApprovalVoted(voted) => {
                if let Some(end) = voted.end {
                    self.note(subject, &end, record.actor);
                }
                return None;
            }
            Event::ApprovalEnded(end) => {
                self.note(subject, &end, record.actor);
                return None;
            }
            _ => return None,
        };
        let asked = !matches!(end, Some((_, None)));
        let (outcome, decided_by) = end.unwrap_or((PastOutcome::Pending, None));
        let needs = JUDGED.into_iter();
        // Inputs are always kept, whatever the record says.
        let needed = |name: &PayloadName| *name == PayloadName::Inputs || record.payloads.contains_key(name);
        Some(Recorded {
            id: ActionId(subject),
            seq: record.seq,
            edited_seq: self.edits.remove(&subject),
            at: record.time,
            facts,
            timeout,
            needs: needs.filter(needed).collect(),
            outcome,
            asked,
            decided_by,
        })
    }

    fn note(&mut self, request: RawId, end: &ApprovalEnd, actor: Actor) {
        use ApprovalStatus as S;
        // Votes that came to suffice under another requirement are the people's word, too.
        let by_people =
            matches!(actor.kind, ActorKind::Operator | ActorKind::Automation) || !end.counted.is_empty();
        let outcome = match end.status {
            S::Approved | S::Answered if by_people => PastOutcome::Approved,
            S::Approved | S::Answered => PastOutcome::Allowed,
            S::Denied => end.code.map_or(PastOutcome::Denied, refused),
            S::Expired => PastOutcome::Expired,
            S::Cancelled => PastOutcome::Cancelled,
            S::Superseded => PastOutcome::Superseded,
            S::Pending | S::InfoRequested => return,
        };
        self.ends.insert(request, (outcome, actor));
    }
}

fn refused(code: ReasonCode) -> PastOutcome {
    match code {
        ReasonCode::DeniedByReviewer => PastOutcome::DeniedByReviewer,
        ReasonCode::Stopped => PastOutcome::Stopped,
        _ => PastOutcome::Denied,
    }
}

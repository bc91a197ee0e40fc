//! What actions count for: entered with the submission, taken out again by an end without having run.

use super::{Fold, RowKey, Rows};
use crate::{
    counted::{CountedRow, Entries},
    event::{ActionFacts, ApprovalStatus, Event, ExecutionState, LogCut},
    id::{ActionId, ApprovalId, ExecutionId},
    record::Record,
    rows::ApprovalRow,
};

/// What a record did to what is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CountedChange {
    /// These were entered.
    Entered(Vec<CountedRow>),
    /// These were taken out.
    TakenOut(Vec<CountedRow>),
}

impl Rows {
    /// What a record that is about to be folded takes the place of: an approver changes what is asked.
    pub fn counted_before(&self, record: &Record) -> Vec<CountedRow> {
        let Event::ApprovalEdited(_) = &record.event else {
            return Vec::new();
        };
        let row = record.subject.parse().ok().and_then(|id| self.approvals.get(&id));
        row.map(ApprovalRow::counted_rows).unwrap_or_default()
    }

    /// What a record that was just folded did to what is counted, beside what [`Self::counted_before`] said.
    pub fn counted_change(&self, record: &Record) -> Option<CountedChange> {
        let entered = |facts: &ActionFacts, action: ActionId| {
            let entries = Entries::new(record.time, record.seq, &facts.counted)?;
            Some(CountedChange::Entered(entries.rows(facts.agent, action)))
        };
        match &record.event {
            Event::ActionAllowed(allowed) => entered(&allowed.action, record.subject.parse().ok()?),
            Event::ApprovalRequested(requested) => {
                let id: ApprovalId = record.subject.parse().ok()?;
                entered(&requested.action, id.action())
            }
            Event::ApprovalEdited(_) => {
                let row = self.approvals.get(&record.subject.parse().ok()?)?;
                Some(CountedChange::Entered(row.counted_rows()))
            }
            Event::ApprovalVoted(_) | Event::ApprovalEnded(_) => {
                let row = self.approvals.get(&record.subject.parse().ok()?)?;
                let ended = row.status.is_terminal() && row.decided_seq == Some(record.seq);
                let goes_on = matches!(row.status, ApprovalStatus::Approved | ApprovalStatus::Answered);
                (ended && !goes_on).then(|| CountedChange::TakenOut(row.counted_rows()))
            }
            Event::ExecutionFinished(_)
            | Event::ExecutionSettled(_)
            | Event::ExecutionLapsed(_)
            | Event::ExecutionRevoked(_) => {
                let id: ExecutionId = record.subject.parse().ok()?;
                let row = self.executions.get(&id)?;
                let never_ran = matches!(
                    row.state,
                    ExecutionState::Failed | ExecutionState::Lapsed | ExecutionState::Revoked
                );
                let entries = row.counted.as_ref().filter(|_| never_ran)?;
                Some(CountedChange::TakenOut(entries.rows(row.agent, id.action())))
            }
            _ => None,
        }
    }

    /// Takes away what was counted up to a cut: it is older than the longest window by far.
    pub(super) fn take_what_was_counted(&mut self, cut: &LogCut) -> Vec<RowKey> {
        let old = self.counted.values().filter(|row| row.seq <= cut.seq);
        let old: Vec<_> = old.map(|row| row.id).collect();
        for id in &old {
            self.counted.remove(id);
        }
        old.into_iter().map(RowKey::Counted).collect()
    }
}

impl Fold<'_> {
    pub(super) fn count_past(&mut self, before: &[CountedRow]) {
        for row in before {
            self.changed.insert(RowKey::Counted(row.id));
            self.rows.counted.remove(&row.id);
        }
        let (rows, are_in) = match self.rows.counted_change(self.record) {
            None => return,
            Some(CountedChange::Entered(rows)) => (rows, true),
            Some(CountedChange::TakenOut(rows)) => (rows, false),
        };
        for row in rows {
            self.changed.insert(RowKey::Counted(row.id));
            if are_in {
                self.rows.counted.insert(row.id, row);
            } else {
                self.rows.counted.remove(&row.id);
            }
        }
    }
}

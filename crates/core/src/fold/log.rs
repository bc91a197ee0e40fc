//! What happens to a log as a whole.

use super::{Fold, FoldError, RowKey, Rows};
use crate::{
    event::{Event, LogCut},
    id::{ApprovalId, ExecutionId},
    rows::{ApprovalRow, ExecutionRow, LogEpoch},
};

impl Fold<'_> {
    pub(super) fn apply_log(&mut self) -> Result<(), FoldError> {
        let time = self.record.time;
        match &self.record.event {
            Event::EpochRaised(raised) => {
                self.workspace_mut()?.log_epoch = Some(LogEpoch {
                    number: raised.epoch,
                    since: time,
                });
            }
            Event::LogCut(cut) => {
                self.workspace_mut()?.cut = Some(cut.clone());
                self.changed.extend(self.rows.take_what_was_over(cut));
            }
            _ => {}
        }
        Ok(())
    }
}

impl Rows {
    /// Takes the requests away that were over at a cut, and answers which rows these were: nothing after the cut is
    /// about them. Applied to the state at the cut and to that at the cut's record, it comes to the same in the end.
    pub fn take_what_was_over(&mut self, cut: &LogCut) -> Vec<RowKey> {
        let executions: Vec<ExecutionId> = self
            .executions
            .values()
            .filter(|row| execution_was_over(row, cut))
            .map(|row| row.id)
            .collect();
        let approvals: Vec<ApprovalId> = self
            .approvals
            .values()
            .filter(|row| self.approval_was_over(row, cut))
            .map(|row| row.id)
            .collect();
        let mut taken = self.take_what_was_counted(cut);
        taken.reserve(approvals.len() + executions.len());
        for id in approvals {
            self.approvals.remove(&id);
            taken.push(RowKey::Approval(id));
        }
        for id in executions {
            // An approved one goes with its approval, so that neither is ever there alone.
            if !self.approvals.contains_key(&id.action().approval()) {
                self.executions.remove(&id);
                taken.push(RowKey::Execution(id));
            }
        }
        taken
    }

    fn approval_was_over(&self, row: &ApprovalRow, cut: &LogCut) -> bool {
        let execution = self.executions.get(&row.id.action().execution());
        row.status.is_terminal()
            && row.last_seq <= cut.seq
            && execution.is_none_or(|execution| execution_was_over(execution, cut))
    }
}

fn execution_was_over(row: &ExecutionRow, cut: &LogCut) -> bool {
    row.ended_at.is_some_and(|at| at <= cut.time)
}

//! The kill switch, on the row of what is stopped.

use super::{Fold, FoldError, RowKey};
use crate::{
    event::Event,
    record::Record,
    stop::{Stop, StopTarget},
};

impl Fold<'_> {
    /// Pulled where it is not, lifted where it is.
    pub(super) fn apply_stop(&mut self) -> Result<(), FoldError> {
        let record = self.record;
        let (target, fresh) = match &record.event {
            Event::StopPulled(pulled) => (pulled.target, Some(pulled_by(record))),
            Event::StopLifted(lifted) => (lifted.target, None),
            _ => return Ok(()),
        };
        let present = self.stop_mut(target)?;
        match (present.is_some(), fresh.is_some()) {
            (true, true) => Err(self.impossible("stopped")),
            (false, false) => Err(self.impossible("not stopped")),
            _ => {
                *present = fresh;
                Ok(())
            }
        }
    }

    /// Where the stop on a target is kept. The record is about the target that it names, and about nothing else.
    fn stop_mut(&mut self, target: StopTarget) -> Result<&mut Option<Stop>, FoldError> {
        let record = self.record;
        if record.subject != target.subject(record.workspace) {
            return Err(FoldError::Missing {
                seq: record.seq,
                subject: record.subject.clone(),
            });
        }
        Ok(match target {
            StopTarget::Workspace => &mut self.workspace_mut()?.stop,
            StopTarget::Agent(id) => &mut row_mut!(self.agents, Agent, id)?.stop,
            StopTarget::Grant(id) => &mut row_mut!(self.grants, Grant, id)?.stop,
        })
    }
}

fn pulled_by(record: &Record) -> Stop {
    Stop {
        by: record.actor.clone(),
        at: record.time,
        seq: record.seq,
    }
}

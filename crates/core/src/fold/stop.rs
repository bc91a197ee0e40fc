//! The kill switch, on the row of what is stopped.

use super::{Fold, FoldError, RowKey};
use crate::{
    event::Event,
    stop::{Stop, StopTarget},
};

impl Fold<'_> {
    pub(super) fn apply_stop(&mut self) -> Result<(), FoldError> {
        let record = self.record;
        match &record.event {
            Event::StopPulled(pulled) => {
                let stop = Stop {
                    by: record.actor.clone(),
                    at: record.time,
                    seq: record.seq,
                };
                match self.stop_mut(pulled.target)? {
                    place @ None => *place = Some(stop),
                    Some(_) => return Err(self.impossible("stopped")),
                }
            }
            Event::StopLifted(lifted) => {
                if self.stop_mut(lifted.target)?.take().is_none() {
                    return Err(self.impossible("not stopped"));
                }
            }
            _ => {}
        }
        Ok(())
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
        })
    }
}

//! Stops, and what they met.

use signoff_api::Code;
use signoff_api::stop as wire;
use signoff_engine::view::{StopTargetView, StopView, Stopped};

use super::super::problem::Refused;
use super::{Faults, ToWire};

/// The word for the whole workspace where a target is named.
const WORKSPACE: &str = "workspace";

/// Why somebody stops, or lets go on.
pub(crate) fn check_reason(reason: Option<&str>) -> Result<(), Refused> {
    let mut faults = Faults::default();
    faults.check_text("/reason", reason);
    faults.done(Code::InvalidRequest)
}

impl ToWire for StopView {
    type Wire = wire::Stop;

    fn to_wire(&self) -> wire::Stop {
        let (target, kind, agent) = match &self.target {
            StopTargetView::Workspace => (WORKSPACE.to_owned(), wire::StopKind::Workspace, None),
            StopTargetView::Agent(agent) => {
                (agent.id.to_string(), wire::StopKind::Agent, Some(agent.to_wire()))
            }
            StopTargetView::Grant(grant) => (grant.id.to_string(), wire::StopKind::Agent, None),
        };
        wire::Stop {
            target,
            kind,
            agent,
            stopped_at: self.at.to_wire(),
            stopped_by: self.by.to_wire(),
            reason: self.reason.clone(),
        }
    }
}

impl ToWire for Stopped {
    type Wire = wire::Stopped;

    fn to_wire(&self) -> wire::Stopped {
        let met = &self.in_flight;
        wire::Stopped {
            stop: self.stop.to_wire(),
            is_new: self.is_new,
            may_lift: self.may_lift,
            pending: met.pending,
            ready: met.ready,
            consumed: met.consumed.iter().map(ToString::to_string).collect(),
            executing: met.executing.iter().map(ToString::to_string).collect(),
            more: met.more,
        }
    }
}

//! Executions: what the agent reports, what a person settles, and how they stand.

use signoff_api::Code;
use signoff_api::execution as wire;
use signoff_core::payload::Hash32;
use signoff_engine::request::{Report, Settle};
use signoff_engine::view::{ExecutionView, ReportView};

use super::super::problem::Refused;
use super::action::object;
use super::{Extent, Faults, Reader, ToCore, ToWire};

/// How it went.
pub(crate) fn report(given: wire::Report) -> Result<Report, Refused> {
    let mut faults = Faults::default();
    faults.check_text("/detail", given.detail.as_deref());
    faults.done(Code::InvalidRequest)?;
    Ok(Report {
        outcome: given.outcome.to_core(),
        detail: given.detail,
        result: given.result,
    })
}

/// A person's word on an indeterminate execution.
pub(crate) fn settle(given: wire::Settle) -> Result<Settle, Refused> {
    let mut faults = Faults::default();
    faults.check_text("/note", given.note.as_deref());
    faults.done(Code::InvalidRequest)?;
    Ok(Settle {
        state: given.outcome.to_core(),
        note: given.note,
    })
}

/// An execution, as far as its reader may see it.
pub(crate) fn execution(
    reader: Reader<'_>,
    view: &ExecutionView,
    extent: Extent,
) -> Result<wire::Execution, Refused> {
    let (row, content) = (&view.row, &*view.content);
    let run = row.call.as_deref();
    let call = run.map(|run| reader.call(&run.facts, Some(run), content, extent));
    Ok(wire::Execution {
        id: row.id.to_string(),
        action_id: row.id.action().to_string(),
        approval_id: view.approval_id.map(|id| id.to_string()),
        status: view.state.to_wire(),
        action: row.action.clone(),
        agent: view.agent.to_wire(),
        inputs: object(content, &content.inputs),
        context: object(content, &content.context),
        digest: Hash32::to_wire(&row.digest),
        created_at: row.created_at.to_wire(),
        run_by: Some(row.run_by.to_wire()),
        consumed_at: row.consumed_at.to_wire(),
        ended_at: row.ended_at.to_wire(),
        report: view.report.to_wire(),
        held: view.held,
        call: call.transpose()?,
    })
}

impl ToWire for ReportView {
    type Wire = wire::Report;

    fn to_wire(&self) -> wire::Report {
        wire::Report {
            outcome: self.outcome.to_wire(),
            detail: self.detail.clone(),
            result: self.result.clone(),
        }
    }
}

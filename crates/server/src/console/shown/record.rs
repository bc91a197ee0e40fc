//! Records of the log as rows and pages.

use serde_json::Value;
use signoff_core::id::{ActionId, ApprovalId, ExecutionId};
use signoff_core::time::Timestamp;
use signoff_engine::view::EventView;

use super::{moment, who};
use crate::console::inert::{Inert, Show};
use crate::console::tree::Tree;
use crate::console::view::audit::AuditRow;

/// One record in the list.
pub fn row(event: &EventView, now: Timestamp) -> AuditRow {
    AuditRow {
        sequence: event.record.seq,
        href: format!("/audit/{}", event.record.seq),
        at: moment(event.record.time, now),
        kind: event.record.event.type_name().to_owned(),
        what: Inert::all(&event.summary),
        who: who(&event.actor),
        subject: Inert::all(&event.record.subject),
        subject_href: subject_href(event),
    }
}

/// The page of what a record is about: an approval's, also for its execution.
fn subject_href(event: &EventView) -> Option<String> {
    let subject = &event.record.subject;
    let kind = event.record.event.type_name();
    if kind.starts_with("action.") {
        return None;
    }
    let approval = subject
        .parse::<ApprovalId>()
        .or_else(|_| subject.parse::<ActionId>().map(ActionId::approval))
        .ok();
    // An execution may belong to an allowed action, which has no approval; only the log knows, so it gets no link.
    match (approval, subject.parse::<ExecutionId>()) {
        (Some(approval), _) if kind.starts_with("approval.") => Some(format!("/approvals/{approval}")),
        _ => None,
    }
}

/// The record whole, as it was hashed, as a tree.
pub fn tree(event: &EventView) -> Tree {
    let value = serde_json::to_value(&event.record).unwrap_or(Value::Null);
    Tree::new(&value, Show::All)
}

//! Rows of the inbox from approvals.

use signoff_engine::view::ApprovalView;

use super::approval::cost_text;
use super::{instant, moment};
use crate::console::inert::Inert;
use crate::console::view::inbox::InboxRow;
use crate::console::view::{Level, SentenceView, Status, TimeLeft, grouped};

/// What is left of an approval's time; none when it has ended or never runs out.
pub fn time_left(view: &ApprovalView) -> Option<TimeLeft> {
    let until = view.row.decide_by.filter(|_| !view.row.status.is_terminal())?;
    Some(TimeLeft::new(
        instant(view.row.created_at),
        instant(until),
        instant(view.now),
    ))
}

/// What the list says of calls that nobody knows the end of.
pub fn needs(count: u64, may_settle: bool) -> Option<(String, String)> {
    let whom = if may_settle { "you" } else { "an admin" };
    let words = match count {
        0 => return None,
        1 => format!("1 call needs {whom}: nobody knows whether it arrived"),
        _ => format!(
            "{} calls need {whom}: nobody knows whether they arrived",
            grouped(count)
        ),
    };
    Some((words, "/executions".to_owned()))
}

/// One row; `carry` is the list's filter as a query, `current` the approval that is open beside the list.
pub fn row(view: &ApprovalView, carry: &str, current: Option<&str>) -> InboxRow {
    let id = view.row.id.to_string();
    let mark = if carry.is_empty() { "" } else { "?" };
    InboxRow {
        href: format!("/approvals/{id}{mark}{carry}"),
        sentence: SentenceView::from(&view.sentence),
        agent: Inert::all(&view.agent.name),
        action: Inert::all(&view.row.action),
        policy: view.row.policy.as_ref().map(|policy| Inert::all(&policy.name)),
        risk: Level::risk(view.row.risk.as_str()),
        priority: Level::priority(view.row.priority.as_str()),
        cost: view.row.cost.as_ref().map(|cost| cost_text(cost.as_str())),
        created: moment(view.row.created_at, view.now),
        time_left: time_left(view),
        status: Status::new(view.row.status.as_str()),
        is_current: current == Some(id.as_str()),
        id,
    }
}

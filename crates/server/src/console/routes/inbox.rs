//! The inbox: the list by its filters, which are its address.

use axum::response::Response;
use serde::Deserialize;
use signoff_core::action::{Priority, Risk};
use signoff_core::authority::Operation;
use signoff_core::event::ApprovalStatus;
use signoff_engine::EngineResult;
use signoff_engine::request::ApprovalFilter;

use super::fields::{Asked, given, href, query};
use super::page;
use super::trouble::Trouble;
use super::visitor::Visitor;
use crate::console::inert::Inert;
use crate::console::shown;
use crate::console::view::inbox::{EmptyInbox, InboxFilter, InboxList, InboxPage, InboxTab};

/// Rows of one page of the list.
const ROWS: u32 = 50;

/// The list's filter as it stands in the address. All of it may be absent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListQuery {
    show: String,
    agent: String,
    action: String,
    policy: String,
    risk: String,
    priority: String,
    order: String,
    beyond: Option<u64>,
}

pub(super) const WAITING: &[ApprovalStatus] = &[ApprovalStatus::Pending, ApprovalStatus::InfoRequested];
const DECIDED: &[ApprovalStatus] = &[
    ApprovalStatus::Approved,
    ApprovalStatus::Answered,
    ApprovalStatus::Denied,
    ApprovalStatus::Expired,
    ApprovalStatus::Cancelled,
    ApprovalStatus::Superseded,
];

impl ListQuery {
    /// The filter as a query, so that pages beside the list keep it.
    pub(super) fn carry(&self) -> String {
        let show = if self.show == "waiting" { "" } else { &self.show };
        self.carry_with(show, self.beyond)
    }

    fn carry_with(&self, show: &str, beyond: Option<u64>) -> String {
        let order = if self.order == "newest" { "" } else { &self.order };
        let beyond = beyond.map(|seq| seq.to_string()).unwrap_or_default();
        query(&[
            ("show", show),
            ("agent", &self.agent),
            ("action", &self.action),
            ("policy", &self.policy),
            ("risk", &self.risk),
            ("priority", &self.priority),
            ("order", order),
            ("beyond", &beyond),
        ])
    }

    fn filter(&self, limit: u32) -> ApprovalFilter {
        let statuses = match self.show.as_str() {
            "all" => Vec::new(),
            "decided" => DECIDED.to_vec(),
            _ => WAITING.to_vec(),
        };
        // People type a part of a name; whoever writes a glob means it.
        let action = given(&self.action).map(|text| {
            if text.contains(['*', '?']) {
                text
            } else {
                format!("*{text}*")
            }
        });
        ApprovalFilter {
            statuses,
            agent: given(&self.agent),
            action,
            priority: Priority::parse(&self.priority),
            risk: Risk::parse(&self.risk),
            policy: given(&self.policy),
            search: None,
            oldest_first: self.order == "oldest",
            beyond: self.beyond,
            limit,
        }
    }
}

/// The page.
pub(super) async fn show(visitor: Visitor, Asked(asked): Asked<ListQuery>) -> Result<Response, Trouble> {
    let title = match asked.show.as_str() {
        "decided" => "Decided",
        "all" => "All requests",
        _ => "Inbox",
    };
    let list = list(&visitor, &asked, None)
        .await
        .map_err(|error| visitor.trouble(error))?;
    let shell = visitor
        .shell(title, "inbox")
        .await
        .map_err(|error| visitor.trouble(error))?;
    Ok(page::ok(&InboxPage { shell, list }))
}

/// The list, with the approval that is open beside it marked.
pub(super) async fn list(
    visitor: &Visitor,
    asked: &ListQuery,
    current: Option<&str>,
) -> EngineResult<InboxList> {
    let engine = visitor.engine();
    let found = engine.approvals(&visitor.caller, &asked.filter(ROWS)).await?;
    let carry = asked.carry();
    let rows: Vec<_> = found
        .items
        .iter()
        .map(|view| shown::inbox::row(view, &carry, current))
        .collect();
    let filter = filter_shown(asked);
    let empty = if rows.is_empty() {
        why_empty(visitor, &filter, asked).await?
    } else {
        EmptyInbox::default()
    };
    let next = found
        .next
        .map(|seq| href("/", &asked.carry_with(&asked.show, Some(seq))));
    let waiting = engine.pending().await?;
    let unsettled = engine.unsettled_count(&visitor.caller).await?;
    Ok(InboxList {
        needs: shown::inbox::needs(
            unsettled,
            engine.permit(&visitor.caller, Operation::Settle).is_ok(),
        ),
        silent: engine
            .switched_off_channels(&visitor.caller)
            .unwrap_or_default()
            .iter()
            .map(|name| Inert::all(name))
            .collect(),
        tabs: tabs(asked, usize::try_from(waiting).unwrap_or(usize::MAX)),
        rows,
        filter,
        here_href: href("/", &carry),
        next_href: next,
        first_href: asked
            .beyond
            .map(|_| href("/", &asked.carry_with(&asked.show, None))),
        empty,
    })
}

fn filter_shown(asked: &ListQuery) -> InboxFilter {
    InboxFilter {
        show: asked.show.clone(),
        agent: asked.agent.clone(),
        action: asked.action.clone(),
        policy: asked.policy.clone(),
        risk: asked.risk.clone(),
        priority: asked.priority.clone(),
        order: asked.order.clone(),
        clear_href: href("/", &query(&[("show", asked.show.as_str())])),
    }
}

async fn why_empty(visitor: &Visitor, filter: &InboxFilter, asked: &ListQuery) -> EngineResult<EmptyInbox> {
    if filter.is_set() || asked.beyond.is_some() {
        return Ok(EmptyInbox::NoMatch);
    }
    let any = ApprovalFilter {
        limit: 1,
        ..ApprovalFilter::default()
    };
    let was_any = !visitor
        .engine()
        .approvals(&visitor.caller, &any)
        .await?
        .items
        .is_empty();
    Ok(match (was_any, asked.show.as_str()) {
        (true, "decided") => EmptyInbox::NothingDecided,
        (true, _) => EmptyInbox::AllDone,
        (false, _) => EmptyInbox::NothingYet,
    })
}

fn tabs(asked: &ListQuery, waiting: usize) -> Vec<InboxTab> {
    let shown = if matches!(asked.show.as_str(), "decided" | "all") {
        asked.show.as_str()
    } else {
        ""
    };
    [("Waiting", ""), ("Decided", "decided"), ("All", "all")]
        .into_iter()
        .map(|(label, show)| InboxTab {
            label,
            href: href("/", &asked.carry_with(show, None)),
            count: (show.is_empty() && waiting > 0).then_some(waiting),
            is_current: show == shown,
        })
        .collect()
}

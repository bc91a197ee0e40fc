//! The log: a list with filters, and one record.

use axum::extract::Path;
use axum::response::Response;
use serde::Deserialize;
use signoff_engine::EngineError;
use signoff_engine::request::EventFilter;

use super::fields::{Asked, given, href, query, since};
use super::page;
use super::trouble::Trouble;
use super::visitor::Visitor;
use crate::api::Refused;
use crate::console::inert::Inert;
use crate::console::shown;
use crate::console::view::audit::{AuditFilter, AuditPage, RecordPage};

/// Rows of one page of the list.
const ROWS: u32 = 100;

/// The filter as it stands in the address. All of it may be absent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct LogQuery {
    agent: String,
    action: String,
    operator: String,
    decision: String,
    #[serde(rename = "type")]
    kind: String,
    subject: String,
    since: String,
    beyond: Option<u64>,
}

impl LogQuery {
    fn href(&self, beyond: Option<u64>) -> String {
        let beyond = beyond.map(|seq| seq.to_string()).unwrap_or_default();
        let query = query(&[
            ("agent", &self.agent),
            ("action", &self.action),
            ("operator", &self.operator),
            ("decision", &self.decision),
            ("type", &self.kind),
            ("subject", &self.subject),
            ("since", &self.since),
            ("beyond", &beyond),
        ]);
        href("/audit", &query)
    }

    fn shown(&self) -> AuditFilter {
        AuditFilter {
            agent: self.agent.clone(),
            action: self.action.clone(),
            operator: self.operator.clone(),
            decision: self.decision.clone(),
            kind: self.kind.clone(),
            subject: self.subject.clone(),
            since: self.since.clone(),
        }
    }
}

/// The list.
pub(super) async fn list(visitor: Visitor, Asked(asked): Asked<LogQuery>) -> Result<Response, Trouble> {
    let since = since(&asked.since, visitor.now())
        .map_err(|refused| visitor.trouble(refused).with_link("To the log", "/audit"))?;
    let filter = EventFilter {
        agent: given(&asked.agent),
        action: given(&asked.action),
        actor: given(&asked.operator),
        decision: given(&asked.decision),
        event_type: given(&asked.kind).map(|kind| kind.trim_end_matches('*').to_owned()),
        subject: given(&asked.subject),
        since,
        oldest_first: false,
        beyond: asked.beyond,
        limit: ROWS,
    };
    let trouble = |error: EngineError| visitor.trouble(error).with_link("To the log", "/audit");
    let found = visitor
        .engine()
        .events(&visitor.caller, &filter)
        .await
        .map_err(trouble)?;
    let shell = visitor.shell("Audit", "log").await.map_err(trouble)?;
    Ok(page::ok(&AuditPage {
        shell,
        filter: asked.shown(),
        rows: found
            .items
            .iter()
            .map(|event| shown::record::row(event, visitor.now()))
            .collect(),
        next_href: found.next.map(|seq| asked.href(Some(seq))),
        first_href: asked.beyond.map(|_| asked.href(None)),
    }))
}

/// One record.
pub(super) async fn record(visitor: Visitor, Path(sequence): Path<String>) -> Result<Response, Trouble> {
    let unknown = || {
        visitor
            .trouble(Refused::not_found("record", &sequence))
            .with_link("To the log", "/audit")
    };
    let seq: u64 = sequence.parse().map_err(|_| unknown())?;
    let trouble = |error: EngineError| visitor.trouble(error).with_link("To the log", "/audit");
    let event = visitor
        .engine()
        .event(&visitor.caller, seq)
        .await
        .map_err(trouble)?;
    let has_next = match seq.checked_add(1) {
        Some(next) => visitor.engine().event(&visitor.caller, next).await.is_ok(),
        None => false,
    };
    let shell = visitor
        .shell(&format!("Record {seq}"), "log")
        .await
        .map_err(trouble)?;
    Ok(page::ok(&RecordPage {
        shell,
        row: shown::record::row(&event, visitor.now()),
        words: event.text.as_deref().map(Inert::all),
        record: shown::record::tree(&event),
        hash: event.hash.to_string(),
        previous_hash: event.record.prev.to_string(),
        previous_href: (seq > 1).then(|| format!("/audit/{}", seq - 1)),
        next_href: has_next.then(|| format!("/audit/{}", seq + 1)),
    }))
}

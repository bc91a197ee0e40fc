//! The figures.

use axum::response::Response;
use serde::Deserialize;

use super::fields::{Asked, since};
use super::page;
use super::trouble::Trouble;
use super::visitor::Visitor;
use crate::console::shown;
use crate::console::view::stats::StatsPage;

/// The span shown unless the address says otherwise.
const SPAN: &str = "30d";

/// Since when, as the address says it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct StatsQuery {
    since: String,
}

/// The page.
pub(super) async fn show(visitor: Visitor, Asked(asked): Asked<StatsQuery>) -> Result<Response, Trouble> {
    let chosen = if asked.since.is_empty() {
        SPAN
    } else {
        &asked.since
    };
    let since = since(chosen, visitor.now()).map_err(|refused| visitor.trouble(refused))?;
    let stats = visitor
        .engine()
        .stats(&visitor.caller, since)
        .await
        .map_err(|error| visitor.trouble(error))?;
    let spans = [
        ("24 hours", "24h"),
        ("7 days", "7d"),
        ("30 days", "30d"),
        ("1 year", "365d"),
    ];
    Ok(page::ok(&StatsPage {
        shell: visitor
            .shell("Stats", "stats")
            .await
            .map_err(|error| visitor.trouble(error))?,
        spans: spans
            .into_iter()
            .map(|(word, span)| (word, format!("/stats?since={span}"), span == chosen))
            .collect(),
        figures: shown::stats::figures(&stats),
        charts: shown::stats::charts(&stats),
    }))
}

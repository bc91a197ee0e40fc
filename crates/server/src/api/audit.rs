//! `/v1/audit`: the log, whether it is intact, and its records for checking elsewhere.

use std::collections::VecDeque;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use signoff_api::Page;
use signoff_api::audit::{AuditQuery, Event, Verification, VerifyQuery};
use signoff_engine::view::{Caller, ExportedRecord};
use signoff_engine::{EngineError, EngineResult};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::convert::{self, ToWire};
use super::cursor::Listing;
use super::path::At;
use super::principal::{As, SeeWorkspace};
use super::query::{NoQuery, Query, limit};
use super::{Answer, Refused};
use crate::Doors;

/// Records that an export reads at once.
const EXPORT_BATCH: u32 = 500;

pub(crate) fn router() -> OpenApiRouter<Doors> {
    OpenApiRouter::new()
        .routes(routes!(event_list))
        .routes(routes!(event_view))
        .routes(routes!(audit_verify))
        .routes(routes!(audit_export))
}

/// List events
///
/// Newest first.
#[utoipa::path(
    get, path = "/v1/audit/events", tag = "audit", params(AuditQuery),
    responses((status = 200, description = "One page", body = Page<Event>)),
    extensions(("x-signoff-operation" = json!(SeeWorkspace::NAME)))
)]
pub(crate) async fn event_list(
    caller: As<SeeWorkspace>,
    State(doors): State<Doors>,
    Query(query): Query<AuditQuery>,
) -> Answer<Page<Event>> {
    let filters = AuditQuery {
        cursor: None,
        limit: None,
        ..query.clone()
    };
    let listing = Listing::new(caller.caller.workspace, "events", &filters);
    let mut filter = convert::event_filter(&query, doors.engine().now())?;
    filter.beyond = listing.read(query.cursor.as_deref())?;
    filter.limit = limit(query.limit)?;
    let page = doors.engine().events(&caller.caller, &filter).await?;
    Ok(Json(listing.page(page.items.to_wire(), page.next)))
}

/// Read an event
#[utoipa::path(
    get, path = "/v1/audit/events/{sequence}", tag = "audit",
    params(("sequence" = u64, Path, description = "Place in the log, from 1")),
    responses((status = 200, description = "The event", body = Event)),
    extensions(("x-signoff-operation" = json!(SeeWorkspace::NAME)))
)]
pub(crate) async fn event_view(
    caller: As<SeeWorkspace>,
    State(doors): State<Doors>,
    At(sequence): At<u64>,
    _: Query<NoQuery>,
) -> Answer<Event> {
    Ok(Json(
        doors.engine().event(&caller.caller, sequence).await?.to_wire(),
    ))
}

/// Verify the log
///
/// Reads every record; with `with_store` it also folds them and compares every stored row and secret digest. Takes as
/// long as the log is.
#[utoipa::path(
    get, path = "/v1/audit/verify", tag = "audit", params(VerifyQuery),
    responses((status = 200, description = "Whether it is intact, and what is wrong", body = Verification)),
    extensions(("x-signoff-operation" = json!(SeeWorkspace::NAME)))
)]
pub(crate) async fn audit_verify(
    caller: As<SeeWorkspace>,
    State(doors): State<Doors>,
    Query(query): Query<VerifyQuery>,
) -> Answer<Verification> {
    let with_store = query.with_store.unwrap_or_default();
    Ok(Json(
        doors.engine().verify(&caller.caller, with_store).await?.to_wire(),
    ))
}

/// Export the log
///
/// Every record as stored, oldest first, one line of canonical JSON each. The SHA-256 of a line, without its end, is
/// the `prev` of the next.
#[utoipa::path(
    get, path = "/v1/audit/export", tag = "audit",
    responses((status = 200, description = "The records", body = String, content_type = "application/jsonl")),
    extensions(("x-signoff-operation" = json!(SeeWorkspace::NAME)))
)]
pub(crate) async fn audit_export(
    caller: As<SeeWorkspace>,
    State(doors): State<Doors>,
    _: Query<NoQuery>,
) -> Result<Response, Refused> {
    let mut export = Export {
        doors,
        caller: caller.caller,
        last: 0,
        ready: VecDeque::new(),
    };
    // The first read answers for itself; later failures can only break the transfer off.
    export.fill().await?;
    let lines = stream::unfold(Some(export), |export| async {
        let mut export = export?;
        match export.line().await {
            Ok(Some(line)) => Some((Ok(line), Some(export))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    });
    let headers = [
        (CONTENT_TYPE, "application/jsonl"),
        (CONTENT_DISPOSITION, "attachment; filename=\"signoff-log.jsonl\""),
    ];
    Ok((headers, Body::from_stream(lines)).into_response())
}

/// An export that is under way: a bounded part of the log in memory.
struct Export {
    doors: Doors,
    caller: Caller,
    last: u64,
    ready: VecDeque<ExportedRecord>,
}

impl Export {
    async fn fill(&mut self) -> EngineResult<()> {
        self.ready = self
            .doors
            .engine()
            .exported(&self.caller, self.last, EXPORT_BATCH)
            .await?
            .into();
        Ok(())
    }

    async fn line(&mut self) -> EngineResult<Option<Bytes>> {
        if self.doors.stopping().is_cancelled() {
            return Err(EngineError::Unavailable);
        }
        if self.ready.is_empty() {
            self.fill().await?;
        }
        Ok(self.ready.pop_front().map(|record| {
            self.last = record.seq;
            let mut line = record.bytes;
            line.push(b'\n');
            line.into()
        }))
    }
}

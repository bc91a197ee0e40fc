//! The page of one approval.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use signoff_core::id::ApprovalId;
use signoff_engine::EngineError;
use signoff_engine::request::Always;
use signoff_engine::view::{ApprovalView, GrantView};

use super::calls;
use super::fields::Asked;
use super::inbox::{ListQuery, list};
use super::page::page;
use super::trouble::Trouble;
use super::visitor::Visitor;
use crate::api::Refused;
use crate::console::inert::Show;
use crate::console::shown;
use crate::console::view::Status;
use crate::console::view::approval::{Approval, ApprovalPage, Kept, Step};

/// What an approval's address says: how much is shown, which form is open, and the list beside it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Place {
    full: String,
    step: String,
}

impl Place {
    pub(super) fn show(&self) -> Show {
        if self.full == "1" { Show::All } else { Show::Start }
    }
}

/// What a page shows beside the approval itself.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// The open form.
    pub(super) step: Step,
    /// What was kept from a decision that was not taken.
    pub(super) kept: Option<Kept>,
}

/// The page.
pub(super) async fn show(
    visitor: Visitor,
    Path(id): Path<String>,
    Asked(place): Asked<Place>,
    Asked(beside): Asked<ListQuery>,
) -> Result<Response, Trouble> {
    let view = find(&visitor, &id).await?;
    let step = if view.row.status.is_terminal() {
        Step::Choose
    } else {
        Step::named(&place.step)
    };
    answer(
        &visitor,
        &view,
        &place,
        &beside,
        Beside { step, kept: None },
        StatusCode::OK,
    )
    .await
}

/// The approval by the id in the address.
pub(super) async fn find(visitor: &Visitor, id: &str) -> Result<ApprovalView, Trouble> {
    let parsed: ApprovalId = id
        .parse()
        .map_err(|_| visitor.trouble(Refused::not_found("approval", id)))?;
    visitor
        .engine()
        .approval(&visitor.caller, parsed)
        .await
        .map_err(|error| visitor.trouble(error))
}

/// The page with a form open or words kept.
pub(super) async fn answer(
    visitor: &Visitor,
    view: &ApprovalView,
    place: &Place,
    query: &ListQuery,
    beside: Beside,
    status: StatusCode,
) -> Result<Response, Trouble> {
    let made = make(visitor, view, place, query, beside).await;
    made.map(|shown| page(status, &shown))
        .map_err(|error| visitor.trouble(error))
}

/// A form with what it starts from: what is asked now, or what allowing it for ever would come to.
async fn fill(
    visitor: &Visitor,
    view: &ApprovalView,
    grant: Option<&GrantView>,
    mut step: Step,
) -> Result<Step, EngineError> {
    let Step::Form(form) = &mut step else {
        return Ok(step);
    };
    if form.kind == "edit" && form.reach.inputs.is_empty() && form.reach.context.is_empty() {
        form.reach.inputs = shown::approval::typed(&view.content.inputs);
        form.reach.context = shown::approval::typed(&view.content.context);
    }
    if let ("edit", None, Some(call)) = (form.kind, &form.reach.body, &view.content.call) {
        match shown::call::typed_body(call, grant) {
            Ok(body) => form.reach.body = Some(body),
            Err(why) => form.reach.body_note = Some(why),
        }
    }
    if form.kind == "always" {
        for always in [Always::Action, Always::Policy] {
            match visitor
                .engine()
                .always(&visitor.caller, view.row.id, always)
                .await
            {
                Ok(outlook) => form
                    .reach
                    .outlooks
                    .push(shown::approval::outlook(view, always, &outlook)),
                // Said by the machine where it is tried.
                Err(EngineError::Invalid(_)) => {}
                Err(other) => return Err(other),
            }
        }
    }
    Ok(step)
}

async fn make(
    visitor: &Visitor,
    view: &ApprovalView,
    place: &Place,
    query: &ListQuery,
    beside: Beside,
) -> Result<ApprovalPage, EngineError> {
    let engine = visitor.engine();
    let id = view.row.id.to_string();
    let list = list(visitor, query, Some(&id)).await?;
    let events = engine.approval_events(&visitor.caller, view.row.id).await?;
    let may = engine.may(&visitor.caller, view);
    let grant = calls::grant(visitor, view.row.call.as_ref())?;
    let grant = grant.as_ref();
    let matter = shown::approval::matter(view, grant, place.show());
    let (run, settle) = match view.execution.as_ref().filter(|run| run.call.is_some()) {
        Some(row) => calls::stands(visitor, row.id, grant, place.show()).await?,
        None => (None, None),
    };
    let seen = matter.seen().map_err(|error| {
        tracing::error!(%error, "a page could not be rendered");
        EngineError::Internal
    })?;
    let name_of = |id: &str| {
        engine
            .operator(&visitor.caller, id)
            .ok()
            .map(|operator| operator.name)
    };
    let next_waiting = list.rows.iter().find(|row| row.id != id && row.status.is_open());
    let approval = Approval {
        href: format!("/approvals/{id}"),
        id,
        carry: query.carry(),
        digest: view.row.digest.to_string(),
        status: Status::new(view.row.status.as_str()),
        is_escalated: view.row.escalated_at.is_some(),
        time_left: shown::inbox::time_left(view),
        created: shown::moment(view.row.created_at, view.now),
        outcome: shown::approval::outcome(view, may.release),
        requirement: shown::people::requirement(view, name_of),
        thread: shown::approval::thread(view),
        told: shown::approval::told(view),
        told_nobody: shown::approval::told_nobody(view),
        history: shown::approval::history(&events, view.now),
        may: shown::people::may(&may),
        needs_words: view.row.requirement.require_decision_reason,
        step: fill(visitor, view, grant, beside.step).await?,
        kept: beside.kept,
        run,
        settle,
        next_href: next_waiting.map(|row| row.href.clone()),
        matter,
        seen,
    };
    let shell = visitor.shell(&approval.matter.sentence.text, "inbox").await?;
    Ok(ApprovalPage {
        shell,
        list,
        approval,
    })
}

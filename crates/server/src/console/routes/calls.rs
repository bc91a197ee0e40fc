//! Calls that Signoff makes: what became of one, and settling it where nobody knows.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use signoff_api::limits::TEXT_CHARS_MAX;
use signoff_core::authority::Operation;
use signoff_core::event::ExecutionState;
use signoff_core::http::CallFacts;
use signoff_core::id::ExecutionId;
use signoff_engine::request::Settle;
use signoff_engine::view::{ActionView, ExecutionView, GrantView};
use signoff_engine::{EngineError, EngineResult};

use super::approval::Place;
use super::fields::{Asked, Filled};
use super::origin::FromHere;
use super::page::{ok, page};
use super::trouble::Trouble;
use super::visitor::Visitor;
use crate::api::Refused;
use crate::console::inert::Show;
use crate::console::shown;
use crate::console::view::run::{ExecutionPage, ExecutionsPage, Run, SettleForm};

/// How many calls that need a person are listed.
const LISTED_MAX: u32 = 50;

/// The grant of a call, as it is now or was when it was taken away.
pub(super) fn grant(visitor: &Visitor, call: Option<&CallFacts>) -> EngineResult<Option<GrantView>> {
    match call.and_then(|call| call.grant) {
        Some(id) => visitor.engine().grant_used(&visitor.caller, id),
        None => Ok(None),
    }
}

/// Where a call stands, and what an admin may say of it.
pub(super) async fn stands(
    visitor: &Visitor,
    id: ExecutionId,
    grant: Option<&GrantView>,
    show: Show,
) -> EngineResult<(Option<Run>, Option<SettleForm>)> {
    let engine = visitor.engine();
    let result = engine
        .call_result(&visitor.caller, id, std::time::Duration::ZERO)
        .await?;
    let call = result.row.call.as_ref();
    let by = call.and_then(|call| call.settled.as_ref());
    let settled = match by {
        // Without its record, which may have been cut off, the rest still stands.
        Some(settled) => engine.event(&visitor.caller, settled.seq).await.ok(),
        None => None,
    };
    let may = engine.permit(&visitor.caller, Operation::Settle).is_ok();
    let run = shown::run::run(&result, grant, settled.as_ref(), show, visitor.now());
    Ok((run, shown::run::settle(&result, grant, may)))
}

/// Calls that need a person.
pub(super) async fn list(visitor: Visitor) -> Result<Response, Trouble> {
    let trouble = |error: EngineError| visitor.trouble(error);
    let engine = visitor.engine();
    let lost = engine.executions(&visitor.caller, ExecutionState::Indeterminate, None, LISTED_MAX);
    let (found, _) = lost.await.map_err(trouble)?;
    let count = engine.unsettled_count(&visitor.caller).await.map_err(trouble)?;
    let rows: Vec<_> = found
        .iter()
        .map(|view| shown::execution::unsettled(view, visitor.now()))
        .collect();
    let beyond = count.saturating_sub(rows.len() as u64);
    Ok(ok(&ExecutionsPage {
        shell: visitor
            .shell("Calls that need a person", "inbox")
            .await
            .map_err(trouble)?,
        may_settle: engine.permit(&visitor.caller, Operation::Settle).is_ok(),
        more: (beyond > 0).then(|| format!("{beyond} more are not listed; settle these first.")),
        rows,
    }))
}

/// One execution; where people approved it, its page is the approval's.
pub(super) async fn show(
    visitor: Visitor,
    Path(id): Path<String>,
    Asked(place): Asked<Place>,
) -> Result<Response, Trouble> {
    let view = find(&visitor, &id).await?;
    if let Some(approval) = view.approval_id {
        return Ok(Redirect::to(&format!("/approvals/{approval}")).into_response());
    }
    answer(&visitor, &view, place.show(), None).await
}

/// Reloading after a form leads back to the page.
pub(super) async fn back(_: Visitor, Path(id): Path<String>) -> Redirect {
    let id: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
    Redirect::to(&format!("/executions/{id}"))
}

/// What an admin found out.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct SettleFields {
    state: String,
    text: String,
}

impl SettleFields {
    fn wish(&self) -> Result<Settle, &'static str> {
        let state = match self.state.as_str() {
            "executed" => ExecutionState::Executed,
            "failed" => ExecutionState::Failed,
            "ready" => ExecutionState::Ready,
            _ => return Err("Choose what became of it."),
        };
        let note = self.text.replace("\r\n", "\n").trim().to_owned();
        match note.chars().count() {
            0 => Err("Say how you know: the log keeps it."),
            count if count > TEXT_CHARS_MAX => Err("This is too long: 4,000 characters are the limit."),
            _ => Ok(Settle {
                state,
                note: Some(note),
            }),
        }
    }
}

/// Settles.
pub(super) async fn settle(
    visitor: Visitor,
    _: FromHere,
    Path(id): Path<String>,
    Filled(form): Filled<SettleFields>,
) -> Result<Response, Trouble> {
    let keeping = |trouble: Trouble| trouble.keeping(form.text.trim());
    let view = find(&visitor, &id).await.map_err(keeping)?;
    let wish = match form.wish() {
        Ok(wish) => wish,
        Err(why) => return answer(&visitor, &view, Show::Start, Some((&form, why))).await,
    };
    let settled = visitor
        .engine()
        .settle(&visitor.caller, view.row.id, wish, None)
        .await;
    match settled {
        Ok(_) => Ok(Redirect::to(&format!("/executions/{}", view.row.id)).into_response()),
        Err(error) => {
            let place = format!("/executions/{}", view.row.id);
            Err(keeping(visitor.trouble(error)).with_link("See where it stands", place))
        }
    }
}

async fn find(visitor: &Visitor, id: &str) -> Result<ExecutionView, Trouble> {
    let parsed: ExecutionId = id
        .parse()
        .map_err(|_| visitor.trouble(Refused::not_found("execution", id)))?;
    let found = visitor.engine().execution(&visitor.caller, parsed).await;
    found.map_err(|error| visitor.trouble(error))
}

async fn answer(
    visitor: &Visitor,
    view: &ExecutionView,
    show: Show,
    again: Option<(&SettleFields, &str)>,
) -> Result<Response, Trouble> {
    let made = make(visitor, view, show).await;
    let mut made = made.map_err(|error| visitor.trouble(error))?;
    let Some((form, why)) = again else {
        return Ok(ok(&made));
    };
    if let Some(settle) = &mut made.settle {
        settle.state.clone_from(&form.state);
        settle.typed.clone_from(&form.text);
        settle.problem = Some(why.to_owned());
    }
    Ok(page(StatusCode::UNPROCESSABLE_ENTITY, &made))
}

async fn make(visitor: &Visitor, view: &ExecutionView, show: Show) -> EngineResult<ExecutionPage> {
    let engine = visitor.engine();
    let id = view.row.id;
    let action: ActionView = engine.action(&visitor.caller, id.action()).await?;
    let grant = grant(visitor, view.row.call.as_ref().map(|call| &call.facts))?;
    let (run, settle) = match view.row.call {
        Some(_) => stands(visitor, id, grant.as_ref(), show).await?,
        None => (None, None),
    };
    let matter = shown::execution::matter(view, &action, grant.as_ref(), show);
    let seen = matter.seen().map_err(|error| {
        tracing::error!(%error, "a page could not be rendered");
        EngineError::Internal
    })?;
    let events = engine
        .events(&visitor.caller, &shown::execution::records(&id.to_string()))
        .await?;
    let mut events = events.items;
    events.reverse();
    Ok(ExecutionPage {
        shell: visitor.shell(&matter.sentence.text, "inbox").await?,
        href: format!("/executions/{id}"),
        id: id.to_string(),
        created: shown::moment(action.created_at, visitor.now()),
        seen,
        standing: shown::execution::standing(view),
        run,
        settle,
        history: shown::approval::history(&events, visitor.now()),
    })
}

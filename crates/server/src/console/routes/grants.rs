//! Grants: the list, one of them, and taking one away. Read by everybody who sees the workspace, changed by admins.

use axum::extract::Path;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use signoff_core::authority::Operation;
use signoff_engine::request::EventFilter;
use signoff_engine::view::GrantView;
use signoff_engine::{EngineError, EngineResult};

use super::fields::{Asked, href, query};
use super::origin::FromHere;
use super::page::ok;
use super::trouble::Trouble;
use super::visitor::Visitor;
use crate::console::shown;
use crate::console::view::grant::{GrantPage, GrantRemovePage, GrantsPage};

/// Grants on one page.
const ROWS: u32 = 100;
/// Records on the page of one.
const RECORDS: u32 = 20;

/// Where the list goes on, and what was just done.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct GrantQuery {
    beyond: Option<u64>,
    done: String,
}

impl GrantQuery {
    fn notice(&self) -> Option<&'static str> {
        match self.done.as_str() {
            "made" => Some("The grant is kept. Its value is not shown again."),
            "changed" => Some("It holds from now on. What was approved with it before is not carried out."),
            "removed" => Some("The grant is gone. Nothing is called with it any more."),
            _ => None,
        }
    }
}

/// The list.
pub(super) async fn list(visitor: Visitor, Asked(asked): Asked<GrantQuery>) -> Result<Response, Trouble> {
    let trouble = |error: EngineError| visitor.trouble(error);
    let engine = visitor.engine();
    let found = engine
        .grants(&visitor.caller, asked.beyond, ROWS)
        .map_err(trouble)?;
    let next = found.next.map(|next| next.to_string());
    Ok(ok(&GrantsPage {
        shell: visitor.shell("Grants", "grants").await.map_err(trouble)?,
        rows: found.items.iter().map(shown::grant::line).collect(),
        next_href: next.map(|next| href("/grants", &query(&[("beyond", &next)]))),
        may_change: may_change(&visitor),
        notice: asked.notice(),
    }))
}

/// One grant.
pub(super) async fn show(
    visitor: Visitor,
    Path(id): Path<String>,
    Asked(asked): Asked<GrantQuery>,
) -> Result<Response, Trouble> {
    let view = find(&visitor, &id)?;
    let made = make(&visitor, &view).await;
    let mut made = made.map_err(|error| visitor.trouble(error))?;
    made.notice = asked.notice();
    Ok(ok(&made))
}

async fn make(visitor: &Visitor, view: &GrantView) -> EngineResult<GrantPage> {
    let engine = visitor.engine();
    let filter = EventFilter {
        subject: Some(view.row.id.to_string()),
        limit: RECORDS,
        ..EventFilter::default()
    };
    let events = engine.events(&visitor.caller, &filter).await?;
    let may = shown::grant::May {
        stop: engine.permit(&visitor.caller, Operation::Stop).is_ok(),
        change: may_change(visitor),
    };
    let title = format!("Grant {}", signoff_core::sentence::tame(&view.row.grant.name));
    let shell = visitor.shell(&title, "grants").await?;
    Ok(shown::grant::page(shell, view, &events.items, may, visitor.now()))
}

/// Asks whether it is meant.
pub(super) async fn remove_form(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Trouble> {
    permit(&visitor)?;
    let view = find(&visitor, &id)?;
    let shell = visitor.shell("Remove a grant", "grants").await;
    Ok(ok(&GrantRemovePage {
        shell: shell.map_err(|error| visitor.trouble(error))?,
        line: shown::grant::line(&view),
    }))
}

/// Takes it away.
pub(super) async fn remove(
    visitor: Visitor,
    _: FromHere,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    let removed = visitor.engine().remove_grant(&visitor.caller, &id).await;
    removed.map_err(|error| visitor.trouble(error).with_link("To the grants", "/grants"))?;
    Ok(Redirect::to("/grants?done=removed").into_response())
}

/// The grant by the id or name in the address.
pub(super) fn find(visitor: &Visitor, id: &str) -> Result<GrantView, Trouble> {
    let found = visitor.engine().grant(&visitor.caller, id);
    found.map_err(|error| visitor.trouble(error).with_link("To the grants", "/grants"))
}

/// Refuses whoever may not change grants before they see a form for it.
pub(super) fn permit(visitor: &Visitor) -> Result<(), Trouble> {
    let permit = visitor.engine().permit(&visitor.caller, Operation::Govern);
    permit
        .map(drop)
        .map_err(|error| visitor.trouble(error).with_link("To the grants", "/grants"))
}

fn may_change(visitor: &Visitor) -> bool {
    visitor
        .engine()
        .permit(&visitor.caller, Operation::Govern)
        .is_ok()
}

//! The kill switch: read by everybody who sees the workspace, pulled by members, lifted by admins. Each on a page of its own
//! that says what it would meet.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use signoff_core::authority::Operation;
use signoff_engine::view::{StopOutlook, StopTargetView};
use signoff_engine::{EngineError, EngineResult};

use super::fields::{Asked, Filled, given, href, query};
use super::origin::FromHere;
use super::page::{ok, page};
use super::trouble::Trouble;
use super::visitor::Visitor;
use crate::console::shown;
use crate::console::view::stop::{StopPage, StopsPage};

/// Agents on one page.
const AGENTS: u32 = 100;

/// Grants on the page; the list under Grants has them all.
const GRANTS: u32 = 100;

/// What the address says: one target, or where the list of agents goes on.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct StopQuery {
    target: String,
    beyond: Option<u64>,
}

/// What a form says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct StopForm {
    target: String,
    text: String,
}

/// What came back from a form that was not accepted.
#[derive(Debug, Default)]
struct Kept {
    problem: Option<String>,
    typed: String,
}

/// All that is stopped, or one target.
pub(super) async fn show(visitor: Visitor, Asked(asked): Asked<StopQuery>) -> Result<Response, Trouble> {
    if let Some(target) = given(&asked.target) {
        return one(&visitor, &target, Kept::default(), StatusCode::OK).await;
    }
    let made = all(&visitor, asked.beyond).await;
    made.map(|shown| ok(&shown))
        .map_err(|error| visitor.trouble(error))
}

/// Reloading after a form leads back to the page.
pub(super) async fn back(_: Visitor) -> Redirect {
    Redirect::to("/stop")
}

/// Stops.
pub(super) async fn pull(
    visitor: Visitor,
    _: FromHere,
    Filled(form): Filled<StopForm>,
) -> Result<Response, Trouble> {
    let reason = given(&form.text);
    let (engine, target) = (visitor.engine(), form.target.trim());
    let pulled = engine.pull_stop(&visitor.caller, target, reason.as_deref(), None);
    match pulled.await {
        Ok(stopped) => {
            let target = shown::stop::target(&stopped.stop.target);
            Ok(Redirect::to(&shown::stop::href(&target)).into_response())
        }
        Err(error) => again(&visitor, &form, error).await,
    }
}

/// Lets go on.
pub(super) async fn lift(
    visitor: Visitor,
    _: FromHere,
    Filled(form): Filled<StopForm>,
) -> Result<Response, Trouble> {
    let reason = given(&form.text);
    let (engine, target) = (visitor.engine(), form.target.trim());
    let lifted = engine.lift_stop(&visitor.caller, target, reason.as_deref(), None);
    match lifted.await {
        Ok(_) => Ok(Redirect::to("/stop").into_response()),
        Err(error) => again(&visitor, &form, error).await,
    }
}

/// The form once more with what is wrong, or what went wrong otherwise; nothing typed is lost.
async fn again(visitor: &Visitor, form: &StopForm, error: EngineError) -> Result<Response, Trouble> {
    match error {
        EngineError::Invalid(faults) => {
            let why: Vec<String> = faults.into_iter().map(|(_, why)| why).collect();
            let kept = Kept {
                problem: Some(why.join("; ")),
                typed: form.text.clone(),
            };
            one(
                visitor,
                form.target.trim(),
                kept,
                StatusCode::UNPROCESSABLE_ENTITY,
            )
            .await
        }
        other => {
            let trouble = visitor.trouble(other).keeping(form.text.trim());
            Err(trouble.with_link("What is stopped", "/stop"))
        }
    }
}

async fn all(visitor: &Visitor, beyond: Option<u64>) -> EngineResult<StopsPage> {
    let engine = visitor.engine();
    let stops = engine.stops(&visitor.caller).await?;
    let agents = engine.agents(&visitor.caller, beyond, AGENTS)?;
    let grants = engine.grants(&visitor.caller, None, GRANTS)?;
    let next = agents.next.map(|next| next.to_string());
    Ok(StopsPage {
        shell: visitor.shell("Stop", "stop").await?,
        is_everything: stops.iter().any(|stop| stop.target == StopTargetView::Workspace),
        stops: stops
            .iter()
            .map(|stop| shown::stop::stopped(stop, visitor.now()))
            .collect(),
        grants: grants.items.iter().map(shown::stop::stoppable_grant).collect(),
        agents: agents.items.iter().map(shown::stop::stoppable).collect(),
        next_href: next.map(|next| href("/stop", &query(&[("beyond", &next)]))),
        may_stop: engine.permit(&visitor.caller, Operation::Stop).is_ok(),
    })
}

async fn one(visitor: &Visitor, target: &str, kept: Kept, status: StatusCode) -> Result<Response, Trouble> {
    let outlook = visitor.engine().stop_outlook(&visitor.caller, target).await;
    let shown = match outlook {
        Ok(outlook) => one_page(visitor, &outlook, kept).await,
        Err(error) => Err(error),
    };
    shown
        .map(|shown| page(status, &shown))
        .map_err(|error| visitor.trouble(error).with_link("What is stopped", "/stop"))
}

async fn one_page(visitor: &Visitor, outlook: &StopOutlook, kept: Kept) -> EngineResult<StopPage> {
    let engine = visitor.engine();
    let stops = engine.stops_at_a_glance(&visitor.caller)?;
    let everything = stops.iter().any(|stop| stop.target == StopTargetView::Workspace);
    let met = &outlook.in_flight;
    let title = match &outlook.target {
        StopTargetView::Workspace => "Stop everything".to_owned(),
        StopTargetView::Agent(agent) => format!("Stop {}", signoff_core::sentence::tame(&agent.name)),
        StopTargetView::Grant(grant) => {
            format!("Stop the grant {}", signoff_core::sentence::tame(&grant.name))
        }
    };
    Ok(StopPage {
        shell: visitor.shell(&title, "stop").await?,
        target: shown::stop::target(&outlook.target),
        name: shown::stop::name(&outlook.target),
        is_grant: matches!(outlook.target, StopTargetView::Grant(_)),
        stop: outlook
            .stop
            .as_ref()
            .map(|stop| shown::stop::stopped(stop, visitor.now())),
        ends: shown::stop::ends(met, outlook.stop.is_some()),
        beyond: shown::stop::beyond_reach(met),
        may_stop: engine.permit(&visitor.caller, Operation::Stop).is_ok(),
        may_lift: engine.permit(&visitor.caller, Operation::LiftStop).is_ok(),
        is_covered: everything && outlook.target != StopTargetView::Workspace,
        problem: kept.problem,
        typed: kept.typed,
    })
}

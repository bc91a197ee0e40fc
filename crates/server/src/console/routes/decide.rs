//! Deciding. A decision that comes too late, or on something that changed, shows what happened and keeps what was typed.

use axum::extract::{OriginalUri, Path};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use signoff_core::approval::Refusal;
use signoff_engine::EngineError;
use signoff_engine::view::ApprovalView;

use super::approval::{Beside, Place, answer, find};
use super::calls;
use super::decision::{DecisionForm, Objection, Wish};
use super::fields::{Asked, Filled, href};
use super::inbox::ListQuery;
use super::origin::FromHere;
use super::trouble::Trouble;
use super::visitor::Visitor;
use crate::api::Refused;
use crate::console::shown;
use crate::console::view::approval::{Kept, Step, StepForm};

/// Reloading after a decision leads back to the page.
pub(super) async fn back(_: Visitor, Path(id): Path<String>, OriginalUri(uri): OriginalUri) -> Redirect {
    let path: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
    Redirect::to(&href(
        &format!("/approvals/{path}"),
        uri.query().unwrap_or_default(),
    ))
}

/// Lets go on what is held since the database was restored or failed over.
pub(super) async fn release(
    visitor: Visitor,
    _: FromHere,
    Path(id): Path<String>,
    Asked(query): Asked<ListQuery>,
) -> Result<Redirect, Trouble> {
    let view = find(&visitor, &id).await?;
    let execution = view.row.id.action().execution();
    visitor
        .engine()
        .release(&visitor.caller, execution, None)
        .await
        .map_err(|error| visitor.trouble(error))?;
    Ok(Redirect::to(&href(&format!("/approvals/{id}"), &query.carry())))
}

/// Approves, denies, asks or cancels.
pub(super) async fn decide(
    visitor: Result<Visitor, Trouble>,
    from_here: Result<FromHere, Trouble>,
    Path(id): Path<String>,
    Asked(place): Asked<Place>,
    Asked(query): Asked<ListQuery>,
    form: Result<Filled<DecisionForm>, Trouble>,
) -> Result<Response, Trouble> {
    // In this order: a key of an agent is told why whatever it sends, and nothing typed is lost.
    let typed = form.as_ref().map(|Filled(form)| form.words()).unwrap_or_default();
    let visitor = visitor.map_err(|trouble| trouble.keeping(&typed))?;
    from_here.map_err(|trouble| trouble.keeping(&typed))?;
    let Filled(form) = form?;
    let view = find(&visitor, &id)
        .await
        .map_err(|trouble| trouble.keeping(&typed))?;
    let Err(problem) = carry_out(&visitor, &view, &form).await else {
        return Ok(Redirect::to(&href(&format!("/approvals/{id}"), &query.carry())).into_response());
    };
    let now = find(&visitor, &id)
        .await
        .map_err(|trouble| trouble.keeping(&typed))?;
    let (status, beside) = match problem {
        Stopped::Field(problem) => {
            let kind = form.kind().unwrap_or("approve");
            let step = Step::Form(Box::new(StepForm {
                kind,
                text: typed,
                problem: Some(problem),
                reach: form.reach(),
            }));
            (StatusCode::UNPROCESSABLE_ENTITY, Beside { step, kept: None })
        }
        Stopped::Late(problem) => {
            let kept = Some(Kept { problem, text: typed });
            (
                StatusCode::CONFLICT,
                Beside {
                    step: Step::Choose,
                    kept,
                },
            )
        }
        Stopped::Other(trouble) => return Err(trouble.keeping(&typed)),
    };
    answer(&visitor, &now, &place, &query, beside, status).await
}

/// Why nothing was decided.
enum Stopped {
    /// A field is not as it should be: the form comes back.
    Field(String),
    /// It came too late, or not from the right person: what happened is shown.
    Late(String),
    /// Something else: a page of its own.
    Other(Trouble),
}

async fn carry_out(visitor: &Visitor, view: &ApprovalView, form: &DecisionForm) -> Result<(), Stopped> {
    let id = view.row.id;
    // An approval that has ended is told about first: whether the form was complete does not matter any more.
    if view.row.status.is_terminal() && form.kind().is_some() {
        return Err(Stopped::Late(too_late(form, view)));
    }
    let grant = calls::grant(visitor, view.row.call.as_ref())
        .map_err(|error| Stopped::Other(visitor.trouble(error)))?;
    let wish = form
        .wish(view, grant.as_ref())
        .map_err(|objection| objected(visitor, objection))?;
    let done = match wish {
        Wish::Decide(decide) => visitor.engine().decide(&visitor.caller, id, *decide, None).await,
        Wish::Cancel(reason) => visitor.engine().cancel(&visitor.caller, id, reason, None).await,
    };
    match done {
        Ok(_) => Ok(()),
        Err(EngineError::Ended { .. }) => {
            let now = visitor.engine().approval(&visitor.caller, id).await;
            let now = now.map_err(|error| Stopped::Other(visitor.trouble(error)))?;
            Err(Stopped::Late(too_late(form, &now)))
        }
        Err(EngineError::Decision(Refusal::ReasonRequired)) => {
            Err(Stopped::Field("A reason is needed.".to_owned()))
        }
        Err(EngineError::Decision(Refusal::DigestMismatch)) => Err(Stopped::Late(CHANGED.to_owned())),
        Err(EngineError::Decision(refusal)) => Err(Stopped::Late(format!(
            "{} Nothing was changed.",
            shown::people::refused(&refusal)
        ))),
        Err(EngineError::Invalid(faults)) => Err(Stopped::Field(
            faults
                .into_iter()
                .map(|(_, why)| why)
                .collect::<Vec<_>>()
                .join("; "),
        )),
        Err(other) => Err(Stopped::Other(visitor.trouble(other))),
    }
}

/// Said where the rendering is not the one that was looked at.
pub(super) const CHANGED: &str = "What is shown has changed since you looked, or a newer version of Signoff shows it otherwise. \
    Nothing was decided. Look again.";
/// Said where something was cut.
pub(super) const HIDDEN: &str = "Not everything was shown, so nothing was approved. Show everything first.";

fn objected(visitor: &Visitor, objection: Objection) -> Stopped {
    match objection {
        Objection::Field(why) => Stopped::Field(why),
        Objection::Changed => Stopped::Late(CHANGED.to_owned()),
        Objection::Hidden => Stopped::Late(HIDDEN.to_owned()),
        Objection::Unknown => Stopped::Other(visitor.trouble(Refused::parameter(
            "the form says neither approve, deny, ask nor cancel",
        ))),
    }
}

/// What happened instead, in one sentence.
fn too_late(form: &DecisionForm, view: &ApprovalView) -> String {
    let yours = match form.kind() {
        Some("approve" | "edit" | "standing" | "always") => "Your approval",
        Some("deny") => "Your denial",
        Some("ask") => "Your question",
        _ => "Your cancellation",
    };
    let when = view
        .row
        .decided_at
        .map(|at| format!(", {}", shown::moment(at, view.now).relative))
        .unwrap_or_default();
    let what = shown::approval::end_text(view);
    let mut letters = what.chars();
    let first = letters.next().map(char::to_lowercase).into_iter().flatten();
    let what: String = first.chain(letters).collect();
    format!("{yours} came too late: {what}{when}. Nothing was changed.")
}

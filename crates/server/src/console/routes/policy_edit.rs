//! Changing policies: a form, what would come of it, and putting it in force. Looking at it changes nothing; what is put in
//! force is the text that was looked at, on the version that it was made from.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use signoff_api::limits::BODY_BYTES_MAX;
use signoff_api::policy::{PolicyApply, PolicyBody, PolicySettings};
use signoff_core::authority::Operation;
use signoff_engine::request::ApplyPolicies;
use signoff_engine::view::PolicySetView;
use signoff_engine::{EngineError, EngineResult};

use super::fields::{Asked, Filled};
use super::origin::FromHere;
use super::page::page;
use super::policies::{EXAMPLE, unwritten};
use super::policy_preview::look;
use super::trouble::Trouble;
use super::visitor::Visitor;
use crate::api::Refused;
use crate::api::convert::{self, ToWire as _};
use crate::console::inert::Inert;
use crate::console::view::trial::{Conflict, EditForm, EditPage, Preview, Slip};
use crate::written;

/// Largest form of a change: a text of 1 MiB as forms encode it.
pub(super) const EDIT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Largest set that is changed as a whole in a form, as text.
const SET_TEXT_MAX: usize = 256 * 1024;

/// A policy to begin with.
const NEW_POLICY: &str = "\
name: small-refunds
actions: [\"stripe.refund*\"]
effect: conditional
conditions: [\"inputs.amount <= 50\"]
otherwise: require_approval
approval: {timeout: 30m}
";

/// What the address says: one policy, a new one, or all.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct EditQuery {
    policy: String,
    new: Option<String>,
}

/// What a form says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ChangeForm {
    scope: String,
    name: String,
    base: u64,
    text: String,
    orphaned: String,
    /// How many actions that people denied the preview let pass.
    loosened: u64,
    /// They were looked at.
    confirm: String,
}

/// The whole set as text.
#[derive(Debug, Clone, Default, serde::Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SetText {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settings: Option<PolicySettings>,
    policies: Vec<PolicyBody>,
}

/// What is put beside the form.
#[derive(Default)]
struct Beside {
    problems: Vec<Slip>,
    conflict: Option<Conflict>,
    preview: Option<Preview>,
}

/// Why a text is no change that could be made.
enum Unfit {
    Slips(Vec<Slip>),
    Conflict(u64),
    Engine(EngineError),
}

impl From<EngineError> for Unfit {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::VersionConflict { present } => Self::Conflict(present),
            other => Self::Engine(other),
        }
    }
}

/// The form.
pub(super) async fn form(visitor: Visitor, Asked(asked): Asked<EditQuery>) -> Result<Response, Trouble> {
    let made = match opened(&visitor, &asked) {
        Ok(form) => edit_page(&visitor, form, Beside::default()).await,
        Err(error) => Err(error),
    };
    made.map(|shown| page(StatusCode::OK, &shown))
        .map_err(|error| visitor.trouble(error).with_link("All policies", "/policies"))
}

/// Reloading after a form leads back to the page.
pub(super) async fn back(_: Visitor) -> Redirect {
    Redirect::to("/policies/edit")
}

fn opened(visitor: &Visitor, asked: &EditQuery) -> EngineResult<EditForm> {
    let (engine, caller) = (visitor.engine(), &visitor.caller);
    engine.permit(caller, Operation::Govern)?;
    let set = engine.policies(caller)?;
    let form = EditForm {
        scope: "policy",
        base: set.version,
        ..EditForm::default()
    };
    if asked.new.is_some() {
        return Ok(EditForm {
            text: NEW_POLICY.to_owned(),
            ..form
        });
    }
    if !asked.policy.is_empty() {
        let row = engine.policy(caller, &asked.policy)?;
        return Ok(EditForm {
            text: written::to_yaml(&row.doc.to_wire()).map_err(unwritten)?,
            name: row.doc.name,
            ..form
        });
    }
    let text = if set.policies.is_empty() {
        EXAMPLE.to_owned()
    } else {
        set_text(&set)?
    };
    if text.len() > SET_TEXT_MAX {
        return Err(EngineError::invalid(
            "",
            "the set is too large for a form: change one policy at a time, or a file with `signoff apply`",
        ));
    }
    Ok(EditForm {
        scope: "set",
        text,
        ..form
    })
}

fn set_text(set: &PolicySetView) -> EngineResult<String> {
    let whole = SetText {
        settings: Some(set.settings.to_wire()),
        policies: set.policies.iter().map(|row| row.doc.to_wire()).collect(),
    };
    written::to_yaml(&whole).map_err(unwritten)
}

/// What would come of it.
pub(super) async fn preview(
    visitor: Visitor,
    _: FromHere,
    Filled(form): Filled<ChangeForm>,
) -> Result<Response, Trouble> {
    let looked = match change(&visitor, &form, true) {
        Ok(apply) => look(&visitor, apply).await.map_err(Unfit::from),
        Err(unfit) => Err(unfit),
    };
    match looked {
        Ok(preview) => {
            let beside = Beside {
                preview: Some(preview),
                ..Beside::default()
            };
            again(&visitor, form, beside, StatusCode::OK).await
        }
        Err(unfit) => refuse(&visitor, form, unfit).await,
    }
}

/// Puts it in force.
pub(super) async fn save(
    visitor: Visitor,
    _: FromHere,
    Filled(form): Filled<ChangeForm>,
) -> Result<Response, Trouble> {
    if form.loosened > 0 && form.confirm.is_empty() {
        let words = "Look at what people denied and would pass, and tick the box that says so.";
        return refuse(&visitor, form, Unfit::Slips(vec![slip(None, words)])).await;
    }
    let applied = match change(&visitor, &form, false) {
        Ok(apply) => {
            let engine = visitor.engine();
            let applied = engine.apply_policies(&visitor.caller, apply, None).await;
            applied.map_err(Unfit::from)
        }
        Err(unfit) => Err(unfit),
    };
    match applied {
        Ok(applied) => Ok(Redirect::to(&format!("/policies?applied={}", applied.version)).into_response()),
        Err(unfit) => refuse(&visitor, form, unfit).await,
    }
}

/// The form once more with what is wrong; nothing typed is lost.
async fn refuse(visitor: &Visitor, form: ChangeForm, unfit: Unfit) -> Result<Response, Trouble> {
    let (beside, status) = match unfit {
        Unfit::Slips(problems) => (
            Beside {
                problems,
                ..Beside::default()
            },
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        Unfit::Conflict(present) => {
            let conflict = Conflict {
                base: form.base,
                present,
            };
            (
                Beside {
                    conflict: Some(conflict),
                    ..Beside::default()
                },
                StatusCode::CONFLICT,
            )
        }
        Unfit::Engine(EngineError::PolicyInvalid(faults) | EngineError::Invalid(faults)) => {
            let problems = faults_in(&form, faults.iter().map(|(at, why)| (at.as_str(), why.as_str())));
            (
                Beside {
                    problems,
                    ..Beside::default()
                },
                StatusCode::UNPROCESSABLE_ENTITY,
            )
        }
        Unfit::Engine(other) => {
            let trouble = visitor.trouble(other).keeping(&form.text);
            return Err(trouble.with_link("All policies", "/policies"));
        }
    };
    again(visitor, form, beside, status).await
}

async fn again(
    visitor: &Visitor,
    form: ChangeForm,
    beside: Beside,
    status: StatusCode,
) -> Result<Response, Trouble> {
    let kept = EditForm {
        scope: if form.scope == "policy" { "policy" } else { "set" },
        name: form.name,
        // After a conflict the next look is at the version that is in force by then.
        base: beside
            .conflict
            .as_ref()
            .map_or(form.base, |conflict| conflict.present),
        text: form.text,
        orphaned: form.orphaned,
    };
    let made = edit_page(visitor, kept, beside).await;
    made.map(|shown| page(status, &shown))
        .map_err(|error| visitor.trouble(error))
}

async fn edit_page(visitor: &Visitor, form: EditForm, beside: Beside) -> EngineResult<EditPage> {
    visitor.engine().permit(&visitor.caller, Operation::Govern)?;
    let heading = match (form.scope, form.name.as_str()) {
        ("policy", "") => "New policy".to_owned(),
        ("policy", name) => format!("Change {name}"),
        _ => "Change the policies".to_owned(),
    };
    Ok(EditPage {
        shell: visitor
            .shell(&signoff_core::sentence::tame(&heading), "policies")
            .await?,
        heading: Inert::all(&heading),
        form,
        problems: beside.problems,
        conflict: beside.conflict,
        preview: beside.preview,
    })
}

/// The change that a form asks for, as the engine takes it.
fn change(visitor: &Visitor, form: &ChangeForm, dry_run: bool) -> Result<ApplyPolicies, Unfit> {
    let (engine, caller) = (visitor.engine(), &visitor.caller);
    engine.permit(caller, Operation::Govern)?;
    let set = engine.policies(caller)?;
    if set.version != form.base {
        return Err(Unfit::Conflict(set.version));
    }
    let slips = |why: String| Unfit::Slips(vec![slip(None, &why)]);
    if form.text.len() > BODY_BYTES_MAX {
        return Err(slips(
            "the text is larger than 1 MiB: `signoff apply` takes larger files".into(),
        ));
    }
    let orphaned = match form.orphaned.as_str() {
        "" => None,
        word => Some(word.parse().map_err(slips)?),
    };
    let (policies, settings) = if form.scope == "policy" {
        (
            with_one(&set, &form.name, written::yaml(&form.text).map_err(slips)?),
            None,
        )
    } else {
        let whole: SetText = written::yaml(&form.text).map_err(slips)?;
        (whole.policies, whole.settings)
    };
    let apply = convert::apply(PolicyApply {
        policies,
        settings,
        expected_version: Some(form.base),
        orphaned,
        dry_run: Some(dry_run),
    });
    apply.map_err(|refused| Unfit::Slips(refused_in(form, &refused)))
}

/// The set with one policy in place of the one of this name, or added to it.
fn with_one(set: &PolicySetView, name: &str, one: PolicyBody) -> Vec<PolicyBody> {
    let mut one = Some(one);
    let mut policies = Vec::with_capacity(set.policies.len() + 1);
    for row in &set.policies {
        let is_it = !name.is_empty() && row.doc.name.eq_ignore_ascii_case(name);
        match one.take_if(|_| is_it) {
            Some(one) => policies.push(one),
            None => policies.push(row.doc.to_wire()),
        }
    }
    policies.extend(one);
    policies
}

fn slip(place: Option<String>, words: &str) -> Slip {
    Slip {
        place,
        words: Inert::all(words),
    }
}

fn refused_in(form: &ChangeForm, refused: &Refused) -> Vec<Slip> {
    let problem = refused.problem();
    if problem.errors.is_empty() {
        return vec![slip(None, &problem.detail)];
    }
    let errors = problem.errors.iter();
    faults_in(
        form,
        errors.map(|error| (error.pointer.as_str(), error.detail.as_str())),
    )
}

/// Faults with the line of the policy that they are in.
fn faults_in<'a>(form: &ChangeForm, faults: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<Slip> {
    let lines = written::policy_lines(&form.text);
    let place = |pointer: &str| {
        let path = pointer.strip_prefix("/policies/")?;
        let (at, rest) = path.split_once('/').unwrap_or((path, ""));
        let field = rest.replace('/', ".");
        let line = lines.get(at.parse::<usize>().ok()?);
        Some(match (line, field.is_empty()) {
            (Some(line), true) => format!("line {line}"),
            (Some(line), false) => format!("{field}, in the policy of line {line}"),
            (None, true) => return None,
            (None, false) => field,
        })
    };
    let faults = faults.map(|(pointer, why)| {
        let elsewhere = Some(pointer.trim_start_matches('/').replace('/', ".")).filter(|at| !at.is_empty());
        let at = if pointer.starts_with("/policies/") {
            place(pointer)
        } else {
            elsewhere
        };
        slip(at, why)
    });
    faults.collect()
}

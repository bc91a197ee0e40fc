//! `POST …/respond`: a person decides from code, with an operator's own token. And `…/escalate_email`.

use axum::extract::State;
use axum::response::Response;
use serde_json::Value;
use signoff_core::authority::Operation;
use signoff_core::id::ApprovalId;
use signoff_engine::request::{Decide, Decision, Scope};
use signoff_engine::view::{ApprovalView, Caller};

use super::ask::{CONTEXT, Kind};
use super::choice;
use super::fault::Fault;
use super::find::{self, CallId, call_id};
use super::show::{self, Held};
use super::wire::{CallResponse, ContactResponse, Escalation};
use crate::Doors;
use crate::dialects::vendor::{Known, Sent};

pub(super) async fn function_call(
    known: Known<Fault>,
    State(doors): State<Doors>,
    path: CallId,
    sent: Sent<CallResponse, Fault>,
) -> Result<Response, Fault> {
    let CallResponse {
        approved,
        comment,
        reject_option_name,
    } = sent.body;
    let Some(approved) = approved else {
        return Err(Fault::invalid("/approved", "`approved` says true or false"));
    };
    respond(&doors, &known.caller, Kind::Call, path, |view| {
        if approved {
            let comment = comment.filter(|comment| !comment.trim().is_empty());
            return Ok(approval(view, comment));
        }
        let options = options(view);
        let said = choice::compose(&options, reject_option_name.as_deref(), comment.as_deref());
        let said = said.map_err(|why| Fault::invalid("/reject_option_name", why))?;
        Ok(Decision::Deny {
            digest: Some(view.row.digest),
            reason: said.unwrap_or_else(|| "Denied".to_owned()),
        })
    })
    .await
}

pub(super) async fn human_contact(
    known: Known<Fault>,
    State(doors): State<Doors>,
    path: CallId,
    sent: Sent<ContactResponse, Fault>,
) -> Result<Response, Fault> {
    let ContactResponse {
        response,
        response_option_name,
    } = sent.body;
    respond(&doors, &known.caller, Kind::Contact, path, |view| {
        let options = options(view);
        let said = choice::compose(&options, response_option_name.as_deref(), response.as_deref());
        let said = said.map_err(|why| Fault::invalid("/response_option_name", why))?;
        if said.is_none() {
            return Err(Fault::invalid("/response", "an answer says something"));
        }
        Ok(approval(view, said))
    })
    .await
}

/// What came by this dialect is never edited, so its digest is that of what whoever gave the id was shown.
fn approval(view: &ApprovalView, comment: Option<String>) -> Decision {
    Decision::Approve {
        digest: view.row.digest,
        comment,
        scope: Scope::Once,
    }
}

fn options(view: &ApprovalView) -> Vec<Value> {
    let of_call = view
        .content
        .context
        .get(CONTEXT)
        .and_then(|ours| ours.get("reject_options"));
    let found = of_call.or_else(|| view.content.inputs.get("response_options"));
    found.and_then(Value::as_array).cloned().unwrap_or_default()
}

async fn respond(
    doors: &Doors,
    caller: &Caller,
    kind: Kind,
    path: CallId,
    decision: impl FnOnce(&ApprovalView) -> Result<Decision, Fault>,
) -> Result<Response, Fault> {
    let engine = doors.engine();
    // The key that asks never answers (I6), nor learns by it what else there is.
    engine.permit(caller, Operation::Decide)?;
    let call_id = call_id(path)?;
    let action = find::find(doors, caller, kind, &call_id).await?;
    let Some(approval) = approval_of(doors, caller, action).await? else {
        return Err(Fault::answered());
    };
    let view = engine.approval(caller, approval).await?;
    if view.row.status.is_terminal() {
        return Err(Fault::answered());
    }
    let decide = Decide {
        decision: decision(&view)?,
        view: None,
    };
    engine.decide(caller, approval, decide, None).await?;
    Ok(show::answer(
        &find::seen(doors, caller, kind, &call_id, action, Held::No).await?,
    ))
}

async fn approval_of(
    doors: &Doors,
    caller: &Caller,
    action: signoff_core::id::ActionId,
) -> Result<Option<ApprovalId>, Fault> {
    Ok(doors.engine().action(caller, action).await?.submitted.approval_id)
}

pub(super) async fn escalate_call(
    known: Known<Fault>,
    State(doors): State<Doors>,
    path: CallId,
    sent: Sent<Escalation, Fault>,
) -> Result<Response, Fault> {
    escalate(&doors, &known.caller, Kind::Call, path, sent.body).await
}

pub(super) async fn escalate_contact(
    known: Known<Fault>,
    State(doors): State<Doors>,
    path: CallId,
    sent: Sent<Escalation, Fault>,
) -> Result<Response, Fault> {
    escalate(&doors, &known.caller, Kind::Contact, path, sent.body).await
}

/// Tells those whom the policy names for this, now instead of later.
async fn escalate(
    doors: &Doors,
    caller: &Caller,
    kind: Kind,
    path: CallId,
    escalation: Escalation,
) -> Result<Response, Fault> {
    let call_id = call_id(path)?;
    let action = find::find(doors, caller, kind, &call_id).await?;
    if let Some(approval) = approval_of(doors, caller, action).await? {
        doors
            .engine()
            .escalate(caller, approval, escalation.escalation_msg)
            .await?;
    }
    Ok(show::answer(
        &find::seen(doors, caller, kind, &call_id, action, Held::No).await?,
    ))
}

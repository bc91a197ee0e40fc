//! What can be done before the batch: judged in memory, payloads sealed, the digest computed.

use secrecy::ExposeSecret;
use serde::Serialize;
use signoff_core::{
    digest::{DigestFields, action_digest},
    http::GivenCall,
    id::{ActionId, ApprovalId, RunnerId},
    payload::PayloadName,
    time::Timestamp,
};

use super::{Prepared, asker::asker, bounded};
use sha2::{Digest, Sha256};

use crate::{
    EngineError, EngineResult, callback, calls, content::seal_json, request::Submit, tenant::Tenant,
    turn::mint_id, view::Caller,
};

/// What makes two submits the same.
#[derive(Serialize)]
pub(super) struct SameSubmit<'a> {
    action: &'a str,
    agent: Option<&'a str>,
    inputs: &'a serde_json::Map<String, serde_json::Value>,
    context: &'a serde_json::Map<String, serde_json::Value>,
    claims: &'a signoff_core::action::Claims,
    priority: &'static str,
    risk: &'static str,
    cost: Option<&'a str>,
    timeout: Option<i64>,
    require_approval: bool,
    accepts: signoff_core::action::Accepts,
    replaces: Option<ApprovalId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<(GivenCall, Option<String>)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    callback_url: Option<&'a str>,
}

impl<'a> SameSubmit<'a> {
    pub(super) fn of(submit: &'a Submit) -> Self {
        let action = &submit.action;
        Self {
            action: &action.name,
            agent: submit.agent.as_deref(),
            inputs: &action.inputs,
            context: &action.context,
            claims: &action.claims,
            priority: action.priority.as_str(),
            risk: action.risk.as_str(),
            cost: action.cost.as_ref().map(signoff_core::action::Cost::as_str),
            timeout: action.timeout.map(|timeout| timeout.0),
            require_approval: action.require_approval,
            accepts: action.accepts,
            replaces: submit.replaces,
            callback_url: submit.callback_url.as_ref().map(ExposeSecret::expose_secret),
            call: action.http.as_ref().map(|call| {
                let body = call.body().map(|body| hex::encode(Sha256::digest(body)));
                (call.stored(), body)
            }),
        }
    }
}

pub(super) fn prepare(
    tenant: &Tenant,
    caller: &Caller,
    mut submit: Submit,
    runner: Option<RunnerId>,
    now: Timestamp,
) -> EngineResult<Prepared> {
    let form = submit.action.check();
    form.map_err(|(pointer, why)| EngineError::invalid(pointer, why))?;
    let snapshot = tenant.snapshot();
    let raw = mint_id(now);
    let asker = asker(&snapshot, caller, submit.agent.as_deref(), Some(mint_id(now)))?;
    submit.action = calls::with_grant(&snapshot, submit.action, &asker.facts)?;
    let action = &submit.action;
    let judged = snapshot.policies.judge(action, &asker.facts, now);
    let standing = snapshot.standing_of_kind(action, &asker.facts, now);
    let mut payloads = Vec::with_capacity(4);
    for (name, field, object) in [
        (PayloadName::Inputs, "/inputs", &action.inputs),
        (PayloadName::Context, "/context", &action.context),
    ] {
        let bytes = bounded(field, object)?;
        // Inputs are kept even when empty: their absence means that they were erased.
        if name == PayloadName::Inputs || !object.is_empty() {
            payloads.push(tenant.key.seal(raw, name, &bytes));
        }
    }
    if !action.claims.is_empty() {
        payloads.push(seal_json(&tenant.key, raw, PayloadName::Claims, &action.claims)?);
    }
    if let Some(call) = &action.http {
        payloads.push(seal_json(&tenant.key, raw, PayloadName::Call, &call.stored())?);
        payloads.extend(
            call.body()
                .map(|body| tenant.key.seal(raw, PayloadName::Body, body)),
        );
    }
    if let Some(url) = &submit.callback_url {
        payloads.push(callback::sealed(&tenant.key, &snapshot, raw, url)?);
    }
    let id = ActionId(raw);
    let commitment = |name| {
        payloads
            .iter()
            .find(|payload| payload.name == name)
            .map(|payload| payload.commitment)
    };
    let digest = action_digest(&DigestFields {
        workspace: tenant.id,
        action_id: id,
        agent: asker.facts.id,
        action: &action.name,
        inputs: commitment(PayloadName::Inputs),
        context: commitment(PayloadName::Context),
        claims: commitment(PayloadName::Claims),
        priority: action.priority,
        risk: action.risk,
        estimated_cost: action.cost.as_ref(),
        accepts: action.accepts,
        call: commitment(PayloadName::Call),
        body: commitment(PayloadName::Body),
        grant: action.grant,
    })
    .map_err(|_| EngineError::Internal)?;
    Ok(Prepared {
        id,
        asker,
        payloads,
        digest,
        judged,
        standing,
        runner,
        epochs: snapshot.epochs,
        submit,
    })
}

//! Calls on their way out: what stands in approvals and executions, and what came back, as far as the caller may see it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use signoff_api::call::{self as wire, CallAnswer, CallResponse, CallView};
use signoff_core::event::ExecutionState;
use signoff_core::grant::Redaction;
use signoff_core::http::CallFacts;
use signoff_core::id::ExecutionId;
use signoff_core::policy::Effect;
use signoff_core::redact::{REDACTED, ShownBody};
use signoff_core::rows::{CallRun, Settled};
use signoff_engine::Engine;
use signoff_engine::view::{Answer, Called, Caller, Content};

use super::super::problem::Refused;
use super::{ToWire, submit_answer};

/// For whom something is written: it decides what they are not shown.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    /// Who knows the rules.
    pub(crate) engine: &'a Engine,
    /// Who reads.
    pub(crate) caller: &'a Caller,
}

/// How much of a call is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it.
    Whole,
    /// Without its body: for lists, which would have no bound otherwise.
    WithoutBody,
}

impl Reader<'_> {
    /// The call of an approval or an execution.
    pub(super) fn call(
        &self,
        facts: &CallFacts,
        run: Option<&CallRun>,
        content: &Content,
        extent: Extent,
    ) -> Result<CallView, Refused> {
        let (named, rules) = match facts.grant {
            Some(id) => {
                let (named, rules) = self.engine.grant_of_call(self.caller, id)?;
                (Some(named.to_wire()), rules.unwrap_or_default())
            }
            None => (None, Redaction::default()),
        };
        let call = content.call.as_deref();
        let headers = call.into_iter().flat_map(signoff_core::http::Call::headers);
        let headers = headers.map(|(name, value)| (name.to_owned(), header(&rules, name, value)));
        let given = call.and_then(|call| call.body());
        let (text, bytes) = match given.filter(|_| extent == Extent::Whole) {
            Some(given) => text_or_bytes(body(&rules, given)),
            None => (None, None),
        };
        Ok(CallView {
            method: facts.method.clone(),
            origin: facts.origin.clone(),
            url: call.map(|call| call.url().to_owned()),
            headers: headers.collect(),
            body_bytes: given.map_or(0, <[u8]>::len) as u64,
            body: text,
            body_base64: bytes.map(|bytes| STANDARD.encode(bytes)),
            grant: named,
            attempts: run.map_or(0, |run| run.attempts),
            started_at: run.and_then(|run| run.started_at).to_wire(),
            status: run.and_then(|run| run.status),
            fault: run.and_then(|run| run.fault).to_wire(),
            revoked: run.and_then(|run| run.revoked).to_wire(),
            settled: run.and_then(|run| run.settled.as_ref()).map(settled),
        })
    }

    /// The answer to a call, or how it stands.
    pub(crate) fn answer(&self, called: &Called) -> Result<CallAnswer, Refused> {
        let submitted = &called.submitted;
        let id = submitted.action_id;
        let engine = self.engine;
        let said = submit_answer(submitted, || engine.approval_url(id.approval()));
        let result = called.result.as_ref();
        let run = result.and_then(|result| result.row.call.as_deref());
        let execution = (submitted.effect != Effect::Deny || result.is_some()).then(|| id.execution());
        let rules = match run.and_then(|run| run.facts.grant) {
            Some(grant) => engine.grant_of_call(self.caller, grant)?.1.unwrap_or_default(),
            None => Redaction::default(),
        };
        let answer = result.and_then(|result| result.answer.as_ref());
        Ok(CallAnswer {
            verdict: said.verdict,
            action_id: said.action_id,
            execution_id: execution.map(|id| id.to_string()),
            result_url: execution.map(|id| result_url(engine, id)),
            approval_id: said.approval_id,
            approval_url: said.approval_url,
            expires_at: said.expires_at,
            expires_in: said.expires_in,
            timeout_cut: said.timeout_cut,
            policy: said.policy,
            conditions: said.conditions,
            code: said.code,
            reason: said.reason,
            standing_approval_id: said.standing_approval_id,
            dropped_headers: said.dropped_headers,
            unheard: said.unheard.filter(|_| result.is_none()),
            status: result.map(|result| result.state.to_wire()),
            response: answer.map(|answer| response(&rules, answer)),
            fault: run.and_then(|run| run.fault).to_wire(),
            revoked: run.and_then(|run| run.revoked).to_wire(),
            erased: result.filter(|result| result.erased).map(|_| true),
        })
    }
}

/// Whether a call is still to be decided on, made or answered.
pub(crate) fn is_open(called: &Called) -> bool {
    use ExecutionState as S;
    match &called.result {
        Some(result) => matches!(result.state, S::Ready | S::Executing),
        None => called.submitted.effect != Effect::Deny,
    }
}

/// Where a result is fetched.
fn result_url(engine: &Engine, id: ExecutionId) -> String {
    format!("{}/v1/executions/{id}/result", engine.public_url())
}

fn settled(settled: &Settled) -> wire::Settled {
    let by = &settled.by;
    let kind = by.kind.to_wire();
    wire::Settled {
        by: signoff_api::Actor {
            kind,
            id: by.id.clone().unwrap_or_else(|| kind.as_str().to_owned()),
            name: None,
        },
        at: settled.at.to_wire(),
    }
}

fn response(rules: &Redaction, answer: &Answer) -> CallResponse {
    let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in &answer.headers {
        let values = headers.entry(name.clone()).or_default();
        values.push(header(rules, name, value));
    }
    let shown = body(rules, &answer.body);
    CallResponse {
        status: answer.status,
        headers,
        body_base64: STANDARD.encode(&shown),
        body: String::from_utf8(shown).ok(),
        truncated: answer.truncated,
    }
}

fn header(rules: &Redaction, name: &str, value: &str) -> String {
    if rules.hides_header(name) {
        REDACTED.to_owned()
    } else {
        value.to_owned()
    }
}

fn body(rules: &Redaction, given: &[u8]) -> Vec<u8> {
    match rules.body(given) {
        ShownBody::Whole => given.to_vec(),
        ShownBody::Gaps(shown) => shown,
        ShownBody::Hidden => REDACTED.as_bytes().to_vec(),
    }
}

fn text_or_bytes(body: Vec<u8>) -> (Option<String>, Option<Vec<u8>>) {
    match String::from_utf8(body) {
        Ok(text) => (Some(text), None),
        Err(bytes) => (None, Some(bytes.into_bytes())),
    }
}

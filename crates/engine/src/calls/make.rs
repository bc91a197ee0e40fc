//! Making one call: credential, bytes out, bytes in, and the record of how it ended.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use signoff_core::{
    actor::Actor,
    event::{CallFault, ExecutionState},
    execution::{CallEnd, Command, transition},
    fold::RowKey,
    grant::{CALL_TIMEOUT, GrantRow},
    id::ExecutionId,
    payload::PayloadName,
    rows::ExecutionRow,
};
use signoff_egress::{AnswerBody, EgressError, Injection, OutboundCall};
use signoff_store::Wants;
use tokio::sync::{mpsc, oneshot};

use super::ToMake;
use crate::{
    Engine, EngineError, EngineResult,
    content::seal_json,
    seal::SealedPayload,
    tenant::Tenant,
    turn::Draft,
    view::{Answer, CallResult},
};

/// The part of Signoff that makes calls, as records name it.
pub(crate) const PART: &str = "calls";
/// How much of an answer's body is kept.
pub(crate) const ANSWER_KEPT_MAX: usize = 1024 * 1024;
/// How long the end of a call is tried to be kept while the store is away. After that a person must settle it.
const KEEP_TRIES: u32 = 30;
const KEEP_PAUSE: Duration = Duration::from_secs(1);

/// Status and headers of an answer, as soon as they are there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Head {
    /// The status.
    pub status: u16,
    /// Names in lower case and values, in order.
    pub headers: Vec<(String, String)>,
}

/// Where an answer is handed on to while it comes in.
pub struct Tap {
    /// Gets status and headers, and which execution they belong to.
    pub head: oneshot::Sender<(ExecutionId, Head)>,
    /// Gets the body, piece by piece, and last of all that it broke off, if it did.
    pub body: mpsc::Sender<Result<Bytes, BrokenOff>>,
}

/// The body of an answer that was handed on is not all there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer broke off")]
pub struct BrokenOff;

/// Status and headers of an answer as they are kept, and whether its body is all there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KeptHead {
    #[serde(flatten)]
    pub(crate) head: Head,
    /// The body was longer than what is kept, or broke off.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) truncated: bool,
}

impl KeptHead {
    /// The answer that it is the head of.
    pub(crate) fn answered(self, body: Bytes) -> Answer {
        Answer {
            status: self.head.status,
            headers: self.head.headers,
            body,
            truncated: self.truncated,
        }
    }
}

/// How a call ended, and what came back.
pub(crate) struct Ended {
    pub(crate) state: ExecutionState,
    pub(crate) fault: Option<CallFault>,
    pub(crate) answer: Option<(KeptHead, Bytes)>,
}

impl Ended {
    fn without_answer(state: ExecutionState, fault: CallFault) -> Self {
        Self {
            state,
            fault: Some(fault),
            answer: None,
        }
    }
}

impl Engine {
    /// Makes a call that the log says is being made, and records its end. Runs to its end whoever waits for it. None if it
    /// is being made already, or its end could not be kept.
    pub(crate) async fn make(&self, tenant: &Tenant, made: &ToMake, tap: Option<Tap>) -> Option<CallResult> {
        let _active = self.inner.runners.enter(made.execution)?;
        let ended = self.send(tenant, made, tap).await;
        let kept = self.keep_end(tenant, made, &ended).await;
        let row = kept.inspect_err(|error| {
            tracing::error!(%error, execution = %made.execution, "how a call ended could not be kept; a person must settle it");
        });
        let row = row.ok()?;
        Some(CallResult {
            state: row.state,
            row,
            answer: ended.answer.map(|(kept, body)| kept.answered(body)),
            erased: false,
        })
    }

    async fn send(&self, tenant: &Tenant, made: &ToMake, tap: Option<Tap>) -> Ended {
        use ExecutionState as S;
        let snapshot = tenant.snapshot();
        let (mut grant, mut held) = (None, None);
        if let Some((id, version)) = made.grant {
            let present = snapshot.grant(id).map(|(row, _)| row);
            let Some(row) = present.filter(|row| row.version == version) else {
                return Ended::without_answer(S::Failed, CallFault::Credential);
            };
            grant = Some(row);
            match self.credential_of(tenant, &snapshot, row).await {
                Ok(opened) => held = Some(opened),
                Err(fault) => return Ended::without_answer(S::Failed, fault),
            }
        }
        let (injection, token) = held.map_or((None, None), |held| (Some(held.injection), held.token));
        let call = outbound(made, grant, injection);
        // Whoever was paused and is taken for gone by now sends nothing.
        if !self.inner.runners.may_send(tenant.id, made.runner) {
            return Ended::without_answer(S::Failed, CallFault::Interrupted);
        }
        let answer = match self.inner.egress.call(call).await {
            Ok(answer) => answer,
            Err(error) => return failed(&error, made.is_safe()),
        };
        if let (401, Some((id, token))) = (answer.status, token) {
            self.inner.egress.forget(id, &token).await;
        }
        let begins = Head {
            status: answer.status,
            headers: answer.headers,
        };
        let (body, truncated) = collect(answer.body, (made.execution, begins.clone()), tap).await;
        let kept = KeptHead {
            head: begins,
            truncated,
        };
        Ended {
            state: S::Executed,
            fault: None,
            answer: Some((kept, body)),
        }
    }

    /// Records the end with what came back.
    async fn keep_end(&self, tenant: &Tenant, made: &ToMake, ended: &Ended) -> EngineResult<ExecutionRow> {
        let payloads = Arc::new(sealed(tenant, made.execution, ended)?);
        let end = CallEnd {
            state: ended.state,
            status: ended.answer.as_ref().map(|(kept, _)| kept.head.status),
            fault: ended.fault,
            runner: made.runner,
        };
        let mut tries = 0;
        loop {
            let (payloads, policy) = (Arc::clone(&payloads), made.policy.clone());
            let id = made.execution;
            let mut wants = Wants::default();
            wants.rows.insert((tenant.id, RowKey::Execution(id)));
            let kept = self.write(tenant, wants, move |turn| {
                let row = turn.execution(id).ok_or(EngineError::Internal)?;
                let event = transition(row, Command::Finish(end), turn.now(), turn.log_epoch(), None)?;
                let draft = Draft::new(event, Actor::system(PART), id).under(policy.as_ref());
                turn.emit(draft.with(payloads.iter().cloned()))?;
                turn.execution(id).cloned().ok_or(EngineError::Internal)
            });
            match kept.await {
                Err(EngineError::Unavailable) if tries < KEEP_TRIES => {
                    tries += 1;
                    tokio::time::sleep(KEEP_PAUSE).await;
                }
                settled => return settled,
            }
        }
    }
}

impl ToMake {
    /// Whether making it twice changes nothing.
    pub(crate) fn is_safe(&self) -> bool {
        signoff_core::http::is_safe(self.call.method())
    }
}

fn outbound(made: &ToMake, grant: Option<&GrantRow>, credential: Option<Injection>) -> OutboundCall {
    let call = &made.call;
    let mut headers: Vec<(String, String)> = call
        .headers()
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    if let Some(provider) = grant.and_then(|row| row.grant.idempotent.as_ref())
        && !headers.iter().any(|(name, _)| *name == provider.header)
    {
        headers.push((provider.header.clone(), made.execution.to_string()));
    }
    let timeout = grant.and_then(|row| row.grant.timeout).unwrap_or(CALL_TIMEOUT);
    OutboundCall {
        method: call.method().to_owned(),
        url: call.url().to_owned(),
        headers,
        body: call.body().map(Bytes::copy_from_slice).unwrap_or_default(),
        credential,
        timeout: Duration::from_micros(u64::try_from(timeout.0).unwrap_or_default()),
    }
}

/// What a call without an answer comes to. Of one that changes nothing it does not matter whether it arrived.
fn failed(error: &EgressError, is_safe: bool) -> Ended {
    let fault = match error {
        EgressError::Refused(_) => CallFault::Forbidden,
        EgressError::NotSent { .. } => CallFault::Unreachable,
        EgressError::TimedOut { .. } => CallFault::TimedOut,
        _ => CallFault::Broken,
    };
    let state = if error.perhaps_sent() && !is_safe {
        ExecutionState::Indeterminate
    } else {
        ExecutionState::Failed
    };
    Ended::without_answer(state, fault)
}

/// Reads an answer to its end, or as far as anybody wants it: what is kept, and whether that is not all.
async fn collect(mut body: AnswerBody, head: (ExecutionId, Head), tap: Option<Tap>) -> (Bytes, bool) {
    let mut out = None;
    if let Some(tap) = tap
        && tap.head.send(head).is_ok()
    {
        out = Some(tap.body);
    }
    let mut kept = BytesMut::new();
    let mut truncated = false;
    loop {
        let chunk = match body.chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return (kept.freeze(), truncated),
            Err(_) => {
                if let Some(sender) = &out {
                    let _ = sender.send(Err(BrokenOff)).await;
                }
                return (kept.freeze(), true);
            }
        };
        let room = (ANSWER_KEPT_MAX - kept.len()).min(chunk.len());
        kept.extend_from_slice(&chunk[..room]);
        truncated |= room < chunk.len();
        if let Some(sender) = &out
            && sender.send(Ok(chunk)).await.is_err()
        {
            out = None;
        }
        if truncated && out.is_none() {
            return (kept.freeze(), true);
        }
    }
}

fn sealed(tenant: &Tenant, id: ExecutionId, ended: &Ended) -> EngineResult<Vec<SealedPayload>> {
    let Some((head, body)) = &ended.answer else {
        return Ok(Vec::new());
    };
    let head = seal_json(&tenant.key, id.0, PayloadName::Response, head)?;
    let body = tenant.key.seal(id.0, PayloadName::ResponseBody, body);
    Ok(vec![head, body])
}

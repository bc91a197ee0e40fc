//! `/v1/p/GRANT/path…`: the governed call for clients of which only the base URL can be set. The grant's origin stands in
//! front, everything else goes as it came, and the answer comes back as it is.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use signoff_api::Code;
use signoff_api::action::Submit;
use signoff_api::call::CallAnswer;
use signoff_api::http::HttpCall;
use signoff_api::limits::CALL_BODY_BYTES_MAX;
use signoff_core::event::{CallFault, ExecutionState};
use signoff_core::id::ExecutionId;
use signoff_core::policy::Effect;
use signoff_engine::view::{Answer, CallResult, Called};
use signoff_engine::{BrokenOff, Head, Tap};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;

use super::body::read;
use super::convert::{self, Reader};
use super::path::At;
use super::principal::{API_KEY, As, Ask};
use super::proxy::{CALL_POINTER, answered};
use super::query::wait_seconds;
use super::shape::{read_json, shown};
use super::{Refused, governed, idempotency};
use crate::Doors;

/// How long a call that people must decide on is held unless the client says otherwise, in seconds.
const WAIT_SECONDS: u64 = 30;
/// Pieces of an answer that may wait for a slow reader.
const PIECES_MAX: usize = 16;
/// What headers for Signoff itself begin with. They are not sent on, nor taken from an upstream.
const OURS: &str = "signoff-";
const EXECUTION_ID: HeaderName = HeaderName::from_static("signoff-execution-id");
const TRUNCATED: HeaderName = HeaderName::from_static("signoff-truncated");
/// What widely used clients ask before they repeat a request by themselves.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// Headers of an answer that would speak for Signoff's own host.
const OF_THE_HOST: [&str; 4] = [
    "alt-svc",
    "clear-site-data",
    "public-key-pins",
    "strict-transport-security",
];

// Every method leads here, of which the document shows one.
#[derive(utoipa::OpenApi)]
#[openapi(paths(proxy_through))]
struct Described;

pub(crate) fn router() -> OpenApiRouter<Doors> {
    OpenApiRouter::with_openapi(Described::openapi())
        .route("/v1/p/{grant}", any(proxy_through))
        .route("/v1/p/{grant}/", any(proxy_through))
        .route("/v1/p/{grant}/{*path}", any(proxy_through))
}

/// Call through a grant
///
/// With any method: the request goes to the grant's first origin with this path, query and body and the grant's
/// credential, and the answer comes back as it is, with `signoff-execution-id`. The key that it came with, and headers that
/// begin with `signoff-`, are not sent on. `signoff-wait` says for how many seconds a call is held that people must decide
/// on (0 to 60, 30 unless said); after that the answer is 202 and says where the result will be. `signoff-reason`,
/// `signoff-action`, `signoff-context` (JSON), `signoff-agent` (for applications) and `signoff-idempotency-key` say what
/// the fields of `POST /v1/proxy` do. A call that is refused is answered with the problem `denied`, one that was not sent
/// with `call_failed`, one of which nobody knows with `call_indeterminate`.
#[utoipa::path(
    post, path = "/v1/p/{grant}/{path}", tag = "calls",
    params(
        ("grant" = String, Path, description = "Name or `grt_…`"),
        ("path" = String, Path, description = "The path behind the grant's first origin, slashes included")
    ),
    responses(
        (status = 200, description = "Whatever the other side answered, with its status, headers and body"),
        (status = 202, description = "People decide, or the call is being made", body = CallAnswer)
    ),
    extensions(("x-signoff-operation" = json!(Ask::NAME)))
)]
pub(crate) async fn proxy_through(
    caller: As<Ask>,
    State(doors): State<Doors>,
    At(parts): At<BTreeMap<String, String>>,
    request: Request,
) -> Result<Response, Refused> {
    let caller = &caller.caller;
    let said = Said::read(request.headers())?;
    let grant = parts.get("grant").map_or("", String::as_str);
    let engine = doors.engine();
    let origin = engine.first_origin(caller, grant, said.agent.as_deref())?;
    let http = HttpCall {
        method: request.method().to_string(),
        url: origin + &target(request.uri()),
        headers: Some(passed_on(request.headers())?),
        grant: Some(grant.to_owned()),
        ..HttpCall::default()
    };
    let body = read(request, CALL_BODY_BYTES_MAX).await?;
    let (key, wait) = (said.key.clone(), said.wait);
    let http = HttpCall {
        body_base64: (!body.is_empty()).then(|| STANDARD.encode(&body)),
        ..http
    };
    let submit = convert::submit(said.submit(http)).map_err(|refused| refused.below(CALL_POINTER))?;
    let (head_sender, mut head) = oneshot::channel();
    let (body_sender, pieces) = mpsc::channel(PIECES_MAX);
    let tap = Tap {
        head: head_sender,
        body: body_sender,
    };
    let outcome = governed::call(&doors, caller, submit, key.as_deref(), wait, Some(tap));
    tokio::select! {
        biased;
        // The call goes on by itself: what is left of waiting for it is to hand its body on.
        Ok((id, head)) = &mut head => Ok(streamed(id, &head, pieces)),
        outcome = outcome => {
            let outcome = outcome.map_err(|error| Refused::from(error).below(CALL_POINTER))?;
            ended(Reader { engine, caller }, &outcome)
        }
    }
}

/// What the client tells Signoff itself.
#[derive(Debug, Default)]
struct Said {
    agent: Option<String>,
    action: Option<String>,
    reason: Option<String>,
    context: Option<Map<String, Value>>,
    key: Option<String>,
    wait: Duration,
}

impl Said {
    /// A misspelt option must not vanish, as in a body.
    fn read(headers: &HeaderMap) -> Result<Self, Refused> {
        let mut said = Self {
            wait: Duration::from_secs(WAIT_SECONDS),
            ..Self::default()
        };
        for name in headers.keys() {
            let Some(option) = name.as_str().strip_prefix(OURS) else {
                continue;
            };
            let text = one(headers, name)?;
            match option {
                "agent" => said.agent = Some(text),
                "action" => said.action = Some(text),
                "reason" => said.reason = Some(text),
                "context" => said.context = Some(context(&text)?),
                "idempotency-key" => said.key = Some(idempotency::check(&text)?),
                "wait" => {
                    let seconds = text.parse().map_err(|_| {
                        Refused::parameter(format!("`signoff-wait` is `{}`, no whole seconds", shown(&text)))
                    })?;
                    said.wait = Duration::from_secs(wait_seconds(Some(seconds))?);
                }
                _ => {
                    let known = "agent, action, reason, context, idempotency-key, wait";
                    let why = format!("unknown header `{name}`: behind `signoff-` are known {known}");
                    return Err(Refused::parameter(why));
                }
            }
        }
        Ok(said)
    }

    fn submit(self, http: HttpCall) -> Submit {
        Submit {
            action: self.action.unwrap_or_default(),
            agent: self.agent,
            reason: self.reason,
            context: self.context,
            http: Some(http),
            ..Submit::default()
        }
    }
}

/// A header that stands there once, as text.
fn one(headers: &HeaderMap, name: &HeaderName) -> Result<String, Refused> {
    let mut values = headers.get_all(name).iter();
    let text = values
        .next()
        .and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    match (text, values.next()) {
        (Some(text), None) => Ok(text.trim().to_owned()),
        (None, _) => Err(Refused::parameter(format!("`{name}` is no UTF-8 text"))),
        (_, Some(_)) => Err(Refused::parameter(format!("`{name}` is given twice"))),
    }
}

fn context(text: &str) -> Result<Map<String, Value>, Refused> {
    read_json(text.as_bytes())
        .map_err(|refused| Refused::parameter(format!("`signoff-context`: {}", refused.problem().detail)))
}

/// Path and query behind the grant, byte for byte.
fn target(uri: &Uri) -> String {
    let behind = uri.path().trim_start_matches('/').splitn(4, '/').nth(3);
    let path = behind.map(|path| format!("/{path}")).unwrap_or_default();
    match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    }
}

/// Headers as they are sent on: without the key that the agent came with, and those for Signoff. One that stands there
/// several times becomes one, as HTTP has it (RFC 9110, 5.3; of cookies RFC 9113, 8.2.3).
fn passed_on(headers: &HeaderMap) -> Result<BTreeMap<String, String>, Refused> {
    let mut passed = BTreeMap::new();
    for name in headers.keys() {
        if *name == AUTHORIZATION || *name == API_KEY || name.as_str().starts_with(OURS) {
            continue;
        }
        let mut values = Vec::new();
        for value in headers.get_all(name) {
            let text = value.to_str().map_err(|_| {
                Refused::parameter(format!(
                    "`{name}` is not printable ASCII, which is all that is sent on"
                ))
            })?;
            values.push(text);
        }
        let between = if *name == COOKIE { "; " } else { ", " };
        passed.insert(name.as_str().to_owned(), values.join(between));
    }
    Ok(passed)
}

/// The answer of a call that is under way.
fn streamed(
    id: ExecutionId,
    head: &Head,
    pieces: mpsc::Receiver<Result<axum::body::Bytes, BrokenOff>>,
) -> Response {
    let body = Body::from_stream(ReceiverStream::new(pieces));
    handed_on(id, head.status, &head.headers, body)
}

/// The answer of a call that is over, from what was kept of it.
fn kept(id: ExecutionId, answer: &Answer) -> Response {
    let mut response = handed_on(
        id,
        answer.status,
        &answer.headers,
        Body::from(answer.body.clone()),
    );
    if answer.truncated {
        // Broken off here, clients would repeat it.
        let headers = response.headers_mut();
        headers.insert(TRUNCATED, HeaderValue::from_static("true"));
    }
    response
}

fn handed_on(id: ExecutionId, status: u16, given: &[(String, String)], body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = response.headers_mut();
    for (name, value) in given {
        if name.starts_with(OURS) || OF_THE_HOST.contains(&name.as_str()) {
            continue;
        }
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            headers.append(name, value);
        }
    }
    named(&mut response, id);
    response
}

fn named(response: &mut Response, id: ExecutionId) {
    if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(EXECUTION_ID, id);
    }
}

/// The answer where nothing was streamed: the call was refused, waits, is over, or came to nothing.
fn ended(reader: Reader<'_>, outcome: &Called) -> Result<Response, Refused> {
    let id = outcome.submitted.action_id.execution();
    let mut response = match &outcome.result {
        _ if convert::is_open(outcome) => answered(reader, outcome)?.into_response(),
        Some(result) => match (&result.answer, no_answer(result)) {
            (Some(answer), _) => return Ok(kept(id, answer)),
            (None, refused) => refused.into_response(),
        },
        None => denied(outcome).into_response(),
    };
    let is_made = outcome.result.is_some() || outcome.submitted.effect != Effect::Deny;
    if is_made {
        named(&mut response, id);
    }
    if response.status() != StatusCode::ACCEPTED && response.status() != StatusCode::BAD_GATEWAY {
        response
            .headers_mut()
            .insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    Ok(response)
}

fn denied(outcome: &Called) -> Refused {
    let submitted = &outcome.submitted;
    let code = submitted.code.map(|code| format!("{code}: ")).unwrap_or_default();
    let reason = submitted.reason.as_deref().unwrap_or("the call was refused");
    Refused::new(Code::Denied, format!("{code}{reason}"))
}

/// Why there is no answer of the other side.
pub(crate) fn no_answer(result: &CallResult) -> Refused {
    use ExecutionState as S;
    let run = result.row.call.as_deref();
    let fault = run.and_then(|run| run.fault).map_or("no answer came", words);
    match result.state {
        S::Failed => Refused::new(Code::CallFailed, fault),
        S::Indeterminate => Refused::new(Code::CallIndeterminate, fault),
        S::Lapsed => Refused::new(Code::Lapsed, "the time to make the call has passed"),
        S::Revoked => {
            let because = run.and_then(|run| run.revoked);
            let because = because.map(|because| format!(": {because}")).unwrap_or_default();
            Refused::new(Code::Revoked, format!("the permission was taken back{because}"))
        }
        _ => Refused::new(
            Code::ResultGone,
            "the call ran; what came back is not known or was erased",
        ),
    }
}

fn words(fault: CallFault) -> &'static str {
    match fault {
        CallFault::Forbidden => "the address is not called",
        CallFault::Unreachable => "the other side can't be reached",
        CallFault::TimedOut => "no answer came in time",
        CallFault::Broken => "the connection broke",
        CallFault::Interrupted => "the server ended in the middle of the call",
        CallFault::Credential => "the grant's credential could not be had",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_and_query_go_as_they_came() {
        for (given, expected) in [
            ("/v1/p/g", ""),
            ("/v1/p/g/", "/"),
            ("/v1/p/g?a=1", "?a=1"),
            ("/v1/p/g/a%2Fb/../c//d?x=%20&y", "/a%2Fb/../c//d?x=%20&y"),
            ("/v1/p/g//evil.example/x", "//evil.example/x"),
        ] {
            assert_eq!(target(&given.parse().unwrap()), expected, "{given}");
        }
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn the_key_and_our_own_headers_stay_here() {
        let given = headers(&[
            ("authorization", "Bearer k"),
            ("x-api-key", "k"),
            ("signoff-reason", "r"),
            ("accept", "a"),
            ("accept", "b"),
            ("cookie", "c=1"),
            ("cookie", "d=2"),
        ]);
        let passed = passed_on(&given).unwrap();
        let expected = [("accept", "a, b"), ("cookie", "c=1; d=2")];
        assert_eq!(
            passed,
            expected.map(|(name, value)| (name.into(), value.into())).into()
        );
    }

    #[test]
    fn what_is_said_to_us_is_as_strict_as_a_body() {
        let said = Said::read(&headers(&[
            ("signoff-wait", "0"),
            ("signoff-context", "{\"a\":1}"),
        ]))
        .unwrap();
        assert_eq!((said.wait, said.context.unwrap().len()), (Duration::ZERO, 1));
        assert_eq!(Said::read(&headers(&[])).unwrap().wait.as_secs(), WAIT_SECONDS);
        for wrong in [
            [("signoff-wait", "61")],
            [("signoff-wait", "soon")],
            [("signoff-resaon", "x")],
            [("signoff-context", "[]")],
            [("signoff-context", "{\"a\":1,\"a\":2}")],
            [("signoff-idempotency-key", "a b")],
        ] {
            assert!(Said::read(&headers(&wrong)).is_err(), "{wrong:?}");
        }
        assert!(Said::read(&headers(&[("signoff-reason", "a"), ("signoff-reason", "b")])).is_err());
    }
}

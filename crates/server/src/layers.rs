//! What holds for every door: a request id, a bounded time, no word of internals, and headers that keep answers inert.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, BodyDataStream};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, EXPECT, REFERRER_POLICY,
    TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use futures_util::{FutureExt as _, Stream, StreamExt};
use signoff_api::Code;
use signoff_api::limits::{POLICY_SET_BYTES_MAX, REQUEST_SECONDS_MAX, WAIT_SECONDS_MAX};
use tracing::Instrument as _;

use crate::api::Refused;
use crate::{Doors, console};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest request id that is taken over from the outside, in characters.
const REQUEST_ID_CHARS_MAX: usize = 64;
/// Bodies up to this size arrive whether or not they are read, in bytes.
const DRAIN_FROM_BYTES: u64 = 64 * 1024;
/// How much of a refused body is read and thrown away, so that the refusal is heard, in bytes.
const DRAIN_BYTES_MAX: usize = 2 * POLICY_SET_BYTES_MAX;
/// How long that may take.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(5);
/// Reading a whole log takes as long as the log is.
const UNHURRIED: &[&str] = &["/v1/audit/verify"];
/// A call takes as long as its grant lets it, at most 5 minutes, beside what it waits for people.
const CALLS: &[&str] = &["/v1/proxy", "/v1/p/", "/dialects/alter/sdk/proxy"];

/// Where nobody reads pages, whatever the client says it accepts.
const MACHINES: &[&str] = &["/v1/", "/dialects/", "/slack/"];

/// Puts the layers around the routes.
pub(crate) fn wrap(routes: Router<Doors>, doors: Doors) -> Router {
    routes
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        // One layer for everything: each costs every request, and everybody who waits, a copy of all that is beneath it.
        .layer(from_fn_with_state(doors.clone(), observe))
        .with_state(doors)
}

async fn not_found(request: Request) -> Response {
    refused(
        &request,
        Refused::new(Code::NotFound, "there is nothing at this path"),
    )
}

async fn method_not_allowed(request: Request) -> Response {
    refused(
        &request,
        Refused::new(Code::MethodNotAllowed, "this path does not take this method"),
    )
}

/// A page for who reads pages outside the API, a problem document for everybody else.
fn refused(request: &Request, refused: Refused) -> Response {
    let accept = request.headers().get_all(ACCEPT).iter();
    let reads_pages = accept
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("text/html"));
    let path = request.uri().path();
    if reads_pages && !MACHINES.iter().any(|machines| path.starts_with(machines)) {
        console::refused(request.headers(), refused)
    } else {
        refused.into_response()
    }
}

fn panicked(_: Box<dyn Any + Send>) -> Response {
    // The panic itself was written to the log by the panic hook; it is not for the outside.
    tracing::error!("a request handler panicked");
    Refused::new(Code::Internal, "the server met a fault of its own").into_response()
}

/// Gives the request its id, counts it, and writes it to the log without anything of its content.
async fn observe(State(doors): State<Doors>, request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("none", MatchedPath::as_str)
        .to_owned();
    let started = Instant::now();
    let span = tracing::info_span!("request", id = %id.to_str().unwrap_or_default(), %method, route);
    let answer = AssertUnwindSafe(in_time(request, next)).catch_unwind();
    let mut response = answer.instrument(span.clone()).await.unwrap_or_else(panicked);
    make_inert(response.headers_mut());
    let (status, took) = (response.status(), started.elapsed());
    doors.requests().count(&method, &route, status, took);
    span.in_scope(|| {
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        if status.is_server_error() {
            tracing::warn!(status = status.as_u16(), took_ms, "answered with an error");
        } else {
            tracing::debug!(status = status.as_u16(), took_ms, "answered");
        }
    });
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// The id a proxy gave, if it is one that can stand in a log, else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    static START: LazyLock<String> = LazyLock::new(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        format!("{:x}", since.map_or(0, |since| since.as_micros()))
    });
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let plain = |id: &&HeaderValue| {
        (1..=REQUEST_ID_CHARS_MAX).contains(&id.len())
            && id
                .as_bytes()
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
    };
    if let Some(id) = headers.get(REQUEST_ID).filter(plain) {
        return id.clone();
    }
    let id = format!("req-{}-{:x}", *START, COUNT.fetch_add(1, Ordering::Relaxed));
    HeaderValue::from_str(&id).unwrap_or_else(|_| HeaderValue::from_static("req"))
}

/// Headers that every answer carries unless its handler says otherwise.
fn make_inert(headers: &mut HeaderMap) {
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// Ends a request that takes too long. What it sent to the engine goes on and is found again by its idempotency key.
async fn in_time(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if UNHURRIED.contains(&path) || CALLS.iter().any(|calls| path.starts_with(calls)) {
        return drained(request, next).await;
    }
    let seconds = WAIT_SECONDS_MAX + REQUEST_SECONDS_MAX;
    let answer = tokio::time::timeout(Duration::from_secs(seconds), drained(request, next)).await;
    answer.unwrap_or_else(|_| {
        Refused::new(Code::Unavailable, format!("no answer within {seconds} s")).into_response()
    })
}

/// Reads what is left of a large body that was refused: an answer before the end of the body is lost with the
/// connection on most clients.
async fn drained(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let small = match length {
        Some(bytes) => bytes <= DRAIN_FROM_BYTES,
        None => !headers.contains_key(TRANSFER_ENCODING),
    };
    // A client that asked whether to go on sends nothing after a refusal.
    if small || headers.contains_key(EXPECT) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let rest = Rest(Arc::new(Mutex::new(body.into_data_stream())));
    let request = Request::from_parts(parts, Body::from_stream(rest.clone()));
    let response = next.run(request).await;
    if response.status().is_client_error() || response.status().is_server_error() {
        let _ = tokio::time::timeout(DRAIN_TIME_MAX, rest.throw_away()).await;
    }
    response
}

/// A body that its reader may leave unread.
#[derive(Clone)]
struct Rest(Arc<Mutex<BodyDataStream>>);

impl Rest {
    async fn throw_away(mut self) {
        let mut bytes = 0;
        while let Some(Ok(chunk)) = self.next().await {
            bytes += chunk.len();
            if bytes > DRAIN_BYTES_MAX {
                break;
            }
        }
    }
}

impl Stream for Rest {
    type Item = <BodyDataStream as Stream>::Item;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> Poll<Option<Self::Item>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .poll_next_unpin(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_of_the_outside_is_taken_only_if_it_is_plain() {
        let id = |given: &'static str| {
            let headers = HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_static(given))]);
            request_id(&headers).to_str().unwrap().to_owned()
        };
        assert_eq!(id("abc-1.2_3"), "abc-1.2_3");
        for given in ["", "a b", "a\"b", "x\u{7f}"] {
            assert!(
                HeaderValue::from_str(given).is_err() || id(given).starts_with("req-"),
                "{given}"
            );
        }
        assert_ne!(request_id(&HeaderMap::new()), request_id(&HeaderMap::new()));
    }

    async fn doors(place: &signoff_testkit::Place) -> Doors {
        let options = signoff_engine::EngineOptions {
            store: place.open_by_its_own_clock().await,
            master_key: "5a".repeat(32).into(),
            egress: signoff_egress::Egress::new(signoff_egress::EgressConfig::default()).unwrap(),
            public_url: "http://signoff.test".into(),
            admin_key: None,
            auto_approve: false,
        };
        let engine = signoff_engine::Engine::start(options).await.unwrap();
        Doors::new(engine, tokio_util::sync::CancellationToken::new())
    }

    /// A fault of the server's own says nothing of it.
    #[tokio::test]
    async fn a_panic_is_a_problem_without_internals() {
        let place = signoff_testkit::Place::fresh().await;
        let routes = Router::new().route("/", axum::routing::get(|| async { panic!("a secret") as String }));
        let served = wrap(routes, doors(&place).await);
        let request = Request::builder().uri("/").body(Body::empty()).unwrap();
        let response = tower::ServiceExt::oneshot(served, request).await.unwrap();
        assert_eq!(response.status(), 500);
        assert!(response.headers().contains_key(REQUEST_ID));
        let body = axum::body::to_bytes(response.into_body(), 4_096).await.unwrap();
        let problem: signoff_api::Problem = serde_json::from_slice(&body).unwrap();
        assert!(problem.is(Code::Internal) && !String::from_utf8_lossy(&body).contains("secret"));
    }
}

//! `/metrics` for Prometheus: counts only, without names of agents, actions or people.

use std::fmt;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use signoff_engine::view::Numbers;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Refused;
use super::principal::OPEN;
use crate::Doors;

const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Upper bounds of the time requests take, in seconds; long-polls reach the last ones.
const BUCKETS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 60.0,
];

pub(crate) fn router() -> OpenApiRouter<Doors> {
    OpenApiRouter::new().routes(routes!(metrics_view))
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: Word,
    route: Word,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: Word,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerdictLabels {
    verdict: Word,
}

/// A label's value: the template of a route or a method, of which there are few.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Word(String);

impl EncodeLabelValue for Word {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        self.0.as_str().encode(encoder)
    }
}

/// Counters of requests, since the start.
pub(crate) struct RequestMetrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    seconds: Family<RouteLabels, Histogram>,
}

impl RequestMetrics {
    pub(crate) fn new() -> Self {
        let requests = Family::default();
        let seconds = Family::<RouteLabels, Histogram>::new_with_constructor(|| Histogram::new(BUCKETS));
        let mut registry = Registry::with_prefix("signoff");
        registry.register("http_requests", "Requests that were answered", requests.clone());
        registry.register(
            "http_request_seconds",
            "Time that requests took, long-polls included",
            seconds.clone(),
        );
        Self {
            registry,
            requests,
            seconds,
        }
    }

    /// Counts one answered request.
    pub(crate) fn count(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        // Made-up methods must not make up labels.
        let known = [
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::OPTIONS,
        ];
        let method = if known.contains(method) {
            method.as_str()
        } else {
            "OTHER"
        };
        let route = Word(route.to_owned());
        let labels = RequestLabels {
            method: Word(method.to_owned()),
            route: route.clone(),
            status: status.as_u16(),
        };
        self.requests.get_or_create(&labels).inc();
        self.seconds
            .get_or_create(&RouteLabels { route })
            .observe(took.as_secs_f64());
    }
}

/// Metrics for Prometheus
///
/// Counts only: nothing in them names an agent, an action or a person.
#[utoipa::path(
    get, path = "/metrics", tag = "server",
    responses((status = 200, description = "OpenMetrics text", body = String, content_type = "application/openmetrics-text")),
    extensions(("x-signoff-operation" = json!(OPEN)))
)]
pub(crate) async fn metrics_view(State(doors): State<Doors>) -> Result<Response, Refused> {
    let pending = doors.engine().pending().await?;
    let engine = registry(doors.engine().numbers(), pending);
    let mut text = String::new();
    encode_registry(&mut text, &doors.requests().registry)
        .and_then(|()| encode_registry(&mut text, &engine))
        .and_then(|()| encode_eof(&mut text))
        .map_err(|_| Refused::new(signoff_api::Code::Internal, "the metrics can't be written"))?;
    Ok(([(CONTENT_TYPE, MEDIA_TYPE)], text).into_response())
}

/// The engine's numbers, as they are at this moment.
fn registry(numbers: Numbers, pending: u64) -> Registry {
    let mut registry = Registry::with_prefix("signoff");
    let verdicts = Family::<VerdictLabels, Counter>::default();
    for (verdict, count) in [
        ("allowed", numbers.allowed),
        ("denied", numbers.denied),
        ("pending_approval", numbers.asked),
    ] {
        verdicts
            .get_or_create(&VerdictLabels {
                verdict: Word(verdict.to_owned()),
            })
            .inc_by(count);
    }
    registry.register("verdicts", "Submitted actions by what policy said", verdicts);
    for (name, help, count) in [
        ("decisions", "Votes and questions of approvers", numbers.decisions),
        ("batches", "Committed batches of the writer", numbers.batches),
        (
            "commands",
            "Commands in committed batches; over batches it is their mean size",
            numbers.commands,
        ),
        ("deliveries", "Messages that arrived", numbers.delivered),
        (
            "delivery_failures",
            "Attempts to deliver that failed",
            numbers.delivery_failures,
        ),
    ] {
        let counter: Counter = Counter::default();
        counter.inc_by(count);
        registry.register(name, help, counter);
    }
    for (name, help, count) in [
        ("approvals_pending", "Approvals that wait for a decision", pending),
        ("waiters", "Callers that wait for an approval", numbers.waiters),
    ] {
        let gauge: Gauge = Gauge::default();
        gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        registry.register(name, help, gauge);
    }
    registry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_requests_are_written_once_each() {
        let requests = RequestMetrics::new();
        requests.count(&Method::GET, "/v1/me", StatusCode::OK, Duration::from_millis(2));
        requests.count(
            &Method::from_bytes(b"BREW").unwrap(),
            "none",
            StatusCode::NOT_FOUND,
            Duration::ZERO,
        );
        let mut text = String::new();
        encode_registry(&mut text, &requests.registry).unwrap();
        encode_registry(
            &mut text,
            &registry(
                Numbers {
                    allowed: 3,
                    ..Numbers::default()
                },
                2,
            ),
        )
        .unwrap();
        for line in [
            "signoff_http_requests_total{method=\"GET\",route=\"/v1/me\",status=\"200\"} 1",
            "signoff_http_requests_total{method=\"OTHER\",route=\"none\",status=\"404\"} 1",
            "signoff_verdicts_total{verdict=\"allowed\"} 3",
            "signoff_approvals_pending 2",
        ] {
            assert!(
                text.lines().any(|written| written == line),
                "{line} is not in\n{text}"
            );
        }
    }
}

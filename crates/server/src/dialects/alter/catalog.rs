//! What the client asks or reports beside its calls.

use std::collections::BTreeMap;

use axum::Json;
use axum::http::StatusCode;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::constraints::{SCOPE_VERSION, Scope};
use super::fault::Fault;
use super::signed::Signed;

/// The most spans in one request.
const SPANS_MAX: usize = 50;

/// `GET /sdk/scopes`: what a key may be narrowed to.
pub(super) async fn scopes(_: Signed) -> Json<Value> {
    let mut resources: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for scope in Scope::ALL {
        let (resource, verb) = scope.as_str().split_once(':').unwrap_or_default();
        resources.entry(resource).or_default().push(verb);
    }
    let resources: BTreeMap<_, _> = resources
        .into_iter()
        .map(|(name, verbs)| (name, json!({"verbs": verbs})))
        .collect();
    Json(json!({
        "scope_version": SCOPE_VERSION,
        "resources": resources,
        "action_verbs": ["emit", "execute", "retrieve"],
        "deprecated": [],
    }))
}

#[derive(Debug, Deserialize)]
struct Spans {
    spans: Vec<IgnoredAny>,
}

/// `POST /sdk/spans`: an agent's own notes of its steps are no evidence of anything and are not kept.
pub(super) async fn spans(signed: Signed) -> Result<Json<Value>, Fault> {
    signed.within(Scope::SpansEmit)?;
    let given: Spans = signed.request.json()?;
    if given.spans.len() > SPANS_MAX {
        return Err(Fault::invalid(format!(
            "at most {SPANS_MAX} spans in one request"
        )));
    }
    Ok(Json(json!({"accepted": 0})))
}

#[derive(Debug, Deserialize)]
struct Report {
    #[serde(rename = "method")]
    _method: String,
    #[serde(rename = "url")]
    _url: String,
}

/// `POST /sdk/oauth/audit/api-call`: the report of a call that the client made itself, for which it would have had to be
/// given a credential. Nothing of it is recorded: the log says what Signoff saw.
pub(super) async fn api_call(signed: Signed) -> Result<(StatusCode, Json<Value>), Fault> {
    signed.within(Scope::AuditWrite)?;
    let Report { .. } = signed.request.json()?;
    Ok((StatusCode::ACCEPTED, Json(json!({"recorded": false}))))
}

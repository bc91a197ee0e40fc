//! `POST /sdk/proxy`: a call with a stored credential, made now or once people have approved it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::value::RawValue;
use signoff_api::limits::{CALL_REQUEST_BYTES_MAX, TRACE_CHARS_MAX};
use signoff_core::action::{Action, Claims, Trace};
use signoff_core::grant::{CredentialKind, Grant};
use signoff_core::http::{Call, GivenCall, URL_BYTES_MAX};
use signoff_core::json::well_formed;
use signoff_engine::request::Submit;
use signoff_engine::view::GrantView;

use super::answer;
use super::constraints::Scope;
use super::fault::Fault;
use super::grants::{Choice, chosen};
use super::query::Params;
use super::signed::Signed;
use crate::Doors;
use crate::api::governed;

/// Headers that the client does not let anybody set, lower case; raw requests may try.
const RESERVED: [&str; 18] = [
    "host",
    "authorization",
    "proxy-authorization",
    "authentication",
    "cookie",
    "set-cookie",
    "x-api-key",
    "x-auth-token",
    "x-amz-security-token",
    "x-amz-date",
    "x-amz-content-sha256",
    "x-goog-authorization",
    "x-goog-iam-authorization-token",
    "x-stripe-account",
    "x-shopify-access-token",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];

/// What the client asks. A field that is not known could be one that takes something away, so it is refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked<'a> {
    method: String,
    url: String,
    grant_id: Option<String>,
    provider_id: Option<String>,
    account: Option<String>,
    label: Option<String>,
    app_user_id: Option<String>,
    user_token: Option<String>,
    /// As it stands in the request: numbers and the order of keys are the provider's to read.
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    headers: Option<BTreeMap<String, String>>,
    #[serde(borrow)]
    query_params: Option<Params<'a>>,
    reason: Option<String>,
}

pub(super) async fn proxy(
    State(doors): State<Doors>,
    signed: Signed<CALL_REQUEST_BYTES_MAX>,
) -> Result<Response, Fault> {
    signed.within(Scope::ProxyExecute)?;
    let mut asked = Asked::read(&signed.request.body)?;
    signed.request.constraints.lets_through(Some(&asked.method))?;
    let agent = signed.agent(&doors)?;
    let choice = asked.choice();
    let grant = chosen(&doors, &signed.caller, agent.as_deref(), &choice)?;
    let call = asked.call(&grant)?;
    let context = signed.surroundings()?;
    let run_id = context.get("run_id").and_then(|id| id.as_str());
    let run_id = run_id.filter(|id| id.chars().count() <= TRACE_CHARS_MAX);
    let trace = run_id.map(|id| Trace {
        run_id: Some(id.to_owned()),
        ..Trace::default()
    });
    let claims = Claims {
        reason: asked.reason.take(),
        trace,
        ..Claims::default()
    };
    let submit = Submit {
        agent,
        ..Submit::of(Action {
            claims,
            context,
            http: Some(Arc::new(call.clone())),
            ..Action::named(call.action_name())
        })
    };
    let called = governed::call(&doors, &signed.caller, submit, None, Duration::ZERO, None).await?;
    answer::called(&doors, &signed.caller, &called).await
}

impl<'a> Asked<'a> {
    fn read(raw: &'a [u8]) -> Result<Self, Fault> {
        well_formed(raw).map_err(|refusal| Fault::invalid(refusal.to_string()))?;
        serde_json::from_slice(raw).map_err(|error| Fault::invalid(error.to_string()))
    }

    fn choice(&mut self) -> Choice {
        Choice {
            grant_id: self.grant_id.take(),
            provider_id: self.provider_id.take(),
            account: self.account.take(),
            label: self.label.take(),
            app_user_id: self.app_user_id.take(),
            user_token: self.user_token.take(),
        }
    }

    /// The call as it is judged, shown and sent.
    fn call(&self, grant: &GrantView) -> Result<Call, Fault> {
        let url = match &self.query_params {
            Some(params) => params.put_into(&self.url)?,
            None => self.url.clone(),
        };
        if url.len() > URL_BYTES_MAX {
            let why = format!(
                "the URL with its query is {} bytes long; the limit is {URL_BYTES_MAX}",
                url.len()
            );
            return Err(Fault::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "query_too_long",
                why,
            ));
        }
        let mut headers = self.headers.clone().unwrap_or_default();
        check_headers(&headers, &grant.row.grant)?;
        let says_what = |name: &String| name.eq_ignore_ascii_case("content-type");
        if self.body.is_some() && !headers.keys().any(says_what) {
            headers.insert("content-type".into(), "application/json".into());
        }
        let call = Call::new(GivenCall {
            method: self.method.clone(),
            url,
            headers,
            body: self.body.map(|body| body.get().as_bytes().to_vec()),
            grant: Some(grant.row.id.to_string()),
        });
        call.map_err(|faults| {
            let sentences = faults
                .into_iter()
                .map(|(pointer, why)| format!("{}: {why}", pointer.trim_start_matches('/')));
            Fault::invalid(sentences.collect::<Vec<_>>().join("; "))
        })
    }
}

/// Refuses headers that say who calls, or that the grant sets: the client expects to be told, not to have them dropped.
fn check_headers(headers: &BTreeMap<String, String>, grant: &Grant) -> Result<(), Fault> {
    let own = match &grant.credential {
        CredentialKind::Header { name, .. } => Some(name.as_str()),
        CredentialKind::Bearer
        | CredentialKind::Query { .. }
        | CredentialKind::Basic { .. }
        | CredentialKind::Oauth2 { .. } => None,
    };
    for name in headers.keys() {
        let plain = name.trim().to_ascii_lowercase();
        if RESERVED.contains(&plain.as_str()) || own == Some(plain.as_str()) {
            let name: String = name.chars().take(80).collect();
            let why = format!("the header `{name}` is reserved: who calls is the grant's to say");
            return Err(Fault::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "reserved_header",
                why,
            ));
        }
    }
    Ok(())
}

//! A request as the client signs it: nothing is looked at before key and signature are known to be good.

use std::sync::Arc;
use std::time::Instant;

use axum::RequestExt as _;
use axum::body::Bytes;
use axum::extract::{FromRequest, RawPathParams, Request};
use axum::http::{HeaderMap, StatusCode, Uri};
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use signoff_api::limits::BODY_BYTES_MAX;
use signoff_engine::EngineError;
use signoff_engine::view::{Caller, ClosedKey};

use super::constraints::{Constraints, Scope};
use super::fault::Fault;
use super::nonces::{Nonce, Nonces};
use super::signature::{CALLER, CONTEXT, Sent, one, verify};
use crate::Doors;
use crate::api::body::read;
use crate::api::principal::key;
use crate::api::shape::read_json;

/// A request with a key that opens something.
pub(super) struct Signed<const MAX: usize = BODY_BYTES_MAX> {
    /// Whose key it is.
    pub(super) caller: Caller,
    pub(super) request: Whole,
}

/// A request whose signature fits, whether or not its key still opens anything.
pub(super) struct Known {
    pub(super) who: Result<Caller, ClosedKey>,
    pub(super) request: Whole,
}

/// What was sent.
pub(super) struct Whole {
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    parts: Vec<String>,
    pub(super) constraints: Constraints,
}

impl<const MAX: usize> FromRequest<Doors> for Signed<MAX> {
    type Rejection = Fault;

    async fn from_request(request: Request, doors: &Doors) -> Result<Self, Fault> {
        let known = checked(request, doors, MAX).await?;
        let caller = known.who.map_err(|closed| refusal(&closed))?;
        known.request.constraints.narrow(&caller.principal)?;
        Ok(Self {
            caller,
            request: known.request,
        })
    }
}

impl FromRequest<Doors> for Known {
    type Rejection = Fault;

    async fn from_request(request: Request, doors: &Doors) -> Result<Self, Fault> {
        checked(request, doors, BODY_BYTES_MAX).await
    }
}

async fn checked(mut request: Request, doors: &Doors, max: usize) -> Result<Known, Fault> {
    let headers = request.headers().clone();
    let key = key(&headers, &["Bearer"])
        .map_err(|refused| Fault::from(refused).named(StatusCode::UNAUTHORIZED, "invalid_key"))?;
    let who = match doors.engine().authenticate(key).await {
        Ok(caller) => Ok(caller),
        Err(EngineError::Unauthorized) => {
            let closed = doors.engine().closed_key(key).await?;
            Err(closed
                .ok_or_else(|| Fault::unauthorized("invalid_key", "the key is not one of this server's"))?)
        }
        Err(error) => return Err(error.into()),
    };
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let nonces = request.extensions().get::<Arc<Nonces>>().cloned();
    let parts = request.extract_parts::<RawPathParams>().await;
    let parts = parts.map_or_else(
        |_| Vec::new(),
        |parts| parts.iter().map(|(_, part)| part.to_owned()).collect(),
    );
    let body = read(request, max).await?;
    let sent = Sent {
        method: method.as_str(),
        target: &uri,
        body: &body,
    };
    let bad = |why: String| Fault::unauthorized("invalid_signature", why);
    let now = doors.engine().now();
    let nonce = verify(key, &sent, &headers, now.0.div_euclid(1_000_000)).map_err(bad)?;
    let of_key: [u8; 32] = Sha256::digest(key).into();
    match nonces.map_or(Nonce::NoRoom, |nonces| nonces.take(of_key, nonce, Instant::now())) {
        Nonce::Fresh => {}
        Nonce::Seen => {
            return Err(bad(
                "a request with this nonce was made before; sign each one anew".into(),
            ));
        }
        Nonce::NoRoom => {
            let why = "too many requests in the last ten minutes to tell a repeated one apart; try again";
            return Err(Fault::new(StatusCode::SERVICE_UNAVAILABLE, "busy", why));
        }
    }
    let constraints = Constraints::read(&headers)?;
    let request = Whole {
        uri,
        headers,
        body,
        parts,
        constraints,
    };
    Ok(Known { who, request })
}

/// What a key says that opens nothing any more. Who has it may know: it was theirs.
pub(super) fn refusal(closed: &ClosedKey) -> Fault {
    let agent = closed.agent.as_ref().is_some_and(|agent| agent.row.disabled);
    let (code, why) = match (closed.revoked, agent) {
        (true, true) => (
            "agent_revoked",
            "the agent was switched off and its keys were taken away",
        ),
        (true, false) => ("key_revoked", "the key was taken away"),
        (false, true) => ("agent_inactive", "the agent is switched off"),
        (false, false) => ("key_not_active", "who the key belongs to is switched off"),
    };
    Fault::unauthorized(code, why)
}

impl<const MAX: usize> Signed<MAX> {
    /// Refuses what the request's own constraints leave out.
    pub(super) fn within(&self, scope: Scope) -> Result<(), Fault> {
        self.request.constraints.within(&self.caller.principal, scope)
    }

    /// The same where either of two is enough.
    pub(super) fn within_either(&self, scope: Scope, other: Scope) -> Result<(), Fault> {
        self.within(scope)
            .or_else(|fault| self.within(other).map_err(|_| fault))
    }
}

impl Whole {
    /// A part of the path.
    pub(super) fn part(&self, at: usize) -> &str {
        self.parts.get(at).map_or("", String::as_str)
    }

    /// The body as JSON; none at all is an empty object.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        let body = if self.body.is_empty() {
            b"{}"
        } else {
            &self.body[..]
        };
        Ok(read_json(body)?)
    }

    /// For whom the client says that it asks.
    pub(super) fn caller_named(&self) -> Option<&str> {
        one(&self.headers, &CALLER).ok().flatten()
    }

    /// What it says around the request.
    pub(super) fn context(&self) -> Option<&str> {
        one(&self.headers, &CONTEXT).ok().flatten()
    }
}

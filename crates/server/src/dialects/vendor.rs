//! What all dialects share: who calls, what was sent, and a refusal in the words of the vendor's client.

use std::marker::PhantomData;

use axum::Router;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use serde::de::DeserializeOwned;
use signoff_api::Code;
use signoff_api::limits::BODY_BYTES_MAX;
use signoff_engine::view::Caller;

use crate::Doors;
use crate::api::Refused;
use crate::api::body::read;
use crate::api::principal::key;
use crate::api::shape::read_json;

/// A refusal in the envelope that a vendor's client reads: made from ours, so that no path below a dialect answers in
/// another form.
pub(super) trait Envelope: From<Refused> + IntoResponse + Send + 'static {
    /// Under which schemes the clients send their key; in `x-api-key` every one may.
    const SCHEMES: &'static [&'static str] = &["Bearer"];
}

/// Whoever presents a key of Signoff's. What they may do is asked of the authority table by the engine.
pub(super) struct Known<E> {
    pub(super) caller: Caller,
    envelope: PhantomData<fn() -> E>,
}

impl<E: Envelope> FromRequestParts<Doors> for Known<E> {
    type Rejection = E;

    async fn from_request_parts(parts: &mut Parts, doors: &Doors) -> Result<Self, E> {
        let key = key(&parts.headers, E::SCHEMES)?;
        let caller = doors.engine().authenticate(key).await.map_err(Refused::from)?;
        Ok(Self {
            caller,
            envelope: PhantomData,
        })
    }
}

/// What was sent: JSON of at most 1 MiB, whatever the content type says. Nothing at all is an empty object: clients that
/// have nothing to say announce JSON nevertheless. Fields that `T` does not name are let pass, they may come from a later
/// version of the client.
pub(super) struct Sent<T, E> {
    pub(super) body: T,
    envelope: PhantomData<fn() -> E>,
}

impl<T: DeserializeOwned, E: Envelope> FromRequest<Doors> for Sent<T, E> {
    type Rejection = E;

    async fn from_request(request: Request, _: &Doors) -> Result<Self, E> {
        let bytes = read(request, BODY_BYTES_MAX).await?;
        let body = if bytes.is_empty() { b"{}" } else { &bytes[..] };
        Ok(Self {
            body: read_json(body)?,
            envelope: PhantomData,
        })
    }
}

/// The status of a refusal.
pub(super) fn status(refused: &Refused) -> StatusCode {
    StatusCode::from_u16(refused.problem().status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The routes of one dialect, below which everything else is refused in its own form.
pub(super) fn bounded<E: Envelope>(routes: Router<Doors>) -> Router<Doors> {
    routes
        .fallback(|| async { E::from(Refused::new(Code::NotFound, "there is nothing at this path")) })
        .method_not_allowed_fallback(|| async {
            let why = "this path does not take this method";
            E::from(Refused::new(Code::MethodNotAllowed, why))
        })
}

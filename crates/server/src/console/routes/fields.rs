//! Forms and queries, whose faults are pages too.

use axum::Form;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::IntoResponse as _;
use serde::de::DeserializeOwned;
use signoff_api::Code;
use signoff_core::time::{Micros, Timestamp};

use super::trouble::Trouble;
use crate::Doors;
use crate::api::Refused;

/// A query; parameters that no page uses are let pass, since links pick some up on their way.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Doors> for Asked<T> {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, _: &Doors) -> Result<Self, Trouble> {
        let unread = || Refused::parameter("the address holds something that can’t be read");
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(_) => Err(Trouble::new(&parts.headers, unread())),
        }
    }
}

/// A form as browsers send it.
pub(super) struct Filled<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Doors> for Filled<T> {
    type Rejection = Trouble;

    async fn from_request(request: Request, doors: &Doors) -> Result<Self, Trouble> {
        let headers = request.headers().clone();
        let refused = match Form::from_request(request, doors).await {
            Ok(Form(form)) => return Ok(Self(form)),
            Err(rejection) => match rejection.into_response().status() {
                StatusCode::PAYLOAD_TOO_LARGE => {
                    Refused::new(Code::BodyTooLarge, "the form is larger than it may be")
                }
                StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                    Refused::new(Code::UnsupportedMediaType, "send the form as a browser does")
                }
                _ => Refused::parameter("the form can’t be read"),
            },
        };
        Err(Trouble::new(&headers, refused))
    }
}

/// A point in time as an address names it: RFC 3339, or a duration back from now such as `24h`.
pub(super) fn since(text: &str, now: Timestamp) -> Result<Option<Timestamp>, Refused> {
    if text.is_empty() {
        return Ok(None);
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(Some(at));
    }
    match Micros::parse(text) {
        Ok(back) => Ok(Some(now.plus(Micros(back.0.saturating_neg())))),
        Err(_) => Err(Refused::parameter(
            "“since” is neither a time nor a duration such as 24h",
        )),
    }
}

/// What was given, if anything was.
pub(super) fn given(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// A query from its parts; empty ones are left out.
pub(super) fn query(parts: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in parts.iter().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    query.finish()
}

/// A path with a query, if there is one.
pub(super) fn href(path: &str, query: &str) -> String {
    if query.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{query}")
    }
}

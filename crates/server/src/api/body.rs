//! The body of a request: JSON of a bounded size that fits its type, or a problem.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use signoff_api::limits::{BODY_BYTES_MAX, BODY_SECONDS_MAX};
use signoff_api::{Code, Problem};

use super::problem::Refused;
use super::shape::read_json;

/// A JSON body of at most `MAX` bytes.
#[derive(Debug)]
pub(crate) struct Body<T, const MAX: usize = BODY_BYTES_MAX>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned, const MAX: usize> FromRequest<S> for Body<T, MAX> {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refused> {
        check_content_type(request.headers())?;
        read_json(&read(request, MAX).await?).map(Self)
    }
}

/// A body of which every field is optional: none at all is the same as `{}`.
#[derive(Debug)]
pub(crate) struct OptionalBody<T, const MAX: usize = BODY_BYTES_MAX>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned, const MAX: usize> FromRequest<S> for OptionalBody<T, MAX> {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refused> {
        let headers = request.headers().clone();
        let bytes = read(request, MAX).await?;
        if bytes.is_empty() {
            return read_json(b"{}").map(Self);
        }
        check_content_type(&headers)?;
        read_json(&bytes).map(Self)
    }
}

/// For operations that take nothing: an empty body or `{}`; a stray option must not vanish.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

fn check_content_type(headers: &HeaderMap) -> Result<(), Refused> {
    let given = headers.get(CONTENT_TYPE);
    if given.is_some_and(is_json) {
        return Ok(());
    }
    let detail = match given.and_then(|given| given.to_str().ok()) {
        Some(given) => format!("`{}` is not JSON", super::shape::shown(given)),
        None => "the content type is missing".to_owned(),
    };
    Err(Refused::new(Code::UnsupportedMediaType, detail))
}

/// `application/json` or `application/…+json`, in UTF-8 if a character set is named.
fn is_json(given: &HeaderValue) -> bool {
    let Ok(given) = given.to_str() else { return false };
    let mut parts = given.split(';').map(|part| part.trim().to_ascii_lowercase());
    let kind = parts.next().unwrap_or_default();
    let subtype = kind.strip_prefix("application/").unwrap_or_default();
    let utf8 = parts.all(|part| {
        part.strip_prefix("charset=")
            .is_none_or(|set| matches!(set.trim_matches('"'), "utf-8" | "utf8"))
    });
    utf8 && (subtype == "json" || (subtype.len() > 5 && subtype.ends_with("+json")))
}

/// The bytes of a body, of which there are at most `max`.
pub(crate) async fn read(request: Request, max: usize) -> Result<Bytes, Refused> {
    let announced = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| length > max as u64) {
        return Err(too_large(max));
    }
    let reading = tokio::time::timeout(Duration::from_secs(BODY_SECONDS_MAX), collect(request, max));
    reading.await.unwrap_or_else(|_| {
        let detail = format!("the body did not arrive within {BODY_SECONDS_MAX} s");
        Err(Refused::new(Code::RequestTimeout, detail))
    })
}

async fn collect(request: Request, max: usize) -> Result<Bytes, Refused> {
    let mut chunks = request.into_body().into_data_stream();
    let mut whole: Vec<u8> = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Refused::new(Code::InvalidJson, "the body broke off"))?;
        if whole.len() + chunk.len() > max {
            return Err(too_large(max));
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.into())
}

fn too_large(max: usize) -> Refused {
    let (whole, tenths) = (max >> 20, ((max & 0xF_FFFF) * 10) >> 20);
    let size = if tenths == 0 {
        format!("{whole} MiB")
    } else {
        format!("{whole}.{tenths} MiB")
    };
    let detail = format!("the body is larger than {size}");
    let next = format!("send at most {size}; keep large things elsewhere and link to them");
    Problem::new(Code::BodyTooLarge, detail).with_next(next).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_recognised_by_its_media_type() {
        for given in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/problem+json",
        ] {
            assert!(is_json(&HeaderValue::from_static(given)), "{given}");
        }
        for given in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/json; charset=latin1",
            "",
            "json",
        ] {
            assert!(!is_json(&HeaderValue::from_static(given)), "{given}");
        }
    }
}

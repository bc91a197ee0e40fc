//! The header that makes a repeated request answer what the first one answered.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use signoff_api::IDEMPOTENCY_KEY_HEADER;
use signoff_api::limits::IDEMPOTENCY_KEY_CHARS_MAX;
use utoipa::IntoParams;

use super::problem::Refused;

/// The key of a request that must not happen twice, if the client gave one.
#[derive(Debug)]
pub(crate) struct IdempotencyKey(Option<String>);

impl IdempotencyKey {
    /// As the engine takes it.
    pub(crate) fn get(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

/// For the API description.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only described; the header is read by hand")]
pub(crate) struct IdempotencyParam {
    /// 1 to 255 visible ASCII characters. The same key with the same request gets the same answer; with another
    /// request it is refused.
    #[param(
        rename = "idempotency-key",
        required = false,
        min_length = 1,
        max_length = 255,
        pattern = "^[!-~]+$"
    )]
    idempotency_key: String,
}

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        read(&parts.headers).map(Self)
    }
}

/// The key that stands in the headers, if there is one.
pub(crate) fn read(headers: &HeaderMap) -> Result<Option<String>, Refused> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY_HEADER).iter();
    let (first, second) = (values.next(), values.next());
    if second.is_some() {
        return Err(Refused::parameter("`idempotency-key` is given twice"));
    }
    let Some(value) = first else { return Ok(None) };
    check(&String::from_utf8_lossy(value.as_bytes())).map(Some)
}

/// A key of the right form, whichever header it came in.
pub(super) fn check(key: &str) -> Result<String, Refused> {
    if !(1..=IDEMPOTENCY_KEY_CHARS_MAX).contains(&key.len()) || !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Refused::parameter(format!(
            "`idempotency-key` has 1 to {IDEMPOTENCY_KEY_CHARS_MAX} visible ASCII characters"
        )));
    }
    Ok(key.to_owned())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn given(values: &[&str]) -> Result<Option<String>, Refused> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(
                IDEMPOTENCY_KEY_HEADER,
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        read(&headers)
    }

    #[test]
    fn one_key_of_visible_characters() {
        assert_eq!(given(&[]).unwrap(), None);
        assert_eq!(given(&["a-1!~"]).unwrap().as_deref(), Some("a-1!~"));
        assert!(given(&["x".repeat(255).as_str()]).is_ok());
        for values in [&[""][..], &["a b"], &["é"], &[&"x".repeat(256)], &["a", "a"]] {
            assert!(given(values).is_err(), "{values:?}");
        }
    }
}

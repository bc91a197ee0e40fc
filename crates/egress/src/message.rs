//! What is sent and what comes back, in plain types, so that nobody outside needs the HTTP library.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use signoff_core::http::CONNECTION_HEADERS;

use crate::{Injection, Refusal};

/// How much of an answer's body is kept; the rest is not read.
pub const BODY_KEPT_MAX: usize = 64 * 1024;

/// The longest time a call may take; a longer timeout is cut to it.
pub const TIMEOUT_MAX: Duration = Duration::from_mins(5);

/// One call to make. Its debug form shows neither URL nor header values nor body: each may be a secret.
#[derive(Clone)]
pub struct OutboundCall {
    /// As it is sent; `CONNECT` is refused.
    pub method: String,
    /// Where to, as text; vetted and parsed by the client.
    pub url: String,
    /// Names and values, in order. Those of the connection are refused.
    pub headers: Vec<(String, String)>,
    /// The exact bytes of the body; empty for none.
    pub body: Bytes,
    /// What is put in at the last moment; a header of the same name gives way to it.
    pub credential: Option<Injection>,
    /// For the whole call, from resolving the name to the last byte of the answer; at most [`TIMEOUT_MAX`].
    pub timeout: Duration,
}

impl fmt::Debug for OutboundCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("OutboundCall")
            .field("method", &self.method)
            .field("headers", &names)
            .field("body_bytes", &self.body.len())
            .field("credential", &self.credential)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// One message to post. Its debug form shows neither URL nor header values nor body: each may be a secret.
#[derive(Clone)]
pub struct OutboundRequest {
    /// Where to, as text; vetted and parsed by the client.
    pub url: String,
    /// Names and values, in order.
    pub headers: Vec<(String, String)>,
    /// The exact bytes of the body.
    pub body: Bytes,
    /// For the whole call, from resolving the name to the last kept byte of the answer.
    pub timeout: Duration,
}

impl fmt::Debug for OutboundRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("OutboundRequest")
            .field("headers", &names)
            .field("body_bytes", &self.body.len())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// How the body of an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyEnd {
    /// It is all there.
    Whole,
    /// It was longer than what is kept of it.
    Cut,
    /// The connection broke, or time ran out, before its end; the status is certain all the same.
    Broken,
    /// It came packed in a way that is not undone here, so that it can't be searched for the credential: its bytes
    /// are not shown. The status is certain all the same.
    Withheld,
}

/// An answer of the other side, whatever its status. Its debug form shows no body.
#[derive(Clone)]
pub struct OutboundResponse {
    /// The status code; a 3xx stands here like any other and was not followed.
    pub status: u16,
    /// Names in lower case and values, in order.
    pub headers: Vec<(String, String)>,
    /// The first bytes of the body, at most [`BODY_KEPT_MAX`].
    pub body: Bytes,
    /// Whether `body` is all there was.
    pub body_end: BodyEnd,
}

impl OutboundResponse {
    /// The first header of this name, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for OutboundResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundResponse")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .field("body_end", &self.body_end)
            .finish_non_exhaustive()
    }
}

/// Checks the method. A tunnel is no call that anybody could have judged.
pub(crate) fn method(given: &str) -> Result<Method, Refusal> {
    match Method::from_bytes(given.as_bytes()) {
        Ok(method) if !given.eq_ignore_ascii_case("CONNECT") => Ok(method),
        _ => Err(Refusal::Method),
    }
}

/// Checks and converts the headers; the first bad one is named.
pub(crate) fn header_map(headers: &[(String, String)]) -> Result<HeaderMap, Refusal> {
    let mut map = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let refused = || Refusal::Header {
            name: name.chars().take(64).collect(),
        };
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())?;
        if CONNECTION_HEADERS.contains(&key.as_str()) {
            return Err(refused());
        }
        let mut content = HeaderValue::from_str(value).map_err(|_| refused())?;
        content.set_sensitive(true);
        map.append(key, content);
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str, value: &str) -> bool {
        header_map(&[(name.to_owned(), value.to_owned())]).is_err()
    }

    /// A header is never a way to smuggle a second request or to redirect this one.
    #[test]
    fn connection_headers_and_line_breaks_are_refused() {
        for name in CONNECTION_HEADERS {
            assert!(refused(name, "x"), "{name}");
            assert!(refused(&name.to_uppercase(), "x"), "{name}");
        }
        assert!(refused("x-note", "a\r\nHost: elsewhere"));
        assert!(refused("x-note", "a\nb"));
        assert!(refused("x-note", "a\0b"));
        assert!(refused("x note", "a"));
        assert!(refused("", "a"));
        assert!(refused("x-note:", "a"));
        assert!(!refused("x-note", "plain"));
    }

    #[test]
    fn debug_shows_no_secret() {
        let request = OutboundRequest {
            url: "https://hooks.example/T0/canary-url".into(),
            headers: vec![("authorization".into(), "canary-value".into())],
            body: Bytes::from_static(b"canary-body"),
            timeout: Duration::from_secs(1),
        };
        assert!(!format!("{request:?}").contains("canary"));
    }
}

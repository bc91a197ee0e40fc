//! The call that an action stands for: read and normalised once, at the door. The same text is matched, shown and, one
//! day, sent. Vectors: `spec/http.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    id::GrantId,
    name::{self, NAME_LEN_MAX},
};

mod body;
mod parts;
mod pattern;
mod url;

pub(crate) use pattern::UrlPattern;
pub use pattern::{PATTERN_BYTES_MAX, PATTERN_CHARS_MAX};

/// The longest URL, as given and normalised, in bytes.
pub const URL_BYTES_MAX: usize = 8 * 1024;
/// The longest method, in characters.
pub const METHOD_CHARS_MAX: usize = 20;
/// How many headers a call may have.
pub const HEADERS_MAX: usize = 100;
/// All headers of a call together, in bytes.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;
/// The largest body, in bytes.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Headers that whoever makes the call sets, and nobody else: they say where it goes, where it ends and what the
/// connection does. Lower case.
pub const CONNECTION_HEADERS: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Further headers that an agent has no say in: who calls is the grant's, and on whose behalf is ours. Every name that
/// starts with `x-forwarded-` is one too. Answers come unpacked, so that what must not be shown can be found in them.
pub const AGENTLESS_HEADERS: [&str; 5] = [
    "accept-encoding",
    "authorization",
    "forwarded",
    "via",
    "x-real-ip",
];

/// A call as it was given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GivenCall {
    /// Any case.
    pub method: String,
    /// http or https.
    pub url: String,
    /// Each name once, whatever its case.
    pub headers: BTreeMap<String, String>,
    /// As it is sent. Kept beside the rest, as bytes.
    #[serde(skip)]
    pub body: Option<Vec<u8>>,
    /// The stored credential it is to be made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<String>,
}

/// What the log says of a call in the clear: the URL behind the origin, headers and body are payloads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallFacts {
    /// In upper case.
    pub method: String,
    /// Scheme, host and port.
    pub origin: String,
    /// The stored credential it is made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantId>,
}

impl CallFacts {
    /// Whether the method changes nothing, so that the call may be made a second time (RFC 9110, 9.2.1).
    pub fn is_safe(&self) -> bool {
        is_safe(&self.method)
    }
}

/// Whether a method, in upper case, changes nothing (RFC 9110, 9.2.1).
pub fn is_safe(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE")
}

/// A call, checked and normalised. Its debug form shows neither URL nor headers nor body: each may carry a secret.
#[derive(Clone, PartialEq)]
pub struct Call {
    method: String,
    url: ::url::Url,
    body: Option<Vec<u8>>,
    grant: Option<String>,
    /// Headers that were given and are not sent.
    dropped: Vec<String>,
    /// `{method, url, host, path, query, headers, json, form}`, for conditions.
    sight: Value,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("method", &self.method)
            .field("origin", &self.origin())
            .field("body_bytes", &self.body.as_ref().map_or(0, Vec::len))
            .finish_non_exhaustive()
    }
}

impl Call {
    /// Reads a call. Methods become upper case, names of headers lower case, the URL as [`Call::url`] says.
    ///
    /// # Errors
    /// Everything that is wrong with it: a JSON pointer inside the call, and a sentence.
    pub fn new(given: GivenCall) -> Result<Self, Vec<(String, String)>> {
        let mut faults = Vec::new();
        let method = method(&given.method).map_err(|why| faults.push(("/method".to_owned(), why)));
        let url = url::normalised(&given.url).map_err(|why| faults.push(("/url".to_owned(), why)));
        let mut dropped = Vec::new();
        let headers = headers(&given.headers, &mut dropped, &mut faults);
        let size = given.body.as_ref().map_or(0, Vec::len);
        if size > BODY_BYTES_MAX {
            let why = format!("the body is {size} bytes large; the limit is {BODY_BYTES_MAX}");
            faults.push(("/body".into(), why));
        }
        if let Some(grant) = &given.grant
            && let Err(why) = name::check_name(grant)
        {
            faults.push(("/grant".into(), why));
        }
        match (method, url) {
            (Ok(method), Ok(url)) if faults.is_empty() => Ok(Self {
                sight: sight(&method, &url, &headers, given.body.as_deref()),
                method,
                url,
                body: given.body,
                grant: given.grant,
                dropped,
            }),
            _ => Err(faults),
        }
    }

    /// In upper case.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Without user, password, fragment, default port, dot segments, a dot behind the host, and escapes of what needs
    /// none; other escapes in upper case.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// The body, as given.
    pub fn body(&self) -> Option<&[u8]> {
        self.body.as_deref()
    }

    /// The stored credential it is to be made with.
    pub fn grant(&self) -> Option<&str> {
        self.grant.as_deref()
    }

    /// Scheme, host and port; the port only where it is not the scheme's own.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Its path, as it is sent; at least a slash.
    pub fn path(&self) -> &str {
        self.url.path()
    }

    /// What is sent beside the body: names in lower case, each once.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let headers = self.sight.get("headers").and_then(Value::as_object);
        let pairs = headers.into_iter().flatten();
        pairs.map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default()))
    }

    /// Headers that were given and are not sent: those of the connection, of who calls, and of who forwarded it.
    pub fn dropped(&self) -> &[String] {
        &self.dropped
    }

    /// Takes out a header that the grant sets; the credential goes where it stood.
    pub fn drop_header(&mut self, name: &str) {
        let headers = self.sight.get_mut("headers").and_then(Value::as_object_mut);
        if headers.is_some_and(|headers| headers.remove(name).is_some()) {
            self.dropped.push(name.to_owned());
        }
    }

    /// Whether the query has a parameter of this name.
    pub fn has_query_parameter(&self, name: &str) -> bool {
        self.url.query_pairs().any(|(key, _)| key == name)
    }

    /// The call in the form that is kept, without its body.
    pub fn stored(&self) -> GivenCall {
        GivenCall {
            method: self.method.clone(),
            url: self.url.as_str().to_owned(),
            headers: self
                .headers()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            body: None,
            grant: self.grant.clone(),
        }
    }

    /// Reads back what was kept. None if it does not come out as it went in: then it is not what was judged.
    pub fn restored(stored: &GivenCall, body: Option<Vec<u8>>) -> Option<Self> {
        let given = GivenCall {
            body,
            ..stored.clone()
        };
        let call = Self::new(given).ok()?;
        (call.stored() == *stored).then_some(call)
    }

    /// The same call with another body.
    ///
    /// # Errors
    /// A sentence.
    pub fn with_body(&self, body: Option<Vec<u8>>) -> Result<Self, String> {
        let given = GivenCall {
            body,
            ..self.stored()
        };
        Self::new(given).map_err(|faults| faults.into_iter().next().map(|(_, why)| why).unwrap_or_default())
    }

    /// What conditions see of it.
    pub fn sight(&self) -> &Value {
        &self.sight
    }

    /// The name of an action that says nothing but this call: `http.post`.
    pub fn action_name(&self) -> String {
        format!("http.{}", self.method.to_ascii_lowercase())
    }

    pub(crate) fn parsed_url(&self) -> &::url::Url {
        &self.url
    }
}

/// A method as it is compared: upper case.
///
/// # Errors
/// A sentence.
pub(crate) fn method(given: &str) -> Result<String, String> {
    let fits = (1..=METHOD_CHARS_MAX).contains(&given.len())
        && given
            .bytes()
            .all(|byte| byte.is_ascii_alphabetic() || byte == b'-');
    if !fits {
        return Err(format!(
            "a method is 1 to {METHOD_CHARS_MAX} letters, such as GET or DELETE"
        ));
    }
    let method = given.to_ascii_uppercase();
    // A tunnel is no request that anybody could judge.
    if method == "CONNECT" {
        return Err("CONNECT opens a tunnel, which can't be judged".into());
    }
    Ok(method)
}

/// Scheme, host and port of where calls go, such as `https://api.example.com`.
///
/// # Errors
/// A sentence.
pub(crate) fn origin(given: &str) -> Result<String, String> {
    let url = url::normalised(given)?;
    if url.path() != "/" || url.query().is_some() {
        return Err("an origin is scheme, host and port alone, such as https://api.example.com".into());
    }
    Ok(url.origin().ascii_serialization())
}

/// A URL in the form that is called.
///
/// # Errors
/// A sentence.
pub(crate) fn normalised_url(given: &str) -> Result<String, String> {
    url::normalised(given).map(|url| url.as_str().to_owned())
}

fn is_dropped(lower: &str) -> bool {
    CONNECTION_HEADERS.contains(&lower)
        || AGENTLESS_HEADERS.contains(&lower)
        || lower.starts_with("x-forwarded-")
}

fn headers(
    given: &BTreeMap<String, String>,
    dropped: &mut Vec<String>,
    faults: &mut Vec<(String, String)>,
) -> Map<String, Value> {
    let mut headers = Map::new();
    let mut bytes = 0;
    for (name, value) in given {
        bytes += name.len() + value.len();
        let lower = name.to_ascii_lowercase();
        let shown: String = name.chars().take(NAME_LEN_MAX).collect();
        let pointer = format!("/headers/{}", shown.replace('~', "~0").replace('/', "~1"));
        let why = if !is_token(name) {
            "a name of a header is letters, digits and !#$%&'*+-.^_`|~"
        } else if value
            .bytes()
            .any(|byte| byte != b'\t' && !(b' '..=b'~').contains(&byte))
        {
            "a header is printable ASCII on one line"
        } else if is_dropped(&lower) {
            dropped.push(lower);
            continue;
        } else if headers.contains_key(&lower) {
            "the header is given twice in different case"
        } else {
            headers.insert(lower, Value::from(value.trim_matches([' ', '\t'])));
            continue;
        };
        faults.push((pointer, why.to_owned()));
    }
    if given.len() > HEADERS_MAX || bytes > HEADER_BYTES_MAX {
        let why = format!("at most {HEADERS_MAX} headers, and {HEADER_BYTES_MAX} bytes of them together");
        faults.push(("/headers".into(), why));
    }
    headers
}

pub(crate) fn is_token(name: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.len() <= NAME_LEN_MAX && name.bytes().all(is_tchar)
}

fn sight(method: &str, url: &::url::Url, headers: &Map<String, Value>, body: Option<&[u8]>) -> Value {
    let mut sight = Map::new();
    sight.insert("method".into(), Value::from(method));
    sight.insert("url".into(), Value::from(url.as_str()));
    sight.insert("host".into(), Value::from(url.host_str().unwrap_or_default()));
    sight.insert("path".into(), Value::from(url.path()));
    if let Some(query) = body::fields(url.query().unwrap_or_default().as_bytes()) {
        sight.insert("query".into(), Value::Object(query));
    }
    if let Some((kind, content)) = body.and_then(|body| body::read(headers, body)) {
        sight.insert(kind.into(), content);
    }
    sight.insert("headers".into(), Value::Object(headers.clone()));
    Value::Object(sight)
}

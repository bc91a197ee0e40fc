//! The call that an action stands for: read and normalised once, at the door. The same text is matched, shown and, one
//! day, sent. Vectors: `spec/http.json`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{
    action::OBJECT_BYTES_MAX,
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
pub const BODY_BYTES_MAX: usize = OBJECT_BYTES_MAX;

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

/// A call as it was given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GivenCall {
    /// Any case.
    pub method: String,
    /// http or https.
    pub url: String,
    /// Each name once, whatever its case.
    pub headers: BTreeMap<String, String>,
    /// As it is sent.
    pub body: Option<Vec<u8>>,
    /// The stored credential it is to be made with.
    pub grant: Option<String>,
}

/// A call, checked and normalised.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    method: String,
    url: ::url::Url,
    body: Option<Vec<u8>>,
    grant: Option<String>,
    /// `{method, url, host, path, query, headers, json, form}`, for conditions.
    sight: Value,
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
        let headers = headers(&given.headers, &mut faults);
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

fn headers(given: &BTreeMap<String, String>, faults: &mut Vec<(String, String)>) -> Map<String, Value> {
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
        } else if CONNECTION_HEADERS.contains(&lower.as_str()) {
            "whoever makes the call sets this header; leave it out"
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

fn is_token(name: &str) -> bool {
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

//! One HTTP exchange: address, key, deadline, and what its answer means.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, redirect};
use serde::Serialize;
use serde::de::DeserializeOwned;
use signoff_api::{IDEMPOTENCY_KEY_HEADER, Problem, Secret};
use url::Url;

use crate::error::Error;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For an answer that is not waited for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// What a held answer may take beyond the time it was held.
const WAIT_MARGIN: Duration = Duration::from_secs(15);
/// The longest time that a grant gives a call.
const CALL_TIMEOUT: Duration = Duration::from_mins(5);
/// Largest error body that is read.
const ERROR_BYTES_MAX: usize = 65_536;

/// A connection to one server with one identity. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    key: Option<HeaderValue>,
}

impl Client {
    /// A client of the server at `url`, which presents `key`.
    pub fn new(url: &str, key: Option<&Secret>) -> crate::Result<Self> {
        let base = Url::parse(url).map_err(|error| Error::Misused(format!("`{url}` is no URL: {error}")))?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(Error::Misused(format!("`{url}` is no http or https URL")));
        }
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(concat!("signoff-rust/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Error::Misused(format!("can't set up HTTP: {}", innermost(&error))))?;
        Ok(Self {
            http,
            base,
            key: key.map(bearer).transpose()?,
        })
    }

    /// Base URL of the server, without a trailing slash.
    pub fn server(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Whether a key is presented.
    pub const fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Whether the server is this machine, or the way to it is encrypted.
    pub fn is_private_way(&self) -> bool {
        let loopback = match self.base.host() {
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        loopback || self.base.scheme() == "https"
    }

    pub(crate) fn call(&self, method: Method, path: &[&str]) -> Call<'_> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let mut request = self.http.request(method, url).timeout(ANSWER_TIMEOUT);
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, key.clone());
        }
        Call {
            client: self,
            request,
        }
    }

    pub(crate) fn get(&self, path: &[&str]) -> Call<'_> {
        self.call(Method::GET, path)
    }

    pub(crate) fn post(&self, path: &[&str]) -> Call<'_> {
        self.call(Method::POST, path)
    }

    fn lost(&self, error: &reqwest::Error) -> Error {
        let (server, why) = (self.server().to_owned(), innermost(error));
        if error.is_builder() {
            Error::Misused(why)
        } else if error.is_connect() {
            Error::Unreachable { server, why }
        } else {
            Error::NoAnswer { server, why }
        }
    }

    async fn refused(&self, mut response: Response) -> Error {
        let status = response.status().as_u16();
        let retry_after = header_seconds(response.headers());
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() > ERROR_BYTES_MAX {
                break;
            }
        }
        let Ok(mut problem) = serde_json::from_slice::<Problem>(&body) else {
            let why = "not a problem document; is this a Signoff server?".to_owned();
            return Error::Unexpected {
                server: self.server().to_owned(),
                status,
                why,
            };
        };
        // The transport's word counts: an intermediary may have changed the status.
        problem.status = status;
        if let (Some(seconds), 429 | 503) = (retry_after, status) {
            problem.next = Some(format!("try again after {seconds} s"));
        }
        Error::Problem(Box::new(problem))
    }
}

/// A request that is being put together.
pub(crate) struct Call<'a> {
    client: &'a Client,
    request: RequestBuilder,
}

impl Call<'_> {
    pub(crate) fn json(mut self, body: &impl Serialize) -> Self {
        self.request = self.request.json(body);
        self
    }

    pub(crate) fn key(mut self, idempotency_key: Option<&str>) -> Self {
        if let Some(key) = idempotency_key {
            self.request = self.request.header(IDEMPOTENCY_KEY_HEADER, key);
        }
        self
    }

    /// Fields of a flat structure become the query; absent ones are left out.
    pub(crate) fn query(self, fields: &impl Serialize) -> crate::Result<Self> {
        let Self { client, request } = self;
        let value = serde_json::to_value(fields)
            .map_err(|error| Error::Misused(format!("can't write the query: {error}")))?;
        let (http, built) = request.build_split();
        let mut built = built.map_err(|error| client.lost(&error))?;
        if let Some(object) = value.as_object().filter(|object| !object.is_empty()) {
            let mut pairs = built.url_mut().query_pairs_mut();
            for (name, value) in object {
                match value {
                    serde_json::Value::Null => {}
                    serde_json::Value::String(text) => drop(pairs.append_pair(name, text)),
                    other => drop(pairs.append_pair(name, &other.to_string())),
                }
            }
        }
        Ok(Self {
            client,
            request: RequestBuilder::from_parts(http, built),
        })
    }

    /// Gives a held answer the time it is held for.
    pub(crate) fn held(mut self, wait_seconds: Option<u64>) -> Self {
        if let Some(seconds) = wait_seconds {
            self.request = self.request.timeout(Duration::from_secs(seconds) + WAIT_MARGIN);
        }
        self
    }

    /// Gives a call the time that its grant may give it, beside what it is held for.
    pub(crate) fn called(mut self, wait_seconds: Option<u64>) -> Self {
        let held = Duration::from_secs(wait_seconds.unwrap_or_default());
        self.request = self.request.timeout(held + CALL_TIMEOUT + WAIT_MARGIN);
        self
    }

    /// Lets a long answer take its time.
    pub(crate) fn unhurried(mut self) -> Self {
        self.request = self.request.timeout(Duration::from_hours(1));
        self
    }

    pub(crate) async fn send<T: DeserializeOwned>(self) -> crate::Result<T> {
        let client = self.client;
        let response = self.exchange().await?;
        client.read(response).await
    }

    pub(crate) async fn send_and_forget(self) -> crate::Result<()> {
        self.exchange().await.map(drop)
    }

    /// The answer if it is a success.
    pub(crate) async fn exchange(self) -> crate::Result<Response> {
        let response = self
            .request
            .send()
            .await
            .map_err(|error| self.client.lost(&error))?;
        if response.status().is_success() {
            Ok(response)
        } else {
            Err(self.client.refused(response).await)
        }
    }

    /// The answer whatever its status; for readiness, whose refusal has a body of its own.
    pub(crate) async fn send_whatever<T: DeserializeOwned>(self) -> crate::Result<T> {
        let client = self.client;
        let response = self.request.send().await.map_err(|error| client.lost(&error))?;
        client.read(response).await
    }
}

impl Client {
    async fn read<T: DeserializeOwned>(&self, response: Response) -> crate::Result<T> {
        let status = response.status().as_u16();
        let body = response.bytes().await.map_err(|error| self.lost(&error))?;
        serde_json::from_slice(&body).map_err(|error| Error::Unexpected {
            server: self.server().to_owned(),
            status,
            why: format!("{error}; is this a Signoff server of a fitting version?"),
        })
    }

    pub(crate) fn chunk_lost(&self, error: &reqwest::Error) -> Error {
        self.lost(error)
    }
}

fn bearer(key: &Secret) -> crate::Result<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose().trim()))
        .map_err(|_| Error::Misused("the key has characters that no key has".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn header_seconds(headers: &HeaderMap) -> Option<u64> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

/// The last cause says most ("connection refused"); the ones above only repeat the URL.
fn innermost(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "timed out".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use signoff_api::approval::ApprovalQuery;

    use super::*;
    use crate::fake::{Answer, FakeServer};

    fn client(url: &str, key: Option<&Secret>) -> crate::Result<Client> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Client::new(url, key)
    }

    #[tokio::test]
    async fn paths_and_queries_are_encoded_and_the_key_is_sent() {
        let server = FakeServer::start(vec![Answer::Json(
            200,
            r#"{"items":[],"next_cursor":null}"#.into(),
        )])
        .await;
        let client = client(&format!("{}/base/", server.url), Some(&Secret::new("sgo_usr_x"))).unwrap();
        let query = ApprovalQuery {
            q: Some("a&b".into()),
            limit: Some(5),
            ..ApprovalQuery::default()
        };
        client.approval_list(&query).await.unwrap();
        let seen = server.seen.lock().unwrap()[0].to_lowercase();
        assert!(
            seen.starts_with("get /base/v1/approvals?limit=5&q=a%26b http/1.1"),
            "{seen}"
        );
        assert!(seen.contains("authorization: bearer sgo_usr_x"), "{seen}");
        assert!(!format!("{client:?}").contains("sgo_usr_x"));
    }

    #[tokio::test]
    async fn an_id_can_not_climb_out_of_its_path() {
        let server = FakeServer::start(vec![Answer::Json(404, "{}".into())]).await;
        let client = client(&server.url, None).unwrap();
        assert!(client.policy_view("../agents/x?y#z").await.is_err());
        let seen = server.seen.lock().unwrap()[0].clone();
        assert!(
            seen.starts_with("GET /v1/policies/..%2Fagents%2Fx%3Fy%23z HTTP/1.1"),
            "{seen}"
        );
    }

    #[tokio::test]
    async fn failures_are_told_apart() {
        let server = FakeServer::start(vec![Answer::Json(200, "hello".into()), Answer::Hang]).await;
        let talking = client(&server.url, None).unwrap();
        assert!(matches!(
            talking.whoami().await,
            Err(Error::Unexpected { status: 200, .. })
        ));
        assert!(matches!(talking.whoami().await, Err(Error::NoAnswer { .. })));
        let nobody = client("http://127.0.0.1:1", None).unwrap();
        assert!(matches!(nobody.whoami().await, Err(Error::Unreachable { .. })));
        for url in ["", "localhost:7070", "ftp://x", "file:///etc"] {
            assert!(matches!(client(url, None), Err(Error::Misused(_))), "{url}");
        }
        assert!(matches!(
            client("http://x", Some(&Secret::new("a\nb"))),
            Err(Error::Misused(_))
        ));
    }
}

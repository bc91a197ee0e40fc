//! The client: one guarded call, from vetting the URL to the last byte of the answer that is kept.

use std::error::Error;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ipnet::IpNet;
use reqwest::{Client, ClientBuilder, Response, redirect, retry};
use tokio::time::{Instant, timeout_at};

use crate::message::header_map;
use crate::progress::{Progress, ReportProgress};
use crate::resolver::VettingResolver;
use crate::{
    BODY_KEPT_MAX, BodyEnd, EgressError, EgressSetupError, Guard, OutboundRequest, OutboundResponse, Refusal,
    TIMEOUT_MAX,
};

/// For resolving, connecting and agreeing on TLS. Running out of it proves that nothing was sent.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What configuration says about outbound calls.
#[derive(Debug, Clone)]
pub struct EgressConfig {
    /// Ranges that are opened besides the public internet (`--egress-allow`).
    pub allow: Vec<IpNet>,
    /// A resolver to ask instead of the system's (`--egress-resolver`). Not supported yet: any value is
    /// refused at start, so that nobody relies on it in vain.
    pub resolver: Option<SocketAddr>,
    /// How Signoff introduces itself.
    pub user_agent: String,
}

impl Default for EgressConfig {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            resolver: None,
            user_agent: concat!("signoff/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// The one client for calls that leave the house. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Egress {
    guard: Arc<Guard>,
    client: Client,
    tls_roots: bool,
}

impl Egress {
    /// Builds the client; installs the process's TLS provider if nobody did.
    pub fn new(config: EgressConfig) -> Result<Self, EgressSetupError> {
        if config.resolver.is_some() {
            return Err(EgressSetupError::Resolver);
        }
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // An error only means that another thread was first with it.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let guard = Arc::new(Guard::new(config.allow));
        let builder = || client_builder(&guard, &config.user_agent);
        // A machine without CA certificates can still call plain http; https then fails as "not sent".
        let (client, tls_roots) = if let Ok(client) = builder().build() {
            (client, true)
        } else {
            let bare = builder().tls_certs_only([]).build();
            (
                bare.map_err(|error| EgressSetupError::Client(words(&error)))?,
                false,
            )
        };
        Ok(Self {
            guard,
            client,
            tls_roots,
        })
    }

    /// Whether the system has CA certificates; without them every https call fails as not sent.
    pub fn has_tls_roots(&self) -> bool {
        self.tls_roots
    }

    /// The rules of this client, for vetting an address before it is stored.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Posts once: no retry, no redirect, no connection kept. Any status is an answer, not an error.
    pub async fn post(&self, request: OutboundRequest) -> Result<OutboundResponse, EgressError> {
        let deadline = Instant::now() + request.timeout.min(TIMEOUT_MAX);
        let url = self.guard.vet_url(&request.url)?;
        let headers = header_map(&request.headers)?;
        let sending = self.client.post(url).headers(headers).body(request.body).send();
        let progress = Progress::default();
        match timeout_at(deadline, progress.watch(sending)).await {
            Err(_) => Err(EgressError::TimedOut {
                perhaps_sent: !progress.surely_not_sent(),
            }),
            Ok(Err(error)) => Err(told_apart(&error)),
            Ok(Ok(response)) => Ok(read(response, deadline).await),
        }
    }
}

fn client_builder(guard: &Arc<Guard>, user_agent: &str) -> ClientBuilder {
    Client::builder()
        .user_agent(user_agent)
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(retry::never())
        .connect_timeout(CONNECT_TIMEOUT)
        // A kept connection would skip vetting, and hyper repeats a request that a kept one dropped.
        .pool_max_idle_per_host(0)
        .http2_max_header_list_size(64 * 1024)
        .connector_layer(ReportProgress)
        .dns_resolver(VettingResolver::new(Arc::clone(guard)))
}

/// Sorts a failure by whether the request may have left.
fn told_apart(error: &reqwest::Error) -> EgressError {
    if let Some(refusal) = refusal_within(error) {
        return EgressError::Refused(refusal);
    }
    match (error.is_connect(), error.is_timeout()) {
        (true, true) => EgressError::TimedOut { perhaps_sent: false },
        (true, false) => EgressError::NotSent { detail: words(error) },
        (false, true) => EgressError::TimedOut { perhaps_sent: true },
        (false, false) if error.is_builder() => EgressError::NotSent { detail: words(error) },
        (false, false) => EgressError::PerhapsSent { detail: words(error) },
    }
}

/// The resolver's refusal travels inside the library's error.
fn refusal_within(error: &reqwest::Error) -> Option<Refusal> {
    causes(error).find_map(|cause| cause.downcast_ref::<Refusal>().cloned())
}

/// The causes of an error in words. The outermost is left out: it would print the URL.
fn words(error: &reqwest::Error) -> String {
    let mut text = String::new();
    for cause in causes(error) {
        let separator = if text.is_empty() { "" } else { ": " };
        write!(text, "{separator}{cause}").expect("writing to a string cannot fail");
    }
    if text.is_empty() {
        "the request could not be made".to_owned()
    } else {
        text
    }
}

fn causes<'a>(error: &'a reqwest::Error) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause: &&'a (dyn Error + 'static)| {
        (*cause).source()
    })
}

/// Reads as much of the body as is kept. From here on the status is known, so nothing is an error.
async fn read(mut response: Response, deadline: Instant) -> OutboundResponse {
    let status = response.status().as_u16();
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| {
            (
                name.to_string(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect();
    let (body, body_end) = read_body(&mut response, deadline).await;
    OutboundResponse {
        status,
        headers,
        body,
        body_end,
    }
}

async fn read_body(response: &mut Response, deadline: Instant) -> (Bytes, BodyEnd) {
    let mut kept = BytesMut::new();
    let end = loop {
        match timeout_at(deadline, response.chunk()).await {
            Ok(Ok(Some(chunk))) => {
                let room = BODY_KEPT_MAX - kept.len();
                kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if chunk.len() > room {
                    break BodyEnd::Cut;
                }
            }
            Ok(Ok(None)) => break BodyEnd::Whole,
            Ok(Err(_)) | Err(_) => break BodyEnd::Broken,
        }
    };
    (kept.freeze(), end)
}

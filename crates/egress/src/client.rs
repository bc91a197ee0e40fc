//! The client: one guarded call, from vetting the URL to the last byte of the answer that is kept.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use reqwest::{Client, ClientBuilder, redirect, retry};
use tokio::time::{Instant, timeout_at};

use crate::failure::{told_apart, words};
use crate::message::{header_map, method};
use crate::progress::{Progress, ReportProgress};
use crate::resolver::{Resolver, VettingResolver};
use crate::stream::LazyTls;
use crate::tokens::Tokens;
use crate::{
    Answer, BODY_KEPT_MAX, EgressError, EgressSetupError, Guard, Injection, OutboundCall, OutboundRequest,
    OutboundResponse, TIMEOUT_MAX,
};

/// For resolving, connecting and agreeing on TLS. Running out of it proves that nothing was sent.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What configuration says about outbound calls.
#[derive(Debug, Clone)]
pub struct EgressConfig {
    /// Ranges that are opened besides the public internet (`--egress-allow`).
    pub allow: Vec<IpNet>,
    /// A DNS server to ask instead of the system's resolver (`--egress-resolver`), over UDP and TCP. Then nothing else
    /// is looked into: no hosts file, no search domains.
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
    pub(crate) resolver: Arc<Resolver>,
    pub(crate) tls: LazyTls,
    pub(crate) tokens: Arc<Tokens>,
}

impl Egress {
    /// Builds the client; installs the process's TLS provider if nobody did.
    pub fn new(config: EgressConfig) -> Result<Self, EgressSetupError> {
        let resolver = Arc::new(Resolver::new(config.resolver)?);
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // An error only means that another thread was first with it.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let guard = Arc::new(Guard::new(config.allow));
        let builder = || client_builder(&guard, &resolver, &config.user_agent);
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
            resolver,
            tls: LazyTls::default(),
            tokens: Arc::default(),
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

    /// Makes one call: no retry, no redirect, no connection kept. Any status is an answer, not an error.
    ///
    /// # Errors
    /// Why there is no answer; [`EgressError::perhaps_sent`] says whether the call may have been made all the same.
    pub async fn call(&self, call: OutboundCall) -> Result<Answer, EgressError> {
        let deadline = Instant::now() + call.timeout.min(TIMEOUT_MAX);
        let method = method(&call.method)?;
        let mut url = self.guard.vet_url(&call.url)?;
        let mut headers = header_map(&call.headers)?;
        if let Some(injection) = &call.credential {
            injection.apply(&mut url, &mut headers)?;
        }
        let mask = call.credential.and_then(Injection::into_mask);
        let request = self.client.request(method, url).headers(headers).body(call.body);
        let progress = Progress::default();
        match timeout_at(deadline, progress.watch(request.send())).await {
            Err(_) => Err(EgressError::TimedOut {
                perhaps_sent: !progress.surely_not_sent(),
            }),
            Ok(Err(error)) => Err(told_apart(&error).shown(mask.as_ref())),
            Ok(Ok(response)) => Ok(Answer::new(response, deadline, mask)),
        }
    }

    /// Posts once and keeps the first [`BODY_KEPT_MAX`] bytes of the answer.
    ///
    /// # Errors
    /// As [`Egress::call`]. From the status on nothing is an error any more.
    pub async fn post(&self, request: OutboundRequest) -> Result<OutboundResponse, EgressError> {
        let call = OutboundCall {
            method: "POST".to_owned(),
            url: request.url,
            headers: request.headers,
            body: request.body,
            credential: None,
            timeout: request.timeout,
        };
        let answer = self.call(call).await?;
        let (body, body_end) = answer.body.keep(BODY_KEPT_MAX).await;
        Ok(OutboundResponse {
            status: answer.status,
            headers: answer.headers,
            body,
            body_end,
        })
    }
}

fn client_builder(guard: &Arc<Guard>, resolver: &Arc<Resolver>, user_agent: &str) -> ClientBuilder {
    Client::builder()
        .user_agent(user_agent)
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(retry::never())
        .connect_timeout(CONNECT_TIMEOUT)
        // A kept connection would skip vetting. One that the upstream closes at that moment would leave it unknown whether
        // the call was made. And an upstream that leaves a body unread would take it for the next request, with the next
        // agent's credential behind it.
        .pool_max_idle_per_host(0)
        .http2_max_header_list_size(64 * 1024)
        .connector_layer(ReportProgress)
        .dns_resolver(VettingResolver::new(Arc::clone(guard), Arc::clone(resolver)))
}

//! Connections for what is not HTTP, behind the same guard: the name is resolved, the whole answer vetted, and only vetted
//! addresses are connected to. TLS trusts what the HTTP client trusts.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::ConfigVerifierExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Host;

use crate::{Egress, EgressError, Guard, Refusal};

/// The TLS settings of this process's connections, made when the first one needs them.
pub(crate) type LazyTls = Arc<OnceLock<Option<Arc<ClientConfig>>>>;

impl Guard {
    /// Vets a host that is named outside of a URL, as far as that goes without resolving it.
    ///
    /// # Errors
    /// If it is no host, or an address that may not be called.
    pub fn vet_host(&self, host: &str) -> Result<(), Refusal> {
        match parse_host(host)? {
            Host::Ipv4(v4) => self.vet_address(IpAddr::V4(v4)),
            Host::Ipv6(v6) => self.vet_address(IpAddr::V6(v6)),
            Host::Domain(_) => Ok(()),
        }
    }
}

impl Egress {
    /// Connects to a host that is no URL's, such as a mail server: nothing is sent.
    ///
    /// # Errors
    /// That it was refused, or why there is no connection; never that something was perhaps sent.
    pub async fn connect_tcp(
        &self,
        host: &str,
        port: u16,
        deadline: Instant,
    ) -> Result<TcpStream, EgressError> {
        if port == 0 {
            return Err(Refusal::Port.into());
        }
        let late = || EgressError::TimedOut { perhaps_sent: false };
        let addresses = timeout_at(deadline, self.vetted_addresses(host, port)).await;
        let addresses = addresses.map_err(|_| late())??;
        let mut failure = late();
        let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        for address in addresses {
            // An address that never answers must leave time for the others.
            let share = deadline.saturating_duration_since(Instant::now()) / left.max(1);
            left = left.saturating_sub(1);
            match tokio::time::timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => failure = not_sent(&error),
                Err(_) => failure = late(),
            }
        }
        Err(failure)
    }

    /// Agrees on TLS over a connection, for the host it was asked for; the certificate is verified as the HTTP client does.
    ///
    /// # Errors
    /// Why the other side is not trusted, or could not agree.
    pub async fn secure<S>(
        &self,
        stream: S,
        host: &str,
        deadline: Instant,
    ) -> Result<TlsStream<S>, EgressError>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let name = match parse_host(host)? {
            Host::Ipv4(v4) => ServerName::from(IpAddr::V4(v4)),
            Host::Ipv6(v6) => ServerName::from(IpAddr::V6(v6)),
            Host::Domain(name) => ServerName::try_from(name).map_err(|_| Refusal::Unparsable)?,
        };
        let Some(config) = self.tls.get_or_init(trusted) else {
            return Err(EgressError::NotSent {
                detail: "this machine has no CA certificates".to_owned(),
            });
        };
        match timeout_at(
            deadline,
            TlsConnector::from(Arc::clone(config)).connect(name, stream),
        )
        .await
        {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(not_sent(&error)),
            Err(_) => Err(EgressError::TimedOut { perhaps_sent: false }),
        }
    }

    async fn vetted_addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, EgressError> {
        let name = match parse_host(host)? {
            Host::Ipv4(v4) => return self.literal(IpAddr::V4(v4), port),
            Host::Ipv6(v6) => return self.literal(IpAddr::V6(v6), port),
            Host::Domain(name) => name,
        };
        let failed = |detail: String| EgressError::NotSent { detail };
        let answer = self.resolver.addresses(&name).await;
        let answer = answer.map_err(|error| failed(error.to_string()))?;
        if answer.is_empty() {
            return Err(failed("the name has no address".to_owned()));
        }
        let addresses: Vec<IpAddr> = answer.iter().map(SocketAddr::ip).collect();
        self.guard().vet_answer(&addresses)?;
        let at_port = |mut address: SocketAddr| {
            address.set_port(port);
            address
        };
        Ok(answer.into_iter().map(at_port).collect())
    }

    fn literal(&self, address: IpAddr, port: u16) -> Result<Vec<SocketAddr>, EgressError> {
        self.guard().vet_address(address)?;
        Ok(vec![(address, port).into()])
    }
}

/// A host as URLs have it, so that every spelling of an address is known as one (`127.1`, `0x7f.1`). An IPv6 address may
/// stand without brackets.
fn parse_host(host: &str) -> Result<Host, Refusal> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(match address {
            IpAddr::V4(v4) => Host::Ipv4(v4),
            IpAddr::V6(v6) => Host::Ipv6(v6),
        });
    }
    if host.is_empty() || host.len() > 253 {
        return Err(Refusal::Unparsable);
    }
    Host::parse(host).map_err(|_| Refusal::Unparsable)
}

fn trusted() -> Option<Arc<ClientConfig>> {
    ClientConfig::with_platform_verifier().ok().map(Arc::new)
}

/// In words without address or name, as they may not be everybody's to read.
fn not_sent(error: &io::Error) -> EgressError {
    EgressError::NotSent {
        detail: crate::failure::cut(&error.to_string()),
    }
}

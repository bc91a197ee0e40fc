//! Name resolution that hands an answer to the HTTP client only after every address in it was vetted.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::Name as DnsName;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::{EgressSetupError, Guard};

/// How long one question to a resolver of one's own may go unanswered; it is put twice.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(3);

/// Who is asked what a name stands for.
pub(crate) enum Resolver {
    /// The system, with all that it is configured to look into.
    System,
    /// This server and nothing else: no hosts file, no search domains.
    Server(Box<TokioResolver>),
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::System => "System",
            Self::Server(_) => "Server(…)",
        })
    }
}

impl Resolver {
    /// The system's, or one that asks this server over UDP, and over TCP where an answer is too long for that.
    pub(crate) fn new(server: Option<SocketAddr>) -> Result<Self, EgressSetupError> {
        let Some(server) = server else {
            return Ok(Self::System);
        };
        if server.port() == 0 {
            return Err(EgressSetupError::Resolver("its port is 0".to_owned()));
        }
        let at_port = |mut connection: ConnectionConfig| {
            connection.port = server.port();
            connection
        };
        let connections = vec![at_port(ConnectionConfig::udp()), at_port(ConnectionConfig::tcp())];
        let mut name_server = NameServerConfig::udp_and_tcp(server.ip());
        name_server.connections = connections;
        let config = ResolverConfig::from_name_servers(vec![name_server]);
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        let options = builder.options_mut();
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.use_hosts_file = ResolveHosts::Never;
        options.cache_size = 0;
        options.timeout = QUESTION_TIMEOUT;
        options.attempts = 1;
        let resolver = builder.build();
        let resolver = resolver.map_err(|error| EgressSetupError::Resolver(error.to_string()))?;
        Ok(Self::Server(Box::new(resolver)))
    }

    pub(crate) async fn addresses(
        &self,
        name: &str,
    ) -> Result<Vec<SocketAddr>, Box<dyn Error + Send + Sync>> {
        match self {
            // Port 0 stands for the URL's own, says the trait.
            Self::System => Ok(tokio::net::lookup_host((name, 0)).await?.collect()),
            Self::Server(resolver) => {
                let mut name = DnsName::from_ascii(name).map_err(|_| "the name is not one of DNS")?;
                name.set_fqdn(true);
                let answer = resolver.lookup_ip(name).await.map_err(|error| words(&error))?;
                Ok(answer.iter().map(|address| (address, 0).into()).collect())
            }
        }
    }
}

/// What failed, without the name: it is part of a URL, which no error says.
fn words(error: &NetError) -> &'static str {
    match error {
        error if error.is_no_records_found() => "the name has no address",
        NetError::Timeout => "the resolver gave no answer in time",
        _ => "the resolver gave no answer that could be used",
    }
}

/// A resolver behind the guard. The client connects to exactly the addresses that were vetted,
/// so a name that changes its answer between two look-ups gains nothing.
pub(crate) struct VettingResolver {
    guard: Arc<Guard>,
    resolver: Arc<Resolver>,
}

impl VettingResolver {
    pub(crate) fn new(guard: Arc<Guard>, resolver: Arc<Resolver>) -> Self {
        Self { guard, resolver }
    }
}

impl Resolve for VettingResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, resolver) = (Arc::clone(&self.guard), Arc::clone(&self.resolver));
        Box::pin(async move { vetted(&guard, resolver.addresses(name.as_str()).await?) })
    }
}

fn vetted(guard: &Guard, answer: Vec<SocketAddr>) -> Result<Addrs, Box<dyn Error + Send + Sync>> {
    if answer.is_empty() {
        return Err("the name has no address".into());
    }
    let addresses: Vec<IpAddr> = answer.iter().map(SocketAddr::ip).collect();
    guard.vet_answer(&addresses)?;
    Ok(Box::new(answer.into_iter()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Refusal;

    #[test]
    fn one_forbidden_address_refuses_the_answer() {
        let guard = Guard::default();
        let public: SocketAddr = "8.8.8.8:0".parse().expect("literal");
        let private: SocketAddr = "10.0.0.7:0".parse().expect("literal");
        assert!(vetted(&guard, vec![public]).is_ok());
        for answer in [vec![private], vec![public, private], vec![private, public]] {
            let error = vetted(&guard, answer).err().expect("refused");
            let refusal = error.downcast_ref::<Refusal>().expect("the guard's own words");
            assert_eq!(refusal.code(), "private");
        }
        assert!(vetted(&guard, Vec::new()).is_err());
    }
}

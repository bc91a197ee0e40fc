//! The guard: which URLs and which addresses may be called. Pure, so that every forbidden form can be
//! tested without ever connecting to it.

use std::net::IpAddr;

use ipnet::IpNet;
use url::{Host, Url};

use crate::Refusal;
use crate::address::classify;

/// Longest URL that is called.
const URL_BYTES_MAX: usize = 8 * 1024;

/// The rules about where a call may go: public addresses, and the ranges that configuration opens.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    allow: Vec<IpNet>,
}

impl Guard {
    /// A guard that opens these ranges besides the public internet.
    ///
    /// An IPv6 form that carries an IPv4 address (`::ffff:127.0.0.1`) is opened only by an IPv6 range, so
    /// that opening `127.0.0.0/8` opens one spelling and not five.
    pub fn new(allow: Vec<IpNet>) -> Self {
        Self { allow }
    }

    /// Parses a URL and vets all that can be vetted without resolving its name.
    ///
    /// A URL that passes has either an allowed literal address or a name, whose addresses
    /// [`Guard::vet_answer`] judges when it is resolved.
    pub fn vet_url(&self, text: &str) -> Result<Url, Refusal> {
        if text.len() > URL_BYTES_MAX {
            return Err(Refusal::TooLong);
        }
        vet_spelling(text)?;
        let url = Url::parse(text).map_err(|_| Refusal::Unparsable)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refusal::Scheme);
        }
        // An empty user name leaves no trace in the parsed URL, hence the look at the text as well.
        if !url.username().is_empty() || url.password().is_some() || authority(text).contains('@') {
            return Err(Refusal::Userinfo);
        }
        if url.fragment().is_some() {
            return Err(Refusal::Fragment);
        }
        if url.port() == Some(0) {
            return Err(Refusal::Port);
        }
        match url.host() {
            Some(Host::Ipv4(v4)) => self.vet_address(IpAddr::V4(v4))?,
            Some(Host::Ipv6(v6)) => self.vet_address(IpAddr::V6(v6))?,
            Some(Host::Domain(_)) => {}
            None => return Err(Refusal::Unparsable),
        }
        Ok(url)
    }

    /// Whether this address may be called.
    pub fn vet_address(&self, address: IpAddr) -> Result<(), Refusal> {
        match classify(address) {
            Some(class) if !self.allow.iter().any(|net| net.contains(&address)) => {
                Err(Refusal::Address { address, class })
            }
            _ => Ok(()),
        }
    }

    /// Whether a name with this answer may be called: one forbidden address refuses the whole answer,
    /// because which of them is used is up to whoever wrote the answer.
    pub fn vet_answer(&self, addresses: &[IpAddr]) -> Result<(), Refusal> {
        addresses
            .iter()
            .try_for_each(|address| self.vet_address(*address))
    }
}

/// Refuses what the URL standard repairs in silence: a person may have been shown the unrepaired form.
fn vet_spelling(text: &str) -> Result<(), Refusal> {
    if text.trim() != text {
        return Err(Refusal::Spelling("space around it"));
    }
    if text.chars().any(char::is_control) {
        return Err(Refusal::Spelling("a control character"));
    }
    let Some((scheme, rest)) = text.split_once(':') else {
        return Err(Refusal::Unparsable);
    };
    let http = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    if !http {
        return Err(Refusal::Scheme);
    }
    if !rest.starts_with("//") || rest.starts_with("///") {
        return Err(Refusal::Spelling("exactly two slashes follow the scheme"));
    }
    let before_query = rest.split(['?', '#']).next().unwrap_or(rest);
    if before_query.contains('\\') {
        return Err(Refusal::Spelling("a backslash"));
    }
    Ok(())
}

/// The part between `//` and the next delimiter, as written.
fn authority(text: &str) -> &str {
    let rest = text.split_once("//").map_or(text, |(_, rest)| rest);
    rest.split(['/', '?', '#', '\\']).next().unwrap_or(rest)
}

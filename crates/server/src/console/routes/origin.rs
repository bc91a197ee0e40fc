//! Writes come from our own pages: the Origin header says so, and a page of another site can't forge it.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::ORIGIN;
use axum::http::request::Parts;
use signoff_api::Code;
use url::{Host, Url};

use super::trouble::Trouble;
use crate::Doors;
use crate::api::Refused;

/// Proof that a request came from a page of this server.
pub(super) struct FromHere;

impl FromRequestParts<Doors> for FromHere {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, doors: &Doors) -> Result<Self, Trouble> {
        let public_url = doors.engine().public_url();
        if comes_from(&parts.headers, public_url) {
            return Ok(Self);
        }
        let detail =
            format!("this was not sent from a page of {public_url}; open the console there and do it again");
        Err(
            Trouble::new(&parts.headers, Refused::new(Code::OriginRefused, detail))
                .with_link("Open the console", public_url),
        )
    }
}

fn comes_from(headers: &HeaderMap, public_url: &str) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (Some(origin), None) => origin.to_str().is_ok_and(|origin| is_same(origin, public_url)),
        // A browser that sends no Origin but says that the page is our own.
        (None, _) => headers
            .get("sec-fetch-site")
            .is_some_and(|site| site == "same-origin"),
        _ => false,
    }
}

/// Whether two addresses have the same origin; on loopback the names of one port are one.
fn is_same(origin: &str, public_url: &str) -> bool {
    let (Ok(origin), Ok(public)) = (Url::parse(origin), Url::parse(public_url)) else {
        return false;
    };
    let same_host = origin.host() == public.host() || (is_loopback(&origin) && is_loopback(&public));
    matches!(origin.scheme(), "http" | "https")
        && origin.scheme() == public.scheme()
        && origin.port_or_known_default() == public.port_or_known_default()
        && same_host
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn only_our_own_pages_write() {
        for (origin, public, expected) in [
            ("https://signoff.example.com", "https://signoff.example.com", true),
            (
                "https://signoff.example.com:443",
                "https://signoff.example.com/",
                true,
            ),
            ("http://localhost:7070", "http://127.0.0.1:7070", true),
            ("http://[::1]:7070", "http://localhost:7070", true),
            ("http://localhost:7071", "http://127.0.0.1:7070", false),
            ("http://signoff.example.com", "https://signoff.example.com", false),
            ("https://evil.example", "https://signoff.example.com", false),
            (
                "https://signoff.example.com.evil.example",
                "https://signoff.example.com",
                false,
            ),
            ("null", "https://signoff.example.com", false),
            ("", "https://signoff.example.com", false),
        ] {
            assert_eq!(is_same(origin, public), expected, "{origin}");
        }
    }

    #[test]
    fn no_origin_is_not_our_own_and_two_are_none() {
        let public = "http://127.0.0.1:7070";
        let mut headers = HeaderMap::new();
        assert!(!comes_from(&headers, public));
        headers.insert("sec-fetch-site", HeaderValue::from_static("cross-site"));
        assert!(!comes_from(&headers, public));
        headers.insert("sec-fetch-site", HeaderValue::from_static("same-origin"));
        assert!(comes_from(&headers, public));
        headers.append(ORIGIN, HeaderValue::from_static("http://127.0.0.1:7070"));
        headers.append(ORIGIN, HeaderValue::from_static("https://evil.example"));
        assert!(!comes_from(&headers, public));
    }
}

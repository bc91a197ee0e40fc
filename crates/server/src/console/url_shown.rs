//! Shows addresses found in text in full, with the host they really lead to. They are never links themselves.

use std::sync::LazyLock;

use regex::Regex;
use url::Url;

use super::inert::Inert;
use super::lookalike;

/// Most addresses of one text that are listed beside it; the rest stay readable in the text itself.
const URLS_MAX: usize = 20;

/// An address as found, with its real host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownUrl {
    /// The address as it would be opened, in plain ASCII; empty where it can't be.
    pub href: String,
    /// The host it really leads to, as the network sees it; empty where there is none.
    pub host: String,
    /// What is odd about it, if anything; an odd address has no control to open it.
    pub warning: Option<String>,
}

impl ShownUrl {
    /// The address for reading.
    pub fn shown(&self) -> Inert {
        Inert::all(&self.href)
    }

    /// Whether a control to open it may stand beside it.
    pub fn can_open(&self) -> bool {
        self.warning.is_none() && !self.href.is_empty()
    }
}

static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?i)\b(?:[a-z][a-z0-9+.-]{1,20}:[/\\]{2}|(?:javascript|data|vbscript|blob|file):)[^\s<>"'`()\[\]{}]+"#)
        .expect("the pattern is fixed and tested")
});

/// The addresses of a text, in order.
pub fn urls_in(text: &str) -> Vec<ShownUrl> {
    if !text.contains(':') {
        return Vec::new();
    }
    ADDRESS
        .find_iter(text)
        .take(URLS_MAX)
        .map(|found| shown(found.as_str().trim_end_matches(['.', ',', ';'])))
        .collect()
}

/// One address with its real host.
pub fn shown(raw: &str) -> ShownUrl {
    let Ok(url) = Url::parse(raw) else {
        return ShownUrl {
            href: String::new(),
            host: String::new(),
            warning: Some("not a valid address".to_owned()),
        };
    };
    let host = url.host_str().unwrap_or_default().to_owned();
    let warning = warning_for(raw, &url, &host);
    ShownUrl {
        href: url.to_string(),
        host,
        warning,
    }
}

fn warning_for(raw: &str, url: &Url, host: &str) -> Option<String> {
    if !matches!(url.scheme(), "http" | "https") {
        return Some(format!("{}: is not opened from here", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some(format!("what stands before @ is no host; it leads to {host}"));
    }
    let written = written_host(raw);
    if host.contains("xn--") {
        let looks = host_looks(&written);
        return Some(format!("international host name{looks}; the network sees {host}"));
    }
    if raw.contains('\\') || !written.eq_ignore_ascii_case(host) {
        return Some(format!(
            "written as {}, but leads to {host}",
            signoff_core::sentence::tame(&written)
        ));
    }
    None
}

fn host_looks(written: &str) -> String {
    written
        .split('.')
        .find_map(lookalike::warning_for)
        .map_or_else(String::new, |warning| format!(" ({warning})"))
}

/// The host as the text has it: between the slashes and the next delimiter, without the port.
fn written_host(raw: &str) -> String {
    let after = raw
        .split_once(':')
        .map_or(raw, |(_, rest)| rest)
        .trim_start_matches(['/', '\\']);
    let authority = after.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    let end = match authority.rfind(':') {
        Some(at) if authority[at + 1..].bytes().all(|byte| byte.is_ascii_digit()) => at,
        _ => authority.len(),
    };
    authority[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The real host is named whatever the address pretends (attack lists D and F).
    #[test]
    fn the_real_host_is_named() {
        for (text, host, warning) in [
            ("https://api.example.com/v1?x=1", "api.example.com", None),
            ("see https://Example.com:8443/a.", "example.com", None),
            (
                "http://good.example@evil.example/",
                "evil.example",
                Some("what stands before @ is no host; it leads to evil.example"),
            ),
            (
                "http://2130706433/",
                "127.0.0.1",
                Some("written as 2130706433, but leads to 127.0.0.1"),
            ),
            (
                "javascript:alert(1)",
                "",
                Some("javascript: is not opened from here"),
            ),
            (
                "https:\\\\evil.example\\x",
                "evil.example",
                Some("written as evil.example, but leads to evil.example"),
            ),
            ("[paypal.com](https://evil.example/login)", "evil.example", None),
        ] {
            let urls = urls_in(text);
            assert_eq!(urls.len(), 1, "{text}");
            assert_eq!(
                (urls[0].host.as_str(), urls[0].warning.as_deref()),
                (host, warning),
                "{text}"
            );
        }
        assert!(urls_in("no address: here").is_empty());
    }

    #[test]
    fn imitated_hosts_are_not_opened() {
        let urls = urls_in("https://pаypal.com/");
        assert!(
            urls[0]
                .warning
                .as_deref()
                .is_some_and(|text| text.contains("mixed scripts: Cyrillic, Latin") && text.contains("xn--"))
        );
        assert!(!urls[0].can_open());
    }
}

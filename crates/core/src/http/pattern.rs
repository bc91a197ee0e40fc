//! Patterns over URLs (the URL Pattern Standard), which policies match calls by.

use urlpattern::{RegexSyntax, UrlPatternInit, UrlPatternOptions, matcher::InnerMatcher, regexp::RegExp};

use super::{Call, parts::parts, url::plain_escapes};

/// The longest pattern, in characters.
pub const PATTERN_CHARS_MAX: usize = 2_000;
/// The largest part of a pattern, compiled, in bytes.
pub const PATTERN_BYTES_MAX: usize = 256 * 1024;

const NOT_A_PATTERN: &str = "it is no URL pattern such as `/v1/refunds*` or `https://api.example.com/v1/*`";

/// The parts of a pattern as regular expressions of bounded size and linear time.
#[derive(Debug)]
struct Bounded(regex::Regex);

impl RegExp for Bounded {
    fn syntax() -> RegexSyntax {
        RegexSyntax::Rust
    }

    fn parse(pattern: &str, _flags: &str, _force_eval: bool) -> Result<Self, ()> {
        regex::RegexBuilder::new(pattern)
            .size_limit(PATTERN_BYTES_MAX)
            .dfa_size_limit(PATTERN_BYTES_MAX)
            .build()
            .map(Self)
            .map_err(drop)
    }

    fn matches<'a>(&self, text: &'a str) -> Option<Vec<Option<&'a str>>> {
        // Nobody asks for the groups.
        self.0.is_match(text).then(Vec::new)
    }

    fn pattern_string(&self) -> &str {
        self.0.as_str()
    }
}

/// A pattern that is ready to be matched.
#[derive(Debug)]
pub(crate) struct UrlPattern(urlpattern::UrlPattern<Bounded>);

impl UrlPattern {
    /// Reads a pattern: `/v1/refunds*` is a path on any origin, `https://api.stripe.com/v1/*` one on this origin; one
    /// without a query matches any.
    ///
    /// # Errors
    /// A sentence that says what to write instead.
    pub(crate) fn compile(written: &str) -> Result<Self, String> {
        if written.chars().count() > PATTERN_CHARS_MAX {
            return Err(format!("a pattern has at most {PATTERN_CHARS_MAX} characters"));
        }
        if written.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err("a pattern holds no spaces or control characters; write %20 for a space".into());
        }
        let plain = plain_escapes(written);
        let unreadable = |why: urlpattern::Error| {
            let why = match why {
                urlpattern::Error::RegExp(()) => {
                    "a regular expression in it can't be read, or comes out too large".to_owned()
                }
                other => other.to_string().chars().take(200).collect(),
            };
            format!("{NOT_A_PATTERN}: {why}")
        };
        let parts = parts(&plain).map_err(|why| format!("{NOT_A_PATTERN}: {why}"))?;
        let init = UrlPatternInit {
            protocol: parts.scheme,
            hostname: parts.host,
            port: parts.port,
            pathname: Some(parts.path),
            search: parts.query,
            ..UrlPatternInit::default()
        };
        let options = UrlPatternOptions {
            regex_syntax: RegexSyntax::Rust,
            ignore_case: false,
        };
        let pattern = urlpattern::UrlPattern::<Bounded>::parse(init, options).map_err(unreadable)?;
        if [
            &pattern.protocol,
            &pattern.hostname,
            &pattern.port,
            &pattern.pathname,
            &pattern.search,
        ]
        .into_iter()
        .any(|part| matches!(&part.matcher.inner, InnerMatcher::RegExp { regexp: Err(_) }))
        {
            return Err(unreadable(urlpattern::Error::RegExp(())));
        }
        let speaks = |scheme| pattern.protocol.matcher.matches(scheme).is_some();
        if !speaks("http") && !speaks("https") {
            return Err("no call could match it: start it with `https://`, `http*://`, or `/`".into());
        }
        Ok(Self(pattern))
    }

    /// Whether a call goes where the pattern says.
    pub(crate) fn matches(&self, call: &Call) -> bool {
        let url = call.parsed_url();
        let (pattern, matches) = (
            &self.0,
            |component: &urlpattern::component::Component<Bounded>, part: &str| {
                component.matcher.matches(part).is_some()
            },
        );
        matches(&pattern.protocol, url.scheme())
            && matches(&pattern.hostname, url.host_str().unwrap_or_default())
            && matches(&pattern.port, ::url::quirks::port(url))
            && matches(&pattern.pathname, url.path())
            && matches(&pattern.search, url.query().unwrap_or_default())
    }
}

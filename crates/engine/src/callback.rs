//! A URL that a request names to be told what becomes of it. It may carry a credential, so it is kept like other payloads.

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use signoff_core::{
    id::{ChannelId, RawId},
    payload::PayloadName,
};
use url::Url;

use crate::{
    Engine, EngineError, EngineResult,
    content::seal_json,
    seal::{SealedPayload, WorkspaceKey},
    snapshot::Snapshot,
    view::Caller,
};

/// The longest URL, in bytes.
const URL_BYTES_MAX: usize = 2_000;

/// As it is kept.
#[derive(Serialize, Deserialize)]
pub(crate) struct Callback {
    /// Where to.
    pub(crate) url: String,
    /// The channel whose list allows it, and that signs.
    pub(crate) channel: ChannelId,
}

/// Seals the URL that a request names, if a channel allows it.
pub(crate) fn sealed(
    key: &WorkspaceKey,
    snapshot: &Snapshot,
    request: RawId,
    given: &SecretString,
) -> EngineResult<SealedPayload> {
    let callback = allowed(snapshot, given.expose_secret())?;
    seal_json(key, request, PayloadName::Callback, &callback)
}

fn allowed(snapshot: &Snapshot, given: &str) -> EngineResult<Callback> {
    let refused = |why: &str| EngineError::invalid("/callback_url", why);
    let url = Url::parse(given).ok().filter(|_| given.len() <= URL_BYTES_MAX);
    let url = url.ok_or_else(|| refused("an http or https URL of at most 2000 bytes"))?;
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    if !plain || !matches!(url.scheme(), "http" | "https") {
        return Err(refused(
            "an http or https URL without user name, password and fragment",
        ));
    }
    let channel = snapshot.callback_channel(&url).ok_or_else(|| {
        refused(
            "no channel of the kind callback allows this URL; an admin adds one, or adds the URL to its list",
        )
    })?;
    Ok(Callback {
        url: url.into(),
        channel,
    })
}

impl Engine {
    /// Whether a channel allows this URL to be called back, for dialects whose clients name one that may as well be ignored.
    pub fn calls_back(&self, caller: &Caller, url: &str) -> bool {
        let tenant = self.tenant(caller);
        tenant.is_ok_and(|tenant| allowed(&tenant.snapshot(), url).is_ok())
    }
}

/// Whether a URL is one that is allowed, or below its path: same scheme, host and port, and whole segments of the path.
pub(crate) fn is_below(url: &Url, allowed: &str) -> bool {
    let Ok(allowed) = Url::parse(allowed) else {
        return false;
    };
    if url.origin() != allowed.origin() || !url.origin().is_tuple() {
        return false;
    }
    // Some servers take these for slashes; what they would make of the path is not what was compared.
    let path = url.path();
    let hidden = ["%2f", "%5c", "%2e"];
    if hidden
        .iter()
        .any(|hidden| path.to_ascii_lowercase().contains(hidden))
    {
        return false;
    }
    let below = allowed.path().trim_end_matches('/');
    path.strip_prefix(below)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed_is_compared_by_origin_and_whole_segments() {
        let below = |url: &str, allowed: &str| is_below(&Url::parse(url).expect("a URL"), allowed);
        for (url, allowed) in [
            ("https://hooks.example.com/a", "https://hooks.example.com"),
            ("https://hooks.example.com/a", "https://hooks.example.com/a"),
            (
                "https://hooks.example.com/a/b?x=1",
                "https://hooks.example.com/a/",
            ),
            ("https://HOOKS.example.com:443/a/b", "https://hooks.example.com/a"),
        ] {
            assert!(below(url, allowed), "{url} {allowed}");
        }
        for (url, allowed) in [
            ("https://hooks.example.com/ab", "https://hooks.example.com/a"),
            ("https://hooks.example.com/a/../b", "https://hooks.example.com/a"),
            (
                "https://hooks.example.com/a/%2e%2e/b",
                "https://hooks.example.com/a",
            ),
            (
                "https://hooks.example.com/a/..%2fb",
                "https://hooks.example.com/a",
            ),
            (
                "https://hooks.example.com/a\\..\\b",
                "https://hooks.example.com/a",
            ),
            ("http://hooks.example.com/a", "https://hooks.example.com/a"),
            (
                "https://hooks.example.com.evil.example/a",
                "https://hooks.example.com",
            ),
            ("https://hooks.example.com:8443/a", "https://hooks.example.com/a"),
            (
                "https://evil.example/https://hooks.example.com/a",
                "https://hooks.example.com/a",
            ),
        ] {
            assert!(!below(url, allowed), "{url} {allowed}");
        }
    }
}

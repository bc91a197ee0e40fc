//! The credential of a grant: checked when it is stored, told apart by a fingerprint, put into a call at the last moment.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use signoff_core::grant::{CREDENTIAL_BYTES_MAX, CredentialKind, OauthFlow};
use signoff_core::http::CONNECTION_HEADERS;

use crate::Refusal;
use crate::mask::{ALONE_BYTES_MIN, Mask, percent_encoded};

/// Digests of other things over the same value are other digests.
const FINGERPRINT_DOMAIN: &[u8] = b"signoff credential fingerprint v1\0";

/// What a grant holds: how it goes into a call, and the value that is secret of it. Its debug form does not show the
/// value. Cheap to clone.
#[derive(Clone)]
pub struct Credential {
    kind: CredentialKind,
    value: SecretString,
    /// What is known before a token is fetched; none for OAuth.
    ready: Option<Injection>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl Credential {
    /// Checks that the value can stand where it goes.
    ///
    /// # Errors
    /// A sentence, which never says the value.
    pub fn new(kind: CredentialKind, value: SecretString) -> Result<Self, String> {
        check_value(&kind, value.expose_secret())?;
        let ready = match &kind {
            CredentialKind::Oauth2 { .. } => None,
            _ => Some(Injection::new(&kind, &value).ok_or("the value can't be looked for in answers")?),
        };
        Ok(Self { kind, value, ready })
    }

    /// How it goes into a call.
    pub fn kind(&self) -> &CredentialKind {
        &self.kind
    }

    /// Tells values apart: 8 digits of a one-way function of the value. A key can't be found from it; that a guess was
    /// wrong can.
    pub fn fingerprint(&self) -> String {
        hex::encode(&self.digest()[..4])
    }

    /// What goes into a call. OAuth needs the token that [`crate::Egress::bearer`] fetched; without one, or with one that
    /// can't stand in a header, the call is refused. The other kinds take no notice of it.
    pub fn injection(&self, access_token: Option<&SecretString>) -> Injection {
        if let Some(ready) = &self.ready {
            return ready.clone();
        }
        let token = access_token.map(SecretString::expose_secret);
        let hidden = [self.refresh_token(), self.client_secret(), token];
        let place = match token {
            Some(token) if check_header_value(token).is_ok() => Place::Header {
                name: "authorization".to_owned(),
                value: format!("Bearer {token}").into(),
            },
            _ => Place::Nowhere,
        };
        let whole = token.map(|token| format!("Bearer {token}"));
        let short = |token: &str| token.len() < ALONE_BYTES_MIN;
        let whole = whole.filter(|_| token.is_some_and(short));
        let texts = hidden.into_iter().flatten().chain(whole.as_deref());
        match Mask::new(texts) {
            Ok(mask) => Injection {
                place,
                mask: Some(mask),
            },
            Err(_) => Injection::impossible(),
        }
    }

    /// All of the one-way function.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(FINGERPRINT_DOMAIN);
        hasher.update(self.value.expose_secret());
        hasher.finalize().into()
    }

    /// The refresh token, if that is what tokens are fetched with.
    pub(crate) fn refresh_token(&self) -> Option<&str> {
        match oauth_flow(&self.kind)? {
            OauthFlow::RefreshToken => self.value.expose_secret().split('\n').next(),
            OauthFlow::ClientCredentials => None,
        }
    }

    /// The client's own secret, if it has one.
    pub(crate) fn client_secret(&self) -> Option<&str> {
        let value = self.value.expose_secret();
        match oauth_flow(&self.kind)? {
            OauthFlow::RefreshToken => value.split_once('\n').map(|(_, secret)| secret),
            OauthFlow::ClientCredentials => Some(value),
        }
    }
}

/// What goes into one call, and what is looked for in its answer: the value itself and, for basic, its encoded form,
/// whatever their case; as they are, percent-encoded, as part of a JSON text and as part of a page. A value shorter than 6
/// bytes would tear holes into innocent words: it is looked for only as a whole, together with what it was sent with
/// (`Bearer VALUE`, `NAME: VALUE`, `NAME=VALUE`), and as the whole value of a header.
///
/// Its debug form shows where, not what. Cheap to clone.
#[derive(Clone)]
pub struct Injection {
    place: Place,
    mask: Option<Mask>,
}

#[derive(Clone)]
enum Place {
    Header { name: String, value: SecretString },
    Query { name: String, value: SecretString },
    Nowhere,
}

impl fmt::Debug for Injection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match &self.place {
            Place::Header { name, .. } => format!("header {name}"),
            Place::Query { name, .. } => format!("query {name}"),
            Place::Nowhere => "nowhere".to_owned(),
        };
        f.debug_tuple("Injection").field(&place).finish()
    }
}

impl Injection {
    /// A call with it is refused.
    fn impossible() -> Self {
        Self {
            place: Place::Nowhere,
            mask: None,
        }
    }

    fn new(kind: &CredentialKind, value: &SecretString) -> Option<Self> {
        let value = value.expose_secret();
        let mut texts = vec![value.to_owned()];
        let place = match kind {
            CredentialKind::Bearer => header("authorization", "Bearer ", value, &mut texts),
            CredentialKind::Header { name, prefix } => header(name, prefix, value, &mut texts),
            CredentialKind::Basic { username } => {
                let both = STANDARD.encode(format!("{username}:{value}"));
                texts.push(both.clone());
                header("authorization", "Basic ", &both, &mut texts)
            }
            CredentialKind::Query { name } => {
                if value.len() < ALONE_BYTES_MIN {
                    texts.push(format!("{name}={value}"));
                    texts.push(format!("{name}={}", percent_encoded(value, "")));
                }
                Place::Query {
                    name: name.clone(),
                    value: percent_encoded(value, "").into(),
                }
            }
            CredentialKind::Oauth2 { .. } => return None,
        };
        let mask = Mask::new(texts.iter().map(String::as_str)).ok()?;
        Some(Self {
            place,
            mask: Some(mask),
        })
    }

    /// Puts it into a call that was vetted. A header of the same name gives way to it.
    pub(crate) fn apply(&self, url: &mut Url, headers: &mut HeaderMap) -> Result<(), Refusal> {
        match &self.place {
            Place::Header { name, value } => {
                let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Refusal::Credential)?;
                let mut value =
                    HeaderValue::from_str(value.expose_secret()).map_err(|_| Refusal::Credential)?;
                value.set_sensitive(true);
                headers.insert(name, value);
            }
            Place::Query { name, value } => {
                let mut query = url.query().unwrap_or_default().to_owned();
                if !query.is_empty() {
                    query.push('&');
                }
                query.push_str(name);
                query.push('=');
                query.push_str(value.expose_secret());
                url.set_query(Some(&query));
            }
            Place::Nowhere => return Err(Refusal::Credential),
        }
        // What comes packed can't be searched for what must not be shown.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        Ok(())
    }

    /// What must not come back.
    pub(crate) fn into_mask(self) -> Option<Mask> {
        self.mask
    }
}

/// A header with a value behind a prefix. A short value is looked for together with what stands before it.
fn header(name: &str, prefix: &str, value: &str, texts: &mut Vec<String>) -> Place {
    let whole = format!("{prefix}{value}");
    if value.len() < ALONE_BYTES_MIN {
        for between in [": ", ":", "=", "\":\"", "\": \"", "\\\":\\\""] {
            texts.push(format!("{name}{between}{whole}"));
        }
        texts.push(whole.clone());
    }
    Place::Header {
        name: name.to_owned(),
        value: whole.into(),
    }
}

fn oauth_flow(kind: &CredentialKind) -> Option<OauthFlow> {
    match kind {
        CredentialKind::Oauth2 { flow, .. } => Some(*flow),
        _ => None,
    }
}

fn check_value(kind: &CredentialKind, value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Err("the value is empty".to_owned());
    }
    if value.len() > CREDENTIAL_BYTES_MAX {
        return Err(format!(
            "the value is {} bytes large; the limit is {CREDENTIAL_BYTES_MAX}",
            value.len()
        ));
    }
    match kind {
        CredentialKind::Bearer => check_header_value(value),
        CredentialKind::Header { name, prefix } => {
            let usable = HeaderName::from_bytes(name.as_bytes())
                .is_ok_and(|name| name != ACCEPT_ENCODING && !CONNECTION_HEADERS.contains(&name.as_str()));
            if !usable || HeaderValue::from_str(prefix).is_err() {
                return Err("no value can go into a header of this name or with this prefix".to_owned());
            }
            check_header_value(value)
        }
        CredentialKind::Query { .. } | CredentialKind::Basic { .. } => check_text(value),
        CredentialKind::Oauth2 { flow, .. } => match (flow, value.split_once('\n')) {
            (OauthFlow::RefreshToken, Some((token, secret))) => {
                if token.is_empty() || secret.is_empty() {
                    return Err("a refresh token, and behind a line feed the client's secret".to_owned());
                }
                check_header_value(token)?;
                check_text(secret)
            }
            (OauthFlow::RefreshToken, None) => check_header_value(value),
            (OauthFlow::ClientCredentials, _) => check_text(value),
        },
    }
}

/// Printable ASCII on one line, as it would arrive: nothing is cut off at its ends.
pub(crate) fn check_header_value(value: &str) -> Result<(), String> {
    if !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err("the value is not printable ASCII on one line".to_owned());
    }
    if value.is_empty() || value.trim_matches(' ') != value {
        return Err("the value begins or ends with a space".to_owned());
    }
    Ok(())
}

fn check_text(value: &str) -> Result<(), String> {
    if value.chars().any(char::is_control) {
        return Err("the value has a control character, such as a line break".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header_kind(name: &str) -> CredentialKind {
        CredentialKind::Header {
            name: name.to_owned(),
            prefix: "Token ".to_owned(),
        }
    }

    fn oauth(flow: OauthFlow) -> CredentialKind {
        CredentialKind::Oauth2 {
            token_url: "https://id.example/token".to_owned(),
            client_id: "me".to_owned(),
            scopes: Vec::new(),
            flow,
            client_auth: signoff_core::grant::OauthClientAuth::Basic,
        }
    }

    /// A value that can't arrive as it was given is refused when it is stored, not when it is needed.
    #[test]
    fn a_value_that_can_not_go_where_it_goes_is_refused() {
        let basic = || CredentialKind::Basic {
            username: "me".to_owned(),
        };
        let query = || CredentialKind::Query {
            name: "key".to_owned(),
        };
        let long = "k".repeat(CREDENTIAL_BYTES_MAX + 1);
        let cases = [
            (CredentialKind::Bearer, "good-key", true),
            (CredentialKind::Bearer, &long[1..], true),
            (CredentialKind::Bearer, &long, false),
            (CredentialKind::Bearer, "", false),
            (CredentialKind::Bearer, "key\n", false),
            (CredentialKind::Bearer, "key\r\nX-Admin: 1", false),
            (CredentialKind::Bearer, " key", false),
            (CredentialKind::Bearer, "schlüssel", false),
            (CredentialKind::Bearer, "k\0y", false),
            (header_kind("x-api-key"), "good", true),
            (header_kind("x-api-key"), "a\nb", false),
            (header_kind("Host"), "good", false),
            (header_kind("transfer-encoding"), "good", false),
            (header_kind("Accept-Encoding"), "good", false),
            (header_kind("no name"), "good", false),
            (query(), "päss & more", true),
            (query(), "a\nb", false),
            (basic(), "päss:wörd", true),
            (basic(), "a\tb", false),
            (oauth(OauthFlow::ClientCredentials), "secret", true),
            (oauth(OauthFlow::ClientCredentials), "a\nb", false),
            (oauth(OauthFlow::RefreshToken), "token", true),
            (oauth(OauthFlow::RefreshToken), "token\nsecret", true),
            (oauth(OauthFlow::RefreshToken), "token\n", false),
            (oauth(OauthFlow::RefreshToken), "\nsecret", false),
            (oauth(OauthFlow::RefreshToken), "token\nsecret\nmore", false),
        ];
        for (kind, value, fits) in cases {
            let made = Credential::new(kind.clone(), value.into());
            assert_eq!(made.is_ok(), fits, "{kind:?} {value:?}");
            if let Err(why) = made {
                assert!(value.len() < 3 || !why.contains(value), "{why}");
            }
        }
    }

    /// I7: nothing that can be printed of a credential says its value.
    #[test]
    fn debug_and_fingerprint_do_not_give_the_value_away() {
        let credential = |value: &str| Credential::new(CredentialKind::Bearer, value.into()).expect("fits");
        let one = credential("canary-value");
        let shown = format!("{one:?} {:?} {}", one.injection(None), one.fingerprint());
        assert!(!shown.contains("canary"), "{shown}");
        assert_eq!(one.fingerprint().len(), 8);
        assert_eq!(one.fingerprint(), credential("canary-value").fingerprint());
        assert_ne!(one.fingerprint(), credential("canary-valuf").fingerprint());
        let plain: [u8; 32] = Sha256::digest("canary-value").into();
        assert_ne!(one.digest(), plain, "a digest found elsewhere is not this one");
    }

    /// I8: a call that should carry a token and has none is not made without it.
    #[test]
    fn oauth_without_a_token_refuses_the_call() {
        let credential = Credential::new(oauth(OauthFlow::ClientCredentials), "secret".into()).expect("fits");
        for token in [None, Some(SecretString::from("line\nbreak")), Some("".into())] {
            let mut url = Url::parse("https://api.example/").expect("a URL");
            let mut headers = HeaderMap::new();
            let applied = credential.injection(token.as_ref()).apply(&mut url, &mut headers);
            assert_eq!(applied, Err(Refusal::Credential));
            assert!(headers.is_empty());
        }
    }

    /// The query that was approved is sent as it was; the credential only comes behind it.
    #[test]
    fn a_parameter_is_appended_and_the_rest_stays_as_it_was() {
        let kind = CredentialKind::Query {
            name: "api_key".to_owned(),
        };
        let credential = Credential::new(kind, "a&b=c#d é+%".into()).expect("fits");
        for (before, after) in [
            ("https://api.example/x", "https://api.example/x?"),
            ("https://api.example/x?", "https://api.example/x?"),
            (
                "https://api.example/x?q=%41+b%20c&&r='|",
                "https://api.example/x?q=%41+b%20c&&r=%27|&",
            ),
        ] {
            let mut url = Url::parse(before).expect("a URL");
            let mut headers = HeaderMap::new();
            credential
                .injection(None)
                .apply(&mut url, &mut headers)
                .expect("fits");
            assert_eq!(
                url.as_str(),
                format!("{after}api_key=a%26b%3Dc%23d%20%C3%A9%2B%25")
            );
        }
    }
}

//! OAuth 2.0 (RFC 6749): one exchange with the token endpoint of a grant, through the same guard as every other call.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded::{Serializer, byte_serialize};

use signoff_core::grant::{CREDENTIAL_BYTES_MAX, CredentialKind, OauthClientAuth, OauthFlow};

use crate::credential::check_header_value;
use crate::{BodyEnd, Credential, Egress, EgressError, OutboundCall, Refusal};

/// How long fetching a token may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(20);
/// The largest answer of a token endpoint, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// The longest error code that is passed on, in bytes.
const CODE_BYTES_MAX: usize = 64;
/// What an answer means that does not say how long its token is good for.
const LIFETIME_UNSAID: Duration = Duration::from_mins(5);
/// However long a token is said to be good for, a new one is fetched after this time.
const LIFETIME_MAX: Duration = Duration::from_hours(24);
/// How long before its end a token is no longer handed out, or a tenth of its lifetime if that is shorter.
const MARGIN_MAX: Duration = Duration::from_mins(1);

/// Why there is no token. None of it says anything that was sent, or what the answer said besides its error code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The credential is of a kind that needs no token.
    #[error("the credential is no OAuth client")]
    NotOauth,
    /// The guard refused the token endpoint.
    #[error("fetching a token was refused: {0}")]
    Refused(Refusal),
    /// The token endpoint brought no answer.
    #[error("fetching a token failed: {0}")]
    Unreachable(EgressError),
    /// The token endpoint gave no token.
    #[error("the token endpoint answered {status}{}", .error.as_ref().map(|code| format!(" ({code})")).unwrap_or_default())]
    Answered {
        /// Of the answer.
        status: u16,
        /// The code after RFC 6749, 5.2, such as `invalid_grant`.
        error: Option<String>,
    },
    /// The answer is no token answer after RFC 6749, 5.1.
    #[error("the token endpoint answered {status}, but {why}")]
    Malformed {
        /// Of the answer.
        status: u16,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Tokens of too many grants are being fetched at once.
    #[error("tokens of too many grants are being fetched at once; try again")]
    Crowded,
    /// Fetching was broken off: the process ends, or the grant is another one by now.
    #[error("fetching a token was broken off")]
    BrokenOff,
    /// Another node was fetching a token of the same grant for too long.
    #[error("another node is fetching a token of this grant; try again")]
    Busy,
}

/// What one exchange brought.
pub(crate) struct Fetched {
    pub(crate) token: SecretString,
    /// How long it is handed out.
    pub(crate) fresh_for: Duration,
    /// The value to store from now on, if it is another one.
    pub(crate) rotated: Option<SecretString>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Option<String>,
    token_type: Option<String>,
    expires_in: Option<Value>,
    refresh_token: Option<String>,
}

#[derive(Deserialize)]
struct ErrorAnswer {
    error: Option<String>,
}

/// Fetches one token, once.
pub(crate) async fn fetch(egress: &Egress, credential: &Credential) -> Result<Fetched, TokenError> {
    let call = token_call(credential)?;
    let mask = credential.injection(None).into_mask();
    let failed = |error: EgressError| match error.shown(mask.as_ref()) {
        EgressError::Refused(refusal) => TokenError::Refused(refusal),
        error => TokenError::Unreachable(error),
    };
    let answer = egress.call(call).await.map_err(failed)?;
    let status = answer.status;
    let (body, end) = answer.body.keep(ANSWER_BYTES_MAX).await;
    if !(200..300).contains(&status) {
        let given = serde_json::from_slice::<ErrorAnswer>(&body).ok();
        let code = given.and_then(|answer| answer.error).filter(|code| is_code(code));
        let shown = code.map(|code| mask.as_ref().map_or(code.clone(), |mask| mask.text(&code)));
        return Err(TokenError::Answered { status, error: shown });
    }
    let malformed = |why| TokenError::Malformed { status, why };
    match end {
        BodyEnd::Whole => read(credential, &body).map_err(malformed),
        BodyEnd::Cut => Err(malformed("with more than 64 KiB")),
        BodyEnd::Broken | BodyEnd::Withheld => Err(malformed("the answer broke off")),
    }
}

/// Error codes are short and plain; anything else may be what was sent.
fn is_code(code: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    (1..=CODE_BYTES_MAX).contains(&code.len()) && code.bytes().all(plain)
}

fn token_call(credential: &Credential) -> Result<OutboundCall, TokenError> {
    let CredentialKind::Oauth2 {
        token_url,
        client_id,
        scopes,
        flow,
        client_auth,
    } = credential.kind()
    else {
        return Err(TokenError::NotOauth);
    };
    let mut form = Serializer::new(String::new());
    match flow {
        OauthFlow::ClientCredentials => form.append_pair("grant_type", "client_credentials"),
        OauthFlow::RefreshToken => form
            .append_pair("grant_type", "refresh_token")
            .append_pair("refresh_token", credential.refresh_token().unwrap_or_default()),
    };
    if !scopes.is_empty() {
        form.append_pair("scope", &scopes.join(" "));
    }
    let mut headers = vec![
        ("accept".to_owned(), "application/json".to_owned()),
        ("accept-encoding".to_owned(), "identity".to_owned()),
        (
            "content-type".to_owned(),
            "application/x-www-form-urlencoded".to_owned(),
        ),
    ];
    match (client_auth, credential.client_secret()) {
        (OauthClientAuth::Basic, Some(secret)) => {
            headers.push(("authorization".to_owned(), basic(client_id, secret)));
        }
        (OauthClientAuth::Body, Some(secret)) => {
            form.append_pair("client_id", client_id)
                .append_pair("client_secret", secret);
        }
        // A client without a secret has nothing to prove, and only says who it is (RFC 6749, 3.2.1).
        (_, None) => {
            form.append_pair("client_id", client_id);
        }
    }
    Ok(OutboundCall {
        method: "POST".to_owned(),
        url: token_url.clone(),
        headers,
        body: Bytes::from(form.finish()),
        credential: None,
        timeout: FETCH_TIMEOUT,
    })
}

/// Both parts are form-encoded before they are joined (RFC 6749, 2.3.1), so that a colon in the name does no harm.
fn basic(client_id: &str, secret: &str) -> String {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let both = format!("{}:{}", encoded(client_id), encoded(secret));
    format!("Basic {}", STANDARD.encode(both))
}

fn read(credential: &Credential, body: &[u8]) -> Result<Fetched, &'static str> {
    let answer: TokenAnswer = serde_json::from_slice(body).map_err(|_| "with something that is no token")?;
    let is_bearer = |kind: &str| kind.eq_ignore_ascii_case("bearer");
    if !answer.token_type.as_deref().is_some_and(is_bearer) {
        return Err("with a token that is no bearer token");
    }
    let token = SecretString::from(answer.access_token.ok_or("without a token")?);
    let fits = |value: &str| value.len() <= CREDENTIAL_BYTES_MAX && check_header_value(value).is_ok();
    if !fits(token.expose_secret()) {
        return Err("with a token that can't stand in a header");
    }
    let fresh_for = fresh_for(lifetime(answer.expires_in.as_ref())?);
    let rotated = match (answer.refresh_token, credential.refresh_token()) {
        (Some(new), Some(old)) if new != old => Some(rotated(credential, &new)?),
        _ => None,
    };
    Ok(Fetched {
        token,
        fresh_for,
        rotated,
    })
}

/// The value to store from now on: the new refresh token, and the secret that stood behind the old one.
fn rotated(credential: &Credential, refresh_token: &str) -> Result<SecretString, &'static str> {
    let mut value = refresh_token.to_owned();
    if let Some(secret) = credential.client_secret() {
        value.push('\n');
        value.push_str(secret);
    }
    let value = SecretString::from(value);
    let fits = check_header_value(refresh_token).is_ok()
        && Credential::new(credential.kind().clone(), value.clone()).is_ok();
    fits.then_some(value)
        .ok_or("with a new refresh token that can't be stored")
}

/// Whole seconds, which some providers write as text.
fn lifetime(said: Option<&Value>) -> Result<Duration, &'static str> {
    let seconds = match said {
        None | Some(Value::Null) => return Ok(LIFETIME_UNSAID),
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => text.parse::<u32>().ok().map(f64::from),
        Some(_) => None,
    };
    let seconds = seconds.filter(|seconds| seconds.is_finite());
    let seconds = seconds.ok_or("without a lifetime that could be understood")?;
    Ok(Duration::from_secs_f64(
        seconds.clamp(0.0, LIFETIME_MAX.as_secs_f64()),
    ))
}

fn fresh_for(lifetime: Duration) -> Duration {
    lifetime.saturating_sub(MARGIN_MAX.min(lifetime / 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A token is not handed out so late that it ends on its way.
    #[test]
    fn tokens_are_given_up_before_they_end() {
        for (said, seconds) in [
            (serde_json::json!(3600), 3540.0),
            (serde_json::json!("3600"), 3540.0),
            (serde_json::json!(600), 540.0),
            (serde_json::json!(100), 90.0),
            (serde_json::json!(1.5), 1.35),
            (serde_json::json!(0), 0.0),
            (serde_json::json!(-5), 0.0),
            (serde_json::json!(1e300), 86_340.0),
            (Value::Null, 270.0),
        ] {
            let fresh = fresh_for(lifetime(Some(&said)).expect("understood"));
            assert!((fresh.as_secs_f64() - seconds).abs() < 0.001, "{said}: {fresh:?}");
        }
        assert_eq!(lifetime(None), Ok(LIFETIME_UNSAID));
        for said in [
            serde_json::json!("soon"),
            serde_json::json!([]),
            serde_json::json!(true),
        ] {
            assert!(lifetime(Some(&said)).is_err(), "{said}");
        }
    }

    /// RFC 6749, 2.3.1: name and secret are form-encoded before they are joined.
    #[test]
    fn the_client_is_encoded_before_it_is_joined() {
        let plain = STANDARD.decode(basic("a:b c", "ü%/+").trim_start_matches("Basic "));
        assert_eq!(plain.expect("base64"), b"a%3Ab+c:%C3%BC%25%2F%2B");
    }
}

//! Protects the tokens of OAuth grants (RFC 6749): fetched once for all who ask, through the same guard, never lost when
//! the provider replaces a refresh token, and never said in an error (I7). Everything here stays on 127.0.0.1.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{Behaviour, Upstream, answer, open};
use secrecy::{ExposeSecret as _, SecretString};
use signoff_core::grant::{CredentialKind, OauthClientAuth, OauthFlow};
use signoff_core::id::{GrantId, RawId};
use signoff_egress::{Bearer, Credential, Egress, EgressConfig, TokenError};

const ID: (GrantId, u64) = (GrantId(RawId([7; 16])), 1);

fn credential(url: String, flow: OauthFlow, client_auth: OauthClientAuth, value: &str) -> Credential {
    let kind = CredentialKind::Oauth2 {
        token_url: url,
        client_id: "client:1 & co".into(),
        scopes: vec!["read".into(), "write".into()],
        flow,
        client_auth,
    };
    Credential::new(kind, value.into()).expect("fits")
}

fn by_secret(upstream: &Upstream) -> Credential {
    credential(
        upstream.url("/token"),
        OauthFlow::ClientCredentials,
        OauthClientAuth::Basic,
        "canary-secret",
    )
}

fn by_refresh(upstream: &Upstream, value: &str) -> Credential {
    credential(
        upstream.url("/token"),
        OauthFlow::RefreshToken,
        OauthClientAuth::Body,
        value,
    )
}

fn json(status: u16, body: &str) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json");
    format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// A token endpoint whose tokens and refresh tokens count up.
async fn counting(pause: Duration, expires_in: u32) -> Upstream {
    let count = AtomicUsize::new(0);
    let reply = move |_: &[u8]| {
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        json(
            200,
            &format!(
                r#"{{"access_token": "token-{number}", "token_type": "Bearer", "expires_in": {expires_in},
                    "refresh_token": "refresh-{number}"}}"#
            ),
        )
    };
    Upstream::start(Behaviour::Late(pause, Arc::new(reply))).await
}

/// Where nobody outside of this process exchanges with the same grant, it is always one's turn.
async fn ask(egress: &Egress, id: (GrantId, u64), credential: &Credential) -> Result<Bearer, TokenError> {
    let credential = credential.clone();
    let (bearer, _) = egress.bearer(id, async { Ok((credential, ())) }).await?;
    Ok(bearer)
}

fn token(bearer: &Bearer) -> &str {
    bearer.token.expose_secret()
}

fn rotated(bearer: &Bearer) -> Option<&str> {
    bearer.rotated.as_ref().map(SecretString::expose_secret)
}

/// What is sent is what RFC 6749 says for each flow and each way to say who the client is.
#[tokio::test]
async fn the_request_is_that_of_the_standard() {
    use OauthClientAuth::{Basic, Body};
    use OauthFlow::{ClientCredentials, RefreshToken};
    const SCOPE: &str = "scope=read+write";
    const CLIENT: &str = "client_id=client%3A1+%26+co";
    // base64("client%3A1+%26+co:s%C3%A9c%3Aret")
    const HEADER: &str = "authorization: Basic Y2xpZW50JTNBMSslMjYrY286cyVDMyVBOWMlM0FyZXQ=";
    let secret = "client_secret=s%C3%A9c%3Aret";
    for (flow, auth, value, header, body) in [
        (
            ClientCredentials,
            Basic,
            "séc:ret",
            Some(HEADER),
            format!("grant_type=client_credentials&{SCOPE}"),
        ),
        (
            ClientCredentials,
            Body,
            "séc:ret",
            None,
            format!("grant_type=client_credentials&{SCOPE}&{CLIENT}&{secret}"),
        ),
        (
            RefreshToken,
            Basic,
            "re/fresh\nséc:ret",
            Some(HEADER),
            format!("grant_type=refresh_token&refresh_token=re%2Ffresh&{SCOPE}"),
        ),
        (
            RefreshToken,
            Body,
            "re/fresh\nséc:ret",
            None,
            format!("grant_type=refresh_token&refresh_token=re%2Ffresh&{SCOPE}&{CLIENT}&{secret}"),
        ),
        (
            RefreshToken,
            Basic,
            "re/fresh",
            None,
            format!("grant_type=refresh_token&refresh_token=re%2Ffresh&{SCOPE}&{CLIENT}"),
        ),
    ] {
        let mut upstream = counting(Duration::ZERO, 3600).await;
        let credential = credential(upstream.url("/token?x=1"), flow, auth, value);
        ask(&open(), ID, &credential).await.expect("a token");
        let seen = upstream.request().await;
        assert!(seen.starts_with("POST /token?x=1 HTTP/1.1\r\n"), "{seen}");
        let sent = seen.lines().find(|line| line.starts_with("authorization:"));
        assert_eq!(sent, header, "{seen}");
        for line in [
            "content-type: application/x-www-form-urlencoded",
            "accept: application/json",
        ] {
            assert!(seen.lines().any(|seen| seen == line), "{seen}");
        }
        assert_eq!(
            seen.split_once("\r\n\r\n").map(|(_, body)| body),
            Some(body.as_str())
        );
    }
}

/// One exchange serves all who ask at the same time and later, per grant and version.
#[tokio::test]
async fn a_token_is_fetched_once_and_kept() {
    let upstream = counting(Duration::from_millis(100), 3600).await;
    let (egress, credential) = (open(), by_secret(&upstream));
    let asking = (0..50).map(|_| {
        let (egress, credential) = (egress.clone(), credential.clone());
        tokio::spawn(async move { ask(&egress, ID, &credential).await })
    });
    for asked in asking.collect::<Vec<_>>() {
        let bearer = asked.await.expect("no panic").expect("a token");
        assert_eq!(token(&bearer), "token-1");
        assert_eq!(rotated(&bearer), None, "client credentials have no refresh token");
    }
    assert_eq!(upstream.connections(), 1);
    let other = ask(&egress, (ID.0, 2), &credential).await.expect("a token");
    assert_eq!((token(&other), upstream.connections()), ("token-2", 2));
}

/// Those who waited for an exchange that failed do not each knock at the provider's door; who asks later does.
#[tokio::test]
async fn a_failure_is_shared_and_not_kept() {
    let reply = |_: &[u8]| json(400, r#"{"error": "invalid_grant"}"#);
    let upstream = Upstream::start(Behaviour::Late(Duration::from_millis(150), Arc::new(reply))).await;
    let (egress, credential) = (open(), by_secret(&upstream));
    let asking = (0..20).map(|_| {
        let (egress, credential) = (egress.clone(), credential.clone());
        tokio::spawn(async move { ask(&egress, ID, &credential).await })
    });
    let refused = TokenError::Answered {
        status: 400,
        error: Some("invalid_grant".into()),
    };
    for asked in asking.collect::<Vec<_>>() {
        assert_eq!(asked.await.expect("no panic").err(), Some(refused.clone()));
    }
    assert_eq!(upstream.connections(), 1);
    assert_eq!(ask(&egress, ID, &credential).await.err(), Some(refused));
    assert_eq!(upstream.connections(), 2);
}

/// A refresh token that the provider replaced is handed out once, with the secret that was stored behind the old one;
/// who still has an older value does not spoil the grant by using it again.
#[tokio::test]
async fn a_replaced_refresh_token_is_handed_out_once_and_used_from_then_on() {
    // No token outlives its answer, so that each call exchanges.
    let mut upstream = counting(Duration::ZERO, 0).await;
    let egress = open();
    let old = by_refresh(&upstream, "refresh-0\nsecret");
    for (number, given) in [(1, &old), (2, &old), (3, &old)] {
        let bearer = ask(&egress, ID, given).await.expect("a token");
        assert_eq!(token(&bearer), format!("token-{number}"));
        assert_eq!(
            rotated(&bearer),
            Some(format!("refresh-{number}\nsecret").as_str())
        );
        let seen = upstream.request().await;
        let expected = format!("refresh_token=refresh-{}&", number - 1);
        assert!(seen.contains(&expected), "{seen}");
    }
    // The caller stored the newest, and goes on with it; a laggard still has the first.
    let stored = by_refresh(&upstream, "refresh-3\nsecret");
    ask(&egress, ID, &stored).await.expect("a token");
    assert!(upstream.request().await.contains("refresh_token=refresh-3&"));
    ask(&egress, ID, &old).await.expect("a token");
    assert!(upstream.request().await.contains("refresh_token=refresh-4&"));
    // What a person stored instead is taken as it is.
    let fresh = by_refresh(&upstream, "by-hand\nsecret");
    ask(&egress, (ID.0, 2), &fresh).await.expect("a token");
    assert!(upstream.request().await.contains("refresh_token=by-hand&"));
}

/// Several who ask at the same time do not all store the replacement.
#[tokio::test]
async fn a_kept_token_hands_the_replacement_out_only_once() {
    let upstream = counting(Duration::from_millis(50), 3600).await;
    let egress = open();
    let credential = by_refresh(&upstream, "refresh-0");
    let (one, other) = tokio::join!(ask(&egress, ID, &credential), ask(&egress, ID, &credential));
    let both = [one.expect("a token"), other.expect("a token")];
    let replaced: Vec<_> = both.iter().filter_map(rotated).collect();
    assert_eq!((replaced, upstream.connections()), (vec!["refresh-1"], 1));
}

/// A caller that goes away in the middle must not take the new refresh token with it.
#[tokio::test]
async fn a_caller_that_goes_away_loses_no_refresh_token() {
    let mut upstream = counting(Duration::from_millis(150), 3600).await;
    let (egress, credential) = (open(), by_refresh(&upstream, "refresh-0"));
    let asking = tokio::spawn({
        let (egress, credential) = (egress.clone(), credential.clone());
        async move { ask(&egress, ID, &credential).await }
    });
    upstream.request().await; // The exchange has reached the provider.
    asking.abort();
    assert!(asking.await.is_err_and(|end| end.is_cancelled()));
    let bearer = ask(&egress, ID, &credential).await.expect("a token");
    assert_eq!((token(&bearer), rotated(&bearer)), ("token-1", Some("refresh-1")));
    let again = ask(&egress, ID, &credential).await.expect("a token");
    assert_eq!((token(&again), rotated(&again)), ("token-1", None));
    assert_eq!(upstream.connections(), 1);
}

/// After a 401 another token is fetched, once, even if all who saw it say so.
#[tokio::test]
async fn a_token_that_was_refused_is_given_up() {
    let upstream = counting(Duration::ZERO, 3600).await;
    let (egress, credential) = (open(), by_secret(&upstream));
    let first = ask(&egress, ID, &credential).await.expect("a token");
    egress.forget(ID, &first.token).await;
    let second = ask(&egress, ID, &credential).await.expect("a token");
    assert_eq!(token(&second), "token-2");
    egress.forget(ID, &first.token).await;
    egress.forget((ID.0, 9), &second.token).await;
    assert_eq!(
        token(&ask(&egress, ID, &credential).await.expect("a token")),
        "token-2"
    );
}

/// A token is fetched again before it ends: 2 seconds of which a tenth is kept back.
#[tokio::test]
async fn a_token_is_not_kept_to_its_end() {
    let upstream = counting(Duration::ZERO, 2).await;
    let (egress, credential) = (open(), by_secret(&upstream));
    let first = ask(&egress, ID, &credential).await.expect("a token");
    let again = ask(&egress, ID, &credential).await.expect("a token");
    assert_eq!((token(&first), token(&again)), ("token-1", "token-1"));
    tokio::time::sleep(Duration::from_millis(1830)).await;
    let later = ask(&egress, ID, &credential).await.expect("a token");
    assert_eq!(token(&later), "token-2");
}

const ANSWERS: &[(u16, &str, Said)] = &[
    (
        200,
        r#"{"access_token": "t", "token_type": "bearer"}"#,
        Said::Token,
    ),
    (
        201,
        r#"{"access_token": "t", "token_type": "BEARER"}"#,
        Said::Token,
    ),
    (
        200,
        r#"{"access_token": "t", "token_type": "mac"}"#,
        Said::Nonsense,
    ),
    (200, r#"{"access_token": "t"}"#, Said::Nonsense),
    (200, r#"{"token_type": "bearer"}"#, Said::Nonsense),
    (
        200,
        r#"{"access_token": "", "token_type": "bearer"}"#,
        Said::Nonsense,
    ),
    (
        200,
        r#"{"access_token": "a\r\nb", "token_type": "bearer"}"#,
        Said::Nonsense,
    ),
    (
        200,
        r#"{"access_token": 7, "token_type": "bearer"}"#,
        Said::Nonsense,
    ),
    (
        200,
        r#"{"access_token": "t", "token_type": "bearer", "expires_in": "soon"}"#,
        Said::Nonsense,
    ),
    (
        200,
        "access_token=canary-secret&token_type=bearer",
        Said::Nonsense,
    ),
    (200, "", Said::Nonsense),
    (302, "", Said::Code(None)),
    (
        400,
        r#"{"error": "invalid_client", "error_description": "canary-secret"}"#,
        Said::Code(Some("invalid_client")),
    ),
    (
        401,
        r#"{"error": "canary-secret"}"#,
        Said::Code(Some("[credential]")),
    ),
    (
        400,
        r#"{"error": "the secret canary-secret is wrong"}"#,
        Said::Code(None),
    ),
    (400, r#"{"error": {"canary-secret": 1}}"#, Said::Code(None)),
    (503, "canary-secret", Said::Code(None)),
];

/// Each wrong answer is told apart, and none of what was sent or answered stands in the words for it.
#[tokio::test]
async fn wrong_answers_are_errors_that_say_nothing_secret() {
    let pad = "x".repeat(70_000);
    let long = format!(r#"{{"access_token": "t", "token_type": "bearer", "pad": "{pad}"}}"#);
    let long = (200, long.as_str(), Said::Nonsense);
    for (status, body, expected) in ANSWERS.iter().chain([&long]) {
        let upstream = Upstream::start(Behaviour::Answer(json(*status, body))).await;
        let got = ask(&open(), ID, &by_secret(&upstream)).await;
        let words = match &got {
            Ok(bearer) => format!("{bearer:?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        assert!(!words.contains("canary"), "{words}");
        let said = match &got {
            Ok(_) => Said::Token,
            Err(TokenError::Malformed { status: 200, .. }) => Said::Nonsense,
            Err(TokenError::Answered { status: same, error }) if same == status => {
                Said::Code(error.as_deref())
            }
            Err(other) => panic!("{status} {body:.80}: {other}"),
        };
        assert_eq!(said, *expected, "{status} {body:.80}");
    }
}

/// What an answer is taken for.
#[derive(Debug, PartialEq)]
enum Said<'a> {
    Token,
    Nonsense,
    Code(Option<&'a str>),
}

/// S3: the token endpoint is a URL that people can steer, too.
#[tokio::test]
async fn the_guard_stands_before_the_token_endpoint() {
    let upstream = counting(Duration::ZERO, 3600).await;
    let elsewhere = counting(Duration::ZERO, 3600).await;
    let shut = Egress::new(EgressConfig::default()).expect("a client");
    let error = ask(&shut, ID, &by_secret(&upstream)).await.expect_err("refused");
    assert!(matches!(error, TokenError::Refused(_)), "{error}");
    assert_eq!(upstream.connections(), 0);

    let head = format!("HTTP/1.1 307 Go\r\nlocation: {}", elsewhere.url("/token"));
    let redirecting = Upstream::start(answer(&head, b"")).await;
    let error = ask(&open(), ID, &by_secret(&redirecting))
        .await
        .expect_err("no token");
    assert_eq!(
        error,
        TokenError::Answered {
            status: 307,
            error: None
        }
    );
    assert_eq!(elsewhere.connections(), 0);
}

/// I7, I8: an endpoint that breaks off gives no token, and a key is never taken for one.
#[tokio::test]
async fn an_endpoint_that_is_not_there_is_unreachable() {
    let silent = Upstream::start(Behaviour::Close).await;
    let error = ask(&open(), ID, &by_secret(&silent)).await.expect_err("no token");
    assert!(matches!(error, TokenError::Unreachable(_)), "{error}");
    assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");

    let bearer = Credential::new(CredentialKind::Bearer, "key".into()).expect("fits");
    let error = ask(&open(), ID, &bearer).await.expect_err("no token");
    assert_eq!(error, TokenError::NotOauth);
}

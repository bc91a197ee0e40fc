//! Protects I2, I3 and I7 of the governed call on real sockets: exactly what was given is sent, the credential goes in at
//! the last moment, and nothing that comes back shows it. Everything here stays on 127.0.0.1.

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use common::{Behaviour, Upstream, answer, get, open};
use secrecy::SecretString;
use signoff_core::grant::{CredentialKind, OauthClientAuth, OauthFlow};
use signoff_egress::{Answer, BodyEnd, BodyFault, Credential, Egress, EgressError, Injection, OutboundCall};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

/// Long enough to be looked for on its own, and with characters that are written differently in URLs, JSON and pages.
const VALUE: &str = "canary/VALUE+\"quoted\"&<tag>=1";

fn kinds() -> Vec<CredentialKind> {
    vec![
        CredentialKind::Bearer,
        CredentialKind::Header {
            name: "x-api-key".into(),
            prefix: "Token ".into(),
        },
        CredentialKind::Query { name: "key".into() },
        CredentialKind::Basic {
            username: "user".into(),
        },
    ]
}

fn injection(kind: CredentialKind, value: &str) -> Injection {
    Credential::new(kind, value.into()).expect("fits").injection(None)
}

fn with(url: String, credential: Injection) -> OutboundCall {
    OutboundCall {
        credential: Some(credential),
        ..get(url)
    }
}

/// Everything of an answer that anybody above can see.
async fn everything(answer: Answer) -> String {
    let head = format!("{:?} {:?} {:?}", answer.status, answer.headers, answer);
    let (body, end) = answer.body.keep(10 << 20).await;
    assert_eq!(end, BodyEnd::Whole);
    format!("{head}\n{}", String::from_utf8_lossy(&body))
}

/// I2: method, URL, headers and body arrive as they were given, whatever the method.
#[tokio::test]
async fn what_was_given_is_what_is_sent() {
    let mut upstream = Upstream::start(answer("HTTP/1.1 207 Multi\r\nX-Place: here", b"done")).await;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
        let call = OutboundCall {
            method: method.to_owned(),
            headers: vec![("x-mark".into(), "yes".into())],
            body: Bytes::from_static(b"  {\"n\": 12345678901234567890, \"n\": 1.0} \xff"),
            ..get(upstream.url("/a%20b?b=c&b=%41"))
        };
        let answer = open().call(call).await.expect("an answer");
        assert_eq!(answer.status, 207);
        assert_eq!(answer.headers, [("x-place".to_owned(), "here".to_owned())]);
        let (body, end) = answer.body.keep(100).await;
        assert_eq!((&body[..], end), (&b"done"[..], BodyEnd::Whole));

        let seen = upstream.seen.recv().await.expect("a request");
        let text = String::from_utf8_lossy(&seen);
        assert!(
            text.starts_with(&format!("{method} /a%20b?b=c&b=%41 HTTP/1.1\r\n")),
            "{text}"
        );
        assert!(text.contains("\r\nx-mark: yes\r\n"), "{text}");
        assert!(seen.ends_with(b"\r\n\r\n  {\"n\": 12345678901234567890, \"n\": 1.0} \xff"));
    }
}

/// Each kind goes where it belongs, once, and takes the place of what the caller put there.
#[tokio::test]
async fn the_credential_goes_in_at_the_last_moment() {
    let token = SecretString::from("token-of-oauth");
    let oauth = CredentialKind::Oauth2 {
        token_url: "https://id.example/token".into(),
        client_id: "me".into(),
        scopes: Vec::new(),
        flow: OauthFlow::ClientCredentials,
        client_auth: OauthClientAuth::Basic,
    };
    let oauth = Credential::new(oauth, "secret".into()).expect("fits");
    let basic = format!(
        "authorization: Basic {}",
        STANDARD.encode(format!("user:{VALUE}"))
    );
    let bearer = format!("authorization: Bearer {VALUE}");
    let header = format!("x-api-key: Token {VALUE}");
    let [bearer_kind, header_kind, query_kind, basic_kind] = kinds().try_into().expect("four");
    for (credential, expected) in [
        (injection(bearer_kind, VALUE), bearer.as_str()),
        (injection(header_kind, VALUE), header.as_str()),
        (injection(basic_kind, VALUE), basic.as_str()),
        (
            injection(query_kind, VALUE),
            "GET /x?q=1&key=canary%2FVALUE%2B%22quoted%22%26%3Ctag%3E%3D1 HTTP/1.1",
        ),
        (
            oauth.injection(Some(&token)),
            "authorization: Bearer token-of-oauth",
        ),
    ] {
        let mut upstream = Upstream::start(answer("HTTP/1.1 200 OK", b"")).await;
        let mut call = with(upstream.url("/x?q=1"), credential);
        for name in ["Authorization", "X-Api-Key", "Accept-Encoding"] {
            call.headers.push((name.into(), "of the caller, gzip".into()));
        }
        open().call(call).await.expect("an answer");
        let seen = upstream.request().await;
        let lines: Vec<&str> = seen.lines().collect();
        assert_eq!(
            lines.iter().filter(|line| **line == expected).count(),
            1,
            "{seen}"
        );
        let name = expected.split(':').next().expect("a name");
        if expected.contains(": ") {
            let same = lines.iter().filter(|line| line.starts_with(&format!("{name}:")));
            assert_eq!(same.count(), 1, "{seen}");
        }
        assert!(lines.contains(&"accept-encoding: identity"), "{seen}");
    }
}

/// I7: an upstream that says everything back, in every spelling, in head and body, and in small pieces.
#[tokio::test]
async fn nothing_that_comes_back_shows_the_credential() {
    for kind in kinds() {
        let encoded = STANDARD.encode(format!("user:{VALUE}"));
        let sent = encoded.clone();
        let upstream = Upstream::start(Behaviour::Pieces(Arc::new(move |request| {
            let request = String::from_utf8_lossy(request).into_owned();
            let json = serde_json::to_string(&format!("{request} {VALUE}")).expect("JSON");
            let form: String = url::form_urlencoded::byte_serialize(VALUE.as_bytes()).collect();
            let body = format!("{request}\n{VALUE}\n{json}\n{form}\n{sent}\nend");
            let head = format!(
                "HTTP/1.1 401 No\r\nwww-authenticate: Bearer of=\"{VALUE}\"\r\nlocation: /?key={form}\r\n\
                 x-sent: {sent}\r\nset-cookie: {VALUE}\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            let bytes = [head.as_bytes(), body.as_bytes()].concat();
            bytes.chunks(37).map(<[u8]>::to_vec).collect()
        })))
        .await;
        let call = with(upstream.url("/x?q=1"), injection(kind.clone(), VALUE));
        let shown = everything(open().call(call).await.expect("an answer")).await;
        // The encoded form is part of what was sent for basic only.
        let is_basic = matches!(kind, CredentialKind::Basic { .. });
        assert_eq!(shown.contains(&encoded), !is_basic, "{kind:?}: {shown}");
        for part in ["canary", "VALUE", "quoted"] {
            assert!(!shown.contains(part), "{kind:?}: {shown}");
        }
        assert!(!shown.contains("content-length"), "{shown}");
        assert!(shown.matches("[credential]").count() >= 7, "{kind:?}: {shown}");
        assert!(shown.ends_with("\nend"), "{shown}");
    }
}

/// I7: a value too short to be looked for alone is found as it was sent, and innocent words stay whole.
#[tokio::test]
async fn a_short_value_is_found_as_it_was_sent() {
    for kind in kinds() {
        let upstream = Upstream::echo().await;
        let call = with(upstream.url("/cabin/aabc"), injection(kind.clone(), "aabc"));
        let shown = everything(open().call(call).await.expect("an answer")).await;
        assert!(shown.contains("/cabin/aabc"), "{kind:?}: {shown}");
        let sent = STANDARD.encode("user:aabc");
        for part in ["Bearer aabc", "Token aabc", "key=aabc", sent.as_str()] {
            assert!(!shown.contains(part), "{kind:?}: {shown}");
        }
        assert!(shown.contains("[credential]"), "{kind:?}: {shown}");
    }
}

/// I7: an upstream that packs although it was asked not to is read all the same, and searched.
#[tokio::test]
async fn a_packed_answer_to_a_credential_is_unpacked_and_searched() {
    let said = format!("before {VALUE} after, ").repeat(2_000);
    let shown = "before [credential] after, ".repeat(2_000);
    for coding in ["gzip", "x-gzip", "GZIP", "deflate", "br", "identity, gzip"] {
        let packed = packed(coding, said.as_bytes()).await;
        let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: {coding}");
        let upstream = Upstream::start(answer(&head, &packed)).await;
        let call = with(upstream.url("/"), injection(CredentialKind::Bearer, VALUE));
        let whole = open().call(call.clone()).await.expect("an answer");
        assert_eq!(whole.headers, [], "{coding}");
        let (body, end) = whole.body.keep(1_000_000).await;
        assert_eq!(
            (&*String::from_utf8_lossy(&body), end),
            (&*shown, BodyEnd::Whole),
            "{coding}"
        );

        // Without a credential there is nothing to look for: what was sent is handed on.
        let plain = open().call(get(upstream.url("/"))).await.expect("an answer");
        assert_eq!(
            plain.headers,
            [("content-encoding".to_owned(), coding.to_owned())]
        );
        assert_eq!(plain.body.keep(1_000_000).await.0, packed, "{coding}");
    }
    // An answer that is said to be packed and has no body.
    let upstream = Upstream::start(answer("HTTP/1.1 200 OK\r\ncontent-encoding: gzip", b"")).await;
    let call = with(upstream.url("/"), injection(CredentialKind::Bearer, VALUE));
    let answer = open().call(call).await.expect("an answer");
    assert_eq!(answer.body.keep(100).await, (Bytes::new(), BodyEnd::Whole));
}

/// I12: a small body that stands for a huge one is read as far as it is asked for; one that is no such thing breaks off.
#[tokio::test]
async fn what_is_packed_costs_no_more_than_what_is_asked_of_it() {
    const GZIP: &str = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip";
    let huge = packed("gzip", &vec![b'0'; 64 * 1024 * 1024]).await;
    assert!(huge.len() < 100_000);
    for (body, end) in [
        (&huge[..], BodyEnd::Cut),
        (&huge[..200], BodyEnd::Cut),
        (&huge[..15], BodyEnd::Broken),
        (b"no gzip at all", BodyEnd::Broken),
    ] {
        let upstream = Upstream::start(answer(GZIP, body)).await;
        let call = with(upstream.url("/"), injection(CredentialKind::Bearer, VALUE));
        let answer = open().call(call).await.expect("an answer");
        let (kept, came_to) = answer.body.keep(100).await;
        assert_eq!(came_to, end);
        assert!(kept.iter().all(|byte| *byte == b'0') && kept.len() <= 100);
    }
}

/// I7: what can't be searched is not shown.
#[tokio::test]
async fn an_answer_packed_in_a_way_that_is_not_known_is_withheld() {
    for head in [
        "HTTP/1.1 200 OK\r\ncontent-encoding: zstd",
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip, br",
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-encoding: gzip",
    ] {
        let upstream = Upstream::start(answer(head, b"packed canary")).await;
        let call = with(upstream.url("/"), injection(CredentialKind::Bearer, VALUE));
        let mut answer = open().call(call.clone()).await.expect("an answer");
        assert_eq!(answer.body.chunk().await, Err(BodyFault::Packed));
        assert_eq!(answer.body.chunk().await, Err(BodyFault::Packed));
        let answer = open().call(call).await.expect("an answer");
        assert_eq!(answer.body.keep(100).await, (Bytes::new(), BodyEnd::Withheld));
    }
}

async fn packed(coding: &str, body: &[u8]) -> Vec<u8> {
    use async_compression::tokio::write::{BrotliEncoder, GzipEncoder, ZlibEncoder};
    async fn through<E: AsyncWrite + Unpin>(mut encoder: E, body: &[u8]) -> E {
        encoder.write_all(body).await.expect("packed");
        encoder.shutdown().await.expect("packed");
        encoder
    }
    match coding {
        "deflate" => through(ZlibEncoder::new(Vec::new()), body).await.into_inner(),
        "br" => through(BrotliEncoder::new(Vec::new()), body).await.into_inner(),
        _ => through(GzipEncoder::new(Vec::new()), body).await.into_inner(),
    }
}

/// Headers that only concern the connection to the upstream go no further, whoever named them.
#[tokio::test]
async fn headers_of_the_connection_are_dropped() {
    let head = "HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\n\
                Proxy-Authenticate: Basic\r\nUpgrade: h2c\r\nTrailer: x-end\r\nX-Stays: 1\r\nX-Stays: 2";
    let upstream = Upstream::start(answer(head, b"ok")).await;
    let answer = open().call(get(upstream.url("/"))).await.expect("an answer");
    let stays = |value: &str| ("x-stays".to_owned(), value.to_owned());
    assert_eq!(answer.headers, [stays("1"), stays("2")]);
}

/// A live stream reaches the caller while it goes on, masked, and ends with the time allowed for the call.
#[tokio::test]
async fn a_stream_arrives_piece_by_piece_until_the_deadline() {
    let upstream = Upstream::start(Behaviour::Repeat(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n",
        b"data: tick of long-enough-key\n\n",
    ))
    .await;
    let mut call = with(
        upstream.url("/"),
        injection(CredentialKind::Bearer, "long-enough-key"),
    );
    call.timeout = Duration::from_millis(1500);
    let started = Instant::now();
    let mut answer = open().call(call).await.expect("an answer");
    let first = answer.body.chunk().await.expect("a piece").expect("a piece");
    assert!(
        started.elapsed() < Duration::from_millis(1200),
        "the first piece waited"
    );
    assert!(first.starts_with(b"data: tick of [credential]\n\n"), "{first:?}");
    let fault = loop {
        match answer.body.chunk().await {
            Ok(piece) => assert!(!piece.expect("no end").is_empty()),
            Err(fault) => break fault,
        }
    };
    assert_eq!(fault, BodyFault::TimedOut);
    assert!(started.elapsed() < Duration::from_secs(5));
}

async fn failure(egress: &Egress, call: OutboundCall) -> EgressError {
    egress.call(call).await.expect_err("no answer")
}

/// I3: what is refused before a connection is provably not sent, and says so.
#[tokio::test]
async fn what_is_refused_was_not_sent() {
    let upstream = Upstream::echo().await;
    let url = || upstream.url("/canary");
    let method = |method: &str| OutboundCall {
        method: method.to_owned(),
        ..get(url())
    };
    let header = |name: &str, value: &str| OutboundCall {
        headers: vec![(name.to_owned(), value.to_owned())],
        ..get(url())
    };
    let calls = [
        (method(""), "method"),
        (method("GET /x HTTP/1.1\r\nHost: elsewhere"), "method"),
        (method("CONNECT"), "method"),
        (method("connect"), "method"),
        (header("x-a", "1\r\nx-b: 2"), "header"),
        (header("x-a\r\nx-b", "2"), "header"),
        (header("Host", "elsewhere"), "header"),
        (header("Transfer-Encoding", "chunked"), "header"),
        (header("Content-Length", "0"), "header"),
        (header("Connection", "authorization"), "header"),
        (header("Proxy-Authorization", "x"), "header"),
        (get(format!("http://canary@{}/", upstream.address)), "userinfo"),
    ];
    for (call, code) in calls {
        let error = failure(&open(), call.clone()).await;
        assert!(!error.perhaps_sent(), "{call:?}");
        let EgressError::Refused(refusal) = &error else {
            panic!("{call:?}: {error}")
        };
        assert_eq!(refusal.code(), code, "{call:?}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
    assert_eq!(upstream.connections(), 0);
}

/// I3, I7: what broke after the connection stood was perhaps sent; the words for it show neither URL nor credential.
#[tokio::test]
async fn what_broke_off_was_perhaps_sent() {
    for behaviour in [Behaviour::Close, Behaviour::Reset(b""), Behaviour::Hold] {
        let upstream = Upstream::start(behaviour).await;
        for kind in kinds() {
            let mut call = with(upstream.url("/"), injection(kind, VALUE));
            call.timeout = Duration::from_millis(300);
            let error = failure(&open(), call).await;
            assert!(error.perhaps_sent(), "{error:?}");
            assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
        }
        assert_eq!(upstream.connections(), kinds().len(), "each call was made once");
    }
}

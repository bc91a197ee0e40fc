//! Protects I3, I7 and I12 against upstreams that break the protocol or never end: each is bounded in size or time, is
//! called once, and is told apart by whether it may have got the call. Everything here stays on 127.0.0.1.

mod common;

use std::time::{Duration, Instant};

use common::{Behaviour, Upstream, get, open};
use signoff_core::grant::CredentialKind;
use signoff_egress::{BodyEnd, BodyFault, Credential, EgressError, OutboundCall};

/// How much of a body is kept here, in bytes.
const KEPT_MAX: usize = 100_000;
/// What a call is given that must end because of its size.
const GENEROUS: Duration = Duration::from_secs(30);
/// What a call is given that can only end because of time.
const SHORT: Duration = Duration::from_millis(400);

/// How a call must end.
#[derive(Debug, PartialEq)]
enum End {
    /// Perhaps sent, and no answer.
    Perhaps,
    /// Perhaps sent, and no time left.
    TimedOut,
    /// This status, and so much of the body.
    Answer(u16, usize, BodyEnd),
}

async fn ends(behaviour: Behaviour, timeout: Duration, method: &str) -> End {
    let upstream = Upstream::start(behaviour).await;
    let credential = Credential::new(CredentialKind::Bearer, "canary-value".into()).expect("fits");
    let call = OutboundCall {
        method: method.to_owned(),
        credential: Some(credential.injection(None)),
        timeout,
        ..get(upstream.url("/canary"))
    };
    let end = match open().call(call).await {
        Ok(answer) => {
            let status = answer.status;
            let (body, end) = answer.body.keep(KEPT_MAX).await;
            End::Answer(status, body.len(), end)
        }
        Err(error) => {
            assert!(error.perhaps_sent(), "{error:?}");
            assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
            match error {
                EgressError::TimedOut { .. } => End::TimedOut,
                _ => End::Perhaps,
            }
        }
    };
    assert_eq!(upstream.connections(), 1, "called once");
    end
}

fn says(bytes: &[u8]) -> Behaviour {
    Behaviour::Answer(bytes.to_vec())
}

fn endless() -> Vec<(&'static str, Behaviour, End)> {
    const OK: &[u8] = b"HTTP/1.1 200 OK\r\n";
    let cut = || End::Answer(200, KEPT_MAX, BodyEnd::Cut);
    let many_headers = [OK, "x-many: 1\r\n".repeat(5000).as_bytes(), b"\r\n"].concat();
    let chunked: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let extension = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;ext=";
    let trailers = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n";
    let broken = || End::Answer(200, 0, BodyEnd::Broken);
    vec![
        (
            "headers for ever",
            Behaviour::Flood(OK, b"x-more: aaaaaaaaaaaaaaaaaaaaaaaa\r\n"),
            End::Perhaps,
        ),
        (
            "a header without end",
            Behaviour::Flood(b"HTTP/1.1 200 OK\r\nx-long: ", &[b'a'; 8192]),
            End::Perhaps,
        ),
        (
            "a name without end",
            Behaviour::Flood(OK, &[b'a'; 8192]),
            End::Perhaps,
        ),
        (
            "a status line without end",
            Behaviour::Flood(b"HTTP/1.1 200 ", &[b'a'; 8192]),
            End::Perhaps,
        ),
        ("too many headers", Behaviour::Answer(many_headers), End::Perhaps),
        (
            "nothing but line breaks",
            Behaviour::Flood(b"", b"\r\n\r\n\r\n\r\n"),
            End::Perhaps,
        ),
        (
            "a body without end",
            Behaviour::Flood(b"HTTP/1.1 200 OK\r\n\r\n", &[b'a'; 8192]),
            cut(),
        ),
        (
            "10 GiB",
            Behaviour::Flood(
                b"HTTP/1.1 200 OK\r\ncontent-length: 10737418240\r\n\r\n",
                &[b'a'; 8192],
            ),
            cut(),
        ),
        (
            "chunks without end",
            Behaviour::Flood(chunked, b"5\r\nhello\r\n"),
            cut(),
        ),
        (
            "a chunk extension without end",
            Behaviour::Flood(extension, &[b'a'; 8192]),
            broken(),
        ),
        (
            "trailers without end",
            Behaviour::Flood(trailers, b"x-more: aaaaaaaaaaaaaaaaaaaaaaaa\r\n"),
            broken(),
        ),
    ]
}

/// What never ends, or is larger than anybody needs, ends because of its size, long before its time is over.
#[tokio::test]
async fn what_is_too_large_is_cut_off() {
    for (what, behaviour, expected) in endless() {
        let started = Instant::now();
        assert_eq!(ends(behaviour, GENEROUS, "GET").await, expected, "{what}");
        assert!(
            started.elapsed() < GENEROUS / 3,
            "{what} took {:?}",
            started.elapsed()
        );
    }
}

/// What goes on in small steps ends with the time allowed for the whole call, not with that for a step.
#[tokio::test]
async fn what_drips_ends_with_the_deadline() {
    const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for (what, behaviour, status) in [
        ("nothing", Behaviour::Hold, None),
        (
            "a dripping header",
            Behaviour::Repeat(b"HTTP/1.1 200 OK\r\nx-a: ", b"a"),
            None,
        ),
        (
            "interim answers",
            Behaviour::Repeat(b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
            None,
        ),
        (
            "interim answers, fast",
            Behaviour::Flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
            None,
        ),
        (
            "early hints, fast",
            Behaviour::Flood(b"", b"HTTP/1.1 103 Hints\r\nlink: <x>\r\n\r\n"),
            None,
        ),
        (
            "a dripping body",
            Behaviour::Repeat(b"HTTP/1.1 503 No\r\n\r\n", b"a"),
            Some(503),
        ),
        (
            "dripping chunks",
            Behaviour::Repeat(CHUNKED, b"1\r\na\r\n"),
            Some(200),
        ),
        (
            "a body that holds",
            Behaviour::Repeat(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", b""),
            Some(200),
        ),
    ] {
        let started = Instant::now();
        let end = ends(behaviour, SHORT, "POST").await;
        let agrees = match (&end, status) {
            (End::TimedOut, None) => true,
            (End::Answer(seen, length, BodyEnd::Broken), Some(status)) => {
                *seen == status && *length < KEPT_MAX
            }
            _ => false,
        };
        assert!(agrees, "{what}: {end:?}");
        let took = started.elapsed();
        assert!(took >= SHORT && took < SHORT * 20, "{what} took {took:?}");
    }
}

const WRONG: &[(&str, &str, End)] = &[
    ("HTTP/0.9", "<html>hello</html>", End::Perhaps),
    ("another protocol", "SSH-2.0-OpenSSH_9.9\r\n", End::Perhaps),
    ("half a status line", "HTTP/1.1 20", End::Perhaps),
    ("no status", "HTTP/1.1 \r\n\r\n", End::Perhaps),
    ("a status of two digits", "HTTP/1.1 20 OK\r\n\r\n", End::Perhaps),
    ("status 0", "HTTP/1.1 000 Zero\r\n\r\n", End::Perhaps),
    ("half a head", "HTTP/1.1 200 OK\r\nx-half: ", End::Perhaps),
    (
        "a header without a colon",
        "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
        End::Perhaps,
    ),
    (
        "a zero byte in a header",
        "HTTP/1.1 200 OK\r\nx-a: a\0b\r\n\r\n",
        End::Perhaps,
    ),
    ("HTTP/2 unasked", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", End::Perhaps),
    (
        "a length that is none",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        End::Perhaps,
    ),
    (
        "two lengths",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        End::Perhaps,
    ),
    (
        "a short body",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nxyz",
        End::Answer(200, 3, BodyEnd::Broken),
    ),
    (
        "a chunk of no size",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nxyz\r\n0\r\n\r\n",
        End::Answer(200, 0, BodyEnd::Broken),
    ),
    (
        "a chunk past all sizes",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nxyz",
        End::Answer(200, 0, BodyEnd::Broken),
    ),
    (
        "a chunk longer than it says",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nxyz\r\n0\r\n\r\n",
        End::Answer(200, 1, BodyEnd::Broken),
    ),
    (
        "chunks without an end",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nxyz\r\n",
        End::Answer(200, 3, BodyEnd::Broken),
    ),
    (
        "a length and chunks: chunks are what it is (RFC 9112, 6.3)",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n",
        End::Answer(200, 3, BodyEnd::Whole),
    ),
    (
        "more than it says: the rest is no second answer",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\naHTTP/1.1 201 Created\r\n\r\n",
        End::Answer(200, 1, BodyEnd::Whole),
    ),
    (
        "a body where none can be",
        "HTTP/1.1 204 No\r\ncontent-length: 3\r\n\r\nxyz",
        End::Answer(204, 0, BodyEnd::Whole),
    ),
];

/// What is not HTTP, or says two things at once, is no answer, and was perhaps sent; what breaks behind the status has
/// that status for certain.
#[tokio::test]
async fn what_breaks_the_protocol_is_told_apart() {
    for (what, bytes, expected) in WRONG {
        assert_eq!(
            ends(says(bytes.as_bytes()), SHORT, "POST").await,
            *expected,
            "{what}"
        );
    }
    let head = says(b"HTTP/1.1 200 OK\r\ncontent-length: 10737418240\r\n\r\nxyz");
    assert_eq!(
        ends(head, SHORT, "HEAD").await,
        End::Answer(200, 0, BodyEnd::Whole)
    );
}

/// I3: a connection that is reset proves nothing about what was sent.
#[tokio::test]
async fn a_reset_is_perhaps_sent_and_a_known_status_survives_it() {
    assert_eq!(ends(Behaviour::Close, SHORT, "POST").await, End::Perhaps);
    assert_eq!(ends(Behaviour::Reset(b""), SHORT, "POST").await, End::Perhaps);
    let half_a_head = Behaviour::Reset(b"HTTP/1.1 200 OK\r\n");
    assert_eq!(ends(half_a_head, SHORT, "POST").await, End::Perhaps);
    let in_the_body = Behaviour::Reset(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nxyz");
    assert_eq!(
        ends(in_the_body, SHORT, "POST").await,
        End::Answer(200, 3, BodyEnd::Broken)
    );
}

/// An upgrade that nobody asked for opens no tunnel.
#[tokio::test]
async fn an_upgrade_that_nobody_asked_for_is_no_tunnel() {
    let switching = b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nxyz";
    let end = ends(says(switching), SHORT, "GET").await;
    assert!(
        matches!(end, End::Perhaps | End::Answer(101, 0, _)),
        "nothing behind the head is shown: {end:?}"
    );
}

/// I7: an upstream that breaks off in the middle of the credential shows no part of it either.
#[tokio::test]
async fn a_credential_that_is_broken_off_is_not_shown_in_part() {
    let upstream = Upstream::start(says(
        b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nyou sent canary-value, canary-val",
    ))
    .await;
    let credential = Credential::new(CredentialKind::Bearer, "canary-value".into()).expect("fits");
    let call = OutboundCall {
        credential: Some(credential.injection(None)),
        ..get(upstream.url("/"))
    };
    let mut answer = open().call(call).await.expect("an answer");
    let mut shown = Vec::new();
    let fault = loop {
        match answer.body.chunk().await {
            Ok(piece) => shown.extend_from_slice(&piece.expect("no end")),
            Err(fault) => break fault,
        }
    };
    assert_eq!(fault, BodyFault::Broken);
    assert_eq!(String::from_utf8_lossy(&shown), "you sent [credential], ");
}

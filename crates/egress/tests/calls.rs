//! Protects I3 and S3 on real sockets: each failure is told apart by whether the request may have left, and a
//! refused call opens no connection. Everything here stays on 127.0.0.1.

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::{Behaviour, Upstream, answer, get, open};
use signoff_egress::{
    BODY_KEPT_MAX, BodyEnd, Egress, EgressConfig, EgressError, EgressSetupError, OutboundCall,
    OutboundRequest,
};
use tokio::net::TcpListener;

fn shut() -> Egress {
    Egress::new(EgressConfig::default()).expect("a client")
}

fn request(url: String) -> OutboundRequest {
    OutboundRequest {
        url,
        headers: vec![
            ("content-type".into(), "text/plain".into()),
            ("x-mark".into(), "yes".into()),
        ],
        body: Bytes::from_static(b"  exact \xff bytes<end>"),
        timeout: Duration::from_millis(400),
    }
}

#[tokio::test]
async fn the_exact_bytes_arrive_and_the_answer_comes_back() {
    let mut upstream = Upstream::start(answer("HTTP/1.1 201 Created\r\nX-Place: here", b"done")).await;
    let response = open()
        .post(request(upstream.url("/a?b=c")))
        .await
        .expect("an answer");
    assert_eq!((response.status, &response.body[..]), (201, &b"done"[..]));
    assert_eq!(response.body_end, BodyEnd::Whole);
    assert_eq!(response.header("x-place"), Some("here"));

    let seen = upstream.seen.recv().await.expect("a request");
    let text = String::from_utf8_lossy(&seen);
    assert!(text.starts_with("POST /a?b=c HTTP/1.1\r\n"), "{text}");
    assert!(
        text.contains("\r\nx-mark: yes\r\n") && text.contains("\r\nuser-agent: signoff/"),
        "{text}"
    );
    assert!(seen.ends_with(b"\r\n\r\n  exact \xff bytes<end>"));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_never_followed() {
    let elsewhere = Upstream::start(answer("HTTP/1.1 200 OK", b"")).await;
    for status in [301, 302, 303, 307, 308] {
        let head = format!("HTTP/1.1 {status} Moved\r\nlocation: {}", elsewhere.url("/"));
        let upstream = Upstream::start(answer(&head, b"")).await;
        let response = open().post(request(upstream.url("/"))).await.expect("an answer");
        assert_eq!(response.status, status);
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_refused_address_is_never_connected_to() {
    let upstream = Upstream::start(answer("HTTP/1.1 200 OK", b"")).await;
    let port = upstream.address.port();
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "localhost",
        "localhost.",
        "[::ffff:127.0.0.1]",
    ] {
        let error = shut()
            .post(request(format!("http://{host}:{port}/")))
            .await
            .expect_err(host);
        // Not every system resolves a name with a trailing dot from its hosts file.
        let unresolved = host == "localhost." && matches!(error, EgressError::NotSent { .. });
        assert!(
            unresolved || matches!(error, EgressError::Refused(_)),
            "{host}: {error}"
        );
        assert!(!error.perhaps_sent());
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn an_opened_name_is_called() {
    let upstream = Upstream::start(answer("HTTP/1.1 204 No Content", b"")).await;
    let url = format!("http://localhost:{}/", upstream.address.port());
    assert_eq!(open().post(request(url)).await.expect("an answer").status, 204);
}

#[tokio::test]
async fn what_cannot_connect_was_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let free = listener.local_addr().expect("bound");
    drop(listener);
    let plain = Upstream::start(answer("HTTP/1.1 200 OK", b"")).await;
    for url in [
        format!("http://{free}/canary"),
        format!("https://{}/canary", plain.address), // no TLS there
    ] {
        let error = open().post(request(url.clone())).await.expect_err(&url);
        assert!(matches!(error, EgressError::NotSent { .. }), "{url}: {error:?}");
        assert!(!error.perhaps_sent());
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}

/// Time that ran out while the name was resolved, or while TLS was being agreed, has sent nothing.
#[tokio::test]
async fn running_out_of_time_before_a_connection_stood_was_not_sent() {
    let silent = Upstream::start(Behaviour::Hold).await;
    let error = open()
        .post(request(format!("https://{}/", silent.address)))
        .await
        .expect_err("no TLS");
    assert_eq!(error, EgressError::TimedOut { perhaps_sent: false });

    let unknown = open()
        .post(request("http://name-that-does-not-exist.invalid/canary".into()))
        .await;
    assert!(!unknown.expect_err("reserved for not existing").perhaps_sent());
}

#[tokio::test]
async fn a_connection_that_breaks_was_perhaps_sent_and_is_not_tried_again() {
    for behaviour in [
        Behaviour::Close,
        Behaviour::Answer(b"no status line, as in HTTP/0.9".to_vec()),
        Behaviour::Answer(b"HTTP/1.1 200 OK\r\nx-half: ".to_vec()),
        Behaviour::Repeat(b"HTTP/1.1 200 OK\r\nx-endless: ", &[b'a'; 8192]),
    ] {
        let upstream = Upstream::start(behaviour).await;
        let error = open()
            .post(request(upstream.url("/canary")))
            .await
            .expect_err("no answer");
        assert!(error.perhaps_sent(), "{error:?}");
        assert!(!error.to_string().contains("canary"), "{error}");
        assert_eq!(upstream.connections(), 1);
    }
}

#[tokio::test]
async fn silence_and_endless_interim_answers_run_out_of_time() {
    for behaviour in [
        Behaviour::Hold,
        Behaviour::Repeat(b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
    ] {
        let upstream = Upstream::start(behaviour).await;
        let error = open()
            .post(request(upstream.url("/")))
            .await
            .expect_err("no answer");
        assert!(error.perhaps_sent(), "{error:?}");
    }
}

#[tokio::test]
async fn a_body_is_bounded_and_a_known_status_survives_a_broken_one() {
    let exact = Upstream::start(answer("HTTP/1.1 200 OK", &vec![b'a'; BODY_KEPT_MAX])).await;
    let response = open().post(request(exact.url("/"))).await.expect("an answer");
    assert_eq!(
        (response.body.len(), response.body_end),
        (BODY_KEPT_MAX, BodyEnd::Whole)
    );

    let long = Upstream::start(answer("HTTP/1.1 200 OK", &vec![b'a'; BODY_KEPT_MAX + 1])).await;
    let response = open().post(request(long.url("/"))).await.expect("an answer");
    assert_eq!(
        (response.body.len(), response.body_end),
        (BODY_KEPT_MAX, BodyEnd::Cut)
    );

    let endless = Upstream::start(Behaviour::Repeat(b"HTTP/1.1 200 OK\r\n\r\n", &[b'a'; 8192])).await;
    let response = open().post(request(endless.url("/"))).await.expect("an answer");
    assert_eq!(
        (response.body.len(), response.body_end),
        (BODY_KEPT_MAX, BodyEnd::Cut)
    );

    let slow = Upstream::start(Behaviour::Repeat(b"HTTP/1.1 500 Oops\r\n\r\n", b"a")).await;
    let response = open().post(request(slow.url("/"))).await.expect("an answer");
    assert_eq!((response.status, response.body_end), (500, BodyEnd::Broken));

    let lying = Upstream::start(Behaviour::Answer(
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc".into(),
    ))
    .await;
    let response = open().post(request(lying.url("/"))).await.expect("an answer");
    assert_eq!(
        (&response.body[..], response.body_end),
        (&b"abc"[..], BodyEnd::Broken)
    );
}

/// An upstream that would go on is not asked to: one that leaves a body unread would take it for the next request, with the
/// next agent's credential behind it.
#[tokio::test]
async fn every_call_has_its_own_connection() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let upstream = Upstream::start(Behaviour::KeepOpen(answer)).await;
    let egress = open();
    for (before, method) in ["GET", "GET", "POST", "GET", "POST"].into_iter().enumerate() {
        let call = OutboundCall {
            method: method.into(),
            body: Bytes::from_static(b"POST /pay HTTP/1.1\r\nhost: x\r\nx: "),
            ..get(upstream.url("/"))
        };
        let answer = egress.call(call).await.expect("an answer");
        let (body, end) = answer.body.keep(9).await;
        assert_eq!((&body[..], end), (&b"ok"[..], BodyEnd::Whole));
        assert_eq!(upstream.connections(), before + 1);
    }
}

/// A resolver that says nothing keeps a call from being made, and the call was not sent.
#[tokio::test]
async fn a_silent_resolver_is_not_sent() {
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let egress = Egress::new(EgressConfig {
        resolver: Some(silent.local_addr().expect("bound")),
        ..EgressConfig::default()
    })
    .expect("a client");
    let error = egress
        .post(request("http://hooks.example/canary".into()))
        .await
        .expect_err("no address");
    assert_eq!(error, EgressError::TimedOut { perhaps_sent: false });
}

/// A resolver that could never answer is refused at start, so that nobody relies on it in vain.
#[test]
fn a_resolver_without_a_port_is_refused() {
    let with_port = |port| EgressConfig {
        resolver: Some(([127, 0, 0, 1], port).into()),
        ..EgressConfig::default()
    };
    assert!(matches!(
        Egress::new(with_port(0)).expect_err("refused"),
        EgressSetupError::Resolver(_)
    ));
    assert!(Egress::new(with_port(53)).is_ok());
}

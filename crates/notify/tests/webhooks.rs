//! Protects R12 and S11 at the sender: what leaves is verifiable by the published library, byte for byte, and
//! the receiver's answer decides what comes next. Everything here stays on 127.0.0.1.

use std::collections::HashMap;
use std::net::SocketAddr;

use jiff::Timestamp;
use proptest::prelude::*;
use signoff_egress::{Egress, EgressConfig};
use signoff_notify::{
    Content, DeliveryOutcome, Destination, Message, Notice, Signing, Template, Transport,
    Webhook as Endpoint, WebhookSecret, deliver, sign,
};
use standardwebhooks::Webhook;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const NOW: i64 = 1_795_222_923;

fn secret(fill: u8) -> WebhookSecret {
    WebhookSecret::from_bytes(&[fill; 32]).expect("a secret")
}

/// The published library's own signature over the same message.
fn oracle(secret: &WebhookSecret, id: &str, timestamp: i64, body: &[u8]) -> String {
    Webhook::new(&secret.to_text())
        .expect("a secret")
        .sign(id, timestamp, body)
        .expect("a signature")
}

proptest! {
    #[test]
    fn signatures_agree_with_the_published_library(
        key in prop::collection::vec(any::<u8>(), 24..=64),
        other in prop::collection::vec(any::<u8>(), 24..=64),
        id in "[a-z]{3}_[0-9a-f]{32}",
        timestamp in 0..i64::from(u32::MAX),
        body in "\\PC{0,200}",
    ) {
        let secrets = [key, other].map(|bytes| WebhookSecret::from_bytes(&bytes).expect("a secret"));
        let expected: Vec<String> =
            secrets.iter().map(|secret| oracle(secret, &id, timestamp, body.as_bytes())).collect();
        let signed = sign(&secrets, None, &id, timestamp, body.as_bytes());
        prop_assert_eq!(&signed.signature, &expected.join(" "));
        prop_assert_eq!(sign(&secrets[..1], None, &id, timestamp, body.as_bytes()).signature, expected[0].clone());
    }
}

/// Answers one request with this head, and hands back what it read.
async fn receiver(head: &'static str) -> (SocketAddr, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let reading = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut request = Vec::new();
        while !request.ends_with(b"}") {
            assert_ne!(stream.read_buf(&mut request).await.expect("a request"), 0);
        }
        let answer = format!("{head}\r\ncontent-length: 0\r\n\r\n");
        stream
            .write_all(answer.as_bytes())
            .await
            .expect("an open connection");
        request
    });
    (address, reading)
}

fn egress(allow: &[&str]) -> Egress {
    let allow = allow
        .iter()
        .map(|range| range.parse().expect("a range"))
        .collect();
    Egress::new(EgressConfig {
        allow,
        ..EgressConfig::default()
    })
    .expect("a client")
}

fn endpoint(address: SocketAddr) -> Transport {
    Transport::Webhook(Endpoint {
        url: format!("http://{address}/hook/canary"),
        signing: Signing {
            secrets: [1, 2].map(|fill| secret(fill).to_text().to_string()).into(),
            ..Signing::default()
        },
        template: Template::Standard,
    })
}

fn message() -> Message {
    Message {
        id: "evt_01".into(),
        to: Destination::Channel,
        content: Content::Notice(Notice {
            title: "ä ✓".into(),
            text: "A test.".into(),
            url: "https://signoff.example/".into(),
            event_type: "channel.test".into(),
            occurred_at: "2026-11-21T01:02:03.000000Z".into(),
        }),
        thread: None,
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(NOW).expect("a time")
}

async fn attempt(head: &'static str) -> DeliveryOutcome {
    let (address, reading) = receiver(head).await;
    let outcome = deliver(&egress(&["127.0.0.0/8"]), &endpoint(address), &message(), now()).await;
    reading.await.expect("the receiver read it");
    outcome
}

#[tokio::test]
async fn a_delivered_message_verifies_at_the_receiver_with_either_secret() {
    let (address, reading) = receiver("HTTP/1.1 204 No Content").await;
    let egress = egress(&["127.0.0.0/8"]);
    let outcome = deliver(&egress, &endpoint(address), &message(), now()).await;
    let delivered = DeliveryOutcome::Delivered {
        status: 204,
        reference: None,
    };
    assert_eq!(outcome, delivered);

    let request = reading.await.expect("the receiver read it");
    let end = request
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .expect("a head");
    let head = std::str::from_utf8(&request[..end]).expect("text");
    let body = &request[end + 4..];
    let said: serde_json::Value = serde_json::from_slice(body).expect("JSON");
    assert_eq!(
        (said["type"].as_str(), said["data"]["title"].as_str()),
        (Some("channel.test"), Some("ä ✓"))
    );
    let headers: HashMap<&str, &str> = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .collect();
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(
        (headers["webhook-id"], headers["webhook-timestamp"]),
        ("evt_01", "1795222923")
    );
    let signatures: Vec<&str> = headers["webhook-signature"].split(' ').collect();
    let expected = [secret(1), secret(2)].map(|secret| oracle(&secret, "evt_01", NOW, body));
    assert_eq!(signatures, expected);
}

#[tokio::test]
async fn the_answer_decides_what_comes_next() {
    let retry = |after: Option<u64>, code: u16| (after, Some(code));
    for (head, expected) in [
        (
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/",
            retry(None, 302),
        ),
        ("HTTP/1.1 400 Bad Request\r\nretry-after: 9", retry(None, 400)),
        (
            "HTTP/1.1 429 Too Many Requests\r\nretry-after: 9",
            retry(Some(9), 429),
        ),
        (
            "HTTP/1.1 503 Service Unavailable\r\nretry-after: 999999",
            retry(Some(86_400), 503),
        ),
        ("HTTP/1.1 500 Internal Server Error", retry(None, 500)),
    ] {
        match attempt(head).await {
            DeliveryOutcome::Retry { after, status, .. } => {
                assert_eq!((after.map(|after| after.as_secs()), status), expected, "{head}");
            }
            other => panic!("{head}: {other:?}"),
        }
    }
    assert!(matches!(
        attempt("HTTP/1.1 410 Gone").await,
        DeliveryOutcome::Gone {
            status: Some(410),
            ..
        }
    ));
}

#[tokio::test]
async fn a_private_receiver_is_refused_unless_opened_and_an_absent_one_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let refused = deliver(&egress(&[]), &endpoint(address), &message(), now()).await;
    let DeliveryOutcome::Refused { reason } = refused else {
        panic!("{refused:?}")
    };
    let absent = deliver(&egress(&["127.0.0.0/8"]), &endpoint(address), &message(), now()).await;
    let DeliveryOutcome::Retry {
        after: None,
        status: None,
        detail,
    } = absent
    else {
        panic!("{absent:?}")
    };
    for text in [reason, detail, format!("{:?}", endpoint(address))] {
        assert!(!text.contains("canary"), "{text}");
    }
}

//! What leaves for Teams, PagerDuty, Twilio and ntfy, and what their answers mean. Everything here stays on 127.0.0.1.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use signoff_egress::{Egress, EgressConfig};
use signoff_notify::{
    Content, DeliveryOutcome, Destination, Digest, Hook, Message, PagerDuty, Push, Recipient, Sms,
    ToldWorkspace, Transport, deliver,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Answers each request with this, and hands back what it read: head and body.
async fn receiver(answer: &'static str) -> (SocketAddr, JoinHandle<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let reading = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut request = Vec::new();
        loop {
            assert_ne!(stream.read_buf(&mut request).await.expect("a request"), 0);
            let text = String::from_utf8_lossy(&request).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.and_then(|length| length.parse().ok()).expect("a length");
            if body.len() == length {
                stream
                    .write_all(answer.as_bytes())
                    .await
                    .expect("an open connection");
                return (head.to_owned(), body.to_owned());
            }
        }
    });
    (address, reading)
}

fn egress() -> Egress {
    Egress::new(EgressConfig {
        allow: vec!["127.0.0.0/8".parse().expect("a range")],
        ..EgressConfig::default()
    })
    .expect("a client")
}

fn digest(to: Destination) -> Message {
    Message {
        id: "evt_01".into(),
        to,
        content: Content::Digest(Digest {
            workspace: ToldWorkspace {
                id: "ws_01".into(),
                name: "default".into(),
            },
            inbox_url: "https://signoff.example/inbox".into(),
            items: Vec::new(),
            count: 3,
            pending: 3,
            waiting: 3,
            over: Vec::new(),
        }),
        thread: None,
    }
}

fn person(address: &str) -> Destination {
    Destination::Person(Recipient {
        name: "Dana".into(),
        address: address.into(),
    })
}

const KINDS: [&str; 4] = ["teams", "pagerduty", "sms", "push"];

fn transport(kind: &str, address: SocketAddr) -> Transport {
    let url = format!("http://{address}");
    match kind {
        "teams" => Transport::Teams(Hook {
            url: format!("{url}/workflows/canary?sig=canary"),
        }),
        "pagerduty" => Transport::Pagerduty(PagerDuty {
            routing_key: "canary0123456789".into(),
            url: format!("{url}/v2/enqueue"),
        }),
        "sms" => Transport::Sms(Sms {
            account_sid: "AC01".into(),
            auth_token: "canary-token".into(),
            from: "MG01".into(),
            to: vec!["+15551234567".into()],
            api_url: format!("{url}/"),
        }),
        _ => Transport::Push(Push {
            url,
            topic: Some("ops".into()),
            token: Some("tk_canary".into()),
        }),
    }
}

async fn attempt(kind: &str, answer: &'static str, to: Destination) -> (DeliveryOutcome, String, String) {
    let (address, reading) = receiver(answer).await;
    let now = Timestamp::from_second(1_795_222_923).expect("a time");
    let outcome = deliver(&egress(), &transport(kind, address), &digest(to), now).await;
    let (head, body) = reading.await.expect("the receiver read it");
    (outcome, head, body)
}

#[tokio::test]
async fn each_is_spoken_to_as_its_api_wants_it() {
    let ok = "HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}";
    for (kind, line, header, within) in [
        (
            "teams",
            "POST /workflows/canary?sig=canary ",
            "content-type: application/json",
            "AdaptiveCard",
        ),
        (
            "pagerduty",
            "POST /v2/enqueue ",
            "content-type: application/json",
            r#""dedup_key":"signoff-digest-ws_01""#,
        ),
        (
            "sms",
            "POST /2010-04-01/Accounts/AC01/Messages.json ",
            "authorization: Basic QUMwMTpjYW5hcnktdG9rZW4=",
            "To=%2B15551234567&MessagingServiceSid=MG01&Body=3+approvals+wait",
        ),
        (
            "push",
            "POST / ",
            "authorization: Bearer tk_canary",
            r#""topic":"ops""#,
        ),
    ] {
        let (outcome, head, body) = attempt(kind, ok, Destination::Channel).await;
        assert!(
            matches!(outcome, DeliveryOutcome::Delivered { status: 202, .. }),
            "{kind}: {outcome:?}"
        );
        assert!(head.starts_with(line) && head.contains(header), "{kind}: {head}");
        assert!(body.contains(within), "{kind}: {body}");
    }
}

#[tokio::test]
async fn people_are_reached_at_their_own_address() {
    let ok = "HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n";
    let (_, _, body) = attempt("sms", ok, person("+4915112345678")).await;
    assert!(body.starts_with("To=%2B4915112345678&"), "{body}");
    let (_, _, body) = attempt("push", ok, person("dana-7f3")).await;
    assert!(body.contains(r#""topic":"dana-7f3""#), "{body}");

    let nowhere: SocketAddr = "127.0.0.1:9".parse().expect("an address");
    let now = Timestamp::from_second(1_795_222_923).expect("a time");
    for (kind, bad) in [("sms", "0555&To=1"), ("push", "a/b")] {
        let outcome = deliver(&egress(), &transport(kind, nowhere), &digest(person(bad)), now).await;
        assert!(
            matches!(outcome, DeliveryOutcome::Rejected { .. }),
            "{kind}: {outcome:?}"
        );
    }
}

/// The status decides; what is said besides shows neither URL nor secret, nor the vendor's own words.
#[tokio::test]
async fn the_answer_decides_what_comes_next() {
    let answers = [
        (400, "HTTP/1.1 400 Bad Request\r\ncontent-length: 6\r\n\r\ncanary"),
        (
            401,
            "HTTP/1.1 401 Unauthorized\r\ncontent-length: 6\r\n\r\ncanary",
        ),
        (404, "HTTP/1.1 404 Not Found\r\ncontent-length: 6\r\n\r\ncanary"),
        (410, "HTTP/1.1 410 Gone\r\ncontent-length: 6\r\n\r\ncanary"),
        (
            429,
            "HTTP/1.1 429 Too Many Requests\r\nretry-after: 9\r\ncontent-length: 6\r\n\r\ncanary",
        ),
        (
            302,
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/canary\r\ncontent-length: 0\r\n\r\n",
        ),
        (
            500,
            "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 6\r\n\r\ncanary",
        ),
    ];
    for kind in KINDS {
        for (status, answer) in answers {
            let (outcome, _, _) = attempt(kind, answer, Destination::Channel).await;
            let asked = (status == 429).then_some(Duration::from_secs(9));
            let fits = match &outcome {
                DeliveryOutcome::Rejected { .. } => status == 400,
                DeliveryOutcome::Gone { .. } => status == 410,
                DeliveryOutcome::Retry {
                    after,
                    status: Some(saw),
                    ..
                } => *saw == status && !matches!(status, 400 | 410) && *after == asked,
                _ => false,
            };
            assert!(fits, "{kind} {status}: {outcome:?}");
            assert!(
                !format!("{outcome:?}").contains("canary"),
                "{kind} {status}: {outcome:?}"
            );
        }
    }
}

#[tokio::test]
async fn what_a_vendor_means_otherwise_is_known() {
    let switched_off = "HTTP/1.1 400 Bad Request\r\ncontent-length: 50\r\n\r\n{\"error\":{\"code\":\"WorkflowTriggerIsNotEnabled\"}}  ";
    let (outcome, _, _) = attempt("teams", switched_off, Destination::Channel).await;
    assert!(
        matches!(&outcome, DeliveryOutcome::Retry { detail, .. } if detail.contains("switch it on")),
        "{outcome:?}"
    );
    let busy = "HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n";
    let (outcome, _, _) = attempt("pagerduty", busy, Destination::Channel).await;
    assert!(
        matches!(&outcome, DeliveryOutcome::Retry { after: Some(after), .. } if after.as_secs() == 60),
        "{outcome:?}"
    );
}

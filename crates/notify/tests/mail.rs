//! Mail as a server sees it: what is said to it, and what its answers mean. TLS, and a server that others wrote, are in
//! `tests/channels`. Everything here stays on 127.0.0.1.

use std::net::SocketAddr;

use jiff::Timestamp;
use signoff_egress::{Egress, EgressConfig};
use signoff_notify::{
    Content, DeliveryOutcome, Destination, Email, Message, Notice, Recipient, SmtpSecurity, Transport,
    deliver,
};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A server that answers each line by the first rule whose beginning fits, and hands back what it was told.
async fn server(
    greeting: &'static str,
    rules: &[(&'static str, &'static str)],
) -> (SocketAddr, JoinHandle<Vec<String>>) {
    let rules = rules.to_vec();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let reading = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut stream = BufReader::new(stream);
        let mut said = Vec::new();
        stream
            .write_all(greeting.as_bytes())
            .await
            .expect("an open connection");
        let (mut line, mut in_data) = (String::new(), false);
        while stream.read_line(&mut line).await.is_ok_and(|count| count > 0) {
            said.push(line.trim_end_matches("\r\n").to_owned());
            let last = said.last().map(String::as_str).unwrap_or_default();
            if in_data && last != "." {
                line.clear();
                continue;
            }
            let key = if in_data { "." } else { last };
            let usual = [
                (
                    "EHLO",
                    "250-mail.example.org\r\n250-SIZE 1000000\r\n250 8BITMIME\r\n",
                ),
                ("DATA", "354 go on\r\n"),
                ("QUIT", "221 bye\r\n"),
                ("", "250 2.0.0 ok\r\n"),
            ];
            let answer = rules
                .iter()
                .chain(&usual)
                .find(|(begins, _)| key.starts_with(begins));
            let answer = answer.map(|(_, answer)| *answer).unwrap_or_default();
            in_data = key == "DATA" && answer.starts_with("354");
            if stream.write_all(answer.as_bytes()).await.is_err() {
                break;
            }
            line.clear();
        }
        said
    });
    (address, reading)
}

fn egress(allow: &str) -> Egress {
    let allow = allow.split(' ').filter_map(|range| range.parse().ok()).collect();
    Egress::new(EgressConfig {
        allow,
        ..EgressConfig::default()
    })
    .expect("a client")
}

fn channel(address: SocketAddr, security: SmtpSecurity) -> Email {
    Email {
        host: "127.0.0.1".into(),
        port: address.port(),
        security,
        username: None,
        password: None,
        from: "Signoff <signoff@example.org>".into(),
        to: vec!["ops@example.org".into(), "night@example.org".into()],
    }
}

fn message(to: Destination) -> Message {
    Message {
        id: "evt_01".into(),
        to,
        content: Content::Notice(Notice {
            title: "A test".into(),
            text: ".\r\n.\r\nMAIL FROM:<eve@evil.com>\r\n..two\r\n.".into(),
            url: "https://signoff.example/".into(),
            event_type: "channel.test".into(),
            occurred_at: "2026-11-21T01:02:03.000000Z".into(),
        }),
        thread: None,
    }
}

fn dana() -> Destination {
    Destination::Person(Recipient {
        name: "Dana".into(),
        address: "dana@example.org".into(),
    })
}

async fn attempt(
    greeting: &'static str,
    rules: &[(&'static str, &'static str)],
    to: Destination,
    security: SmtpSecurity,
) -> (DeliveryOutcome, Vec<String>) {
    let (address, reading) = server(greeting, rules).await;
    let transport = Transport::Email(channel(address, security));
    let now = Timestamp::from_second(1_795_222_923).expect("a time");
    let outcome = deliver(&egress("127.0.0.0/8"), &transport, &message(to), now).await;
    (outcome, reading.await.expect("the server went on"))
}

const READY: &str = "220 mail.example.org ready\r\n";

#[tokio::test]
async fn one_mail_goes_to_every_mailbox_of_the_channel() {
    let (outcome, said) = attempt(READY, &[], Destination::Channel, SmtpSecurity::None).await;
    let delivered = DeliveryOutcome::Delivered {
        status: 250,
        reference: Some("<evt_01@example.org>".into()),
    };
    assert_eq!(outcome, delivered);
    assert_eq!(
        said[..5],
        [
            "EHLO [127.0.0.1]",
            "MAIL FROM:<signoff@example.org>",
            "RCPT TO:<ops@example.org>",
            "RCPT TO:<night@example.org>",
            "DATA"
        ]
    );
    // Lines that begin with a full stop get another: the text ends where the mail does, and says no command.
    assert_eq!(said.iter().filter(|line| *line == ".").count(), 1);
    assert_eq!(said.last().map(String::as_str), Some("QUIT"));
    assert!(said.contains(&"...two".to_owned()), "{said:#?}");
}

#[tokio::test]
async fn a_mailbox_that_is_refused_does_not_keep_it_from_the_others() {
    let gone = [("RCPT TO:<ops@", "550 5.1.1 who?\r\n")];
    let (outcome, said) = attempt(READY, &gone, Destination::Channel, SmtpSecurity::None).await;
    assert!(
        matches!(outcome, DeliveryOutcome::Delivered { .. }),
        "{outcome:?}"
    );
    assert!(said.contains(&"DATA".to_owned()));
}

#[tokio::test]
async fn the_answer_decides_what_comes_next() {
    // What is asked, what is answered, whether it is for good, and what is said about it.
    let cases = [
        (
            "RCPT",
            "550 5.1.1 canary\r\n",
            true,
            "refuses the address (550 5.1.1, there is no such mailbox)",
        ),
        ("RCPT", "554 5.7.1 canary\r\n", true, "its rules forbid it"),
        (
            "RCPT",
            "450 4.2.0 canary\r\n",
            false,
            "does not take the address now (450 4.2.0)",
        ),
        (
            "RCPT",
            "530 5.7.0 canary\r\n",
            false,
            "wants a user name and password",
        ),
        (
            "MAIL",
            "553 5.7.1 canary\r\n",
            false,
            "does not take mail from the channel's `from`",
        ),
        ("MAIL", "421 4.3.2 canary\r\n", false, "421"),
        ("DATA", "554 canary\r\n", true, "refuses the message (554)"),
        (
            ".",
            "552 5.3.4 canary\r\n",
            true,
            "refuses the message (552 5.3.4, it is too large)",
        ),
        (
            ".",
            "451 4.3.0 canary\r\n",
            false,
            "does not take the message now",
        ),
        ("EHLO", "502 canary\r\n", false, "does not talk to us (502)"),
        ("MAIL", "HTTP/1.1 400 canary\r\n", false, "speaks no SMTP"),
    ];
    for (asked, answer, for_good, words) in cases {
        let (outcome, _) = attempt(READY, &[(asked, answer)], dana(), SmtpSecurity::None).await;
        let (saw, detail) = match &outcome {
            DeliveryOutcome::Rejected { detail, .. } => (true, detail),
            DeliveryOutcome::Retry { detail, .. } => (false, detail),
            other => panic!("{asked} {answer}: {other:?}"),
        };
        assert_eq!(saw, for_good, "{asked} {answer}: {outcome:?}");
        assert!(detail.contains(words), "{asked} {answer}: {detail}");
        // A server may say back what it was told: its words go no further.
        assert!(!detail.contains("canary"), "{detail}");
    }
    for (greeting, words) in [
        ("554 canary\r\n", "does not talk to us (554)"),
        ("HTTP/1.1 200 OK\r\n\r\n", "speaks no SMTP"),
    ] {
        let (outcome, said) = attempt(greeting, &[], dana(), SmtpSecurity::None).await;
        assert!(
            matches!(&outcome, DeliveryOutcome::Retry { detail, .. } if detail.contains(words)),
            "{outcome:?}"
        );
        assert!(!said.iter().any(|line| line.starts_with("MAIL")), "{said:?}");
    }
}

/// Somebody in between can hide that a server has STARTTLS, refuse it in its name, or say more than it was asked. None of
/// it brings a message, or a password, into the clear.
#[tokio::test]
async fn without_tls_nothing_is_said() {
    let endless: &'static str = Box::leak("250-more\r\n".repeat(2000).into_boxed_str());
    let offers = ("EHLO", "250-mail.example.org\r\n250 STARTTLS\r\n");
    let cases: [(&[(&str, &str)], &str); 6] = [
        (&[], "offers no STARTTLS"),
        (
            &[("EHLO", "250-mail.example.org\r\n250 XSTARTTLS\r\n")],
            "offers no STARTTLS",
        ),
        (&[offers, ("STARTTLS", "502 5.5.1 no\r\n")], "offers no STARTTLS"),
        (
            &[offers, ("STARTTLS", "454 4.7.0 later\r\n")],
            "does not talk to us (454 4.7.0)",
        ),
        // A greeting for afterwards, said in the clear, is no TLS.
        (
            &[offers, ("STARTTLS", "220 go on\r\n250 2.0.0 ok\r\n")],
            "TLS was not agreed",
        ),
        (&[("EHLO", endless)], "too long"),
    ];
    for (rules, words) in cases {
        let (address, reading) = server(READY, rules).await;
        let mut email = channel(address, SmtpSecurity::Starttls);
        email.username = Some("signoff".into());
        email.password = Some("canary".into());
        let now = Timestamp::from_second(1_795_222_923).expect("a time");
        let outcome = deliver(
            &egress("127.0.0.0/8"),
            &Transport::Email(email),
            &message(dana()),
            now,
        )
        .await;
        assert!(
            matches!(&outcome, DeliveryOutcome::Retry { detail, .. } if detail.contains(words)),
            "{words}: {outcome:?}"
        );
        let said = reading.await.expect("the server went on").join("\n");
        for absent in ["AUTH", "MAIL", "RCPT", "canary"] {
            assert!(!said.contains(absent), "{words}: {said}");
        }
    }
}

#[tokio::test]
async fn a_password_is_not_said_in_the_clear() {
    let (address, reading) = server(READY, &[("EHLO", "250-mail\r\n250 AUTH PLAIN LOGIN\r\n")]).await;
    let mut email = channel(address, SmtpSecurity::None);
    email.username = Some("signoff".into());
    email.password = Some("canary".into());
    let now = Timestamp::from_second(1_795_222_923).expect("a time");
    let outcome = deliver(
        &egress("127.0.0.0/8"),
        &Transport::Email(email),
        &message(dana()),
        now,
    )
    .await;
    assert!(
        matches!(&outcome, DeliveryOutcome::Retry { detail, .. } if detail.contains("without TLS")),
        "{outcome:?}"
    );
    let said = reading.await.expect("the server went on");
    assert!(!said.iter().any(|line| line.starts_with("AUTH")), "{said:?}");
}

/// Each spelling of an address that was not opened is refused before anything is connected to.
#[tokio::test]
async fn a_private_mail_server_is_refused_unless_opened() {
    let (address, _reading) = server(READY, &[]).await;
    let now = Timestamp::from_second(1_795_222_923).expect("a time");
    for host in [
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "2130706433",
        "localhost",
        "[::1]",
        "::ffff:127.0.0.1",
    ] {
        let mut email = channel(address, SmtpSecurity::None);
        email.host = host.into();
        let outcome = deliver(&egress(""), &Transport::Email(email), &message(dana()), now).await;
        assert!(
            matches!(&outcome, DeliveryOutcome::Refused { .. }),
            "{host}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_rejected_before_anything_is_sent() {
    let (address, _reading) = server(READY, &[]).await;
    let now = Timestamp::from_second(1_795_222_923).expect("a time");
    for bad in [
        "",
        "dana",
        "dana@example.org>\r\nRCPT TO:<eve@evil.com",
        "dana@exämple.org ",
    ] {
        let to = Destination::Person(Recipient {
            name: "Dana".into(),
            address: bad.into(),
        });
        let transport = Transport::Email(channel(address, SmtpSecurity::None));
        let outcome = deliver(&egress("127.0.0.0/8"), &transport, &message(to), now).await;
        assert!(
            matches!(&outcome, DeliveryOutcome::Rejected { .. }),
            "{bad}: {outcome:?}"
        );
    }
}

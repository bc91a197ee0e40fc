//! Protects I3 and I7 over TLS and HTTP/2: a server that can't say who it is gets nothing, and what HTTP/2 has of its own
//! shows the credential no more than the rest. In the namespace, because names and certificates of tests need it.

mod common;

use std::io::Write as _;
use std::time::Duration;

use common::dns::{DnsServer, Entry};
use common::get;
use common::namespace::in_namespace;
use common::tls::{Stream, TlsServer, frame, literal};
use signoff_core::grant::CredentialKind;
use signoff_egress::{Answer, BodyEnd, Credential, Egress, EgressConfig, EgressError, OutboundCall};

const GOOD: &[u8] = include_bytes!("data/good.pem");
const EXPIRED: &[u8] = include_bytes!("data/expired.pem");
const SELF_SIGNED: &[u8] = include_bytes!("data/self_signed.pem");

const PLAIN: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

async fn client() -> Egress {
    let at = "10.1.2.3".parse().expect("literal");
    let zone = move |_: &str, _| Some(vec![Entry::Address(at)]);
    let dns = DnsServer::start(std::sync::Arc::new(zone)).await;
    let allow = vec!["10.0.0.0/8".parse().expect("a range")];
    let egress = Egress::new(EgressConfig {
        allow,
        resolver: Some(dns.address),
        ..EgressConfig::default()
    })
    .expect("a client");
    assert!(egress.has_tls_roots());
    egress
}

async fn called(egress: &Egress, host: &str, server: &TlsServer) -> Result<Answer, EgressError> {
    let credential = Credential::new(CredentialKind::Bearer, "canary-value".into()).expect("fits");
    let call = OutboundCall {
        credential: Some(credential.injection(None)),
        timeout: Duration::from_secs(2),
        ..get(format!("https://{host}:{}/x", server.address.port()))
    };
    egress.call(call).await
}

fn says(answer: &'static [u8]) -> impl Fn(&mut Stream) + Send + 'static {
    move |stream| {
        let _ = stream.write_all(answer);
    }
}

/// I3, I7: a server that is not who it should be gets no byte of the call, and the call was provably not sent.
#[test]
fn a_server_that_can_not_say_who_it_is_gets_nothing() {
    in_namespace("a_server_that_can_not_say_who_it_is_gets_nothing", async {
        let egress = client().await;
        for (what, host, certificate, protocols) in [
            ("another name", "other.example", GOOD, &[][..]),
            ("another name below", "sub.good.example", GOOD, &[]),
            ("an address", "10.1.2.3", GOOD, &[]),
            ("expired", "good.example", EXPIRED, &[]),
            ("self-signed", "good.example", SELF_SIGNED, &[]),
            ("a protocol nobody offered", "good.example", GOOD, &["smtp"]),
        ] {
            let server = TlsServer::start("10.1.2.3:0", certificate, protocols, says(PLAIN));
            let error = called(&egress, host, &server).await.expect_err(what);
            assert!(matches!(error, EgressError::NotSent { .. }), "{what}: {error:?}");
            assert!(!server.was_sent_something(), "{what}");
        }
        // The positive control: with the right name and certificate it is called.
        let server = TlsServer::start("10.1.2.3:0", GOOD, &["http/1.1"], says(PLAIN));
        let answer = called(&egress, "good.example", &server).await.expect("an answer");
        assert_eq!(
            (answer.status, answer.body.keep(9).await.1),
            (200, BodyEnd::Whole)
        );
        assert!(server.was_sent_something());
    });
}

/// The beginning of every answer over HTTP/2: settings, and the answer's head with these headers.
fn head(flags: u8, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut fields = vec![0x88]; // :status 200
    for (name, value) in headers {
        fields.extend(literal(name, value));
    }
    [frame(4, 0, 0, &[]), frame(1, flags, 1, &fields)].concat()
}

/// Waits until the other side has gone, so that what was written is read before the connection ends.
fn linger(stream: &mut Stream) {
    let _ = stream.flush();
    let _ = std::io::copy(stream, &mut std::io::sink());
}

/// I7: headers, pieces and reasons of HTTP/2 say nothing that was sent; a status that arrived stays certain.
#[test]
fn http2_shows_the_credential_no_more_than_http1() {
    in_namespace("http2_shows_the_credential_no_more_than_http1", async {
        let egress = client().await;
        let echo = TlsServer::start("10.1.2.3:0", GOOD, &["h2"], |stream| {
            let mut bytes = head(4, &[("x-sent", "canary-value"), ("x-plain", "yes")]);
            bytes.extend(frame(0, 0, 1, b"you sent canary-"));
            bytes.extend(frame(0, 0, 1, b"value and can"));
            bytes.extend(frame(1, 5, 1, &literal("x-end", "canary-value"))); // Trailers.
            let _ = stream.write_all(&bytes);
            linger(stream);
        });
        let answer = called(&egress, "good.example", &echo).await.expect("an answer");
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            answer.headers,
            [header("x-sent", "[credential]"), header("x-plain", "yes")]
        );
        let (body, end) = answer.body.keep(1000).await;
        assert_eq!(
            (&body[..], end),
            (&b"you sent [credential] and can"[..], BodyEnd::Whole)
        );

        let going = TlsServer::start("10.1.2.3:0", GOOD, &["h2"], |stream| {
            let reason = [&[0; 4][..], &[0, 0, 0, 2], b"canary-value is wrong"].concat();
            let _ = stream.write_all(&[frame(4, 0, 0, &[]), frame(7, 0, 0, &reason)].concat());
            linger(stream);
        });
        let error = called(&egress, "good.example", &going)
            .await
            .expect_err("no answer");
        assert!(error.perhaps_sent(), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");

        let reset = TlsServer::start("10.1.2.3:0", GOOD, &["h2"], |stream| {
            let mut bytes = head(4, &[]);
            bytes.extend(frame(0, 0, 1, b"part"));
            bytes.extend(frame(3, 0, 1, &[0, 0, 0, 2]));
            let _ = stream.write_all(&bytes);
            linger(stream);
        });
        let answer = called(&egress, "good.example", &reset).await.expect("an answer");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body.keep(1000).await.1, BodyEnd::Broken);

        let surprise = TlsServer::start("10.1.2.3:0", GOOD, &["h2"], says(PLAIN));
        let error = called(&egress, "good.example", &surprise)
            .await
            .expect_err("no HTTP/2");
        assert!(error.perhaps_sent(), "{error:?}");
    });
}

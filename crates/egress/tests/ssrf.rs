//! Protects S3: no vector opens a connection to a forbidden address. It is not our own word that is taken for it, but
//! that of a tripwire: listeners on every address, and the kernel's count of opened connections.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use common::dns::{DnsServer, Entry, Zone};
use common::get;
use common::namespace::{Tripwire, in_namespace, opened};
use serde::Deserialize;
use signoff_core::grant::{CredentialKind, OauthClientAuth, OauthFlow};
use signoff_core::id::{GrantId, RawId};
use signoff_egress::{Credential, Egress, EgressConfig, EgressError, OutboundRequest, TokenError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

#[derive(Deserialize)]
struct Vectors {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    url: String,
    #[serde(default)]
    answers: Option<Vec<IpAddr>>,
    #[serde(default)]
    allow: Vec<String>,
    expect: String,
    why: String,
}

fn vectors() -> Vec<Vector> {
    let text = include_str!("../../../spec/egress_addresses.json");
    serde_json::from_str::<Vectors>(text)
        .expect("the spec parses")
        .vectors
}

/// Ports of all vectors, and of what is usually found on private networks.
fn ports(vectors: &[Vector]) -> BTreeSet<u16> {
    let parsed = vectors
        .iter()
        .filter_map(|vector| url::Url::parse(&vector.url).ok());
    let of_vectors = parsed.filter_map(|url| url.port_or_known_default());
    let usual = [22, 25, 80, 443, 2375, 5432, 6379, 8080, 11211];
    of_vectors.chain(usual).filter(|port| *port > 0).collect()
}

fn client(dns: &DnsServer, allow: &[String]) -> Egress {
    let ranges = allow.iter().map(|range| range.parse().expect("a range"));
    Egress::new(EgressConfig {
        allow: ranges.collect(),
        resolver: Some(dns.address),
        ..EgressConfig::default()
    })
    .expect("a client")
}

/// The same URL as the token endpoint of a grant.
async fn as_token_endpoint(egress: &Egress, url: &str) -> Result<(), TokenError> {
    let kind = CredentialKind::Oauth2 {
        token_url: url.to_owned(),
        client_id: "me".into(),
        scopes: Vec::new(),
        flow: OauthFlow::ClientCredentials,
        client_auth: OauthClientAuth::Basic,
    };
    let credential = Credential::new(kind, "secret".into()).expect("fits");
    let id = (GrantId(RawId([1; 16])), 1);
    let turn = async { Ok((credential, ())) };
    egress.bearer(id, turn).await.map(drop)
}

/// Through every way out (calls, webhooks, token endpoints) and a resolver that really answers what the vector says.
#[test]
fn no_vector_opens_a_forbidden_connection() {
    in_namespace("no_vector_opens_a_forbidden_connection", async {
        let vectors = vectors();
        let tripwire = Tripwire::start(&ports(&vectors)).await;
        let answers: Arc<Mutex<Option<Vec<IpAddr>>>> = Arc::default();
        let said = Arc::clone(&answers);
        let zone: Zone = Arc::new(move |_, _| {
            let addresses = said.lock().expect("whole").clone()?;
            Some(addresses.into_iter().map(Entry::Address).collect())
        });
        let dns = DnsServer::start(zone).await;
        let mut clients: BTreeMap<Vec<String>, Egress> = BTreeMap::new();
        let (mut refused, mut reached) = (0, 0);
        for vector in &vectors {
            let egress = clients
                .entry(vector.allow.clone())
                .or_insert_with(|| client(&dns, &vector.allow));
            answers.lock().expect("whole").clone_from(&vector.answers);
            let (before, over_tcp) = (opened(), dns.over_tcp());
            let shown = format!("{:.100} {:?}", vector.url, vector.answers);
            let called = egress.call(get(vector.url.clone())).await;
            let connections = || (opened() - before) - (dns.over_tcp() - over_tcp);
            if vector.expect == "refused" {
                let posted = egress
                    .post(OutboundRequest {
                        url: vector.url.clone(),
                        headers: Vec::new(),
                        body: Bytes::new(),
                        timeout: Duration::from_secs(5),
                    })
                    .await;
                for error in [called.err(), posted.err()] {
                    let Some(EgressError::Refused(refusal)) = error else {
                        panic!("{shown}: {error:?}")
                    };
                    assert_eq!(refusal.code(), vector.why, "{shown}");
                }
                let token = as_token_endpoint(egress, &vector.url).await;
                assert!(matches!(token, Err(TokenError::Refused(_))), "{shown}: {token:?}");
                assert_eq!(connections(), 0, "{shown} opened a connection");
                refused += 1;
            } else if vector.why == "name" {
                assert!(
                    matches!(called, Err(EgressError::NotSent { .. })),
                    "{shown}: {called:?}"
                );
            } else {
                // What may be called is: the tripwire hears all there is to hear.
                assert!(connections() > 0, "{shown}: {called:?}");
                let plain = vector.url.starts_with("http:");
                assert_eq!(called.is_ok(), plain, "{shown}: {called:?}");
                assert!(!tripwire.heard().is_empty(), "{shown} was not heard");
                reached += 1;
            }
            assert_eq!(tripwire.heard(), [] as [IpAddr; 0], "{shown}");
        }
        assert!(
            refused >= 200 && reached >= 20,
            "{refused} refused, {reached} reached"
        );
    });
}

/// A name whose address changes between two look-ups, a thousand times: what was vetted is what is connected to.
#[test]
fn a_rebinding_name_gains_nothing() {
    const ROUNDS: usize = 1000;
    in_namespace("a_rebinding_name_gains_nothing", async {
        let tripwire = Tripwire::start(&BTreeSet::from([80])).await;
        let public: IpAddr = "93.184.216.34".parse().expect("literal");
        let zone: Zone = Arc::new(move |_, number| {
            let inside = ["127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1"];
            let inside = inside[number / 2 % inside.len()].parse().expect("literal");
            Some(vec![Entry::Address(if number % 2 == 0 {
                public
            } else {
                inside
            })])
        });
        let dns = DnsServer::start(zone).await;
        let egress = client(&dns, &[]);
        let (mut reached, mut refused) = (0, 0);
        for round in 0..ROUNDS {
            match egress.call(get("http://rebinding.example/".into())).await {
                Ok(_) => reached += 1,
                Err(EgressError::Refused(_)) => refused += 1,
                Err(error) => panic!("round {round}: {error:?}"),
            }
        }
        let heard = tripwire.heard();
        assert!(heard.iter().all(|called| *called == public), "{heard:?}");
        assert_eq!((reached, refused), (ROUNDS / 2, ROUNDS / 2));
        assert_eq!(
            (heard.len(), opened() - dns.over_tcp()),
            (ROUNDS / 2, ROUNDS / 2),
            "one connection for each call that was let through, and no other"
        );
        let (v4, v6) = dns.questions();
        assert!(v4 == ROUNDS && v6 >= ROUNDS, "nothing is remembered: {v4} {v6}");
    });
}

/// Aliases, mixed families, long answers (over TCP): one forbidden address refuses all of them, wherever it stands.
#[test]
fn one_forbidden_address_in_an_answer_is_enough() {
    in_namespace("one_forbidden_address_in_an_answer_is_enough", async {
        let tripwire = Tripwire::start(&BTreeSet::from([80])).await;
        let zone: Zone = Arc::new(|name, _| {
            let address = |text: &str| Entry::Address(text.parse().expect("literal"));
            let many = || (1..=90).map(|last| address(&format!("93.184.216.{last}")));
            Some(match name {
                "public.example" => vec![address("93.184.216.34")],
                "many.example" => many().collect(),
                "one-of-many.example" => many().chain([address("192.168.0.1")]).collect(),
                "first-of-many.example" => [address("127.0.0.1")].into_iter().chain(many()).collect(),
                "mixed.example" => vec![address("93.184.216.34"), address("fd00:ec2::254")],
                "six.example" => vec![address("2606:4700::1111")],
                "mapped.example" => vec![address("::ffff:127.0.0.1")],
                "alias.example" => vec![Entry::Alias(
                    "inner.example.",
                    vec!["10.0.0.1".parse().expect("literal")],
                )],
                "lonely-alias.example" => vec![Entry::Alias("inner.example.", Vec::new())],
                "alias-of-alias.example" => vec![Entry::Alias("lonely-alias.example.", Vec::new())],
                "good-alias.example" => vec![Entry::Alias("public.example.", Vec::new())],
                "loop.example" => vec![Entry::Alias("loop.example.", Vec::new())],
                "inner.example" | "_under_score.example" => vec![address("10.0.0.1")],
                "nothing.example" => Vec::new(),
                _ => return None,
            })
        });
        let dns = DnsServer::start(zone).await;
        let egress = client(&dns, &[]);
        for (name, reached) in [
            ("public.example", true),
            ("PUBLIC.example.", true),
            ("many.example", true),
            ("six.example", true),
            ("good-alias.example", true),
            ("one-of-many.example", false),
            ("first-of-many.example", false),
            ("mixed.example", false),
            ("mapped.example", false),
            ("alias.example", false),
            ("lonely-alias.example", false),
            ("alias-of-alias.example", false),
            ("inner.example", false),
            ("_under_score.example", false),
            ("localhost", false),
            ("anything.localhost", false),
        ] {
            let called = egress.call(get(format!("http://{name}/"))).await;
            match called {
                Ok(_) => assert!(reached, "{name} was reached"),
                Err(EgressError::Refused(_)) => assert!(!reached, "{name} was refused"),
                Err(error) => panic!("{name}: {error:?}"),
            }
            assert_eq!(tripwire.heard().len(), usize::from(reached), "{name}");
        }
        assert!(dns.over_tcp() > 0, "long answers come over TCP");
        for name in ["nothing.example", "unknown.invalid", "loop.example"] {
            let error = egress.call(get(format!("http://{name}/"))).await.expect_err(name);
            assert!(matches!(error, EgressError::NotSent { .. }), "{name}: {error:?}");
            assert!(!error.to_string().contains(name), "{error}");
        }
        assert_eq!(tripwire.heard(), [] as [IpAddr; 0]);
    });
}

/// An upstream that may be called can't send a call anywhere else.
#[test]
fn no_redirect_is_followed_wherever_it_leads() {
    in_namespace("no_redirect_is_followed_wherever_it_leads", async {
        let tripwire = Tripwire::start(&BTreeSet::from([80, 443, 6379])).await;
        let dns = DnsServer::start(Arc::new(|_, _| None)).await;
        let egress = client(&dns, &["10.0.0.0/8".to_owned()]);
        for status in [301, 302, 303, 307, 308] {
            for location in [
                "http://127.0.0.1/",
                "http://10.0.0.1/",
                "http://169.254.169.254/latest/meta-data/",
                "http://[::1]/",
                "http://[::ffff:127.0.0.1]/",
                "http://[fd00:ec2::254]/",
                "https://192.168.0.1/",
                "http://93.184.216.34/",
                "//127.0.0.1/",
                "/again",
                "http://127.0.0.1:6379/",
                "file:///etc/passwd",
                "gopher://127.0.0.1:6379/_FLUSHALL",
            ] {
                let upstream = redirecting("10.1.2.3:8081", status, location).await;
                let before = opened();
                let mut call = get(format!("http://{upstream}/"));
                call.method = "POST".to_owned();
                call.body = Bytes::from_static(b"once");
                let answer = egress.call(call).await.expect("an answer");
                assert_eq!(answer.status, status);
                let shown = answer.headers.iter().find(|(name, _)| name == "location");
                assert_eq!(shown.map(|(_, value)| value.as_str()), Some(location));
                assert_eq!(opened() - before, 1, "{status} {location}");
                assert_eq!(tripwire.heard(), [] as [IpAddr; 0], "{status} {location}");
            }
        }
        // The positive control: the same range, opened, is reached.
        let answer = egress
            .call(get("http://10.0.0.1/".into()))
            .await
            .expect("an answer");
        let called: [IpAddr; 1] = ["10.0.0.1".parse().expect("literal")];
        assert_eq!((answer.status, tripwire.heard().as_slice()), (200, &called[..]));
    });
}

/// Answers one call and is gone.
async fn redirecting(at: &str, status: u16, location: &str) -> SocketAddr {
    let listener = TcpListener::bind(at).await.expect("free");
    let address = listener.local_addr().expect("bound");
    let answer = format!("HTTP/1.1 {status} Go\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a call");
        drop(listener);
        let _ = stream.read(&mut [0; 2048]).await;
        let _ = stream.write_all(answer.as_bytes()).await;
    });
    address
}

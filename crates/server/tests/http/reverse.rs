//! `/v1/p/GRANT/path…` over real sockets: a client of which only the base URL was set.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use signoff_testkit::{Answer, Recorder};

use crate::world::{CANARY, Reply, Who, World};

async fn asking(effect: &str) -> World {
    let world = World::new().await;
    let set = json!({"policies": [{"name": "writes", "http": {"methods": ["POST"]}, "effect": effect}]});
    world
        .call(Who::Admin, "PUT", "/v1/policies", Some(&set))
        .await
        .ok();
    world.grant("echo", json!({})).await;
    world
}

impl World {
    async fn through(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut request = self.request(Who::Agent, method, &format!("/v1/p/{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Reply::of(request.body(body.to_owned()).send().await.unwrap()).await
    }

    pub(crate) async fn pending(&self) -> String {
        for _ in 0..500 {
            let listed = self
                .get(Who::Member, "/v1/approvals?status=pending")
                .await
                .ok()
                .json();
            if let Some(id) = listed["items"][0]["id"].as_str() {
                return id.to_owned();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("nobody was asked")
    }
}

/// What arrives is what was sent, but for the key; what comes back is what was answered.
#[tokio::test]
async fn a_call_goes_through_as_it_is_with_another_credential() {
    let world = asking("allow").await;
    let body = r#"{"b": 9007199254740993,  "a":1}"#;
    let headers = [
        ("content-type", "application/json"),
        ("idempotency-key", "agents-own"),
        ("signoff-reason", "because – it is due"),
        ("x-api-key", world.key(Who::Agent).unwrap()),
    ];
    let reply = world
        .through("POST", "echo/v1/a%2Fb//c?x=1&y=%20", &headers, body)
        .await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    let id = reply.headers["signoff-execution-id"].to_str().unwrap().to_owned();
    let received = world.upstream.received();
    assert_eq!(received.len(), 1);
    assert_eq!(
        (received[0].path.as_str(), received[0].query.as_str()),
        ("/v1/a%2Fb//c", "x=1&y=%20")
    );
    assert_eq!(received[0].body, body.as_bytes());
    assert_eq!(received[0].header("authorization"), format!("Bearer {CANARY}"));
    assert_eq!(received[0].header("idempotency-key"), "agents-own");
    let names: Vec<_> = received[0]
        .headers
        .keys()
        .map(|name| name.as_str().to_owned())
        .collect();
    assert!(
        !names
            .iter()
            .any(|name| name.starts_with("signoff-") || name == "x-api-key"),
        "{names:?}"
    );
    assert_eq!(reply.headers["content-type"], "application/json");
    assert_eq!(reply.json()["query"], "x=1&y=%20");
    assert!(
        !reply.text.contains(CANARY) && !reply.text.contains(world.key(Who::Agent).unwrap()),
        "{}",
        reply.text
    );
    let kept = world
        .get(Who::Viewer, &format!("/v1/executions/{id}/result?wait=10"))
        .await
        .ok()
        .json();
    assert_eq!(kept["response"]["body"], reply.text);
    // The same base URL for every method, and for nothing behind it.
    for (method, path) in [
        ("GET", "echo"),
        ("GET", "echo/"),
        ("PUT", "echo/x"),
        ("PATCH", "echo/x"),
        ("OPTIONS", "echo/x"),
    ] {
        let reply = world.through(method, path, &[], "").await;
        assert_eq!(reply.status, StatusCode::OK, "{method} {path}: {}", reply.text);
    }
    assert_eq!(
        world.through("HEAD", "echo/x", &[], "").await.status,
        StatusCode::OK
    );
}

/// Whatever the other side says is handed on, but for what would speak for our own host.
#[tokio::test]
async fn errors_and_redirects_of_the_other_side_are_handed_on() {
    let world = World::new().await;
    let odd = Recorder::start(|_| Answer {
        headers: vec![
            ("location", "https://elsewhere.example/".into()),
            ("retry-after", "7".into()),
            ("strict-transport-security", "max-age=1".into()),
            ("signoff-execution-id", "exe_forged".into()),
        ],
        body: vec![0xff, 0xfe, 0x00],
        ..Answer::status(307)
    })
    .await;
    world.grant("odd", json!({"origins": [odd.url("")]})).await;
    let request = world.request(Who::Agent, "GET", "/v1/p/odd/x");
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let response = client.execute(request.build().unwrap()).await.unwrap();
    assert_eq!(response.status(), 307);
    assert_eq!(response.headers()["retry-after"], "7");
    assert!(!response.headers().contains_key("strict-transport-security"));
    assert_ne!(response.headers()["signoff-execution-id"], "exe_forged");
    assert_eq!(response.bytes().await.unwrap().as_ref(), [0xff, 0xfe, 0x00]);
}

/// Held while people decide: answered like a direct one once they approved, and with a problem once they did not.
#[tokio::test]
async fn a_call_is_held_while_people_decide() {
    let world = asking("require_approval").await;
    for approve in [true, false] {
        let (reply, ()) = tokio::join!(
            world.through("POST", "echo/pay", &[("signoff-wait", "15")], "x"),
            async {
                world.decide(&world.pending().await, approve).await;
            }
        );
        if approve {
            assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
            assert_eq!(reply.json()["path"], "/pay");
            assert!(
                reply.headers["signoff-execution-id"]
                    .to_str()
                    .unwrap()
                    .starts_with("exe_")
            );
        } else {
            assert_eq!(
                (reply.status, reply.code()),
                (StatusCode::FORBIDDEN, "denied".into())
            );
            assert!(reply.text_of("detail").contains("not today"), "{}", reply.text);
            assert_eq!(reply.headers["x-should-retry"], "false");
        }
    }
    assert_eq!(world.upstream.received().len(), 1);
}

#[tokio::test]
async fn a_call_that_nobody_decides_on_says_where_its_result_will_be() {
    let world = asking("require_approval").await;
    let headers = [("signoff-wait", "0"), ("signoff-idempotency-key", "one")];
    let waits = world.through("POST", "echo/pay", &headers, "x").await;
    assert_eq!(waits.status, StatusCode::ACCEPTED, "{}", waits.text);
    let said = waits.json();
    assert_eq!(said["verdict"], "pending_approval");
    let result = said["result_url"]
        .as_str()
        .unwrap()
        .strip_prefix("http://signoff.test")
        .unwrap()
        .to_owned();
    let again = world.through("POST", "echo/pay", &headers, "x").await;
    assert_eq!(
        again.json()["approval_id"],
        said["approval_id"],
        "the same key is the same call"
    );
    world.decide(said["approval_id"].as_str().unwrap(), true).await;
    let done = world
        .get(Who::Agent, &format!("{result}?wait=10"))
        .await
        .ok()
        .json();
    assert_eq!(done["response"]["status"], 200, "{done}");
    let replayed = world.through("POST", "echo/pay", &headers, "x").await;
    assert_eq!(
        (replayed.status, &replayed.json()["path"]),
        (StatusCode::OK, &json!("/pay"))
    );
    assert_eq!(world.upstream.received().len(), 1);
}

/// What did not leave and what nobody knows are told apart, and neither looks like an answer of the other side.
#[tokio::test]
async fn what_came_to_nothing_is_a_problem() {
    let world = World::new().await;
    let slow = Recorder::start(|_| Answer::status(200).after(Duration::from_secs(30))).await;
    world
        .grant("slow", json!({"origins": [slow.url("")], "timeout": "1s"}))
        .await;
    world
        .grant("nobody", json!({"origins": ["http://127.0.0.1:1"]}))
        .await;
    let failed = world.through("POST", "nobody/x", &[], "x").await;
    assert_eq!(
        (failed.status, failed.code()),
        (StatusCode::BAD_GATEWAY, "call_failed".into())
    );
    let unknown = world.through("POST", "slow/x", &[], "x").await;
    assert_eq!(
        (unknown.status, unknown.code()),
        (StatusCode::GATEWAY_TIMEOUT, "call_indeterminate".into())
    );
    assert_eq!(unknown.headers["x-should-retry"], "false");
    assert!(unknown.headers.contains_key("signoff-execution-id"));
}

#[tokio::test]
async fn the_door_is_as_strict_as_the_other_one() {
    let world = asking("allow").await;
    world
        .grant("narrow", json!({"agents": ["other"], "paths": ["/v1/*"]}))
        .await;
    let stranger = world.call(Who::Stranger, "GET", "/v1/p/echo/x", None).await;
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
    for who in [Who::Viewer, Who::Member, Who::Admin, Who::Automation] {
        let reply = world.call(who, "GET", "/v1/p/echo/x", None).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{who:?}");
    }
    for grant in ["narrow", "missing"] {
        let reply = world.through("GET", &format!("{grant}/v1/x"), &[], "").await;
        assert_eq!(reply.code(), "grant_not_held", "{grant}");
    }
    for path in ["/v1/../v2/x", "/v1/%2e%2e/v2/x", "//v1/x"] {
        let url = format!("{}/v1/p/narrow{path}", world.url);
        let reply = raw(&url, world.key(Who::OtherAgent).unwrap()).await;
        assert!(reply.contains("grant_unfit"), "{path}: {reply}");
    }
    for (name, value) in [
        ("signoff-wiat", "1"),
        ("signoff-wait", "61"),
        ("signoff-context", "["),
    ] {
        let reply = world.through("GET", "echo/x", &[(name, value)], "").await;
        assert_eq!(reply.code(), "invalid_request", "{name}: {value}");
    }
    let large = "x".repeat((1 << 20) + 1);
    assert_eq!(
        world.through("POST", "echo/x", &[], &large).await.code(),
        "body_too_large"
    );
    let whole = world.through("POST", "echo/x", &[], &large[1..]).await;
    assert_eq!(whole.status, StatusCode::OK, "{}", whole.text);
    let application = world
        .request(Who::Application, "GET", "/v1/p/echo/x")
        .header("signoff-agent", "app-bot");
    assert_eq!(application.send().await.unwrap().status(), 200);
    assert_eq!(world.upstream.received().len(), 2);
}

/// A path as it is, which clients would tidy up.
async fn raw(url: &str, key: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /{path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// An answer is handed on while it comes in, and one that breaks off does not look whole.
#[tokio::test]
async fn an_answer_is_streamed_and_a_broken_one_is_no_whole_one() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let world = World::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let (go_on, mut may_go_on) = tokio::sync::mpsc::channel::<()>(1);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await.unwrap();
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        may_go_on.recv().await.unwrap();
        // And gone, in the middle.
    });
    world
        .grant(
            "breaks",
            json!({"origins": [origin], "credential": {"type": "query", "name": "k"}}),
        )
        .await;
    let mut response = world
        .request(Who::Agent, "GET", "/v1/p/breaks/x")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let mut first = Vec::new();
    while first.len() < 5 {
        first.extend_from_slice(
            &response
                .chunk()
                .await
                .unwrap()
                .expect("the first piece comes before the rest"),
        );
        if first.is_empty() {
            break;
        }
    }
    assert_eq!(first, b"first");
    go_on.send(()).await.unwrap();
    let rest: Result<Value, _> = match response.chunk().await {
        Err(error) => Err(error),
        Ok(rest) => panic!("it looks whole: {rest:?}"),
    };
    assert!(rest.is_err());
}

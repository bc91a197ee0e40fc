//! `POST /v1/proxy` over real sockets: what reaches the upstream, how often, and who is told what of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::world::{CANARY, Reply, Who, World};

pub(crate) async fn policies(world: &World, policies: Value) {
    let set = json!({"policies": policies});
    world
        .call(Who::Admin, "PUT", "/v1/policies", Some(&set))
        .await
        .ok();
}

/// Every call asks a person, unless it is a GET.
pub(crate) async fn asking() -> World {
    let world = World::new().await;
    let asks = json!([
        {"name": "writes", "http": {"methods": ["POST", "PUT"]}, "effect": "require_approval", "approval": {"allow_edit": true}},
        {"name": "allowed", "actions": ["allow.*"], "effect": "allow"},
        {"name": "never", "http": {"methods": ["DELETE"]}, "effect": "deny"}
    ]);
    policies(&world, asks).await;
    world.grant("echo", json!({})).await;
    world
}

pub(crate) fn get(world: &World, path: &str) -> Value {
    json!({"method": "GET", "url": world.upstream.url(path), "grant": "echo"})
}

impl World {
    pub(crate) async fn proxy(&self, call: Value) -> Reply {
        self.post(Who::Agent, "/v1/proxy", call).await
    }

    /// Waits until an execution is in a state.
    pub(crate) async fn settles(&self, execution: &str) -> Value {
        let path = format!("/v1/executions/{execution}/result?wait=10");
        self.get(Who::Agent, &path).await.ok().json()
    }
}

/// The credential arrives, the agent's own does not, and the answer comes back.
#[tokio::test]
async fn an_allowed_call_is_made_once_with_the_credential() {
    let world = asking().await;
    let mut call = get(&world, "/v1/x/../charges?limit=3&q=a%20b");
    call["headers"] =
        json!({"Authorization": "Bearer agents-own", "X-Forwarded-For": "1.2.3.4", "Accept": "text/x"});
    let made = world.proxy(call).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    let said = made.json();
    assert_eq!(
        (&said["verdict"], &said["status"]),
        (&json!("allowed"), &json!("executed")),
        "{said}"
    );
    assert_eq!(
        said["dropped_headers"],
        json!(["authorization", "x-forwarded-for"])
    );
    let received = world.upstream.received();
    assert_eq!(received.len(), 1);
    assert_eq!(
        (received[0].path.as_str(), received[0].query.as_str()),
        ("/v1/charges", "limit=3&q=a%20b")
    );
    assert_eq!(received[0].header("authorization"), format!("Bearer {CANARY}"));
    assert_eq!(received[0].header("accept"), "text/x");
    assert!(!received[0].headers.contains_key("x-forwarded-for"));
    let response = &said["response"];
    assert_eq!(response["status"], 200);
    assert_eq!(response["headers"]["content-type"], json!(["application/json"]));
    let echoed: Value = serde_json::from_str(response["body"].as_str().unwrap()).unwrap();
    assert_eq!(echoed["method"], "GET");
    assert_eq!(
        STANDARD
            .decode(response["body_base64"].as_str().unwrap())
            .unwrap(),
        response["body"].as_str().unwrap().as_bytes()
    );
    // Fetched again, it is the same, and nothing is called again.
    let path = format!("/v1/executions/{}/result", said["execution_id"].as_str().unwrap());
    assert!(said["result_url"].as_str().unwrap().ends_with(&path));
    let again = world.get(Who::Agent, &path).await.ok().json();
    assert_eq!(again["response"], said["response"]);
    assert_eq!(
        world.get(Who::OtherAgent, &path).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(world.upstream.received().len(), 1);
}

/// A denied, a cancelled and a declined call never leaves; what is refused says why.
#[tokio::test]
async fn what_is_refused_never_reaches_the_upstream() {
    let world = asking().await;
    let never = world
        .proxy(json!({"method": "DELETE", "url": world.upstream.url("/x"), "grant": "echo"}))
        .await;
    assert_eq!(never.status, StatusCode::OK, "{}", never.text);
    assert_eq!(
        (never.text_of("verdict"), never.text_of("code")),
        ("denied".into(), "policy_denied".into())
    );
    assert_eq!(never.json()["execution_id"], Value::Null);
    let post = json!({"method": "POST", "url": world.upstream.url("/x"), "grant": "echo", "json": {"a": 1}});
    let (declined, cancelled) = (world.proxy(post.clone()).await, world.proxy(post).await);
    assert_eq!(declined.status, StatusCode::ACCEPTED, "{}", declined.text);
    let said = declined.json();
    assert_eq!(said["verdict"], "pending_approval");
    assert!(
        said["approval_url"].as_str().unwrap().contains("/approvals/apr_"),
        "{said}"
    );
    assert!(said["expires_in"].as_u64().unwrap() > 3_500, "an hour: {said}");
    world.decide(&declined.text_of("approval_id"), false).await;
    let id = cancelled.text_of("approval_id");
    world
        .post(Who::Agent, &format!("/v1/approvals/{id}/cancel"), json!({}))
        .await
        .ok();
    for (asked, code) in [(declined, "denied_by_reviewer"), (cancelled, "cancelled")] {
        let ended = world.settles(&asked.text_of("execution_id")).await;
        assert_eq!(
            (&ended["verdict"], &ended["code"]),
            (&json!("denied"), &json!(code)),
            "{ended}"
        );
    }
    let erred = json!({"method": "GET", "url": "http://169.254.169.254/latest/meta-data"});
    let refused = world.proxy(erred).await;
    assert_eq!(refused.code(), "invalid_request", "{}", refused.text);
    assert_eq!(refused.json()["errors"][0]["pointer"], "/url", "{}", refused.text);
    assert!(world.upstream.received().is_empty());
}

/// I2, I3: what was approved is what arrives, byte for byte, once.
#[tokio::test]
async fn i3_an_approved_call_arrives_once_with_its_bytes() {
    let world = asking().await;
    let big = r#"{"b": 9007199254740993,  "a":1e400, "b":2}"#;
    let binary: Vec<u8> = (0..=255).collect();
    for (field, sent, bytes) in [
        ("body", json!(big), big.as_bytes().to_vec()),
        ("body_base64", json!(STANDARD.encode(&binary)), binary),
        (
            "json",
            json!({"b": 1, "a": [true]}),
            br#"{"a":[true],"b":1}"#.to_vec(),
        ),
    ] {
        let before = world.upstream.received().len();
        let mut call = json!({"method": "POST", "url": world.upstream.url("/pay"), "grant": "echo", "reason": "because"});
        call[field] = sent;
        let asked = world.proxy(call).await;
        assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.text);
        let approval = asked.text_of("approval_id");
        let seen = world
            .get(Who::Member, &format!("/v1/approvals/{approval}"))
            .await
            .ok()
            .json();
        assert_eq!(seen["call"]["method"], "POST");
        assert_eq!(seen["call"]["url"], world.upstream.url("/pay"));
        assert_eq!(seen["call"]["grant"]["name"], "echo");
        assert_eq!(seen["call"]["body_bytes"], bytes.len());
        let listed = world.get(Who::Member, "/v1/approvals?limit=1").await.ok().json();
        assert_eq!(
            listed["items"][0]["call"]["body"],
            Value::Null,
            "lists leave bodies out"
        );
        world.decide(&approval, true).await;
        let done = world.settles(&asked.text_of("execution_id")).await;
        assert_eq!(
            (&done["status"], &done["response"]["status"]),
            (&json!("executed"), &json!(200)),
            "{done}"
        );
        let received = world.upstream.received();
        assert_eq!(received.len(), before + 1);
        assert_eq!(received[before].body, bytes);
        assert_eq!(
            received[before].header("authorization"),
            format!("Bearer {CANARY}")
        );
        let id = asked.text_of("execution_id");
        let execution = world
            .get(Who::Viewer, &format!("/v1/executions/{id}"))
            .await
            .ok()
            .json();
        assert_eq!(
            (&execution["call"]["attempts"], &execution["call"]["status"]),
            (&json!(1), &json!(200))
        );
        for step in ["consume", "report"] {
            let body = if step == "report" {
                json!({"outcome": "success"})
            } else {
                json!({})
            };
            let taken = world
                .post(Who::Agent, &format!("/v1/executions/{id}/{step}"), body)
                .await;
            assert_eq!(taken.code(), "made_by_signoff", "{}", taken.text);
        }
    }
}

#[tokio::test]
async fn a_waiting_call_is_answered_with_its_result_and_an_edited_one_runs_as_edited() {
    let world = asking().await;
    let call =
        json!({"method": "POST", "url": world.upstream.url("/pay"), "grant": "echo", "body": "10 EUR"});
    let (answer, ()) = tokio::join!(world.post(Who::Agent, "/v1/proxy?wait=15", call), async {
        let path = format!("/v1/approvals/{}", world.pending().await);
        let digest = world.get(Who::Member, &path).await.ok().text_of("digest");
        let decide = |edit: Value| json!({"decision": "approve", "digest": digest, "edit": edit});
        let path = format!("{path}/decide");
        for (edit, pointer) in [
            (json!({"body": "a", "body_base64": "YQ=="}), "/edit/body"),
            (json!({"body_base64": "%"}), "/edit/body_base64"),
        ] {
            let refused = world.post(Who::Member, &path, decide(edit)).await;
            assert_eq!(
                refused.json()["errors"][0]["pointer"],
                pointer,
                "{}",
                refused.text
            );
        }
        let edited = world
            .post(Who::Member, &path, decide(json!({"body": "9 EUR"})))
            .await;
        assert_eq!(edited.ok().json()["call"]["body"], "9 EUR");
    });
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.json()["status"], "executed");
    let received = world.upstream.received();
    assert_eq!(
        (received.len(), received[0].body.as_slice()),
        (1, b"9 EUR".as_slice())
    );
}

/// What an agent does not hold does not exist for it, and a grant goes nowhere else.
#[tokio::test]
async fn a_grant_is_for_who_holds_it_and_for_what_it_is_for() {
    let world = World::new().await;
    world
        .grant(
            "narrow",
            json!({"agents": ["bot"], "methods": ["GET"], "paths": ["/v1/*"]}),
        )
        .await;
    world
        .grant("switched-off", json!({"agents": ["nobody"], "disabled": true}))
        .await;
    let call = |grant: &str, method: &str, url: String| json!({"method": method, "url": url, "grant": grant});
    let fine = world.upstream.url("/v1/a");
    let mut not_held = Vec::new();
    for (who, grant) in [
        (Who::OtherAgent, "narrow"),
        (Who::Agent, "missing"),
        (Who::Agent, "switched-off"),
    ] {
        let refused = world
            .post(who, "/v1/proxy", call(grant, "GET", fine.clone()))
            .await;
        assert_eq!(
            (refused.status, refused.code()),
            (StatusCode::FORBIDDEN, "grant_not_held".into())
        );
        not_held.push(refused.text.replace(grant, "G"));
    }
    assert!(not_held.iter().all(|text| *text == not_held[0]), "{not_held:?}");
    for (method, url) in [
        ("POST", fine.clone()),
        ("GET", world.upstream.url("/v2/a")),
        ("GET", world.upstream.url("/v1/../v2/a")),
        ("GET", "https://evil.example/v1/a".to_owned()),
        ("GET", fine.replace("127.0.0.1", "127.0.0.1.evil.example")),
    ] {
        let refused = world.proxy(call("narrow", method, url.clone())).await;
        assert_eq!(
            (refused.status, refused.code()),
            (StatusCode::FORBIDDEN, "grant_unfit".into()),
            "{method} {url}"
        );
    }
    assert!(world.upstream.received().is_empty());
    assert_eq!(
        world.proxy(call("narrow", "get", fine)).await.status,
        StatusCode::OK
    );
}

/// I3: the same key is the same call, whatever happened since.
#[tokio::test]
async fn i3_a_repeated_key_gets_the_result_without_a_second_call() {
    let world = asking().await;
    let send = |call: Value| {
        let request = world
            .request(Who::Agent, "POST", "/v1/proxy")
            .header("idempotency-key", "k1");
        async move { Reply::of(request.json(&call).send().await.unwrap()).await }
    };
    let first = send(get(&world, "/once")).await.ok().json();
    world
        .post(Who::Admin, "/v1/stops", json!({"target": "grant:echo"}))
        .await
        .ok();
    let again = send(get(&world, "/once")).await.ok().json();
    assert_eq!(
        (&again["execution_id"], &again["response"]),
        (&first["execution_id"], &first["response"]),
        "{again}"
    );
    assert_eq!(world.upstream.received().len(), 1);
    assert_eq!(send(get(&world, "/other")).await.code(), "idempotency_mismatch");
    let stopped = world.proxy(get(&world, "/third")).await.ok().json();
    assert_eq!(
        (&stopped["verdict"], &stopped["code"]),
        (&json!("denied"), &json!("stopped")),
        "{stopped}"
    );
    let stops = world.get(Who::Viewer, "/v1/stops").await.ok().json();
    assert_eq!(
        (&stops["items"][0]["kind"], &stops["items"][0]["grant"]["name"]),
        (&json!("grant"), &json!("echo"))
    );
    world
        .post(Who::Admin, "/v1/stops/grant:echo/lift", json!({}))
        .await
        .ok();
    assert_eq!(
        world.proxy(get(&world, "/fourth")).await.json()["status"],
        "executed"
    );
}

/// An action that carries a call is called in the background.
#[tokio::test]
async fn a_submitted_action_with_a_call_is_made_too() {
    let world = asking().await;
    let submit = json!({"action": "allow.it", "http": get(&world, "/x")});
    let said = world.post(Who::Agent, "/v1/actions", submit).await.ok();
    let done = world.settles(&said.text_of("execution_id")).await;
    assert_eq!(done["response"]["status"], 200, "{done}");
    let plain = world.submit(Who::Agent, "allow.it").await;
    let path = format!(
        "/v1/executions/{}/result",
        plain["execution_id"].as_str().unwrap()
    );
    assert_eq!(world.get(Who::Agent, &path).await.code(), "not_a_call");
}

/// I12: a MiB is sent whole, a byte more is not taken.
#[tokio::test]
async fn i12_a_body_of_a_mebibyte_and_not_a_byte_more() {
    let world = World::new().await;
    world.grant("echo", json!({})).await;
    let call = |size: usize| {
        let body = STANDARD.encode(vec![0xfe; size]);
        json!({"method": "POST", "url": world.upstream.url("/big"), "grant": "echo", "body_base64": body})
    };
    let made = world.proxy(call(1 << 20)).await;
    assert_eq!(made.json()["status"], "executed", "{}", made.status);
    assert_eq!(world.upstream.received()[0].body.len(), 1 << 20);
    let refused = world.proxy(call((1 << 20) + 1)).await;
    assert_eq!(
        (refused.code(), refused.json()["errors"][0]["pointer"].clone()),
        ("invalid_request".into(), json!("/body"))
    );
    let refused = world.proxy(call(2 << 20)).await;
    assert_eq!(refused.code(), "body_too_large");
    assert!(refused.text.contains("2.5 MiB"), "{}", refused.text);
    assert_eq!(world.upstream.received().len(), 1);
}

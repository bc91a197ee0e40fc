//! Bad input gets a clear problem document, and nothing is changed.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::world::{Reply, Who, World};

/// Sends raw bytes as JSON and checks that they are refused with this code and leave no record.
async fn refused(world: &World, who: Who, method: &str, path: &str, raw: Vec<u8>, code: &str) -> Reply {
    let before = world.head().await;
    let shown: String = String::from_utf8_lossy(&raw).chars().take(120).collect();
    let request = world
        .request(who, method, path)
        .header("content-type", "application/json")
        .body(raw);
    let reply = Reply::of(request.send().await.unwrap()).await;
    assert!(
        reply.status.is_client_error(),
        "{} {shown}: {}",
        reply.status,
        reply.text
    );
    assert_eq!(reply.code(), code, "{shown}: {}", reply.text);
    let problem = reply.json();
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|detail| !detail.is_empty()),
        "{problem}"
    );
    assert!(
        !reply.text.contains("signoff_") && !reply.text.contains("struct "),
        "internals: {problem}"
    );
    assert_eq!(world.head().await, before, "{shown} left a record");
    reply
}

async fn submit_refused(world: &World, raw: impl Into<Vec<u8>>, code: &str) -> Value {
    refused(world, Who::Agent, "POST", "/v1/actions", raw.into(), code)
        .await
        .json()
}

#[tokio::test]
async fn bodies_that_readers_understand_differently() {
    let world = World::new().await;
    for raw in [
        r#"{"action":"allow.it","action":"deny.it"}"#,
        r#"{"action":"allow.it","context":{"a":1,"\u0061":2}}"#,
        r#"{"action":"allow.it","context":{"n":9007199254740993}}"#,
        r#"{"action":"allow.it","estimated_cost":1e400}"#,
        r#"{"action":"allow.it","reason":"a\u0000b"}"#,
        r#"{"action":"allow.it","reason":"\ud800"}"#,
        "\u{feff}{\"action\":\"allow.it\"}",
        r#"{"action":"allow.it""#,
        "",
        "{} {}",
    ] {
        submit_refused(&world, raw, "invalid_json").await;
    }
    let problem = submit_refused(
        &world,
        r#"{"action":"a","context":{"n":9007199254740993}}"#,
        "invalid_json",
    )
    .await;
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("send it as a string"),
        "{problem}"
    );
    submit_refused(&world, *b"{\"action\":\"\xff\"}", "invalid_json").await;
}

#[tokio::test]
async fn values_of_the_wrong_type_or_out_of_range() {
    let world = World::new().await;
    for (body, pointer) in [
        (json!({"action": 5}), "/action"),
        (json!({"context": {}}), "/action"),
        (json!([]), ""),
        (json!(null), ""),
        (json!({"action": "allow.it", "context": []}), "/context"),
        (json!({"action": "allow.it", "inputs": "x"}), "/inputs"),
        (json!({"action": "allow.it", "risk": "huge"}), "/risk"),
        (json!({"action": "allow.it", "risk": {"high": null}}), "/risk"),
        (json!({"action": "allow.it", "timeout": "0s"}), "/timeout"),
        (json!({"action": "allow.it", "timeout": "31d"}), "/timeout"),
        (json!({"action": "allow.it", "timeout": "never"}), "/timeout"),
        (json!({"action": "allow.it", "timeout": -5}), "/timeout"),
        (
            json!({"action": "allow.it", "estimated_cost": "-1"}),
            "/estimated_cost",
        ),
        (json!({"action": "allow.it", "accepts": ["jokes"]}), "/accepts/0"),
        (json!({"action": "allow.it", "trace": ["a"]}), "/trace"),
        (json!({"action": "allow it"}), "/action"),
        (json!({"action": "allow.*"}), "/action"),
        (json!({"action": ""}), "/action"),
        (json!({"action": "x".repeat(201)}), "/action"),
        (
            json!({"action": "allow.it", "reason": "x".repeat(4_001)}),
            "/reason",
        ),
        (json!({"action": "allow.it", "replaces": "apr_1"}), "/replaces"),
    ] {
        let problem = submit_refused(&world, body.to_string(), "invalid_request").await;
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}: {problem}");
    }
    let huge = json!({"action": "allow.it", "context": {"text": "x".repeat(300_000)}}).to_string();
    submit_refused(&world, huge, "invalid_request").await;
}

#[tokio::test]
async fn a_misspelt_option_does_not_vanish() {
    let world = World::new().await;
    let raw = r#"{"action":"allow.it","require_aproval":true}"#;
    let problem = submit_refused(&world, raw, "unknown_field").await;
    assert_eq!(
        problem["detail"],
        "unknown field `require_aproval`, did you mean `require_approval`?"
    );
    assert_eq!(problem["errors"][0]["pointer"], "/require_aproval");
    let raw = br#"{"action":"ask.it"}"#.to_vec();
    let reply = refused(
        &world,
        Who::Agent,
        "POST",
        "/v1/actions?wiat=5",
        raw,
        "unknown_field",
    )
    .await;
    assert!(reply.text.contains("did you mean `wait`?"), "{}", reply.text);
}

#[tokio::test]
async fn a_body_of_ten_megabytes() {
    let world = World::new().await;
    let body = format!(r#"{{"action":"allow.it","reason":"{}"}}"#, "x".repeat(10_000_000));
    let reply = refused(
        &world,
        Who::Agent,
        "POST",
        "/v1/actions",
        body.clone().into_bytes(),
        "body_too_large",
    )
    .await;
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
    // Without a length that announces it.
    let chunks = body
        .into_bytes()
        .chunks(65_536)
        .map(|chunk| Ok(chunk.to_vec()))
        .collect::<Vec<Result<_, std::io::Error>>>();
    let stream = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
    let request = world
        .request(Who::Agent, "POST", "/v1/actions")
        .header("content-type", "application/json");
    let reply = Reply::of(request.body(stream).send().await.unwrap()).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large")
    );
    // A stranger is heard too, before anything is read.
    let request = world
        .request(Who::Stranger, "POST", "/v1/actions")
        .body(vec![b'x'; 10_000_000]);
    assert_eq!(
        Reply::of(request.send().await.unwrap()).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn other_content_types() {
    let world = World::new().await;
    let before = world.head().await;
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ] {
        let request = world
            .request(Who::Agent, "POST", "/v1/actions")
            .header("content-type", content_type);
        let reply = Reply::of(request.body(r#"{"action":"allow.it"}"#).send().await.unwrap()).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type")
        );
    }
    assert_eq!(world.head().await, before);
}

#[tokio::test]
async fn policies_that_can_not_work() {
    let world = World::new().await;
    for (policy, code, pointer) in [
        (
            json!({"name": "p", "effect": "alow"}),
            "invalid_request",
            "/policies/0/effect",
        ),
        (
            json!({"name": "p", "effect": "deny", "actions": ["db.{a,b}"]}),
            "policy_invalid",
            "/policies/0/actions/0",
        ),
        (
            json!({"name": "p", "effect": "deny", "agents": ["[x"]}),
            "policy_invalid",
            "/policies/0/agents/0",
        ),
        (
            json!({"name": "p", "effect": "conditional"}),
            "policy_invalid",
            "/policies/0/conditions",
        ),
        (
            json!({"name": "p", "effect": "deny", "conditions": [{"field": "a", "operator": "matches", "value": "("}]}),
            "policy_invalid",
            "/policies/0/conditions/0",
        ),
        (
            json!({"name": "p", "effect": "deny", "approval": {"approvers": ["everyone"]}}),
            "policy_invalid",
            "/policies/0/approval/approvers/0",
        ),
        (
            json!({"name": "p", "effect": "require_approval", "approval": {"stages": []}}),
            "policy_invalid",
            "/policies/0/approval/stages",
        ),
        (
            json!({"name": "p", "effect": "require_approval", "approval": {"link": "anyone", "quorum": 2}}),
            "policy_invalid",
            "/policies/0/approval/link",
        ),
        (
            json!({"name": "p", "effect": "require_approval", "approval": {"stages": [{"approvers": ["role:boss"]}]}}),
            "policy_invalid",
            "/policies/0/approval/stages/0/approvers/0",
        ),
        (
            json!({"name": "p", "effect": "require_approval", "approval": {"stages": [{"approvers": [{"context": "a", "domain": ["b.c"]}]}]}}),
            "unknown_field",
            "/policies/0/approval/stages/0/approvers/0/domain",
        ),
        (
            json!({"name": "p", "effect": "require_approval", "approval": {"notify": [{"to": ["channel:a"], "risk": "hihg"}]}}),
            "invalid_request",
            "/policies/0/approval/notify/0/risk",
        ),
        (
            json!({"name": "p", "effect": "deny", "gaurd": true}),
            "unknown_field",
            "/policies/0/gaurd",
        ),
    ] {
        let set = json!({"policies": [policy]}).to_string();
        let reply = refused(&world, Who::Admin, "PUT", "/v1/policies", set.into_bytes(), code).await;
        assert_eq!(reply.json()["errors"][0]["pointer"], pointer, "{}", reply.text);
    }
    let set = world.get(Who::Viewer, "/v1/policies").await.ok().json();
    assert_eq!(set["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn cursors_limits_and_waits_from_nowhere() {
    let world = World::new().await;
    for at in 0..3 {
        world.submit(Who::Agent, &format!("ask.{at}")).await;
    }
    let page = world.get(Who::Viewer, "/v1/approvals?limit=2").await.ok().json();
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = world
        .get(Who::Viewer, &format!("/v1/approvals?limit=2&cursor={cursor}"))
        .await
        .ok()
        .json();
    assert_eq!(
        (rest["items"].as_array().unwrap().len(), &rest["next_cursor"]),
        (1, &Value::Null)
    );
    for path in [
        "/v1/approvals?cursor=5".to_owned(),
        "/v1/approvals?cursor=AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        format!("/v1/approvals?status=pending&cursor={cursor}"),
        format!("/v1/agents?cursor={cursor}"),
        format!("/v1/audit/events?cursor={cursor}"),
    ] {
        let reply = world.get(Who::Viewer, &path).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (StatusCode::UNPROCESSABLE_ENTITY, "invalid_cursor"),
            "{path}"
        );
    }
    for path in [
        "/v1/approvals?limit=0",
        "/v1/approvals?limit=201",
        "/v1/approvals?limit=many",
        "/v1/approvals?limit=1&limit=2",
        "/v1/approvals?status=done",
        "/v1/approvals?risk=HIGH",
        "/v1/approvals?action=%00",
        "/v1/audit/events?since=yesterday",
        "/v1/audit/verify?with_store=maybe",
    ] {
        let reply = world.get(Who::Viewer, path).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (StatusCode::UNPROCESSABLE_ENTITY, "invalid_request"),
            "{path}"
        );
    }
    let raw = br#"{"action":"ask.it"}"#.to_vec();
    refused(
        &world,
        Who::Agent,
        "POST",
        "/v1/actions?wait=61",
        raw,
        "invalid_request",
    )
    .await;
}

#[tokio::test]
async fn idempotency_keys_out_of_form() {
    let world = World::new().await;
    let before = world.head().await;
    for key in ["a b", &"x".repeat(256), "\u{e9}"] {
        let request = world
            .request(Who::Agent, "POST", "/v1/actions")
            .header("idempotency-key", key);
        let request = request
            .header("content-type", "application/json")
            .body(r#"{"action":"allow.it"}"#);
        let reply = Reply::of(request.send().await.unwrap()).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (StatusCode::UNPROCESSABLE_ENTITY, "invalid_request")
        );
    }
    assert_eq!(world.head().await, before);
}

/// I6: asking is not deciding, and I2: what was seen is what is decided on.
#[tokio::test]
async fn keys_that_ask_and_digests_of_something_else_decide_nothing() {
    let world = World::new().await;
    let approval = world.submit(Who::Agent, "ask.it").await["approval_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/v1/approvals/{approval}/decide");
    let digest = world
        .get(Who::Member, &format!("/v1/approvals/{approval}"))
        .await
        .ok()
        .text_of("digest");
    let approve = json!({"decision": "approve", "digest": digest});
    for who in [Who::Agent, Who::OtherAgent, Who::Application] {
        let body = approve.to_string().into_bytes();
        let reply = refused(&world, who, "POST", &path, body, "approval_link_not_yours").await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN);
    }
    let other = json!({"decision": "approve", "digest": format!("sha256:{}", "0".repeat(64))}).to_string();
    refused(
        &world,
        Who::Member,
        "POST",
        &path,
        other.into_bytes(),
        "digest_mismatch",
    )
    .await;
    let blind = json!({"decision": "approve"}).to_string();
    refused(
        &world,
        Who::Member,
        "POST",
        &path,
        blind.into_bytes(),
        "invalid_request",
    )
    .await;
    let silent = json!({"decision": "deny"}).to_string();
    refused(
        &world,
        Who::Member,
        "POST",
        &path,
        silent.into_bytes(),
        "invalid_request",
    )
    .await;
    assert_eq!(
        world
            .get(Who::Agent, &format!("/v1/approvals/{approval}"))
            .await
            .ok()
            .text_of("status"),
        "pending"
    );
}

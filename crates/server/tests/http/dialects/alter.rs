//! Alter's wire format as its client would not write it.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use signoff_testkit::{Answer, Recorder};

use crate::proxy::{asking, policies};
use crate::world::{CANARY, Reply, Who, World};

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

/// A request as the client signs it, under any key.
async fn sent(world: &World, key: &str, method: &str, path: &str, body: &str) -> Reply {
    static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let nonce = format!(
        "{:032x}",
        COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
    );
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let at = since.unwrap().as_secs();
    let digest = hex::encode(Sha256::digest(body));
    let text = format!("{method}\n{path}\n{at}\n{nonce}\n{digest}\n");
    let signature = mac(&mac(key.as_bytes(), b"alter-signing-v1"), text.as_bytes());
    let method: Method = method.parse().unwrap();
    let request = world
        .http
        .request(method, format!("{}/dialects/alter{path}", world.url))
        .header("x-api-key", key)
        .header("x-alter-timestamp", at)
        .header("x-alter-nonce", nonce)
        .header("x-alter-content-sha256", digest)
        .header("x-alter-signature", hex::encode(signature))
        .body(body.to_owned());
    Reply::of(request.send().await.unwrap()).await
}

/// A refusal that the client can read.
#[track_caller]
fn code(reply: &Reply) -> String {
    assert_eq!(
        reply.headers["content-type"], "application/json",
        "{}",
        reply.text
    );
    let detail = &reply.json()["detail"];
    assert!(detail["message"].is_string(), "{}", reply.text);
    detail["error"].as_str().unwrap().to_owned()
}

fn uuid(id: &str) -> String {
    let digits = id.split_once('_').unwrap().1;
    [
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    ]
    .join("-")
}

/// A world in which writes ask, and an agent's key of Alter's shape.
async fn world() -> (World, String) {
    let world = asking().await;
    let body = json!({"dialect": "alter"});
    let made = world.post(Who::Admin, "/v1/agents/bot/keys", body).await.ok();
    let key = made.text_of("api_key");
    assert!(key.starts_with("alter_key_"));
    (world, key)
}

fn call(world: &World, method: &str, more: &str) -> String {
    let url = world.upstream.url("/v1/x");
    format!(r#"{{"method":"{method}","url":"{url}","provider_id":"echo"{more}}}"#)
}

#[tokio::test]
async fn a_key_of_any_shape_opens_the_same_through_every_door() {
    let (world, key) = world().await;
    let native = world.key(Who::Agent).unwrap();
    for key in [key.as_str(), native] {
        let me = sent(&world, key, "GET", "/sdk/agents/me", "").await.ok().json();
        assert_eq!((&me["name"], &me["status"]), (&json!("bot"), &json!("active")));
        let made = sent(&world, key, "POST", "/sdk/proxy", &call(&world, "GET", "")).await;
        assert_eq!(made.status, StatusCode::OK, "{}", made.text);
        let me = world.http.get(format!("{}/v1/me", world.url)).bearer_auth(key);
        assert_eq!(
            Reply::of(me.send().await.unwrap()).await.ok().text_of("name"),
            "bot"
        );
    }
    let upstream = world.upstream.received();
    assert_eq!(upstream.len(), 2);
    assert_eq!(upstream[0].header("authorization"), format!("Bearer {CANARY}"));
    // A new key takes all others away, whatever their shape; so does one too many.
    world
        .post(Who::Admin, "/v1/agents/bot/rotate-key", json!({}))
        .await
        .ok();
    assert_eq!(
        code(&sent(&world, &key, "GET", "/sdk/scopes", "").await),
        "key_revoked"
    );
    for _ in 1..signoff_engine::AGENT_KEYS_MAX {
        world
            .post(Who::Admin, "/v1/agents/bot/keys", json!({}))
            .await
            .ok();
    }
    let one_more = world.post(Who::Admin, "/v1/agents/bot/keys", json!({})).await;
    assert_eq!(one_more.code(), "still_needed");
}

#[tokio::test]
async fn every_path_and_every_fault_answers_in_the_clients_form() {
    let (world, key) = world().await;
    for (method, path) in [
        ("GET", ""),
        ("GET", "/sdk"),
        ("GET", "/sdk/nothing"),
        ("PUT", "/sdk/proxy"),
        ("POST", "/sdk/keys/derive"),
        ("POST", "/sdk/oauth/connect/session"),
        ("PATCH", "/sdk/agents/x/keys/y/deprecate"),
    ] {
        let method: Method = method.parse().unwrap();
        let request = world
            .http
            .request(method, format!("{}/dialects/alter{path}", world.url));
        let reply = Reply::of(request.header("accept", "text/html").send().await.unwrap()).await;
        assert_eq!(
            (reply.status, code(&reply).as_str()),
            (StatusCode::NOT_IMPLEMENTED, "not_supported"),
            "{path}"
        );
    }
    for (method, path) in [
        ("POST", "/sdk/proxy"),
        ("GET", "/sdk/approvals/x"),
        ("GET", "/sdk/approvals/x/result"),
        ("POST", "/sdk/token"),
        ("POST", "/sdk/grants/list"),
        ("GET", "/sdk/agents/me"),
        ("POST", "/sdk/agents"),
        ("GET", "/sdk/agents"),
        ("DELETE", "/sdk/agents/x"),
        ("POST", "/sdk/agents/x/keys"),
        ("DELETE", "/sdk/agents/x/keys/y"),
        ("GET", "/sdk/scopes"),
        ("POST", "/sdk/spans"),
        ("POST", "/sdk/oauth/audit/api-call"),
    ] {
        let method: Method = method.parse().unwrap();
        let url = format!("{}/dialects/alter{path}", world.url);
        let stranger = Reply::of(world.http.request(method.clone(), &url).send().await.unwrap()).await;
        assert_eq!(
            (stranger.status, code(&stranger).as_str()),
            (StatusCode::UNAUTHORIZED, "invalid_key"),
            "{path}"
        );
        let unsigned = world.http.request(method, &url).header("x-api-key", &key);
        let unsigned = Reply::of(unsigned.send().await.unwrap()).await;
        assert_eq!(
            (unsigned.status, code(&unsigned).as_str()),
            (StatusCode::UNAUTHORIZED, "invalid_signature"),
            "{path}"
        );
        assert!(!unsigned.text.contains(&key));
    }
    for path in ["/sdk/proxy", "/sdk/token", "/sdk/grants/list", "/sdk/spans"] {
        for body in [
            "{",
            "[]",
            "null",
            "\"x\"",
            "{\"a\":1,\"a\":2}",
            "\u{feff}{}",
            "{\"limit\":-1}",
        ] {
            let reply = sent(&world, &key, "POST", path, body).await;
            assert_eq!(
                reply.status,
                StatusCode::UNPROCESSABLE_ENTITY,
                "{path} {body} {}",
                reply.text
            );
            code(&reply);
        }
    }
    let large = format!("{{\"x\":\"{}\"}}", "y".repeat(3 << 20));
    let large = sent(&world, &key, "POST", "/sdk/proxy", &large).await;
    assert_eq!(
        (large.status, code(&large).as_str()),
        (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large")
    );
}

/// I6: asking is not deciding, nor setting up.
#[tokio::test]
async fn i6_no_asking_key_decides_or_governs() {
    let (world, key) = world().await;
    let application = world.key(Who::Application).unwrap().to_owned();
    let pending = sent(&world, &key, "POST", "/sdk/proxy", &call(&world, "POST", "")).await;
    assert_eq!(pending.status, StatusCode::ACCEPTED, "{}", pending.text);
    let id = pending.text_of("approval_id");
    let agent = uuid(&world.get(Who::Admin, "/v1/agents/bot").await.text_of("id"));
    let before = world.head().await;
    for key in [&key, &application] {
        for (method, path, body) in [
            ("POST", "/sdk/agents".to_owned(), r#"{"name":"mine","scopes":{}}"#),
            (
                "PATCH",
                format!("/sdk/agents/{agent}"),
                r#"{"status":"inactive"}"#,
            ),
            ("DELETE", format!("/sdk/agents/{agent}"), ""),
            ("POST", format!("/sdk/agents/{agent}/keys"), "{}"),
            ("DELETE", format!("/sdk/agents/{agent}/keys/{agent}"), ""),
            ("GET", "/sdk/agents".to_owned(), ""),
        ] {
            let reply = sent(&world, key, method, &path, body).await;
            assert_eq!(reply.status, StatusCode::FORBIDDEN, "{path} {}", reply.text);
            code(&reply);
        }
        for path in [
            format!("/sdk/approvals/{id}"),
            format!("/sdk/approvals/{id}/approve"),
        ] {
            let reply = sent(&world, key, "POST", &path, r#"{"decision":"approve"}"#).await;
            assert_eq!(reply.status, StatusCode::NOT_IMPLEMENTED, "{path}");
        }
    }
    let other = sent(&world, &application, "GET", &format!("/sdk/approvals/{id}"), "").await;
    assert_eq!(
        (other.status, code(&other).as_str()),
        (StatusCode::NOT_FOUND, "approval_not_found")
    );
    // Reading, and being refused, leaves no trace.
    sent(&world, &key, "GET", &format!("/sdk/approvals/{id}"), "")
        .await
        .ok();
    assert_eq!(world.head().await, before);
    assert!(world.upstream.received().is_empty());
}

/// What nobody knows the end of never reads as done, and what it says is what a person then reads too.
#[tokio::test]
async fn a_call_without_an_answer_reads_as_failed_until_a_person_had_it_made_again() {
    let (world, key) = world().await;
    let silent = Recorder::start(|_| Answer::status(200).after(Duration::from_secs(30))).await;
    world
        .grant("silent", json!({"origins": [silent.url("")], "timeout": "1s"}))
        .await;
    let body = format!(
        r#"{{"method":"POST","url":"{}","provider_id":"silent"}}"#,
        silent.url("/x")
    );
    let pending = sent(&world, &key, "POST", "/sdk/proxy", &body).await.ok();
    let id = pending.text_of("approval_id");
    world.decide(&format!("apr_{}", id.replace('-', "")), true).await;
    let status = sent(&world, &key, "GET", &format!("/sdk/approvals/{id}?wait=20"), "")
        .await
        .ok()
        .json();
    assert_eq!(
        (&status["status"], &status["has_result"]),
        (&json!("failed"), &json!(false)),
        "{status}"
    );
    assert!(
        status["execution_error"]
            .as_str()
            .unwrap()
            .contains("nobody knows"),
        "{status}"
    );
    assert_eq!(status["gates"][0]["status"], "approved");
    let result = sent(&world, &key, "GET", &format!("/sdk/approvals/{id}/result"), "").await;
    assert_eq!(
        (result.status, code(&result).as_str()),
        (StatusCode::CONFLICT, "approval_execution_failed")
    );
    // Without a person in between, the same is said at once.
    policies(
        &world,
        json!([{"name": "all", "http": {"methods": ["POST"]}, "effect": "allow"}]),
    )
    .await;
    let direct = sent(&world, &key, "POST", "/sdk/proxy", &body).await;
    assert_eq!(
        (direct.status, code(&direct).as_str()),
        (StatusCode::GATEWAY_TIMEOUT, "call_indeterminate")
    );
}

/// A label must not become the name of a new agent by looking like an id, nor reach past what an application may.
#[tokio::test]
async fn an_application_is_who_it_names_or_nobody() {
    let (world, _) = world().await;
    let body = json!({"name": "narrow", "agents": ["app-*"], "register_new": true, "dialect": "alter"});
    let key = world
        .post(Who::Admin, "/v1/applications", body)
        .await
        .ok()
        .text_of("api_key");
    assert!(key.starts_with("alter_rk_"));
    let reply = sent(&world, &key, "POST", "/sdk/proxy", &call(&world, "GET", "")).await;
    // It is called otherwise than the agents that it may speak for.
    assert_eq!(reply.status, StatusCode::FORBIDDEN, "{}", reply.text);
    assert!(world.upstream.received().is_empty());
    let agents = world.get(Who::Admin, "/v1/agents").await.json();
    assert!(!agents["items"].to_string().contains("narrow"), "{agents}");
    let listed: Value = sent(&world, &key, "POST", "/sdk/grants/list", "{}")
        .await
        .ok()
        .json();
    assert_eq!(listed["total"], 0, "no agent of its own is known yet: {listed}");
}

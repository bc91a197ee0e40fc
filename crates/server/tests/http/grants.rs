//! Grants over HTTP: what goes in, what comes out, and that a value never does.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::world::{CANARY, Who, World};

fn oauth(flow: &str) -> Value {
    json!({"type": "oauth2", "token_url": "https://id.example.com/token", "client_id": "signoff", "scopes": ["a", "b"],
           "flow": flow, "client_auth": "body"})
}

/// I7: every kind goes in with its value and comes back without it.
#[tokio::test]
async fn i7_every_kind_of_credential_comes_back_without_its_value() {
    let world = World::new().await;
    for (at, credential) in [
        json!({"type": "bearer"}),
        json!({"type": "header", "name": "x-key", "prefix": "Token "}),
        json!({"type": "query", "name": "key"}),
        json!({"type": "basic", "username": "signoff"}),
        oauth("client_credentials"),
        oauth("refresh_token"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("grant-{at}");
        let mut body = json!({
            "name": name, "credential": credential, "value": CANARY, "origins": ["https://API.example.com:443/"],
            "methods": ["get", "POST"], "paths": ["/v1/*"], "agents": ["billing-*"], "labels": {"team": "finance"},
            "timeout": "90s", "idempotent": {"header": "Idempotency-Key"}, "redact": {"headers": ["X-Pin"], "json": ["/card/*"]}
        });
        if at == 5 {
            body["client_secret"] = json!(format!("second-{CANARY}"));
        }
        let made = world.post(Who::Admin, "/v1/grants", body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        let said = made.json();
        for (field, expected) in [
            ("credential", credential.clone()),
            ("origins", json!(["https://api.example.com"])),
            ("methods", json!(["GET", "POST"])),
            ("paths", json!(["/v1/*"])),
            ("agents", json!(["billing-*"])),
            ("labels", json!({"team": "finance"})),
            ("timeout", json!("1m30s")),
            ("idempotent", json!({"header": "idempotency-key", "window": "1d"})),
            ("redact", json!({"headers": ["x-pin"], "json": ["/card/*"]})),
            ("disabled", json!(false)),
            ("stopped", json!(false)),
            ("version", json!(1)),
        ] {
            assert_eq!(said[field], expected, "{field}: {said}");
        }
        for path in [
            format!("/v1/grants/{name}"),
            format!("/v1/grants/{}", said["id"].as_str().unwrap()),
        ] {
            let read = world.get(Who::Viewer, &path).await.ok();
            assert_eq!(read.json(), said);
        }
        let answers = made.text + &world.get(Who::Viewer, "/v1/grants").await.ok().text;
        assert!(!answers.contains("canary-"), "{answers}");
    }
    let listed = world.get(Who::Viewer, "/v1/grants?limit=4").await.ok().json();
    let next = listed["next_cursor"].as_str().unwrap();
    let rest = world
        .get(Who::Viewer, &format!("/v1/grants?cursor={next}"))
        .await
        .ok();
    assert_eq!(rest.json()["items"].as_array().unwrap().len(), 2);
    assert_eq!(
        world.get(Who::Agent, "/v1/grants").await.status,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn a_grant_is_changed_by_what_is_given_and_removed() {
    let world = World::new().await;
    let made = world
        .grant(
            "stripe",
            json!({"idempotent": {"header": "x-id", "window": "2h"}}),
        )
        .await;
    let change = |body: Value| {
        let world = &world;
        async move {
            world
                .call(Who::Admin, "PATCH", "/v1/grants/stripe", Some(&body))
                .await
        }
    };
    let same = change(json!({"value": CANARY})).await.ok().json();
    assert_eq!(same, made, "what is the same is no change");
    let other = change(json!({"value": "another"})).await.ok().json();
    assert_ne!(other["fingerprint"], made["fingerprint"]);
    assert_eq!(other["version"], 2);
    let changed = change(json!({"idempotent": {"header": ""}, "disabled": true}))
        .await
        .ok()
        .json();
    assert_eq!(
        (
            &changed["idempotent"],
            &changed["disabled"],
            &changed["fingerprint"]
        ),
        (&Value::Null, &json!(true), &other["fingerprint"])
    );
    let kind = change(json!({"credential": {"type": "oauth2", "token_url": "https://id.example.com/t", "client_id": "c", "flow": "client_credentials"}})).await;
    assert_eq!(kind.json()["errors"][0]["pointer"], "/value", "{}", kind.text);
    let removed = world.call(Who::Admin, "DELETE", "/v1/grants/stripe", None).await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT);
    assert_eq!(
        world.get(Who::Viewer, "/v1/grants/stripe").await.status,
        StatusCode::NOT_FOUND
    );
}

/// What would be lost or misread is refused with its place, and no refusal repeats a value.
#[tokio::test]
async fn what_is_no_grant_is_refused_with_its_place() {
    let world = World::new().await;
    let before = world.head().await;
    let bearer = || json!({"type": "bearer"});
    for (change, pointer) in [
        (
            json!({"credential": {"type": "bearer", "name": "x"}}),
            "/credential/name",
        ),
        (json!({"credential": {"type": "header"}}), "/credential/name"),
        (
            json!({"credential": {"type": "header", "name": "host"}}),
            "/credential/name",
        ),
        (json!({"credential": {"type": "basic"}}), "/credential/username"),
        (
            json!({"credential": {"type": "oauth2", "token_url": "https://a.example/"}}),
            "/credential/client_id",
        ),
        (json!({"credential": {"type": "barer"}}), "/credential/type"),
        (json!({"client_secret": "s"}), "/client_secret"),
        (
            json!({"credential": oauth("refresh_token"), "value": "a\nb", "client_secret": "s"}),
            "/value",
        ),
        (json!({"origins": []}), "/origins"),
        (json!({"origins": ["https://api.example.com/v1"]}), "/origins/0"),
        (json!({"methods": ["CONNECT"]}), "/methods/0"),
        (json!({"paths": ["v1/*"]}), "/paths/0"),
        (json!({"timeout": "never"}), "/timeout"),
        (json!({"timeout": "6m"}), "/timeout"),
        (json!({"redact": {"json": ["card"]}}), "/redact/json/0"),
        (json!({"value": format!("{CANARY}\u{1}")}), "/value"),
        (json!({"orgins": []}), "/orgins"),
        (json!({"redact": {"body": []}}), "/redact/body"),
    ] {
        let mut body = json!({"name": "g", "credential": bearer(), "value": CANARY, "origins": ["https://api.example.com"]});
        body.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let refused = world.post(Who::Admin, "/v1/grants", body).await;
        assert_eq!(
            refused.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{change}: {}",
            refused.text
        );
        assert_eq!(
            refused.json()["errors"][0]["pointer"],
            pointer,
            "{}",
            refused.text
        );
        assert!(!refused.text.contains("canary-"), "{}", refused.text);
    }
    assert_eq!(world.head().await, before);
}

#[tokio::test]
async fn a_repeated_create_makes_one_grant() {
    let world = World::new().await;
    let body = |value: &str| json!({"name": "g", "credential": {"type": "bearer"}, "value": value, "origins": ["https://a.example"]});
    let send = |value: &'static str| {
        let request = world
            .request(Who::Admin, "POST", "/v1/grants")
            .header("idempotency-key", "one");
        async move { crate::world::Reply::of(request.json(&body(value)).send().await.unwrap()).await }
    };
    let (first, second) = (send("a").await.ok(), send("a").await.ok());
    assert_eq!(first.text_of("id"), second.text_of("id"));
    assert_eq!(
        send("b").await.code(),
        "idempotency_mismatch",
        "a value is part of the request"
    );
    let taken = world.post(Who::Admin, "/v1/grants", body("c")).await;
    assert_eq!(taken.code(), "name_taken");
}

/// I7: other keys for what is sealed, the same values, and nothing of either in the answer. Asked again with its key, it is
/// the same rotation.
#[tokio::test]
async fn keys_are_rotated_once_per_request_and_calls_go_on() {
    let world = World::new().await;
    world.grant("echo", json!({})).await;
    world.grant("other", json!({"disabled": true})).await;
    let before = world.get(Who::Admin, "/v1/grants").await.ok().text;
    let rotate = async || {
        let request = world
            .request(Who::Admin, "POST", "/v1/grants/rotate-keys")
            .header("idempotency-key", "one");
        crate::world::Reply::of(request.send().await.unwrap()).await.ok()
    };
    let first = rotate().await;
    assert_eq!(first.json(), json!({"rotated": 2, "changed": 0, "unopened": []}));
    let head = world.head().await;
    assert_eq!(rotate().await.text, first.text);
    assert_eq!(world.head().await, head, "nothing was sealed a second time");
    assert_eq!(world.get(Who::Admin, "/v1/grants").await.ok().text, before);
    let call = json!({"method": "GET", "url": world.upstream.url("/x"), "grant": "echo"});
    let answer = world.post(Who::Agent, "/v1/proxy", call).await.ok().json();
    assert_eq!(answer["status"], "executed", "{answer:#}");
    let events = world
        .get(Who::Admin, "/v1/audit/events?type=grant.refreshed.v1")
        .await
        .ok()
        .text;
    assert!(
        events.contains("gave the grant echo another key of its own"),
        "{events}"
    );
}

//! Who is told what of a call: what operators do not see, what nobody knows, and what is found nowhere.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use signoff_testkit::{Answer, Recorder};

use crate::proxy::{asking, get, policies};
use crate::world::{CANARY, Who, World};

#[tokio::test]
async fn operators_do_not_see_what_a_grant_hides_and_agents_do() {
    let world = World::new().await;
    policies(
        &world,
        json!([{"name": "all", "http": {"methods": ["POST"]}, "effect": "require_approval"}]),
    )
    .await;
    let upstream = Recorder::start(|_| {
        let mut answer = Answer::json(&json!({"card": {"number": "4242"}, "pin": 7, "ok": true}));
        answer.headers.push(("x-pin", "header-pin".into()));
        answer
    })
    .await;
    let redact = json!({
        "origins": [upstream.url("")],
        "redact": {"headers": ["X-Pin"], "json": ["/card/*", "/pin", "/deep/*/secret"]}
    });
    world.grant("cards", redact).await;
    let body = r#"{"pin":"sent-pin", "deep":[{"secret":"s1"}], "n":9007199254740993}"#;
    let call = json!({"method": "POST", "url": upstream.url("/c"), "grant": "cards", "headers": {"x-pin": "request-pin"}, "body": body});
    let asked = world.proxy(call).await;
    let (approval, id) = (asked.text_of("approval_id"), asked.text_of("execution_id"));
    world.decide(&approval, true).await;
    let agents = world.settles(&id).await;
    assert_eq!(
        agents["response"]["headers"]["x-pin"],
        json!(["header-pin"]),
        "{agents}"
    );
    assert!(agents["response"]["body"].as_str().unwrap().contains("4242"));
    // The rules hold for what was made before, and after the grant is gone.
    world.call(Who::Admin, "DELETE", "/v1/grants/cards", None).await;
    for path in [
        format!("/v1/approvals/{approval}"),
        "/v1/approvals".to_owned(),
        format!("/v1/executions/{id}"),
        format!("/v1/executions/{id}/result"),
    ] {
        for who in [Who::Viewer, Who::Admin, Who::Automation] {
            let seen = world.get(who, &path).await.ok();
            for hidden in ["4242", "sent-pin", "header-pin", "request-pin", "s1"] {
                assert!(!seen.text.contains(hidden), "{hidden} in {path}: {}", seen.text);
            }
            assert!(seen.text.contains("[redacted]"), "{path}: {}", seen.text);
            let encoded = seen.json()["response"]["body_base64"]
                .as_str()
                .map(|text| STANDARD.decode(text).unwrap());
            assert!(!String::from_utf8_lossy(&encoded.unwrap_or_default()).contains("4242"));
        }
    }
    let seen = world
        .get(Who::Agent, &format!("/v1/approvals/{approval}"))
        .await
        .ok()
        .json();
    assert_eq!(seen["call"]["body"], body, "an agent gets what it gave");
}

/// Nobody knows whether it arrived: a person is asked, and says so.
#[tokio::test]
async fn a_call_without_an_answer_waits_for_a_person() {
    let world = World::new().await;
    let slow = Recorder::start(|_| Answer::status(200).after(Duration::from_secs(30))).await;
    world
        .grant("slow", json!({"origins": [slow.url("")], "timeout": "1s"}))
        .await;
    let call = json!({"method": "POST", "url": slow.url("/x"), "grant": "slow", "body": "x"});
    let mut ids = Vec::new();
    for _ in 0..3 {
        let said = world.proxy(call.clone()).await.ok().json();
        assert_eq!(
            (&said["status"], &said["fault"]),
            (&json!("indeterminate"), &json!("timed_out")),
            "{said}"
        );
        ids.push(said["execution_id"].as_str().unwrap().to_owned());
    }
    let first = world.get(Who::Viewer, "/v1/executions?limit=2").await.ok().json();
    assert_eq!(first["items"].as_array().unwrap().len(), 2, "{first}");
    let next = first["next_cursor"].as_str().unwrap();
    let rest = world
        .get(Who::Viewer, &format!("/v1/executions?limit=2&cursor={next}"))
        .await
        .ok()
        .json();
    assert_eq!(rest["items"][0]["id"], json!(ids[0]), "newest first");
    let elsewhere = world
        .get(Who::Viewer, &format!("/v1/executions?state=ready&cursor={next}"))
        .await;
    assert_eq!(elsewhere.code(), "invalid_cursor");
    assert_eq!(
        world.get(Who::Viewer, "/v1/executions?state=failed").await.code(),
        "invalid_request"
    );
    let path = format!("/v1/executions/{}/settle", ids[0]);
    let settled = world
        .post(
            Who::Admin,
            &path,
            json!({"outcome": "failed", "note": "not in their books"}),
        )
        .await
        .ok()
        .json();
    assert_eq!(settled["status"], "failed");
    assert_eq!(settled["call"]["settled"]["by"]["kind"], "operator", "{settled}");
    assert_eq!(slow.received().len(), 3, "nothing is repeated by itself");
}

/// I7: the value of a grant is in no answer, no record, no metric and no error.
#[tokio::test]
async fn i7_the_value_of_a_grant_is_found_nowhere() {
    let world = asking().await;
    world
        .grant("query", json!({"credential": {"type": "query", "name": "key"}}))
        .await;
    world
        .grant("basic", json!({"credential": {"type": "basic", "username": "u"}}))
        .await;
    let nobody = json!({"origins": ["http://127.0.0.1:1"]});
    world.grant("nobody", nobody).await;
    let mut texts = Vec::new();
    // The upstream says back all that it was sent.
    for grant in ["echo", "query", "basic"] {
        let mut call = get(&world, "/x?a=1");
        call["grant"] = json!(grant);
        let made = world.proxy(call).await;
        assert_eq!(made.json()["status"], "executed", "{}", made.text);
        let body = STANDARD
            .decode(made.json()["response"]["body_base64"].as_str().unwrap())
            .unwrap();
        texts.push(String::from_utf8_lossy(&body).into_owned());
        texts.push(made.text);
    }
    let failed = world
        .proxy(json!({"method": "GET", "url": "http://127.0.0.1:1/x", "grant": "nobody"}))
        .await;
    assert_eq!(
        (failed.json()["status"].clone(), failed.json()["fault"].clone()),
        (json!("failed"), json!("unreachable"))
    );
    texts.push(failed.text);
    texts.push(
        world
            .proxy(json!({"method": "GET", "url": world.upstream.url("/x?key=1"), "grant": "query"}))
            .await
            .text,
    );
    for path in [
        "/v1/audit/export",
        "/v1/audit/events?limit=200",
        "/metrics",
        "/v1/grants",
        "/v1/grants/echo",
        "/v1/approvals",
        "/v1/executions?state=executing",
        "/v1/workspace",
        "/v1/audit/verify",
    ] {
        texts.push(world.get(Who::Admin, path).await.ok().text);
    }
    let basic = STANDARD.encode(format!("u:{CANARY}"));
    assert_eq!(
        world.upstream.received()[2].header("authorization"),
        format!("Basic {basic}"),
        "it did arrive"
    );
    for text in texts {
        assert!(!text.contains(CANARY) && !text.contains(&basic), "{text}");
    }
}

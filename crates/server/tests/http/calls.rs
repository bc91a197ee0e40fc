//! Calls in policy, and what policies make of an agent's claims: from the file to the stored request.

use serde_json::{Value, json};

use crate::world::{Who, World};

async fn put(world: &World, policies: Value) {
    let set = json!({"policies": policies});
    world
        .call(Who::Admin, "PUT", "/v1/policies", Some(&set))
        .await
        .ok();
}

async fn check(world: &World, http: Value) -> Value {
    let asked = json!({"http": http});
    world
        .post(Who::Agent, "/v1/actions/check", asked)
        .await
        .ok()
        .json()
}

#[tokio::test]
async fn calls_are_judged_by_method_url_grant_and_body() {
    let world = World::new().await;
    let policies = json!([
        {"name": "refunds", "http": {"methods": ["post"], "url": "/v1/refunds"}, "grant": "stripe-*",
         "effect": "conditional", "conditions": ["http.json.amount <= 5000"]},
        {"name": "reads", "http": {"methods": ["GET", "HEAD"], "url": ["/v1/*", "https://api.stripe.com/v2/*"]}, "effect": "allow"}
    ]);
    put(&world, policies.clone()).await;
    let origins = json!({"origins": ["https://api.stripe.com"]});
    world.grant("stripe-live", origins).await;
    let read = world.get(Who::Viewer, "/v1/policies").await.ok().json();
    for (at, field) in [(0, "http"), (0, "grant"), (1, "http")] {
        assert_eq!(
            read["items"][at][field], policies[at][field],
            "it reads back as written"
        );
    }
    let refund = |amount: Value| json!({"method": "POST", "url": "https://api.stripe.com/v1/x/../refunds?expand=1", "json": {"amount": amount}, "grant": "stripe-live"});
    for (call, verdict, policy) in [
        (refund(json!(5000)), "allowed", json!("refunds")),
        (refund(json!(5001)), "pending_approval", json!("refunds")),
        (refund(json!("5000")), "pending_approval", json!("refunds")),
        (
            json!({"method": "get", "url": "https://API.stripe.com./v1/refunds"}),
            "allowed",
            json!("reads"),
        ),
        (
            json!({"method": "GET", "url": "https://api.stripe.com:8443/v2/x"}),
            "denied",
            Value::Null,
        ),
        (
            json!({"method": "DELETE", "url": "https://api.stripe.com/v1/refunds"}),
            "denied",
            Value::Null,
        ),
    ] {
        let checked = check(&world, call.clone()).await;
        assert_eq!(
            (&checked["verdict"], &checked["policy"]["name"]),
            (&json!(verdict), &policy),
            "{call}: {checked}"
        );
    }
    let explained = world
        .post(
            Who::Viewer,
            "/v1/policies/explain",
            json!({"agent": "bot", "http": refund(json!(7000))}),
        )
        .await
        .ok()
        .json();
    assert_eq!(explained["matches"][0]["conditions"][0]["saw"], 7000);
}

/// What is no call is named with its place, and nothing is recorded.
#[tokio::test]
async fn what_is_no_call_is_refused() {
    let world = World::new().await;
    let before = world.head().await;
    for (call, pointer) in [
        (
            json!({"method": "GET", "url": "https://user:pw@api.example.com/"}),
            "/http/url",
        ),
        (json!({"method": "GET", "url": "file:///etc/passwd"}), "/http/url"),
        (
            json!({"method": "G T", "url": "https://a.example/"}),
            "/http/method",
        ),
        (
            json!({"method": "GET", "url": "https://a.example/", "headers": {"x-a": "b\nc"}}),
            "/http/headers/x-a",
        ),
        (
            json!({"method": "GET", "url": "https://a.example/", "body": "x", "json": {}}),
            "/http",
        ),
        (
            json!({"method": "GET", "url": "https://a.example/", "body_base64": "%"}),
            "/http/body_base64",
        ),
    ] {
        let reply = world
            .post(Who::Agent, "/v1/actions/check", json!({"http": call}))
            .await;
        assert_eq!(reply.code(), "invalid_request", "{}", reply.text);
        assert_eq!(reply.json()["errors"][0]["pointer"], pointer, "{}", reply.text);
        assert!(
            !reply.text.contains("pw@"),
            "a password is not said again: {}",
            reply.text
        );
    }
    let nameless = world.post(Who::Agent, "/v1/actions/check", json!({})).await;
    assert_eq!(nameless.json()["errors"][0]["pointer"], "/action");
    assert_eq!(world.head().await, before);
}

#[tokio::test]
async fn patterns_that_match_nothing_are_refused_with_their_place() {
    let world = World::new().await;
    for (policy, pointer) in [
        (
            json!({"http": {"url": "api.stripe.com/*"}}),
            "/policies/0/http/url/0",
        ),
        (json!({"http": {"url": ["/ok", "/("]}}), "/policies/0/http/url/1"),
        (
            json!({"http": {"methods": ["DEL ETE"]}}),
            "/policies/0/http/methods/0",
        ),
        (json!({"http": {}}), "/policies/0/http"),
        (json!({"grant": "a["}), "/policies/0/grant/0"),
        (json!({"cost": "inputs.a > 1"}), "/policies/0/cost"),
        (json!({"floor": {}}), "/policies/0/floor"),
    ] {
        let mut policy = policy;
        policy["name"] = json!("a");
        policy["effect"] = json!("deny");
        let set = json!({"policies": [policy]});
        let refused = world.call(Who::Admin, "PUT", "/v1/policies", Some(&set)).await;
        assert_eq!(refused.code(), "policy_invalid", "{}", refused.text);
        assert_eq!(
            refused.json()["errors"][0]["pointer"],
            pointer,
            "{}",
            refused.text
        );
    }
}

/// What counts stands in the request, beside what the agent said; and a lower floor later is not held up by the first.
#[tokio::test]
async fn a_request_carries_what_counts_and_what_was_claimed() {
    let world = World::new().await;
    let policy = |floor: Value, over: &str| {
        json!([
            {"name": "price", "actions": ["pay"], "cost": "money(inputs.cents) / 100", "floor": floor, "effect": "require_approval"},
            {"name": "dear", "cost_over": over, "risk": "critical", "effect": "deny"}
        ])
    };
    put(
        &world,
        policy(json!({"risk": "high", "priority": "high"}), "1000"),
    )
    .await;
    let asked = json!({"action": "pay", "inputs": {"cents": 12345}, "risk": "low", "estimated_cost": "1"});
    let answer = world.post(Who::Agent, "/v1/actions", asked).await.ok().json();
    let path = format!("/v1/approvals/{}", answer["approval_id"].as_str().unwrap());
    let approval = world.get(Who::Viewer, &path).await.ok().json();
    assert_eq!(
        (
            &approval["risk"],
            &approval["priority"],
            &approval["estimated_cost"]
        ),
        (&json!("high"), &json!("high"), &json!("123.45"))
    );
    let claimed = json!({"risk": "low", "priority": "medium", "estimated_cost": "1"});
    assert_eq!(approval["claimed"], claimed);
    let path_of_action = format!("/v1/actions/{}", answer["action_id"].as_str().unwrap());
    let action = world.get(Who::Viewer, &path_of_action).await.ok().json();
    assert_eq!((&action["risk"], &action["claimed"]), (&json!("high"), &claimed));
    let found = world
        .get(Who::Viewer, "/v1/approvals?risk=high")
        .await
        .ok()
        .json();
    assert_eq!(
        found["items"].as_array().unwrap().len(),
        1,
        "lists go by what counts"
    );

    let explained = world
        .post(
            Who::Viewer,
            "/v1/policies/explain",
            json!({"action": "pay", "agent": "bot", "inputs": {"cents": "x"}}),
        )
        .await
        .ok()
        .json();
    let by = &explained["verdict"]["raised"]["by"];
    assert_eq!(
        (&by[0]["claim"], &by[0]["policy"]["name"]),
        (&json!("cost"), &json!("price"))
    );
    assert!(by[0]["error"].as_str().unwrap().contains("no amount"), "{by}");
    assert_eq!(
        (&by[1]["value"], &by[1]["counts"]),
        (&json!("high"), &json!(true))
    );

    // Judged again by what was claimed: under the new floor nothing is critical, so nothing is denied.
    put(&world, policy(json!({"risk": "minimal"}), "1")).await;
    assert_eq!(
        world.get(Who::Viewer, &path).await.ok().json()["status"],
        "pending"
    );
    put(&world, policy(json!({"risk": "critical"}), "1")).await;
    let mut status = json!("pending");
    for _ in 0..100 {
        status = world.get(Who::Viewer, &path).await.ok().json()["status"].clone();
        if status == "denied" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(status, "denied", "a floor that came later holds too");
}

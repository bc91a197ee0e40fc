//! What a request must say before anybody is asked: bounced with everything that is missing, nobody disturbed.

use serde_json::{Value, json};

use crate::world::{Who, World};

async fn contract(world: &World, effect: &str) {
    let schema = json!({
        "type": "object", "required": ["customer"],
        "properties": {"customer": {"type": "string", "description": "id of the customer"}, "amount": {"type": "number"}}
    });
    let policy = json!({
        "name": "refunds", "actions": ["refund"], "effect": effect, "require_reason": true, "context_schema": schema
    });
    let set = json!({"policies": [policy]});
    world
        .call(Who::Admin, "PUT", "/v1/policies", Some(&set))
        .await
        .ok();
    let read = world.get(Who::Viewer, "/v1/policies/refunds").await.ok().json();
    assert_eq!(read["context_schema"], schema, "it reads back as written");
}

fn pointers(errors: &Value) -> Vec<&str> {
    let errors = errors.as_array().unwrap().iter();
    errors.map(|error| error["pointer"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_thin_request_comes_back_with_all_that_is_missing_and_leaves_nothing() {
    let world = World::new().await;
    contract(&world, "require_approval").await;
    let before = world.head().await;
    let thin = json!({"action": "refund", "context": {"amount": "5"}});
    let bounced = world.post(Who::Agent, "/v1/actions", thin.clone()).await;
    assert_eq!(
        (bounced.status.as_u16(), bounced.code()),
        (422, "context_incomplete".into())
    );
    let problem = bounced.json();
    assert_eq!(
        pointers(&problem["errors"]),
        ["/reason", "/context/amount", "/context/customer"]
    );
    assert_eq!(
        problem["errors"][2]["detail"],
        "`customer` is missing: text (id of the customer)"
    );
    assert_eq!(world.head().await, before, "nothing is recorded");
    let waiting = world.get(Who::Viewer, "/v1/approvals").await.ok().json();
    assert_eq!(waiting["items"], json!([]), "nobody is asked");

    let whole = json!({"action": "refund", "reason": "broken on arrival", "context": {"amount": 5, "customer": "c1"}});
    let asked = world.post(Who::Agent, "/v1/actions", whole).await.ok().json();
    assert_eq!(asked["verdict"], "pending_approval");
}

/// An idempotency key of a request that was bounced is free for the one that says more.
#[tokio::test]
async fn a_bounced_request_takes_no_idempotency_key() {
    let world = World::new().await;
    contract(&world, "allow").await;
    for (context, status) in [(json!({}), 422), (json!({"customer": "c1"}), 200)] {
        let request = world
            .request(Who::Agent, "POST", "/v1/actions")
            .header("idempotency-key", "one")
            .json(&json!({"action": "refund", "reason": "broken", "context": context}));
        assert_eq!(request.send().await.unwrap().status(), status, "{context}");
    }
}

#[tokio::test]
async fn a_dry_run_says_what_is_missing_and_refuses_nothing() {
    let world = World::new().await;
    contract(&world, "allow").await;
    let thin = json!({"action": "refund", "agent": "bot"});
    let checked = world
        .post(Who::Agent, "/v1/actions/check", thin.clone())
        .await
        .ok()
        .json();
    assert_eq!(pointers(&checked["incomplete"]), ["/reason", "/context/customer"]);
    let explained = world
        .post(Who::Viewer, "/v1/policies/explain", thin)
        .await
        .ok()
        .json();
    assert_eq!(explained["verdict"]["incomplete"], checked["incomplete"]);
    assert_eq!(explained["verdict"]["policy"]["name"], "refunds");
    contract(&world, "deny").await;
    let denied = world
        .post(Who::Agent, "/v1/actions", json!({"action": "refund"}))
        .await
        .ok()
        .json();
    assert_eq!(denied["verdict"], "denied", "a denial needs no more words");
}

/// What is pending under a contract that came later is judged again, not sent back.
#[tokio::test]
async fn judging_again_bounces_nothing() {
    let world = World::new().await;
    let set = json!({"policies": [{"name": "refunds", "actions": ["refund"], "effect": "require_approval"}]});
    world
        .call(Who::Admin, "PUT", "/v1/policies", Some(&set))
        .await
        .ok();
    let id = world
        .post(Who::Agent, "/v1/actions", json!({"action": "refund"}))
        .await
        .ok()
        .text_of("approval_id");
    contract(&world, "require_approval").await;
    let approval = world
        .get(Who::Viewer, &format!("/v1/approvals/{id}"))
        .await
        .ok()
        .json();
    assert_eq!(approval["status"], "pending");
    let digest = approval["digest"].clone();
    let vote = json!({"decision": "approve", "digest": digest});
    let path = format!("/v1/approvals/{id}/decide");
    let decided = world.post(Who::Member, &path, vote).await.ok().json();
    assert_eq!(decided["status"], "approved");
}

#[tokio::test]
async fn a_hostile_contract_is_refused_with_its_place() {
    let world = World::new().await;
    let before = world.head().await;
    for (schema, pointer) in [
        (
            json!({"$ref": "http://127.0.0.1:9/"}),
            "/policies/0/context_schema/$ref",
        ),
        (
            json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}),
            "/policies/0/context_schema/$defs/a/$ref",
        ),
        (json!({"requierd": ["a"]}), "/policies/0/context_schema/requierd"),
        (json!({"pattern": "(a)\\1"}), "/policies/0/context_schema/pattern"),
    ] {
        let set = json!({"policies": [{"name": "a", "effect": "allow", "context_schema": schema}]});
        let refused = world.call(Who::Admin, "PUT", "/v1/policies", Some(&set)).await;
        assert_eq!(refused.code(), "policy_invalid", "{}", refused.text);
        assert_eq!(
            refused.json()["errors"][0]["pointer"],
            pointer,
            "{}",
            refused.text
        );
    }
    assert_eq!(world.head().await, before);
}

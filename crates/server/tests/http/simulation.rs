//! A policy set tried on what was asked before: over sockets, as people and programs see it.

use serde_json::{Value, json};

use crate::world::{Who, World};

fn policy(name: &str, effect: &str) -> Value {
    json!({"name": name, "actions": [format!("{name}.*")], "effect": effect})
}

async fn simulate(world: &World, body: Value) -> Value {
    let path = "/v1/policies/simulate";
    world.post(Who::Viewer, path, body).await.ok().json()
}

#[tokio::test]
async fn what_a_reviewer_denied_and_would_pass_is_named_first() {
    let world = World::new().await;
    world.submit(Who::Agent, "allow.a").await;
    world.submit(Who::Agent, "deny.a").await;
    world.submit(Who::Agent, "ask.waits").await;
    let asked = world.submit(Who::Agent, "ask.a").await;
    let id = asked["approval_id"].as_str().unwrap();
    let deny = json!({"decision": "deny", "comment": "no"});
    world
        .post(Who::Member, &format!("/v1/approvals/{id}/decide"), deny)
        .await
        .ok();
    let head = world.head().await;
    let set = json!([
        policy("ask", "allow"),
        policy("allow", "require_approval"),
        policy("deny", "deny")
    ]);
    let found = simulate(&world, json!({"policies": set, "since": "1h"})).await;
    let codes: Vec<_> = found["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| {
            (
                change["code"].as_str().unwrap(),
                change["count"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        codes,
        [
            ("denied_by_reviewer_now_allowed", 1),
            ("undecided_now_allowed", 1),
            ("allowed_now_asked", 1)
        ]
    );
    assert_eq!((&found["actions"], &found["changed"]), (&json!(4), &json!(3)));
    assert_eq!(
        found["proposed"],
        json!({"allowed": 2, "pending_approval": 1, "sent_back": 0, "denied": 1})
    );
    assert_eq!(found["outcomes"][0]["outcome"], "denied_by_reviewer");
    let first = &found["changes"][0]["examples"][0];
    assert_eq!(first["approval_id"], asked["approval_id"]);
    assert_eq!(
        first["recorded"],
        json!({"outcome": "denied_by_reviewer", "policy": "ask",
            "decided_by": {"kind": "operator", "id": world.operators[1], "name": "member"}})
    );
    assert_eq!(first["present"]["verdict"], "pending_approval");
    assert_eq!(
        first["proposed"],
        json!({"verdict": "allowed", "policy": "ask", "conditions": []})
    );
    assert!(found.get("cut_short").is_none());
    assert_eq!(world.head().await, head, "I5: no record came of it");
    let in_force = world.get(Who::Viewer, "/v1/policies").await.ok().json();
    assert_eq!(in_force["version"], 1, "nothing is in force by it");
}

#[tokio::test]
async fn what_cant_be_tried_is_refused_with_its_place() {
    let world = World::new().await;
    let faulty = json!([{"name": "a", "effect": "deny", "conditions": ["contxt.amount > 1"]}]);
    for (body, code, pointer) in [
        (
            json!({"policies": faulty}),
            "policy_invalid",
            "/policies/0/conditions/0",
        ),
        (
            json!({"policies": [], "since": "yesterday"}),
            "invalid_request",
            "/since",
        ),
        (
            json!({"policies": [], "since": "401d"}),
            "invalid_request",
            "/since",
        ),
        (json!({"policies": [], "limit": 0}), "invalid_request", "/limit"),
        (
            json!({"policies": [], "limit": 50_001}),
            "invalid_request",
            "/limit",
        ),
        (
            json!({"policies": [], "examples": 201}),
            "invalid_request",
            "/examples",
        ),
    ] {
        let refused = world
            .post(Who::Admin, "/v1/policies/simulate", body.clone())
            .await;
        assert_eq!(
            (refused.status.as_u16(), refused.code().as_str()),
            (422, code),
            "{body}"
        );
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer, "{body}");
    }
    let misspelt = json!({"policies": [], "sinse": "1d"});
    let refused = world.post(Who::Admin, "/v1/policies/simulate", misspelt).await;
    assert_eq!(refused.code(), "unknown_field");
}

/// One at a time: the others are told to come back, and when.
#[tokio::test]
async fn a_second_simulation_is_told_to_wait() {
    let world = World::new().await;
    for n in 0..40 {
        world.submit(Who::Agent, &format!("allow.{n}")).await;
    }
    let body = || json!({"policies": []});
    let ask = || world.post(Who::Viewer, "/v1/policies/simulate", body());
    for _ in 0..20 {
        let replies = tokio::join!(ask(), ask(), ask(), ask());
        let replies = [replies.0, replies.1, replies.2, replies.3];
        assert!(replies.iter().any(|reply| reply.status == 200));
        if let Some(busy) = replies.iter().find(|reply| reply.status != 200) {
            assert_eq!((busy.status.as_u16(), busy.code().as_str()), (429, "busy"));
            assert_eq!(busy.headers["retry-after"], "5");
            return;
        }
    }
    panic!("four simulations at once were never too many");
}

//! What an approval reaches beyond its request, over the wire: changes, standing approvals, approving for ever.

use serde_json::{Value, json};

use crate::world::{Who, World};

async fn world() -> World {
    let world = World::new().await;
    let policy = json!({
        "name": "refunds", "actions": ["refund.*"], "effect": "require_approval",
        "approval": {"allow_edit": {"properties": {"context": {"properties": {"amount": {"maximum": 500}}}}}},
    });
    let never = json!({"name": "never", "actions": ["refund.*"], "effect": "deny", "conditions": ["context.amount == 13"]});
    for policy in [policy, never] {
        world.post(Who::Automation, "/v1/policies", policy).await.ok();
    }
    world
}

async fn ask(world: &World, amount: u64) -> Value {
    let body = json!({"action": "refund.send", "context": {"amount": amount}, "accepts": ["edits"]});
    world.post(Who::Agent, "/v1/actions", body).await.ok().json()
}

async fn check(world: &World, amount: u64) -> Value {
    let body = json!({"action": "refund.send", "context": {"amount": amount}, "accepts": ["edits"]});
    world
        .post(Who::Agent, "/v1/actions/check", body)
        .await
        .ok()
        .json()
}

async fn decide(world: &World, asked: &Value, more: Value) -> (u16, Value) {
    let path = format!("/v1/approvals/{}", asked["approval_id"].as_str().unwrap());
    let digest = world.get(Who::Admin, &path).await.ok().text_of("digest");
    let mut body = json!({"decision": "approve", "digest": digest});
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let reply = world.post(Who::Admin, &format!("{path}/decide"), body).await;
    (reply.status.as_u16(), reply.json())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_is_taken_refused_or_denied() {
    let world = world().await;
    let asked = ask(&world, 50).await;
    for (edit, status, code) in [
        (
            json!({"edit": {"context": {"amount": 501}}}),
            422,
            "invalid_request",
        ),
        (json!({"edit": {"inputs": {"x": 1}}}), 422, "invalid_request"),
        (
            json!({"edit": {"context": {"amount": 50}}}),
            422,
            "invalid_request",
        ),
        (json!({"edit": {}}), 422, "invalid_request"),
        (json!({"edit": {"context": {"amount": 13}}}), 409, "edit_denied"),
        (json!({"edit": {"contxt": {}}}), 422, "unknown_field"),
        (
            json!({"edit": {"context": {"amount": 1}}, "always": "action"}),
            422,
            "invalid_request",
        ),
    ] {
        let (found, problem) = decide(&world, &asked, edit.clone()).await;
        assert_eq!(
            (found, problem["code"].as_str()),
            (status, Some(code)),
            "{edit} {problem}"
        );
    }
    let (status, approval) = decide(&world, &asked, json!({"edit": {"context": {"amount": 20}}})).await;
    assert_eq!(
        (status, approval["status"].as_str()),
        (200, Some("approved")),
        "{approval}"
    );
    assert_eq!(approval["context"]["amount"], 20);
    assert_eq!(approval["edits"].as_array().unwrap().len(), 1);
    let consume = format!(
        "/v1/executions/{}/consume",
        approval["execution_id"].as_str().unwrap()
    );
    let taken = world.post(Who::Agent, &consume, json!({})).await.ok().json();
    assert_eq!(taken["context"]["amount"], 20, "{taken}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standing_approval_is_given_listed_used_and_taken_back() {
    let world = world().await;
    let asked = ask(&world, 50).await;
    for standing in [
        json!({"valid_for": "31d"}),
        json!({"valid_for": "never"}),
        json!({"valid_for": "1h", "uses": 0}),
        json!({"valid_for": "1h", "condition": "context.amount <="}),
        json!({"valid_for": "1h", "condition": "count_last('1h') < 3"}),
    ] {
        let (status, problem) = decide(&world, &asked, json!({ "standing": standing })).await;
        assert_eq!(status, 422, "{standing} {problem}");
        let pointer = problem["errors"][0]["pointer"].as_str().unwrap();
        assert!(pointer.starts_with("/standing/"), "{problem}");
    }
    let standing = json!({"standing": {"valid_for": "1h", "uses": 1, "condition": "context.amount <= 60"}});
    let (status, _) = decide(&world, &asked, standing).await;
    assert_eq!(status, 200);
    let (small, large) = (check(&world, 60).await, check(&world, 61).await);
    assert_eq!(large["verdict"], "pending_approval", "{large}");
    let used = ask(&world, 60).await;
    assert_eq!(used["verdict"], "allowed", "{used}");
    let id = used["standing_approval_id"].as_str().unwrap();
    assert_eq!(
        (&small["verdict"], &small["standing_approval_id"]),
        (&json!("allowed"), &json!(id)),
        "a check says what the submit gets, and uses nothing up"
    );
    assert_eq!(check(&world, 60).await["verdict"], "pending_approval");
    let listed = world
        .get(Who::Viewer, "/v1/standing-approvals?state=used_up")
        .await
        .ok()
        .json();
    assert_eq!(
        (&listed["items"][0]["id"], &listed["items"][0]["uses"]),
        (&json!(id), &json!(1))
    );
    assert_eq!(ask(&world, 60).await["verdict"], "pending_approval");
    let path = format!("/v1/standing-approvals/{id}");
    let revoked = world
        .post(Who::Member, &format!("{path}/revoke"), json!({}))
        .await
        .ok()
        .json();
    assert_eq!(revoked["state"], "revoked");
    let consume = format!(
        "/v1/executions/{}/consume",
        used["execution_id"].as_str().unwrap()
    );
    let refused = world.post(Who::Agent, &consume, json!({})).await;
    assert_eq!(refused.status.as_u16(), 409);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn always_is_looked_at_before_it_is_done() {
    let world = world().await;
    let asked = ask(&world, 50).await;
    let path = format!("/v1/approvals/{}/always", asked["approval_id"].as_str().unwrap());
    let preview = world.get(Who::Admin, &path).await.ok().json();
    assert_eq!(
        (
            &preview["policy"]["effect"],
            &preview["replaces"],
            &preview["pending"]
        ),
        (&json!("allow"), &json!(false), &json!(1))
    );
    let (status, _) = decide(&world, &asked, json!({"always": "action"})).await;
    assert_eq!(status, 200);
    let next = ask(&world, 50).await;
    assert_eq!(
        (&next["verdict"], &next["policy"]["name"]),
        (&json!("allowed"), &preview["policy"]["name"])
    );
    assert_eq!(ask(&world, 13).await["verdict"], "denied");
}

//! The terms of asking, from the policy over the request to the decision: stages, reasons, times, links, contacts.

use serde_json::{Value, json};
use signoff_core::time::Timestamp;

use crate::world::{Reply, Who, World};

/// Puts one policy in force that asks under these terms.
async fn policy(world: &World, mut policy: Value) {
    policy["name"] = json!("terms");
    policy["actions"] = json!(["do.*"]);
    policy["effect"] = json!("require_approval");
    let set = json!({"policies": [policy.clone()]});
    world
        .call(Who::Admin, "PUT", "/v1/policies", Some(&set))
        .await
        .ok();
    let read = world.get(Who::Viewer, "/v1/policies/terms").await.ok().json();
    for (field, written) in policy.as_object().unwrap() {
        assert_eq!(read[field], *written, "{field}");
    }
}

async fn ask(world: &World, context: Value) -> String {
    let asked = json!({"action": "do.it", "context": context});
    world
        .post(Who::Agent, "/v1/actions", asked)
        .await
        .ok()
        .text_of("approval_id")
}

async fn read(world: &World, id: &str) -> Value {
    world
        .get(Who::Viewer, &format!("/v1/approvals/{id}"))
        .await
        .ok()
        .json()
}

async fn vote(world: &World, who: Who, id: &str, more: Value) -> Reply {
    let digest = read(world, id).await["digest"].clone();
    let mut body = json!({"decision": "approve", "digest": digest});
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    world.post(who, &format!("/v1/approvals/{id}/decide"), body).await
}

#[tokio::test]
async fn an_approval_says_which_stage_is_open_and_what_is_needed() {
    let world = World::new().await;
    let stages = json!([
        {"name": "peer", "approvers": ["email:member@example.com"]},
        {"approvers": ["role:admin"], "deny_quorum": 2}
    ]);
    policy(&world, json!({"approval": {"stages": stages}})).await;
    let checked = json!({"action": "do.it", "agent": "bot"});
    let why = world
        .post(Who::Viewer, "/v1/policies/explain", checked)
        .await
        .ok()
        .json();
    assert_eq!(why["verdict"]["requirement"]["stages"][1]["state"], "waiting");

    let id = ask(&world, json!({})).await;
    let early = vote(&world, Who::Admin, &id, json!({})).await;
    assert_eq!(
        (early.status.as_u16(), early.code()),
        (403, "requirement_not_met".into())
    );
    assert!(early.text.contains("after stage 1"), "{}", early.text);
    vote(&world, Who::Member, &id, json!({})).await.ok();
    let approval = read(&world, &id).await;
    let stages = &approval["requirement"]["stages"];
    assert_eq!(
        approval["requirement"]["approvers"],
        json!(["role:admin"]),
        "those whose turn it is"
    );
    assert_eq!(
        (
            &stages[0]["number"],
            &stages[0]["name"],
            &stages[0]["state"],
            &stages[0]["needed"]
        ),
        (&json!(1), &json!("peer"), &json!("done"), &json!(0))
    );
    assert_eq!(stages[0]["approved_by"][0]["name"], "member");
    assert_eq!(
        (
            &stages[1]["state"],
            &stages[1]["needed"],
            &stages[1]["deny_quorum"]
        ),
        (&json!("open"), &json!(1), &json!(2))
    );
    let done = vote(&world, Who::Admin, &id, json!({})).await.ok().json();
    assert_eq!(done["status"], "approved");
    let at_the_end: Vec<&Value> = done["requirement"]["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stage| &stage["state"])
        .collect();
    assert_eq!(at_the_end, ["done", "done"]);
    let events = world.get(Who::Viewer, "/v1/audit/events?limit=5").await.ok().text;
    assert!(events.contains("stage 1 is done"), "{events}");
}

#[tokio::test]
async fn reasons_that_the_terms_require_are_required() {
    let world = World::new().await;
    policy(
        &world,
        json!({"require_reason": true, "require_decision_reason": true}),
    )
    .await;
    let asked = json!({"action": "do.it"});
    let thin = world.post(Who::Agent, "/v1/actions", asked).await;
    assert_eq!(thin.status, 422, "{}", thin.text);
    assert_eq!(thin.code(), "context_incomplete");
    assert_eq!(thin.json()["errors"][0]["pointer"], "/reason");
    let asked = json!({"action": "do.it", "reason": "the customer asked"});
    let id = world
        .post(Who::Agent, "/v1/actions", asked)
        .await
        .ok()
        .text_of("approval_id");
    let wordless = vote(&world, Who::Member, &id, json!({})).await;
    assert_eq!(
        (wordless.status.as_u16(), &wordless.json()["errors"][0]["pointer"]),
        (422, &json!("/comment"))
    );
    assert_eq!(
        read(&world, &id).await["requirement"]["require_decision_reason"],
        true
    );
    vote(&world, Who::Member, &id, json!({"comment": "checked"}))
        .await
        .ok();
}

#[tokio::test]
async fn times_of_the_terms_hold() {
    let world = World::new().await;
    policy(
        &world,
        json!({"valid_for": "15m", "approval": {"timeout": "never"}}),
    )
    .await;
    let id = ask(&world, json!({})).await;
    let waiting = read(&world, &id).await;
    assert_eq!(
        (&waiting["decide_by"], waiting.get("expires_in")),
        (&Value::Null, None)
    );
    let done = vote(&world, Who::Member, &id, json!({})).await.ok().json();
    let at = |field: &str| -> Timestamp { done[field].as_str().unwrap().parse().unwrap() };
    assert_eq!(at("decided_at").until(at("run_by")).0, 15 * 60 * 1_000_000);
    // A request may still be in a hurry.
    let asked = json!({"action": "do.it", "timeout": "5m"});
    let answer = world.post(Who::Agent, "/v1/actions", asked).await.ok().json();
    assert!(
        (295..=300).contains(&answer["expires_in"].as_u64().unwrap()),
        "{answer}"
    );
}

#[tokio::test]
async fn the_owner_approves_only_with_leave() {
    let world = World::new().await;
    let owner = json!({"owner": "member@example.com"});
    world
        .call(Who::Admin, "PATCH", "/v1/agents/bot", Some(&owner))
        .await
        .ok();
    policy(&world, json!({"approval": {"approvers": ["agent.owner"]}})).await;
    let id = ask(&world, json!({})).await;
    assert_eq!(
        vote(&world, Who::Member, &id, json!({})).await.code(),
        "requirement_not_met"
    );
    policy(
        &world,
        json!({"approval": {"approvers": ["agent.owner"], "self_approval": true}}),
    )
    .await;
    let id = ask(&world, json!({})).await;
    assert_eq!(read(&world, &id).await["requirement"]["self_approval"], true);
    vote(&world, Who::Member, &id, json!({})).await.ok();
}

#[tokio::test]
async fn an_ask_of_a_guard_is_not_overridden() {
    let world = World::new().await;
    let set = json!({"policies": [
        {"name": "guard", "actions": ["do.*"], "effect": "require_approval", "guard": true},
        {"name": "pass", "actions": ["do.it"], "effect": "allow"}
    ]});
    world
        .call(Who::Admin, "PUT", "/v1/policies", Some(&set))
        .await
        .ok();
    let answer = world.submit(Who::Agent, "do.it").await;
    assert_eq!(
        (&answer["verdict"], &answer["policy"]["name"]),
        (&json!("pending_approval"), &json!("guard"))
    );
    let asked = json!({"action": "do.it", "agent": "bot"});
    let why = world
        .post(Who::Viewer, "/v1/policies/explain", asked)
        .await
        .ok()
        .json();
    assert_eq!(
        (
            &why["matches"][0]["policy"]["name"],
            &why["matches"][0]["governs"]
        ),
        (&json!("guard"), &json!(true))
    );
}

#[tokio::test]
async fn links_and_approvers_of_the_context_are_shown_as_they_came_to_be() {
    let world = World::new().await;
    let approvers = json!([{"context": "customer.manager_email", "domains": ["example.com"]}]);
    let notify = json!(["channel:all", {"to": ["channel:pager"], "risk": "high"}]);
    let terms = json!({"approval": {"approvers": approvers, "link": "anyone", "notify": notify}});
    policy(&world, terms).await;
    let id = ask(
        &world,
        json!({"customer": {"manager_email": "member@example.com"}}),
    )
    .await;
    let requirement = read(&world, &id).await["requirement"].clone();
    assert_eq!(
        requirement["approvers"],
        json!([format!("operator:{}", world.operators[1])])
    );
    assert_eq!(
        (&requirement["link"], requirement.get("unresolved")),
        (&json!("anyone"), None)
    );
    assert_eq!(
        vote(&world, Who::Admin, &id, json!({})).await.code(),
        "requirement_not_met"
    );
    vote(&world, Who::Member, &id, json!({})).await.ok();

    let risky = json!({"action": "do.it", "agent": "bot", "risk": "high", "context": {"customer": {"manager_email": "x@evil.example"}}});
    let why = world
        .post(Who::Viewer, "/v1/policies/explain", risky)
        .await
        .ok()
        .json();
    let requirement = &why["verdict"]["requirement"];
    assert_eq!(
        (&requirement["link"], &requirement["approvers"]),
        (&json!("operator"), &json!(["role:member"]))
    );
    assert_eq!(
        requirement["unresolved"],
        json!([{"stage": 1, "context": "customer.manager_email", "why": "other_domain", "defaulted": true}])
    );
}

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{body, bool_of, hostile_input_is_refused, in_its_form, sent};
use crate::world::{Reply, Who, World};

async fn check(world: &World, context: Value) -> Reply {
    let asked = json!({"agent_id": "app-1", "action": "ask.refund", "context": context});
    sent(
        world,
        Who::Application,
        "POST",
        "agentwarden/sdk/check",
        body(&asked),
    )
    .await
    .ok()
}

async fn approve(world: &World, id: &str) {
    let path = format!("/v1/approvals/{id}");
    let digest = world.get(Who::Admin, &path).await.text_of("digest");
    let decision = json!({"decision": "approve", "digest": digest});
    world
        .call(Who::Admin, "POST", &format!("{path}/decide"), Some(&decision))
        .await
        .ok();
}

#[tokio::test]
async fn what_is_no_request_is_refused_in_its_form() {
    let world = World::new().await;
    let posts = ["agentwarden/sdk/check", "agentwarden/sdk/log"];
    hostile_input_is_refused(&world, &posts, "agentwarden").await;
    for (agent, action) in [
        ("app-1", "two words"),
        ("app-1", ""),
        ("app-1", "a*"),
        ("app-ü", "ask.it"),
    ] {
        let asked = json!({"agent_id": agent, "action": action, "context": null});
        let reply = sent(
            &world,
            Who::Application,
            "POST",
            "agentwarden/sdk/check",
            body(&asked),
        )
        .await;
        assert!(reply.status.is_client_error(), "{}", reply.text);
        in_its_form(&reply, reply.status, "detail");
    }
    for id in ["apr_1", "..", "act_00000000000000000000000000000000", "%00"] {
        let path = format!("agentwarden/sdk/approvals/{id}");
        let reply = sent(&world, Who::Application, "GET", &path, "").await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{}", reply.text);
    }
}

/// I6: an agent's or application's key sets no permission, whatever it is sent under; no operator's key asks.
#[tokio::test]
async fn i6_asking_is_not_permitting() {
    let world = World::new().await;
    let permission = json!({"action": "deny.it", "requires_approval": false});
    let path = "agentwarden/api/agents/bot/permissions";
    for who in [Who::Agent, Who::Application, Who::Viewer, Who::Member] {
        let reply = sent(&world, who, "POST", path, body(&permission)).await;
        in_its_form(&reply, StatusCode::FORBIDDEN, "detail");
    }
    let asked = json!({"agent_id": "bot", "action": "allow.it", "context": null});
    let reply = sent(&world, Who::Admin, "POST", "agentwarden/sdk/check", body(&asked)).await;
    in_its_form(&reply, StatusCode::FORBIDDEN, "detail");
    // A permission is one more policy: what another one denies stays denied.
    sent(&world, Who::Admin, "POST", path, body(&permission))
        .await
        .ok();
    let asked = json!({"agent_id": "bot", "action": "deny.it", "context": null});
    let reply = sent(&world, Who::Agent, "POST", "agentwarden/sdk/check", body(&asked)).await;
    assert!(!bool_of(&reply.ok(), "allowed"));
    for action in ["*", "deny.*", "", "two words"] {
        let reply = sent(&world, Who::Admin, "POST", path, body(&json!({"action": action}))).await;
        in_its_form(&reply, StatusCode::UNPROCESSABLE_ENTITY, "detail");
    }
}

/// I3: an approval is handed out to exactly one of those who ask, by whichever of the three ways.
#[tokio::test]
async fn i3_an_approval_is_handed_out_once_by_whichever_way() {
    let world = World::new().await;
    for round in 0..4 {
        let context = json!({"round": round});
        let id = check(&world, context.clone()).await.text_of("approval_id");
        assert_eq!(check(&world, context.clone()).await.text_of("approval_id"), id);
        approve(&world, &id).await;
        let status = format!("agentwarden/sdk/approvals/{id}");
        let checks = futures_util::future::join_all((0..4).map(|_| check(&world, context.clone())));
        let polls = futures_util::future::join_all(
            (0..4).map(|_| sent(&world, Who::Application, "GET", &status, "")),
        );
        let (checks, polls) = futures_util::future::join(checks, polls).await;
        let by_check = checks.iter().filter(|reply| bool_of(reply, "allowed")).count();
        let by_poll = polls
            .iter()
            .filter(|reply| reply.text_of("status") == "approved")
            .count();
        assert_eq!(by_check + by_poll, 1, "{checks:?} {polls:?}");
    }
}

/// What is kept for a request belongs to the key that asked: another key with the same question has a request of its own.
#[tokio::test]
async fn the_same_question_of_another_key_is_another_request() {
    let world = World::new().await;
    let asked = body(&json!({"agent_id": "bot", "action": "ask.it", "context": {"a": 1}}));
    let first = sent(&world, Who::Agent, "POST", "agentwarden/sdk/check", asked.clone()).await;
    let id = first.ok().text_of("approval_id");
    approve(&world, &id).await;
    let other = json!({"agent_id": "other", "action": "ask.it", "context": {"a": 1}});
    let reply = sent(
        &world,
        Who::OtherAgent,
        "POST",
        "agentwarden/sdk/check",
        body(&other),
    )
    .await;
    assert!(!bool_of(&reply, "allowed") && reply.text_of("approval_id") != id);
    let reply = sent(&world, Who::Agent, "POST", "agentwarden/sdk/check", asked).await;
    assert!(bool_of(&reply, "allowed"));
}

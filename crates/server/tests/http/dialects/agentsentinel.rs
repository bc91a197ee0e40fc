use reqwest::StatusCode;
use serde_json::{Value, json};
use signoff_testkit::{Answer, Recorder};

use super::{body, hostile_input_is_refused, in_its_form, sent};
use crate::world::{Reply, Who, World};

const API: &str = "agentsentinel/api/v1";

async fn post(world: &World, who: Who, path: &str, sent_body: &Value) -> Reply {
    sent(world, who, "POST", &format!("{API}/{path}"), body(sent_body)).await
}

#[tokio::test]
async fn what_is_no_request_is_refused_in_its_form() {
    let world = World::new().await;
    let posts = ["approvals", "ingest", "interventions/"].map(|path| format!("{API}/{path}"));
    let posts: Vec<&str> = posts.iter().map(String::as_str).collect();
    hostile_input_is_refused(&world, &posts[..1], "agentsentinel").await;
    for path in &posts[1..] {
        for raw in ["{", "[]", "7"] {
            let reply = sent(&world, Who::Application, "POST", path, raw).await;
            in_its_form(&reply, reply.status, "detail");
            assert!(reply.status.is_client_error());
        }
    }
    for wrong in [
        json!({"action_name": "ask.it", "agent_id": "app-1", "risk_level": "enormous"}),
        json!({"action_name": "ask.it", "agent_id": "app-1", "estimated_cost": -1}),
        json!({"action_name": "two words", "agent_id": "app-1"}),
        json!({"action_name": "ask.it", "agent_id": "app-1", "action_inputs": [1]}),
        json!({"agent_id": "app-1"}),
    ] {
        let reply = post(&world, Who::Application, "approvals", &wrong).await;
        in_its_form(&reply, StatusCode::UNPROCESSABLE_ENTITY, "detail");
    }
    for query in ["", "?target_type=planet&target_id=x", "?target_type=agent"] {
        let path = format!("{API}/kill-switch/check{query}");
        let reply = sent(&world, Who::Application, "GET", &path, "").await;
        in_its_form(&reply, reply.status, "detail");
    }
}

/// I6: asking, polling, answering and calling off decide nothing; what policy denies is never approved.
#[tokio::test]
async fn i6_a_request_is_decided_by_people_alone() {
    let world = World::new().await;
    let asked = json!({"action_name": "unheard.of", "agent_id": "app-1", "timeout_seconds": 0});
    let made = post(&world, Who::Application, "approvals", &asked).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let id = made.text_of("id");
    for who in [Who::Agent, Who::OtherAgent] {
        let reply = post(&world, who, &format!("approvals/{id}/cancel"), &json!({})).await;
        in_its_form(&reply, StatusCode::NOT_FOUND, "detail");
    }
    let reply = post(
        &world,
        Who::Application,
        &format!("approvals/{id}/respond"),
        &json!({"response": "yes"}),
    )
    .await;
    in_its_form(&reply, StatusCode::CONFLICT, "detail");
    assert_eq!(
        world
            .get(Who::Admin, &format!("/v1/approvals/{id}"))
            .await
            .text_of("status"),
        "pending"
    );
    let denied = json!({"action_name": "deny.it", "agent_id": "app-1"});
    let id = post(&world, Who::Application, "approvals", &denied)
        .await
        .text_of("id");
    let poll = format!("{API}/approvals/{id}/poll");
    let reply = sent(&world, Who::Application, "GET", &poll, "").await.ok();
    assert_eq!(reply.text_of("status"), "rejected");
    assert_eq!(
        sent(&world, Who::Agent, "GET", &poll, "").await.status,
        StatusCode::NOT_FOUND
    );
}

/// Time stamps have the six digits that the oldest of the client's Pythons reads.
#[tokio::test]
async fn time_stamps_have_six_digits() {
    let world = World::new().await;
    let asked = json!({"action_name": "ask.it", "agent_id": "app-1"});
    let id = post(&world, Who::Application, "approvals", &asked)
        .await
        .text_of("id");
    let reply = post(
        &world,
        Who::Application,
        &format!("approvals/{id}/cancel"),
        &json!({}),
    )
    .await;
    let at = reply.ok().text_of("decided_at");
    assert!(
        at.len() == "2026-01-01T00:00:00.000000Z".len() && at.ends_with('Z'),
        "{at}"
    );
}

/// However often an entry comes, and whatever else comes with it, it is written down once.
#[tokio::test]
async fn entries_are_written_down_once() {
    let world = World::new().await;
    let entry = |id: usize| {
        let id = format!("{id:032}");
        json!({"id": id, "action": "say \u{202e} it", "outcome": "success", "payload": {}})
    };
    let batch =
        json!({"run_id": "r", "agent_id": "app-1", "entries": (0..450).map(entry).collect::<Vec<_>>()});
    let (left, right) = tokio::join!(
        post(&world, Who::Application, "ingest", &batch),
        post(&world, Who::Application, "ingest", &batch)
    );
    let sum = |field: &str| left.json()[field].as_u64().unwrap() + right.json()[field].as_u64().unwrap();
    assert_eq!(
        (left.status, right.status),
        (StatusCode::ACCEPTED, StatusCode::ACCEPTED)
    );
    assert_eq!((sum("accepted"), sum("duplicates")), (450, 450));
    let odd = json!({"entries": [{"action": 7, "outcome": null}, {}], "agent_id": "app-1"});
    assert_eq!(
        post(&world, Who::Application, "ingest", &odd).await.status,
        StatusCode::ACCEPTED
    );
    let verified = world.get(Who::Admin, "/v1/audit/verify?with_store=true").await;
    assert!(verified.json()["ok"].as_bool().unwrap(), "{}", verified.text);
}

/// A `callback_url` is called where a channel allows it; elsewhere it is no more than a text that the approver sees.
#[tokio::test]
async fn a_callback_url_is_called_where_a_channel_allows_it() {
    let world = World::new().await;
    let receiver = Recorder::start(|_| Answer::status(204)).await;
    let settings = json!({"callback": {"allow": [receiver.url("/agents")]}});
    let channel = json!({"name": "back", "settings": settings});
    let made = world.post(Who::Admin, "/v1/channels", channel).await;
    assert!(made.status.is_success(), "{}", made.text);
    for (path, is_shown) in [("/elsewhere", true), ("/agents/7", false)] {
        let asked =
            json!({"action_name": "unheard.of", "agent_id": "app-1", "callback_url": receiver.url(path)});
        let made = post(&world, Who::Application, "approvals", &asked).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        let id = made.text_of("id");
        world.decide(&id, true).await;
        let view = world.get(Who::Admin, &format!("/v1/approvals/{id}")).await.json();
        assert_eq!(view["context"]["callback_url"].is_string(), is_shown, "{view}");
    }
    let told = receiver.wait_for(2).await;
    assert!(told.iter().all(|message| message.path == "/agents/7"), "{told:?}");
    assert_eq!(told[1].json()["data"]["approval"]["status"], "approved");
}

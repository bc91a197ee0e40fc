//! An agent asks, a person decides, the agent goes on: the whole way over HTTP.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::json;

use crate::world::{Reply, Who, World};

#[tokio::test]
async fn a_waiting_submit_is_released_by_the_decision() {
    let world = World::new().await;
    let body = json!({"action": "ask.refund", "inputs": {"amount": "500.00"}, "context": {"ticket": 7}, "reason": "late"});
    let submit = world
        .request(Who::Agent, "POST", "/v1/actions?wait=20")
        .header("content-type", "application/json");
    let waiting = tokio::spawn(submit.body(body.to_string()).send());
    let pending = loop {
        let page = world
            .get(Who::Member, "/v1/approvals?status=pending")
            .await
            .ok()
            .json();
        if let Some(found) = page["items"].get(0) {
            break found.clone();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(pending["inputs"]["amount"], "500.00");
    assert_eq!(pending["reason"], "late");
    let id = pending["id"].as_str().unwrap();
    assert_eq!(pending["url"], format!("http://signoff.test/approvals/{id}"));
    let approve = json!({"decision": "approve", "digest": pending["digest"], "comment": "fine"});
    let decided = world
        .post(
            Who::Member,
            &format!("/v1/approvals/{id}/decide"),
            approve.clone(),
        )
        .await
        .ok()
        .json();
    assert_eq!(
        (&decided["status"], &decided["decided_by"]["name"]),
        (&json!("approved"), &json!("member"))
    );
    let answer = Reply::of(waiting.await.unwrap().unwrap()).await.ok().json();
    assert_eq!(
        (&answer["verdict"], &answer["approval"]["status"]),
        (&json!("allowed"), &json!("approved"))
    );
    // A second decision learns how it stands and who was first.
    let late = world
        .post(Who::Admin, &format!("/v1/approvals/{id}/decide"), approve)
        .await;
    assert_eq!(
        (late.status, late.code().as_str()),
        (StatusCode::CONFLICT, "already_decided")
    );
    assert!(
        late.text_of("detail").contains("approved by member"),
        "{}",
        late.text
    );
    // What was seen is what runs: once.
    let execution = format!("/v1/executions/{}", answer["execution_id"].as_str().unwrap());
    let consumed = world
        .post(Who::Agent, &format!("{execution}/consume"), json!({}))
        .await
        .ok()
        .json();
    assert_eq!(
        (&consumed["status"], &consumed["inputs"]["amount"]),
        (&json!("consumed"), &json!("500.00"))
    );
    assert_eq!(consumed["digest"], pending["digest"]);
    assert_eq!(
        world
            .post(Who::Agent, &format!("{execution}/consume"), json!({}))
            .await
            .code(),
        "already_consumed"
    );
    let report = json!({"outcome": "success", "detail": "done", "result": {"id": "re_1"}});
    let reported = world
        .post(Who::Agent, &format!("{execution}/report"), report)
        .await
        .ok()
        .json();
    assert_eq!(reported["report"]["result"]["id"], "re_1");
    let stats = world.get(Who::Viewer, "/v1/approvals/stats").await.ok().json();
    assert_eq!(
        (&stats["total"], &stats["human"]["approval_rate"]),
        (&json!(1), &json!(1.0))
    );
    assert_eq!(stats["by_priority"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn questions_and_answers_and_changes_wake_who_waits_for_changes() {
    let world = World::new().await;
    let id = world.submit(Who::Agent, "ask.it").await["approval_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/v1/approvals/{id}");
    let waiting = tokio::spawn(
        world
            .request(Who::Agent, "GET", &format!("{path}?wait=20&until=changed"))
            .send(),
    );
    tokio::time::sleep(Duration::from_millis(150)).await;
    let ask = json!({"decision": "request_info", "question": "for whom?"});
    world.post(Who::Member, &format!("{path}/decide"), ask).await.ok();
    let seen = Reply::of(waiting.await.unwrap().unwrap()).await.ok().json();
    assert_eq!(
        (&seen["status"], &seen["info"][0]["question"]),
        (&json!("info_requested"), &json!("for whom?"))
    );
    let answered = world
        .post(Who::Agent, &format!("{path}/answer"), json!({"answer": "cus_1"}))
        .await
        .ok()
        .json();
    assert_eq!(
        (&answered["status"], &answered["info"][0]["answer"]),
        (&json!("pending"), &json!("cus_1"))
    );
    let denied = json!({"decision": "deny", "reason": "not today"});
    let denied = world
        .post(Who::Member, &format!("{path}/decide"), denied)
        .await
        .ok()
        .json();
    assert_eq!(
        (&denied["code"], &denied["decision_reason"]),
        (&json!("denied_by_reviewer"), &json!("not today"))
    );
    let events = world
        .get(Who::Agent, &format!("{path}/events?limit=2"))
        .await
        .ok()
        .json();
    assert_eq!(events["items"][0]["type"], "approval.requested.v1");
    let cursor = events["next_cursor"].as_str().unwrap();
    let rest = world
        .get(Who::Agent, &format!("{path}/events?cursor={cursor}"))
        .await
        .ok()
        .json();
    assert_eq!(rest["items"][1]["text"], "not today");
}

#[tokio::test]
async fn a_wait_ends_by_itself_and_with_the_server() {
    let world = World::new().await;
    let id = world.submit(Who::Agent, "ask.it").await["approval_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let started = Instant::now();
    let seen = world
        .get(Who::Agent, &format!("/v1/approvals/{id}?wait=1"))
        .await
        .ok();
    assert_eq!(seen.text_of("status"), "pending");
    assert!(started.elapsed() >= Duration::from_millis(900));
    let waiting = tokio::spawn(
        world
            .request(Who::Agent, "GET", &format!("/v1/approvals/{id}?wait=15"))
            .send(),
    );
    tokio::time::sleep(Duration::from_millis(150)).await;
    world.stopping.cancel();
    let answered = tokio::time::timeout(Duration::from_secs(5), waiting)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(Reply::of(answered).await.ok().text_of("status"), "pending");
}

/// A client that goes away leaves no waiter behind.
#[tokio::test]
async fn a_wait_ends_with_its_client() {
    let world = World::new().await;
    let id = world.submit(Who::Agent, "ask.it").await["approval_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let waiting = tokio::spawn(
        world
            .request(Who::Agent, "GET", &format!("/v1/approvals/{id}?wait=60"))
            .send(),
    );
    let waiters = async |count: u64| {
        let deadline = Instant::now() + Duration::from_secs(5);
        while world.engine.numbers().waiters != count {
            assert!(
                Instant::now() < deadline,
                "{} wait",
                world.engine.numbers().waiters
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    waiters(1).await;
    waiting.abort();
    waiters(0).await;
}

#[tokio::test]
async fn repeated_requests_with_one_key_happen_once() {
    let world = World::new().await;
    let send = async |action: &str| {
        let request = world
            .request(Who::Agent, "POST", "/v1/actions")
            .header("idempotency-key", "k-1");
        let body = json!({"action": action}).to_string();
        Reply::of(
            request
                .header("content-type", "application/json")
                .body(body)
                .send()
                .await
                .unwrap(),
        )
        .await
    };
    let first = send("ask.it").await.ok().json();
    let head = world.head().await;
    assert_eq!(send("ask.it").await.ok().json()["action_id"], first["action_id"]);
    assert_eq!(world.head().await, head);
    let other = send("ask.other").await;
    assert_eq!(
        (other.status, other.code().as_str()),
        (StatusCode::UNPROCESSABLE_ENTITY, "idempotency_mismatch")
    );
    // A secret is shown once.
    let create = async || {
        let request = world
            .request(Who::Admin, "POST", "/v1/agents")
            .header("idempotency-key", "k-2");
        let request = request
            .header("content-type", "application/json")
            .body(r#"{"name":"new"}"#);
        Reply::of(request.send().await.unwrap()).await.ok()
    };
    assert!(create().await.text_of("api_key").starts_with("sgo_agt_"));
    assert_eq!(create().await.json()["api_key"], json!(null));
}

#[tokio::test]
async fn a_policy_set_reads_back_and_changes_in_versions() {
    let world = World::new().await;
    let set = world.get(Who::Viewer, "/v1/policies").await.ok().json();
    assert_eq!(
        (&set["version"], &set["items"][1]["name"]),
        (&json!(1), &json!("ask"))
    );
    let policy = json!({"name": "small", "actions": ["ask.it"], "effect": "conditional",
        "conditions": [{"field": "n", "operator": "lte", "value": 5}], "approval": {"timeout": "10m", "quorum": 2}});
    world.post(Who::Admin, "/v1/policies", policy.clone()).await.ok();
    let read = world.get(Who::Viewer, "/v1/policies/SMALL").await.ok().json();
    for field in ["name", "actions", "effect", "conditions", "approval"] {
        assert_eq!(read[field], policy[field], "{field}");
    }
    assert_eq!(world.submit(Who::Agent, "ask.it").await["verdict"], "allowed");
    let explain = json!({"action": "ask.it", "agent": "bot", "context": {"n": 6}});
    let why = world
        .post(Who::Viewer, "/v1/policies/explain", explain)
        .await
        .ok()
        .json();
    assert_eq!(why["verdict"]["verdict"], "pending_approval");
    assert_eq!(
        (
            &why["matches"][0]["policy"]["name"],
            &why["matches"][0]["governs"]
        ),
        (&json!("small"), &json!(true))
    );
    let stale = json!({"policies": [], "expected_version": 1}).to_string();
    let request = world
        .request(Who::Admin, "PUT", "/v1/policies")
        .header("content-type", "application/json");
    assert_eq!(
        Reply::of(request.body(stale).send().await.unwrap()).await.code(),
        "version_conflict"
    );
    let sets = world
        .get(Who::Viewer, "/v1/policy-sets?limit=1")
        .await
        .ok()
        .json();
    assert_eq!(sets["items"][0]["version"], 2);
    let first = world.get(Who::Viewer, "/v1/policy-sets/1").await.ok().json();
    assert_eq!(first["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn the_log_is_listed_verified_and_exported() {
    let world = World::new().await;
    world.submit(Who::Agent, "deny.it").await;
    let head = world.head().await;
    let denied = world
        .get(Who::Viewer, "/v1/audit/events?type=action.denied&agent=bot")
        .await
        .ok()
        .json();
    assert_eq!(
        (&denied["items"][0]["sequence"], &denied["items"][0]["action"]),
        (&json!(head), &json!("deny.it"))
    );
    let one = world
        .get(Who::Viewer, &format!("/v1/audit/events/{head}"))
        .await
        .ok()
        .json();
    assert_eq!(one, denied["items"][0]);
    assert_eq!(
        world
            .get(Who::Viewer, &format!("/v1/audit/events/{}", head + 1))
            .await
            .code(),
        "not_found"
    );
    let verified = world
        .get(Who::Viewer, "/v1/audit/verify?with_store=true")
        .await
        .ok()
        .json();
    assert_eq!(
        (&verified["ok"], &verified["events"]),
        (&json!(true), &json!(head)),
        "{verified}"
    );
    let export = world.get(Who::Viewer, "/v1/audit/export").await.ok();
    let lines: Vec<serde_json::Value> = export
        .text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len() as u64, head);
    assert!(lines.iter().zip(1_u64..).all(|(line, seq)| line["seq"] == seq));
    for who in [
        Who::Agent,
        Who::OtherAgent,
        Who::Application,
        Who::Viewer,
        Who::Member,
        Who::Admin,
        Who::Automation,
    ] {
        assert!(
            !export.text.contains(world.key(who).unwrap()),
            "I7: a key stands in the log"
        );
    }
}

#[tokio::test]
async fn a_finished_request_is_erased_and_still_verifies() {
    let world = World::new().await;
    let action = world.submit(Who::Agent, "allow.it").await["action_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/v1/actions/{action}");
    assert_eq!(world.get(Who::Agent, &path).await.ok().json()["context"]["n"], 1);
    let erased = world
        .post(Who::Admin, &format!("{path}/erase"), json!({}))
        .await
        .ok();
    assert_eq!(erased.status, StatusCode::NO_CONTENT);
    assert_eq!(
        world.get(Who::Agent, &path).await.ok().json()["context"],
        json!(null)
    );
    assert_eq!(
        world
            .get(Who::Admin, "/v1/audit/verify?with_store=true")
            .await
            .ok()
            .json()["ok"],
        true
    );
    let pending = world.submit(Who::Agent, "ask.it").await["action_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let refused = world
        .post(Who::Admin, &format!("/v1/actions/{pending}/erase"), json!({}))
        .await;
    assert_eq!(refused.code(), "still_needed");
}

/// What was approved before a failover waits for an admin.
#[tokio::test]
async fn a_held_execution_is_listed_and_released_by_an_admin() {
    let world = World::new().await;
    let id = world.submit(Who::Agent, "ask.it").await["approval_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/v1/approvals/{id}");
    let digest = world.get(Who::Member, &path).await.ok().json()["digest"].clone();
    let decision = json!({"decision": "approve", "digest": digest});
    world
        .post(Who::Member, &format!("{path}/decide"), decision)
        .await
        .ok();
    let declared = world.post(Who::Admin, "/v1/workspace/failover", json!({})).await;
    assert_eq!(declared.ok().json()["log_epoch"], 1);
    let execution = format!("/v1/executions/{}", id.replace("apr_", "exe_"));
    let consume = format!("{execution}/consume");
    let refused = world.post(Who::Agent, &consume, json!({})).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (StatusCode::CONFLICT, "held")
    );
    let held = world.get(Who::Viewer, "/v1/executions/held").await.ok().json();
    assert_eq!(held["items"].as_array().map(Vec::len), Some(1), "{held}");
    assert_eq!(held["items"][0]["held"], true);
    let release = format!("{execution}/release");
    assert_eq!(
        world.post(Who::Member, &release, json!({})).await.code(),
        "forbidden"
    );
    world.post(Who::Admin, &release, json!({})).await.ok();
    world.post(Who::Agent, &consume, json!({})).await.ok();
    assert_eq!(
        world.get(Who::Viewer, "/v1/executions/held").await.ok().json()["items"],
        json!([])
    );
}

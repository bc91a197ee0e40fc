//! The kill switch over HTTP: what callers are told, who may, and what is refused.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::world::{Reply, Who, World};

impl World {
    async fn stop(&self, who: Who, target: &str) -> Reply {
        self.post(who, "/v1/stops", json!({"target": target})).await
    }

    async fn lift(&self, target: &str) -> Reply {
        let path = format!("/v1/stops/{target}/lift");
        self.post(Who::Admin, &path, json!({})).await
    }

    async fn approved(&self, action: &str) -> String {
        let asked = self.submit(Who::Agent, action).await;
        let path = format!("/v1/approvals/{}", asked["approval_id"].as_str().unwrap());
        let digest = self.get(Who::Member, &path).await.ok().text_of("digest");
        let approve = json!({"decision": "approve", "digest": digest});
        let decided = self
            .post(Who::Member, &format!("{path}/decide"), approve)
            .await
            .ok();
        assert_eq!(decided.json()["status"], "approved");
        path.replace("/v1/approvals/apr_", "/v1/executions/exe_")
    }
}

/// Stopped by a member, seen by a viewer, felt by the agent, lifted by an admin.
#[tokio::test]
async fn a_stop_is_told_to_all_who_meet_it() {
    let world = World::new().await;
    let (taken, ready) = (
        world.approved("ask.taken").await,
        world.approved("ask.ready").await,
    );
    world
        .post(Who::Agent, &format!("{taken}/consume"), json!({}))
        .await
        .ok();
    let waits = world.submit(Who::Agent, "ask.it").await;
    let stop = json!({"target": "workspace", "reason": "it refunds strangers"});
    let stopped = world.post(Who::Member, "/v1/stops", stop).await;
    assert_eq!(stopped.status, StatusCode::CREATED, "{}", stopped.text);
    let said = stopped.json();
    for (field, expected) in [
        ("target", json!("workspace")),
        ("kind", json!("workspace")),
        ("reason", json!("it refunds strangers")),
        ("is_new", json!(true)),
        ("may_lift", json!(false)),
        ("pending", json!(1)),
        ("ready", json!(1)),
        ("consumed", json!([taken.strip_prefix("/v1/executions/")])),
        ("executing", json!([])),
        ("more", json!(false)),
    ] {
        assert_eq!(said[field], expected, "{field}: {said}");
    }
    assert_eq!(said["stopped_by"]["name"], "member");
    // The second is told of the first, and leaves no record.
    let again = world.stop(Who::Admin, "workspace").await;
    assert_eq!(
        (again.status, &again.json()["is_new"]),
        (StatusCode::OK, &json!(false))
    );
    assert_eq!(again.json()["stopped_at"], said["stopped_at"]);
    let pulled = world
        .get(Who::Viewer, "/v1/audit/events?type=stop.")
        .await
        .ok()
        .json();
    assert_eq!(pulled["items"].as_array().unwrap().len(), 1, "{pulled}");
    assert_eq!(
        pulled["items"][0]["summary"],
        "member stopped the whole workspace"
    );
    let listed = world.get(Who::Viewer, "/v1/stops").await.ok().json();
    assert_eq!(listed["items"][0]["reason"], "it refunds strangers");

    let refused = world.submit(Who::Agent, "allow.it").await;
    assert_eq!(
        (&refused["verdict"], &refused["code"]),
        (&json!("denied"), &json!("stopped"))
    );
    assert!(
        refused["reason"]
            .as_str()
            .unwrap()
            .contains("until an admin lifts the stop")
    );
    assert!(
        !refused.to_string().contains("strangers"),
        "why is not for agents: {refused}"
    );
    let ended = format!("/v1/approvals/{}?wait=5", waits["approval_id"].as_str().unwrap());
    let ended = world.get(Who::Agent, &ended).await.ok().json();
    assert_eq!(
        (&ended["status"], &ended["code"]),
        (&json!("denied"), &json!("stopped"))
    );
    let consumed = world
        .post(Who::Agent, &format!("{ready}/consume"), json!({}))
        .await;
    assert_eq!(consumed.status, StatusCode::CONFLICT);
    // Signoff may have been quicker.
    assert!(
        ["stopped", "revoked"].contains(&consumed.code().as_str()),
        "{}",
        consumed.text
    );
    let report = json!({"outcome": "success"});
    world
        .post(Who::Agent, &format!("{taken}/report"), report)
        .await
        .ok();

    let over = world.lift("workspace").await.ok().json();
    assert_eq!(over["stopped_at"], said["stopped_at"]);
    assert_eq!(world.submit(Who::Agent, "allow.it").await["verdict"], "allowed");
    let late = world
        .post(Who::Agent, &format!("{ready}/consume"), json!({}))
        .await;
    assert_eq!(late.code(), "revoked", "it does not come back");
    assert_eq!(
        world.get(Who::Viewer, "/v1/stops").await.ok().json()["items"],
        json!([])
    );
}

/// One agent is stopped by name or by id; its own page says so; others go on.
#[tokio::test]
async fn one_agent_is_stopped_by_its_name() {
    let world = World::new().await;
    let bot = world.get(Who::Viewer, "/v1/agents/bot").await.ok().json();
    assert_eq!(bot["stopped"], false);
    let stopped = world.stop(Who::Member, "BOT").await.ok().json();
    assert_eq!(
        (&stopped["target"], &stopped["agent"]["name"]),
        (&bot["id"], &json!("bot"))
    );
    assert_eq!(
        world.get(Who::Viewer, "/v1/agents/bot").await.ok().json()["stopped"],
        true
    );
    assert_eq!(world.submit(Who::Agent, "allow.it").await["code"], "stopped");
    assert_eq!(
        world.submit(Who::OtherAgent, "allow.it").await["verdict"],
        "allowed"
    );
    let explained = json!({"agent": "bot", "action": "allow.it"});
    let explained = world
        .post(Who::Viewer, "/v1/policies/explain", explained)
        .await
        .ok()
        .json();
    assert_eq!(explained["verdict"]["code"], "stopped", "{explained}");
    assert!(
        explained["matches"]
            .as_array()
            .unwrap()
            .iter()
            .all(|found| found["governs"] == false),
        "{explained}"
    );
    world.lift(bot["id"].as_str().unwrap()).await.ok();
}

/// What names nothing, is of another kind, too long or misspelt is refused by its place, and nothing is stopped.
#[tokio::test]
async fn bad_stops_are_refused() {
    let world = World::new().await;
    let head = world.head().await;
    let nobody = "0".repeat(32);
    for (body, status, code) in [
        (json!({"target": "no-such-agent"}), 404, "not_found"),
        // Of another workspace, of another kind, or none at all: it does not exist here.
        (json!({"target": format!("agt_{nobody}")}), 404, "not_found"),
        (json!({"target": format!("apr_{nobody}")}), 404, "not_found"),
        (json!({"target": "Workspace"}), 404, "not_found"),
        (json!({"target": ""}), 404, "not_found"),
        (json!({"target": "x".repeat(100_000)}), 404, "not_found"),
        (json!({"target": "../workspace"}), 404, "not_found"),
        (json!({"target": null}), 422, "invalid_request"),
        (json!({"target": ["workspace"]}), 422, "invalid_request"),
        (json!({"target": {"kind": "workspace"}}), 422, "invalid_request"),
        (json!({}), 422, "invalid_request"),
        (
            json!({"target": "workspace", "reason": 7}),
            422,
            "invalid_request",
        ),
        (
            json!({"target": "workspace", "reason": "x".repeat(4_001)}),
            422,
            "invalid_request",
        ),
        (
            json!({"target": "workspace", "reason": "a\u{0}b"}),
            400,
            "invalid_json",
        ),
        (json!({"target": "workspace", "for": "1h"}), 422, "unknown_field"),
    ] {
        let shown: String = body.to_string().chars().take(80).collect();
        let reply = world.post(Who::Admin, "/v1/stops", body).await;
        assert_eq!(
            (reply.status.as_u16(), reply.code().as_str()),
            (status, code),
            "{shown}"
        );
        assert!(
            reply.text.len() < 2_000,
            "{shown}: what was given is not repeated at length"
        );
    }
    for target in ["workspace", "bot", "no-such-agent", "%00", "..%2fworkspace"] {
        let reply = world.lift(target).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{target}: {}", reply.text);
    }
    let long = json!({"reason": "x".repeat(4_001)});
    let reply = world.post(Who::Admin, "/v1/stops/workspace/lift", long).await;
    assert_eq!(reply.json()["errors"][0]["pointer"], "/reason");
    assert_eq!(world.head().await, head, "nothing was recorded");
}

/// The same key answers as it did; another request under it is refused.
#[tokio::test]
async fn a_stop_with_a_key_is_pulled_once() {
    let world = World::new().await;
    let send = async |path: &str, body: Value| {
        let request = world
            .request(Who::Admin, "POST", path)
            .header("idempotency-key", "k-1");
        Reply::of(request.json(&body).send().await.unwrap()).await
    };
    let bot = json!({"target": "bot"});
    for _ in 0..2 {
        let reply = send("/v1/stops", bot.clone()).await;
        assert_eq!(
            (reply.status, &reply.json()["is_new"]),
            (StatusCode::CREATED, &json!(true))
        );
    }
    let other = send("/v1/stops", json!({"target": "workspace"})).await;
    assert_eq!(other.code(), "idempotency_mismatch");
    for _ in 0..2 {
        assert_eq!(send("/v1/stops/bot/lift", json!({})).await.status, StatusCode::OK);
    }
    assert_eq!(send("/v1/stops", bot).await.status, StatusCode::NOT_FOUND);
}

//! AgentLattice: every word of an answer, what a delegated key can't do, and what an agent learns of others: nothing.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::world::{Reply, Who, World};

const BASE: &str = "/dialects/agentlattice";

async fn execute(world: &World, who: Who, action: &str, event: &str) -> Reply {
    let body = json!({"action_type": action, "timestamp": "now", "data_accessed": [], "metadata": {"n": 1}});
    let request = world.request(who, "POST", &format!("{BASE}/api/v1/actions"));
    Reply::of(
        request
            .header("x-al-event-id", event)
            .body(body.to_string())
            .send()
            .await
            .unwrap(),
    )
    .await
}

async fn with_key(world: &World, key: &str, method: &str, path: &str, body: &Value) -> Reply {
    let request = world
        .http
        .request(method.parse().unwrap(), format!("{}{path}", world.url));
    Reply::of(
        request
            .bearer_auth(key)
            .body(body.to_string())
            .send()
            .await
            .unwrap(),
    )
    .await
}

/// The code of a refusal, which must be in AgentLattice's form.
fn refusal(reply: &Reply) -> String {
    assert!(
        reply.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("application/json")
    );
    reply.text_of("error")
}

#[tokio::test]
async fn every_verdict_has_its_word_and_an_event_happens_once() {
    let world = World::new().await;
    for (action, http, status) in [
        ("allow.a", StatusCode::OK, "executed"),
        ("ask.a", StatusCode::ACCEPTED, "requested"),
        ("deny.a", StatusCode::OK, "denied"),
        ("other.a", StatusCode::OK, "policy_not_found"),
    ] {
        let first = execute(&world, Who::Agent, action, action).await;
        assert_eq!(
            (first.status, first.text_of("status").as_str()),
            (http, status),
            "{}",
            first.text
        );
        assert!(first.json()["conditions_evaluated"].is_array());
        let again = execute(&world, Who::Agent, action, action).await;
        assert_eq!(again.text_of("audit_event_id"), first.text_of("audit_event_id"));
        assert_eq!(again.json()["approval_id"], first.json()["approval_id"]);
        assert_eq!(again.text_of("status"), status);
        let other = execute(&world, Who::OtherAgent, action, action).await;
        assert_ne!(other.text_of("audit_event_id"), first.text_of("audit_event_id"));
    }
    assert_eq!(
        execute(&world, Who::Agent, "deny.b", "d")
            .await
            .text_of("denial_reason"),
        "POLICY_DENIED"
    );
    let changed = execute(&world, Who::Agent, "allow.b", "allow.a").await;
    assert_eq!(
        (changed.status, refusal(&changed).as_str()),
        (StatusCode::BAD_REQUEST, "IDEMPOTENCY_MISMATCH")
    );
    for who in [Who::Application, Who::Member] {
        assert_eq!(
            execute(&world, who, "allow.a", "x").await.status,
            StatusCode::FORBIDDEN
        );
    }
}

#[tokio::test]
async fn every_end_of_an_approval_has_its_word() {
    let world = World::new().await;
    let policies = json!({"policies": [
        {"name": "ask", "actions": ["ask.*"], "effect": "require_approval"},
        {"name": "soon", "actions": ["soon.*"], "effect": "require_approval", "approval": {"timeout": "1s"}},
    ]});
    world
        .call(Who::Admin, "PUT", "/v1/policies", Some(&policies))
        .await
        .ok();
    let asked = |action: &'static str| {
        let world = &world;
        async move {
            execute(world, Who::Agent, action, action)
                .await
                .ok()
                .text_of("approval_id")
        }
    };
    let status = |id: String| {
        let world = &world;
        async move {
            world
                .get(Who::Agent, &format!("{BASE}/api/approvals/{id}/status"))
                .await
                .ok()
                .json()
        }
    };
    let id = asked("ask.yes").await;
    world.decide(&id, true).await;
    let seen = status(id.clone()).await;
    assert_eq!(
        (&seen["status"], &seen["resolved_by"]),
        (&json!("approved"), &json!("member"))
    );
    assert_eq!(
        execute(&world, Who::Agent, "ask.yes", "ask.yes")
            .await
            .text_of("status"),
        "executed"
    );
    let other = world
        .get(Who::OtherAgent, &format!("{BASE}/api/approvals/{id}/status"))
        .await;
    assert_eq!(other.status, StatusCode::NOT_FOUND);
    refusal(&other);

    let id = asked("ask.no").await;
    world.decide(&id, false).await;
    let seen = status(id).await;
    assert_eq!(
        (&seen["status"], &seen["reason"]),
        (&json!("denied"), &json!("not today"))
    );
    assert_eq!(
        execute(&world, Who::Agent, "ask.no", "ask.no")
            .await
            .text_of("denial_reason"),
        "DENIED_BY_REVIEWER"
    );

    let id = asked("soon.x").await;
    assert_eq!(status(id).await["status"], "timed_out");
    assert_eq!(
        execute(&world, Who::Agent, "soon.x", "soon.x")
            .await
            .text_of("status"),
        "timed_out"
    );

    let id = asked("ask.cancelled").await;
    world
        .post(Who::Agent, &format!("/v1/approvals/{id}/cancel"), json!({}))
        .await
        .ok();
    assert_eq!(status(id).await["status"], "denied");

    // Policy that lets it through releases what waits; nobody resolved that.
    let id = asked("ask.later").await;
    let policies = json!({"policies": [{"name": "ask", "actions": ["ask.*"], "effect": "allow"}]});
    world
        .call(Who::Admin, "PUT", "/v1/policies", Some(&policies))
        .await
        .ok();
    let seen = status(id).await;
    assert_eq!(
        (&seen["status"], &seen["resolved_by"]),
        (&json!("approved"), &Value::Null)
    );

    world
        .post(
            Who::Member,
            "/v1/stops",
            json!({"target": "workspace", "reason": "fire"}),
        )
        .await
        .ok();
    let stopped = execute(&world, Who::Agent, "ask.yes", "ask.yes").await;
    assert_eq!(stopped.text_of("status"), "denied");
    assert_eq!(
        execute(&world, Who::Agent, "ask.more", "m")
            .await
            .text_of("denial_reason"),
        "STOPPED"
    );
}

#[tokio::test]
async fn i6_an_agents_key_decides_nothing_and_makes_no_agents() {
    let world = World::new().await;
    let id = execute(&world, Who::Agent, "ask.a", "e")
        .await
        .text_of("approval_id");
    for path in ["approve", "deny", "status"] {
        let refused = world
            .post(
                Who::Agent,
                &format!("{BASE}/api/approvals/{id}/{path}"),
                json!({}),
            )
            .await;
        assert!(refused.status.is_client_error());
        refusal(&refused);
    }
    for who in [Who::Agent, Who::Application, Who::Viewer, Who::Member] {
        let refused = world
            .post(
                who,
                &format!("{BASE}/api/agents/register"),
                json!({"name": "new"}),
            )
            .await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{who:?}");
        refusal(&refused);
    }
    let made = world
        .post(
            Who::Admin,
            &format!("{BASE}/api/agents/register"),
            json!({"name": "new", "description": null}),
        )
        .await;
    let key = made.ok().text_of("api_key");
    let me = with_key(&world, &key, "GET", &format!("{BASE}/api/v1/whoami"), &json!({}))
        .await
        .ok();
    assert_eq!(me.text_of("name"), "new");
}

/// A delegated key is its agent's, for what was handed on and for nothing else, until it ends.
/// Hands a part of what a key may do on.
async fn delegate(world: &World, key: &str, capabilities: Value, ttl: Value) -> Reply {
    let body = json!({"name": "part", "capabilities": capabilities, "ttl_seconds": ttl});
    with_key(world, key, "POST", &format!("{BASE}/api/v1/delegate"), &body).await
}

async fn act(world: &World, key: &str, action: &str) -> Reply {
    let body = json!({"action_type": action});
    with_key(world, key, "POST", &format!("{BASE}/api/v1/actions"), &body).await
}

async fn seen(world: &World, key: &str, path: &str) -> Reply {
    with_key(world, key, "GET", path, &json!({})).await
}

async fn revoke(world: &World, who: Who, id: &str) -> Reply {
    let body = json!({"delegation_id": id});
    let path = format!("{BASE}/api/v1/delegations/revoke");
    world.post(who, &path, body).await
}

#[tokio::test]
async fn a_delegated_key_does_what_was_handed_on_and_nothing_else() {
    let world = World::new().await;
    let parent = world.key(Who::Agent).unwrap();
    let made = delegate(&world, parent, json!(["allow.a", "ask.a", "deny.a"]), json!(300)).await;
    let key = made.ok().text_of("child_api_key");
    for name in ["allow.a", "ALLOW.A"] {
        assert_eq!(act(&world, &key, name).await.text_of("status"), "executed");
    }
    assert_eq!(
        act(&world, &key, "deny.a").await.text_of("denial_reason"),
        "POLICY_DENIED"
    );
    let outside = act(&world, &key, "allow.b").await;
    assert_eq!(outside.text_of("status"), "denied");
    assert_eq!(outside.text_of("denial_reason"), "OUT_OF_SCOPE");
    // The native API knows no other way round it.
    let request = world.http.post(format!("{}/v1/actions", world.url));
    let native = request.bearer_auth(&key).json(&json!({"action": "allow.b"}));
    let native = Reply::of(native.send().await.unwrap()).await.ok();
    assert_eq!(native.text_of("code"), "out_of_scope");
    let check = format!("{BASE}/api/v1/policies/check?action_type=allow.b");
    assert_eq!(seen(&world, &key, &check).await.ok().json()["allowed"], false);
    // What the agent asks for elsewhere does not exist for the part.
    let own = execute(&world, Who::Agent, "ask.b", "e").await;
    let own = own.text_of("approval_id");
    let hidden = seen(&world, &key, &format!("{BASE}/api/approvals/{own}/status")).await;
    assert_eq!(hidden.status, StatusCode::NOT_FOUND);
    let cancel = world
        .http
        .post(format!("{}/v1/approvals/{own}/cancel", world.url));
    let cancel = cancel.bearer_auth(&key).json(&json!({})).send().await.unwrap();
    assert_eq!(cancel.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_part_gets_no_wider_and_ends_with_what_it_came_from() {
    let world = World::new().await;
    let parent = world.key(Who::Agent).unwrap();
    let made = delegate(&world, parent, json!(["allow.a"]), json!(300))
        .await
        .ok();
    let (id, key) = (made.text_of("delegation_id"), made.text_of("child_api_key"));
    let wider = delegate(&world, &key, json!(["allow.a", "allow.b"]), json!(10)).await;
    assert_eq!(wider.status, StatusCode::BAD_REQUEST);
    refusal(&wider);
    let below = delegate(&world, &key, json!(["allow.a"]), json!(86400))
        .await
        .ok();
    assert!(below.text_of("expires_at") <= made.text_of("expires_at"));
    let grandchild = below.text_of("child_api_key");
    assert_eq!(
        act(&world, &grandchild, "allow.a").await.text_of("status"),
        "executed"
    );
    let path = format!("{BASE}/api/v1/delegate/{id}");
    let up = with_key(&world, &grandchild, "DELETE", &path, &json!({})).await;
    assert_eq!(up.status, StatusCode::NOT_FOUND);
    assert_eq!(
        revoke(&world, Who::OtherAgent, &id).await.status,
        StatusCode::NOT_FOUND
    );
    let path = format!("{BASE}/api/v1/delegations?role=parent&active_only=true");
    let listed = world.get(Who::Agent, &path).await.ok().json();
    assert_eq!(listed["delegations"].as_array().unwrap().len(), 2);

    let ended = revoke(&world, Who::Agent, &id).await.ok();
    assert_eq!(ended.json()["revoked"], true);
    for key in [&key, &grandchild] {
        assert_eq!(act(&world, key, "allow.a").await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(act(&world, parent, "allow.b").await.text_of("status"), "executed");
    let path = "/v1/audit/verify?with_store=true";
    let verified = world.get(Who::Admin, path).await.ok();
    assert_eq!(verified.json()["ok"], true, "{}", verified.text);
}

#[tokio::test]
async fn a_part_ends_by_itself_and_has_limits() {
    let world = World::new().await;
    let parent = world.key(Who::Agent).unwrap();
    let short = delegate(&world, parent, json!(["allow.a"]), json!(0.2)).await;
    let short = short.ok().text_of("child_api_key");
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(
        act(&world, &short, "allow.a").await.status,
        StatusCode::UNAUTHORIZED
    );
    for (capabilities, ttl) in [
        (json!([]), json!(1)),
        (json!(["allow.*"]), json!(1)),
        (json!(["a"]), json!(0)),
        (json!(["a"]), json!(-1)),
        (json!(["a"]), json!(86401)),
        (json!(["a"]), json!(1e300)),
        (json!("a"), json!(1)),
    ] {
        let refused = delegate(&world, parent, capabilities, ttl).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text);
        refusal(&refused);
    }
    for who in [Who::Application, Who::Admin] {
        let body = json!({"name": "part", "capabilities": ["a"], "ttl_seconds": 1});
        let refused = world.post(who, &format!("{BASE}/api/v1/delegate"), body).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
    }
}

/// I11 in the small: of other agents' requests, and of policies about them, an agent learns nothing.
#[tokio::test]
async fn an_agent_sees_its_own_rows_and_rules() {
    let world = World::new().await;
    let policies = json!({"policies": [
        {"name": "allow", "actions": ["allow.*"], "effect": "allow"},
        {"name": "secret", "actions": ["secret.*"], "agents": ["other"], "effect": "allow"},
    ]});
    world
        .call(Who::Admin, "PUT", "/v1/policies", Some(&policies))
        .await
        .ok();
    let own = execute(&world, Who::Agent, "allow.a", "a")
        .await
        .text_of("audit_event_id");
    execute(&world, Who::OtherAgent, "secret.a", "a").await;
    for scope in ["own", "org"] {
        let seen = world
            .get(Who::Agent, &format!("{BASE}/api/v1/policies?scope={scope}"))
            .await
            .ok()
            .json();
        let names: Vec<_> = seen["policies"]
            .as_array()
            .unwrap()
            .iter()
            .map(|policy| &policy["name"])
            .collect();
        assert_eq!((names, &seen["scope"]), (vec![&json!("allow")], &json!(scope)));
    }
    let all = world
        .get(Who::Viewer, &format!("{BASE}/api/v1/policies?scope=org"))
        .await
        .ok()
        .json();
    assert_eq!(all["policies"].as_array().unwrap().len(), 2);
    let rows = world
        .get(Who::Agent, &format!("{BASE}/api/v1/audit"))
        .await
        .ok()
        .json();
    assert_eq!(rows["events"].as_array().unwrap().len(), 1, "{rows}");
    assert_eq!(
        (&rows["events"][0]["id"], &rows["events"][0]["status"]),
        (&json!(own), &json!("executed"))
    );
    assert_eq!(rows["next_cursor"], Value::Null);

    let report = |id: &str, status: &str| json!({"audit_event_id": id, "outcome": {"status": status, "message": "ok"}});
    let path = format!("{BASE}/api/v1/report");
    for _ in 0..2 {
        world.post(Who::Agent, &path, report(&own, "success")).await.ok();
    }
    for (who, body) in [
        (Who::Agent, report(&own, "failure")),
        (Who::OtherAgent, report(&own, "success")),
        (Who::Agent, report("nonsense", "success")),
        (Who::Agent, report(&own, "maybe")),
    ] {
        let refused = world.post(who, &path, body).await;
        assert!(refused.status.is_client_error(), "{}", refused.text);
        refusal(&refused);
    }
    let rows = world
        .get(
            Who::Agent,
            &format!("{BASE}/api/v1/audit?limit=1&action_type=allow.a"),
        )
        .await
        .ok()
        .json();
    assert_eq!(rows["events"][0]["status"], "reported");
    let next = rows["next_cursor"].as_str().unwrap();
    let rows = world
        .get(Who::Agent, &format!("{BASE}/api/v1/audit?cursor={next}"))
        .await
        .ok()
        .json();
    assert_eq!(rows["events"][0]["id"], json!(own));
    let verified = world
        .get(Who::Agent, &format!("{BASE}/api/v1/audit/verify"))
        .await
        .ok()
        .json();
    assert_eq!(verified["chain_valid"], true);
    let posture = world
        .get(Who::Agent, &format!("{BASE}/api/v1/posture"))
        .await
        .ok()
        .json();
    assert!((0.0..=100.0).contains(&posture["score"].as_f64().unwrap()));
}

#[tokio::test]
async fn hostile_input_is_refused_in_the_form_of_the_client() {
    let world = World::new().await;
    for body in [
        "",
        "{",
        "[]",
        r#"{"action_type":""}"#,
        r#"{"action_type":"a b"}"#,
        r#"{"action_type":"a","metadata":[]}"#,
    ] {
        let request = world.request(Who::Agent, "POST", &format!("{BASE}/api/v1/actions"));
        let reply = Reply::of(request.body(body).send().await.unwrap()).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{body} {}", reply.text);
        refusal(&reply);
    }
    for (who, method, path, status) in [
        (Who::Stranger, "GET", "/api/v1/whoami", StatusCode::UNAUTHORIZED),
        (
            Who::Agent,
            "GET",
            "/api/v1/policies/check",
            StatusCode::BAD_REQUEST,
        ),
        (
            Who::Agent,
            "GET",
            "/api/v1/policies?scope=all",
            StatusCode::BAD_REQUEST,
        ),
        (
            Who::Agent,
            "GET",
            "/api/v1/audit?cursor=x",
            StatusCode::BAD_REQUEST,
        ),
        (
            Who::Agent,
            "GET",
            "/api/approvals/%FF/status",
            StatusCode::NOT_FOUND,
        ),
        (Who::Agent, "GET", "/nothing", StatusCode::NOT_FOUND),
        (
            Who::Agent,
            "PUT",
            "/api/v1/actions",
            StatusCode::METHOD_NOT_ALLOWED,
        ),
        (
            Who::Stranger,
            "GET",
            "/realtime/v1?apikey=no",
            StatusCode::UNAUTHORIZED,
        ),
        (Who::Stranger, "GET", "/realtime/v1", StatusCode::BAD_REQUEST),
    ] {
        let reply = world
            .request(who, method, &format!("{BASE}{path}"))
            .header("accept", "text/html");
        let reply = Reply::of(reply.send().await.unwrap()).await;
        assert_eq!(reply.status, status, "{path} {}", reply.text);
        refusal(&reply);
    }
    let key = world.key(Who::Agent).unwrap();
    let plain = world
        .get(
            Who::Stranger,
            &format!("{BASE}/realtime/v1?apikey={key}&eventsPerSecond=10"),
        )
        .await;
    assert_eq!(plain.status, StatusCode::BAD_REQUEST, "{}", plain.text);
    refusal(&plain);
    let request = world.request(Who::Agent, "POST", &format!("{BASE}/api/v1/actions"));
    let wrong = request
        .header("x-al-delegation-id", "key_0")
        .body(r#"{"action_type":"allow.a"}"#);
    assert_eq!(
        Reply::of(wrong.send().await.unwrap()).await.status,
        StatusCode::FORBIDDEN
    );
}

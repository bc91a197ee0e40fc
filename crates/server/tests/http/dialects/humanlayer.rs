//! HumanLayer: every end of a request, ids as clients make them, and that asking is not deciding.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::world::{CANARY, Reply, Who, World};

const BASE: &str = "/dialects/humanlayer/humanlayer/v1";

fn call(call_id: &str, kwargs: &Value) -> Value {
    json!({"run_id": "bot-1a2b3c4d", "call_id": call_id, "spec": {"fn": "send_email", "kwargs": kwargs}})
}

async fn post(world: &World, who: Who, path: &str, body: &Value) -> Reply {
    world
        .call(who, "POST", &format!("{BASE}{path}"), Some(body))
        .await
}

async fn get(world: &World, who: Who, path: &str) -> Reply {
    world.get(who, &format!("{BASE}{path}")).await
}

/// The message of a refusal, which must be in HumanLayer's form.
fn refusal(reply: &Reply) -> String {
    assert!(
        reply.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("application/json")
    );
    let message = reply.json()["error"]["message"].as_str().map(str::to_owned);
    message.unwrap_or_else(|| panic!("{}", reply.text))
}

async fn approval_of(world: &World, count: usize) -> String {
    let page = world
        .get(Who::Member, "/v1/approvals?status=pending")
        .await
        .ok()
        .json();
    let items = page["items"].as_array().unwrap();
    assert_eq!(items.len(), count, "{items:?}");
    items[0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_call_is_asked_once_and_comes_back_as_it_was_sent() {
    let world = World::new().await;
    let mut asked = call("call 1/ü%", &json!({"to": "a@b.c", "n": 1.0}));
    asked["spec"]["channel"] = json!({"slack": {"channel_or_user_id": "C1", "bot_token": CANARY}});
    asked["spec"]["reject_options"] = json!([{"name": "later", "title": "Not now", "interactive": false}]);
    let state = r#"{"b" : 12345678901234567890123, "a":1.00}"#;
    let text = asked.to_string();
    let text = format!("{},\"state\":{state}}}}}", &text[..text.len() - 2]);
    let send = |text: String| {
        let request = world.request(Who::Agent, "POST", &format!("{BASE}/function_calls"));
        async { Reply::of(request.body(text).send().await.unwrap()).await }
    };
    let first = send(text.clone()).await.ok();
    assert!(
        first.text.contains(&format!("\"state\":{state}")),
        "{}",
        first.text
    );
    assert!(!first.text.contains(CANARY));
    let seen = first.json();
    assert_eq!(seen["spec"]["kwargs"], json!({"to": "a@b.c", "n": 1}));
    assert_eq!(
        seen["spec"]["channel"],
        json!({"slack": {"channel_or_user_id": "C1"}})
    );
    assert_eq!(seen["spec"]["reject_options"], asked["spec"]["reject_options"]);
    assert_eq!(
        (&seen["run_id"], &seen["call_id"]),
        (&asked["run_id"], &asked["call_id"])
    );
    assert_eq!(seen["status"]["approved"], Value::Null);
    assert!(seen["status"]["requested_at"].is_string());
    // Sent again it is the same; what differs is told so, whoever's id it is stays theirs.
    assert_eq!(send(text.clone()).await.ok().text, first.text);
    let changed = send(text.replace("a@b.c", "x@b.c")).await;
    assert_eq!(changed.status, StatusCode::CONFLICT);
    refusal(&changed);
    // A process that begins anew has another run id, and goes on with what it asked.
    let other_run = send(text.replace("bot-1a2b3c4d", "bot-00000000")).await.ok();
    assert_eq!(other_run.text, first.text);
    approval_of(&world, 1).await;
    let path = "/function_calls/call%201%2F%C3%BC%25";
    assert_eq!(
        get(&world, Who::OtherAgent, path).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(get(&world, Who::Member, path).await.ok().text, first.text);
    assert_eq!(
        post(
            &world,
            Who::OtherAgent,
            "/function_calls",
            &call("call 1/ü%", &json!({}))
        )
        .await
        .status,
        StatusCode::OK
    );
    let exported = world.get(Who::Admin, "/v1/audit/export").await.ok();
    assert!(!exported.text.contains(CANARY));
}

/// I6: the key that asks never answers, and learns nothing by trying.
#[tokio::test]
async fn i6_an_agents_key_never_responds() {
    let world = World::new().await;
    post(
        &world,
        Who::Agent,
        "/function_calls",
        &call("c", &json!({"a": 1})),
    )
    .await
    .ok();
    let contact = json!({"run_id": "r", "call_id": "q", "spec": {"msg": "which?"}});
    post(&world, Who::Agent, "/contact_requests", &contact).await.ok();
    for who in [Who::Agent, Who::OtherAgent, Who::Application] {
        for (path, body) in [
            ("/agent/function_calls/c/respond", json!({"approved": true})),
            ("/agent/function_calls/none/respond", json!({"approved": true})),
            ("/agent/human_contacts/q/respond", json!({"response": "yes"})),
        ] {
            let refused = post(&world, who, path, &body).await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{who:?} {path}");
            refusal(&refused);
        }
    }
    let viewer = post(
        &world,
        Who::Viewer,
        "/agent/function_calls/c/respond",
        &json!({"approved": true}),
    )
    .await;
    assert_eq!(viewer.status, StatusCode::FORBIDDEN);
    // I5: looking leaves no record.
    let head = world.head().await;
    for path in [
        "/agent/function_calls/pending",
        "/function_calls/c",
        "/human_contacts/q",
    ] {
        get(&world, Who::Member, path).await.ok();
    }
    assert_eq!(world.head().await, head);
    approval_of(&world, 2).await;
}

#[tokio::test]
async fn an_operator_responds_once() {
    let world = World::new().await;
    let mut asked = call("c", &json!({"a": 1}));
    asked["spec"]["reject_options"] = json!([{"name": "later", "title": "Not now"}]);
    post(&world, Who::Agent, "/function_calls", &asked).await.ok();
    let respond = "/agent/function_calls/c/respond";
    for wrong in [
        json!({}),
        json!({"approved": null}),
        json!({"approved": false, "reject_option_name": "never"}),
        json!({"approved": "yes"}),
        json!([]),
    ] {
        let refused = post(&world, Who::Member, respond, &wrong).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{wrong}");
        refusal(&refused);
    }
    let said = json!({"approved": false, "comment": "ask on Monday", "reject_option_name": "later"});
    let denied = post(&world, Who::Member, respond, &said).await.ok().json();
    let status = &denied["status"];
    assert_eq!(
        (
            &status["approved"],
            &status["comment"],
            &status["reject_option_name"]
        ),
        (&json!(false), &json!("ask on Monday"), &json!("later"))
    );
    assert!(status["responded_at"].is_string());
    for again in [said, json!({"approved": true})] {
        let refused = post(&world, Who::Admin, respond, &again).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert!(refusal(&refused).contains("call already has a response"));
    }
    assert_eq!(
        get(&world, Who::Agent, "/function_calls/c").await.ok().json(),
        denied
    );
    // The same id is free for a question, which is another thing.
    let contact =
        json!({"run_id": "r", "call_id": "c", "spec": {"msg": "?", "response_options": [{"name": "blue"}]}});
    post(&world, Who::Agent, "/human_contacts", &contact).await.ok();
    let answer = "/agent/human_contacts/c/respond";
    assert_eq!(
        post(&world, Who::Member, answer, &json!({"response": " "}))
            .await
            .status,
        StatusCode::BAD_REQUEST
    );
    post(
        &world,
        Who::Member,
        answer,
        &json!({"response_option_name": "blue"}),
    )
    .await
    .ok();
    let status = get(&world, Who::Agent, "/contact_requests/c").await.ok().json()["status"].clone();
    assert_eq!(
        (&status["response"], &status["response_option_name"]),
        (&json!("blue"), &json!("blue"))
    );
    assert_eq!(
        post(&world, Who::Member, answer, &json!({"response": "red"}))
            .await
            .status,
        StatusCode::BAD_REQUEST
    );
}

/// Whatever is no approval reads as a denial with words, and a question that nobody answered has no answer.
#[tokio::test]
async fn every_end_is_told_in_words() {
    let world = World::new().await;
    let policies = json!({"policies": [
        {"name": "never", "actions": ["drop_tables"], "effect": "deny"},
        {"name": "soon", "actions": ["hurry", "contact_human"], "effect": "require_approval", "approval": {"timeout": "1s"}},
    ]});
    world
        .call(Who::Admin, "PUT", "/v1/policies", Some(&policies))
        .await
        .ok();
    let asks = |name: &str, id: &str| {
        let mut call = call(id, &json!({"a": 1}));
        call["spec"]["fn"] = json!(name);
        call
    };
    let denied = post(
        &world,
        Who::Agent,
        "/function_calls",
        &asks("drop_tables", "denied"),
    )
    .await
    .ok()
    .json();
    assert_eq!(denied["status"]["approved"], false);
    assert!(denied["status"]["comment"].as_str().unwrap().contains("never"));
    assert_eq!(
        get(&world, Who::Agent, "/function_calls/denied")
            .await
            .ok()
            .json(),
        denied
    );
    let late = post(
        &world,
        Who::Member,
        "/agent/function_calls/denied/respond",
        &json!({"approved": true}),
    )
    .await;
    assert_eq!(late.status, StatusCode::BAD_REQUEST);

    post(&world, Who::Agent, "/function_calls", &asks("hurry", "expires"))
        .await
        .ok();
    let contact = json!({"run_id": "r", "call_id": "q", "spec": {"msg": "?"}});
    post(&world, Who::Agent, "/contact_requests", &contact).await.ok();
    let expired = get(&world, Who::Agent, "/function_calls/expires")
        .await
        .ok()
        .json();
    assert_eq!(expired["status"]["approved"], false);
    assert_eq!(expired["status"]["comment"], "Expired after 1s, no decision");
    let silent = get(&world, Who::Agent, "/contact_requests/q").await.ok().json();
    assert_eq!(
        silent["status"]["response"],
        "[no answer] Expired after 1s, no decision"
    );
}

#[tokio::test]
async fn what_ends_without_a_decision_is_told_in_words() {
    let world = World::new().await;
    let asks = |id: &str| {
        let mut call = call(id, &json!({"a": 1}));
        call["spec"]["fn"] = json!("other");
        call
    };
    post(&world, Who::Agent, "/function_calls", &asks("cancelled"))
        .await
        .ok();
    let id = approval_of(&world, 1).await;
    world
        .post(
            Who::Admin,
            &format!("/v1/approvals/{id}/cancel"),
            json!({"reason": "moved"}),
        )
        .await
        .ok();
    let cancelled = get(&world, Who::Agent, "/function_calls/cancelled")
        .await
        .ok()
        .json();
    assert_eq!(cancelled["status"]["approved"], false);
    assert!(cancelled["status"]["comment"].as_str().unwrap().contains("moved"));

    post(&world, Who::Agent, "/function_calls", &asks("stopped"))
        .await
        .ok();
    let id = approval_of(&world, 1).await;
    world.decide(&id, true).await;
    let approved = get(&world, Who::Agent, "/function_calls/stopped")
        .await
        .ok()
        .json();
    assert_eq!(
        (&approved["status"]["approved"], &approved["status"]["comment"]),
        (&json!(true), &Value::Null)
    );
    world
        .post(
            Who::Member,
            "/v1/stops",
            json!({"target": "workspace", "reason": "fire"}),
        )
        .await
        .ok();
    let revoked = loop {
        let seen = get(&world, Who::Agent, "/function_calls/stopped")
            .await
            .ok()
            .json();
        if seen["status"]["approved"] == false {
            break seen;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert!(
        revoked["status"]["comment"]
            .as_str()
            .unwrap()
            .contains("taken back")
    );
}

#[tokio::test]
async fn an_application_speaks_for_the_agent_that_its_run_id_names() {
    let world = World::new().await;
    let mut asked = call("c", &json!({"a": 1}));
    asked["run_id"] = json!("app-mail-1a2b3c4d");
    post(&world, Who::Application, "/function_calls", &asked)
        .await
        .ok();
    let page = world.get(Who::Member, "/v1/approvals").await.ok().json();
    assert_eq!(page["items"][0]["agent"]["name"], "app-mail");
    asked["run_id"] = json!("other-1a2b3c4d");
    asked["call_id"] = json!("d");
    let refused = post(&world, Who::Application, "/function_calls", &asked).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    refusal(&refused);
}

#[tokio::test]
async fn what_waits_is_listed_and_escalated() {
    let world = World::new().await;
    let policies = json!({"policies": [{"name": "mail", "actions": ["send_email"], "effect": "require_approval",
        "approval": {"escalate": {"after": "20m", "to": ["channel:pager"]}}}]});
    world
        .call(Who::Admin, "PUT", "/v1/policies", Some(&policies))
        .await
        .ok();
    post(
        &world,
        Who::Agent,
        "/function_calls",
        &call("c", &json!({"a": 1})),
    )
    .await
    .ok();
    let contact = json!({"run_id": "r", "call_id": "q", "spec": {"msg": "?"}});
    post(&world, Who::OtherAgent, "/contact_requests", &contact)
        .await
        .ok();
    world.submit(Who::Agent, "ask.native").await;
    let list = |who, kind: &'static str| {
        let world = &world;
        async move {
            let listed = get(world, who, &format!("/agent/{kind}/pending"))
                .await
                .ok()
                .json();
            let listed = listed.as_array().unwrap().clone();
            listed
                .iter()
                .map(|item| item["call_id"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        }
    };
    assert_eq!(list(Who::Member, "function_calls").await, ["c"]);
    assert_eq!(list(Who::Member, "human_contacts").await, ["q"]);
    assert_eq!(list(Who::Agent, "function_calls").await, ["c"]);
    assert_eq!(list(Who::Agent, "human_contacts").await, [""; 0]);
    let escalation = json!({"escalation_msg": "please", "additional_recipients": [{"address": "a@b.c"}]});
    let path = "/agent/function_calls/c/escalate_email";
    let missing = post(&world, Who::OtherAgent, path, &escalation).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    for _ in 0..2 {
        let same = post(&world, Who::Agent, path, &escalation).await.ok().json();
        assert_eq!(same["call_id"], "c");
    }
    let told = world
        .get(Who::Admin, "/v1/audit/events?type=approval.escalated")
        .await
        .ok()
        .json();
    assert_eq!(told["items"].as_array().unwrap().len(), 1, "{told}");
    assert_eq!(told["items"][0]["text"], "please");
    let path = "/agent/human_contacts/q/escalate_email";
    post(&world, Who::OtherAgent, path, &escalation).await.ok();
    let wrong = post(
        &world,
        Who::Agent,
        "/agent/function_calls/c/escalate_email",
        &json!({}),
    )
    .await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn hidden_arguments_are_pointed_out_and_policy_can_deny_them() {
    let world = World::new().await;
    post(&world, Who::Agent, "/function_calls", &call("c", &json!({})))
        .await
        .ok();
    let id = approval_of(&world, 1).await;
    let shown = world
        .get(Who::Member, &format!("/v1/approvals/{id}"))
        .await
        .ok()
        .json();
    assert!(
        shown["description"]
            .as_str()
            .unwrap()
            .contains("no arguments are visible"),
        "{shown}"
    );
    assert_eq!(shown["accepts"], json!([]));
    let policies = json!({"policies": [{"name": "show-arguments", "actions": ["*"], "effect": "deny",
        "conditions": ["has(context.humanlayer) && context.humanlayer.arguments_visible == false"]}]});
    world
        .call(Who::Admin, "PUT", "/v1/policies", Some(&policies))
        .await
        .ok();
    let denied = post(&world, Who::Agent, "/function_calls", &call("d", &Value::Null))
        .await
        .ok()
        .json();
    assert_eq!(denied["status"]["approved"], false);
    // TypeScript's sends the first argument, whatever it is.
    let alone = post(&world, Who::Agent, "/function_calls", &call("e", &json!("text")))
        .await
        .ok()
        .json();
    assert_eq!(
        (&alone["status"]["approved"], &alone["spec"]["kwargs"]),
        (&Value::Null, &json!("text"))
    );
}

#[tokio::test]
async fn hostile_input_is_refused_in_the_form_of_the_client() {
    let world = World::new().await;
    let good = call("c", &json!({}));
    let with = |pointer: &str, value: Value| {
        let mut body = good.clone();
        *body.pointer_mut(pointer).unwrap() = value;
        body.to_string()
    };
    for body in [
        String::new(),
        "{".into(),
        "[]".into(),
        "null".into(),
        with("/call_id", json!("")),
        with("/call_id", json!("x".repeat(256))),
        with("/call_id", json!(7)),
        with("/spec/fn", json!("")),
        with("/spec/fn", json!("a b")),
        with("/spec/kwargs", json!({"n": 9_007_199_254_740_993_u64})),
        with(
            "/spec",
            json!({"fn": "f", "reject_options": [{"name": "a"}, {"name": "a"}]}),
        ),
        with("/spec", json!({"fn": "f", "reject_options": [{}]})),
        with("/spec", json!({"fn": "f", "channel": {"all_of": []}})),
        with("/run_id", json!("r".repeat(201))),
        r#"{"run_id":"r","call_id":"c","spec":{"fn":"f","state":1,"state":2}}"#.into(),
    ] {
        let request = world.request(Who::Agent, "POST", &format!("{BASE}/function_calls"));
        let reply = Reply::of(request.body(body.clone()).send().await.unwrap()).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{body} {}", reply.text);
        refusal(&reply);
    }
    for (who, method, path, status) in [
        (
            Who::Stranger,
            "GET",
            "/function_calls/c",
            StatusCode::UNAUTHORIZED,
        ),
        (Who::Agent, "GET", "/function_calls/none", StatusCode::NOT_FOUND),
        (Who::Agent, "GET", "/function_calls/%FF", StatusCode::BAD_REQUEST),
        (Who::Agent, "GET", "/nothing", StatusCode::NOT_FOUND),
        (
            Who::Agent,
            "DELETE",
            "/function_calls",
            StatusCode::METHOD_NOT_ALLOWED,
        ),
    ] {
        let request = world
            .request(who, method, &format!("{BASE}{path}"))
            .header("accept", "text/html");
        let reply = Reply::of(request.send().await.unwrap()).await;
        assert_eq!(reply.status, status, "{path}");
        refusal(&reply);
    }
    // A base URL with a slash at its end, and one without the vendor's prefix.
    for base in [
        "/dialects/humanlayer/humanlayer/v1/",
        "/dialects/humanlayer",
        "/dialects/humanlayer/",
    ] {
        let reply = world
            .post(Who::Agent, &format!("{base}/function_calls"), good.clone())
            .await;
        assert_eq!(reply.status, StatusCode::OK, "{base} {}", reply.text);
    }
    approval_of(&world, 1).await;
}

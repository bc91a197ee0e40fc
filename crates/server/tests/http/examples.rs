//! One request for each operation of the API, on something of the caller's own and on something of another's.

use serde_json::{Value, json};

use crate::world::{Who, World};

/// A request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Example {
    pub(crate) path: String,
    pub(crate) body: Option<Value>,
}

impl Example {
    fn get(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            body: None,
        }
    }

    fn with(path: impl Into<String>, body: Value) -> Self {
        Self {
            path: path.into(),
            body: Some(body),
        }
    }
}

/// The example of an operation. `owner` has what it is about; nothing for an operation that no example covers.
pub(crate) async fn of(world: &World, operation: &str, caller: Who, owner: Who) -> Option<Example> {
    let example = match operation.split('_').next().unwrap_or_default() {
        "action" => action(world, operation, caller, owner).await?,
        "execution" => execution(world, operation, owner).await?,
        "approval" => approval(world, operation, owner).await?,
        "policy" => policy(world, operation, caller).await?,
        "agent" | "application" => asker(world, operation).await?,
        "operator" | "token" | "slack" => person(world, operation, caller, owner).await?,
        "standing" => standing(world, operation).await?,
        "stop" => stop(world, operation).await?,
        "grant" | "proxy" => call(world, operation, caller).await?,
        "channel" | "contact" => channel_or_contact(world, operation, owner, caller).await?,
        "group" | "webhook" | "delivery" => group_or_webhook(world, operation).await?,
        _ => plain(operation)?,
    };
    Some(example)
}

fn fresh(prefix: &str) -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{prefix}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

fn text(value: &Value, field: &str) -> String {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("no `{field}` in {value}"))
        .to_owned()
}

fn submitted(caller: Who) -> Value {
    match caller {
        Who::Application => json!({"action": "allow.it", "agent": "app-bot"}),
        _ => json!({"action": "allow.it"}),
    }
}

async fn action(world: &World, operation: &str, caller: Who, owner: Who) -> Option<Example> {
    Some(match operation {
        "action_submit" => Example::with("/v1/actions", submitted(caller)),
        "action_check" => Example::with("/v1/actions/check", submitted(caller)),
        _ => {
            let id = text(&world.submit(owner, "allow.it").await, "action_id");
            match operation {
                "action_view" => Example::get(format!("/v1/actions/{id}")),
                "action_report" => {
                    Example::with(format!("/v1/actions/{id}/outcome"), json!({"outcome": "success"}))
                }
                "action_erase" => Example::with(format!("/v1/actions/{id}/erase"), json!({})),
                _ => return None,
            }
        }
    })
}

async fn execution(world: &World, operation: &str, owner: Who) -> Option<Example> {
    if operation == "execution_list" {
        return Some(Example::get("/v1/executions?state=ready"));
    }
    if operation == "execution_result" {
        let grant = fresh("grant");
        world.grant(&grant, json!({})).await;
        let made = world
            .post(owner, "/v1/proxy", proxied(world, &grant, owner))
            .await
            .ok();
        return Some(Example::get(format!(
            "/v1/executions/{}/result",
            made.text_of("execution_id")
        )));
    }
    let id = text(&world.submit(owner, "allow.it").await, "execution_id");
    Some(match operation {
        "execution_view" => Example::get(format!("/v1/executions/{id}")),
        "execution_consume" => Example::with(format!("/v1/executions/{id}/consume"), json!({})),
        "execution_report" => Example::with(
            format!("/v1/executions/{id}/report"),
            json!({"outcome": "partial"}),
        ),
        // It is not indeterminate: who may settle learns that it is not ready for it.
        "execution_settle" => Example::with(
            format!("/v1/executions/{id}/settle"),
            json!({"outcome": "executed"}),
        ),
        "execution_release" => Example::with(format!("/v1/executions/{id}/release"), json!({})),
        "execution_held" => Example::get("/v1/executions/held"),
        _ => return None,
    })
}

fn proxied(world: &World, grant: &str, caller: Who) -> Value {
    let mut call = json!({"method": "GET", "url": world.upstream.url("/x"), "grant": grant});
    if caller == Who::Application {
        call["agent"] = json!("app-bot");
    }
    call
}

async fn call(world: &World, operation: &str, caller: Who) -> Option<Example> {
    let name = fresh("grant");
    let body = json!({
        "name": name, "credential": {"type": "bearer"}, "value": "v", "origins": ["https://api.example.com"]
    });
    match operation {
        "grant_list" => return Some(Example::get("/v1/grants")),
        "grant_create" => return Some(Example::with("/v1/grants", body)),
        "grant_rotate_keys" => return Some(Example::with("/v1/grants/rotate-keys", json!({}))),
        _ => {}
    }
    world.grant(&name, json!({})).await;
    Some(match operation {
        "grant_view" | "grant_remove" => Example::get(format!("/v1/grants/{name}")),
        "grant_update" => Example::with(format!("/v1/grants/{name}"), json!({"methods": ["GET"]})),
        "proxy_call" => Example::with("/v1/proxy", proxied(world, &name, caller)),
        "proxy_through" => Example::with(format!("/v1/p/{name}/some/path"), json!({"a": 1})),
        _ => return None,
    })
}

async fn approval(world: &World, operation: &str, owner: Who) -> Option<Example> {
    match operation {
        "approval_list" => return Some(Example::get("/v1/approvals?status=pending&limit=1")),
        "approval_stats" => return Some(Example::get("/v1/approvals/stats?since=24h")),
        _ => {}
    }
    let id = text(&world.submit(owner, "ask.it").await, "approval_id");
    let path = format!("/v1/approvals/{id}");
    Some(match operation {
        "approval_view" => Example::get(path),
        "approval_always" => Example::get(format!("{path}/always?scope=policy")),
        "approval_decide" => {
            let digest = world.get(Who::Automation, &path).await.ok().text_of("digest");
            Example::with(
                format!("{path}/decide"),
                json!({"decision": "approve", "digest": digest}),
            )
        }
        "approval_answer" => {
            let ask = json!({"decision": "request_info", "question": "why?"});
            world.post(Who::Member, &format!("{path}/decide"), ask).await.ok();
            Example::with(format!("{path}/answer"), json!({"answer": "because"}))
        }
        "approval_cancel" => Example::with(format!("{path}/cancel"), json!({"reason": "not needed"})),
        "approval_events" => Example::get(format!("{path}/events")),
        _ => return None,
    })
}

async fn policy(world: &World, operation: &str, caller: Who) -> Option<Example> {
    let body = |name: &str| json!({"name": name, "actions": ["never.*"], "effect": "deny"});
    let made = async || {
        let name = fresh("policy");
        world
            .post(Who::Automation, "/v1/policies", body(&name))
            .await
            .ok();
        name
    };
    Some(match operation {
        "policy_list" => Example::get("/v1/policies"),
        "policy_apply" => Example::with("/v1/policies", json!({"policies": [body("a")], "dry_run": true})),
        "policy_create" => Example::with("/v1/policies", body(&fresh("policy"))),
        "policy_explain" => {
            let mut action = submitted(caller);
            if !matches!(caller, Who::Agent | Who::OtherAgent | Who::Application) {
                action["agent"] = json!("bot");
            }
            Example::with("/v1/policies/explain", action)
        }
        "policy_lint" => Example::with("/v1/policies/lint", json!({"policies": [body("a")]})),
        "policy_simulate" => Example::with(
            "/v1/policies/simulate",
            json!({"policies": [body("a")], "since": "7d"}),
        ),
        "policy_view" => Example::get("/v1/policies/ask"),
        "policy_update" => {
            let name = made().await;
            Example::with(format!("/v1/policies/{name}"), body(&name))
        }
        "policy_remove" => Example::get(format!("/v1/policies/{}", made().await)),
        "policy_versions" => Example::get("/v1/policies/ask/versions"),
        "policy_set_list" => Example::get("/v1/policy-sets"),
        "policy_set_view" => Example::get("/v1/policy-sets/1"),
        _ => return None,
    })
}

async fn asker(world: &World, operation: &str) -> Option<Example> {
    let (one, what) = operation.split_once('_')?;
    let list = format!("/v1/{one}s");
    let body = |name: &str| match one {
        "agent" => json!({"name": name}),
        _ => json!({"name": name, "agents": ["x-*"]}),
    };
    let made = async || {
        let name = fresh(one);
        world.post(Who::Automation, &list, body(&name)).await.ok();
        format!("{list}/{name}")
    };
    Some(match what {
        "list" => Example::get(list),
        "create" => Example::with(&list, body(&fresh(one))),
        "view" => Example::get(made().await),
        "update" => Example::with(made().await, json!({"disabled": true})),
        "create_key" => Example::with(format!("{}/keys", made().await), json!({})),
        "rotate_key" => Example::with(format!("{}/rotate-key", made().await), json!({})),
        _ => return None,
    })
}

/// Answers nothing, so that nobody else's example goes through by it.
async fn standing(world: &World, operation: &str) -> Option<Example> {
    if operation == "standing_list" {
        return Some(Example::get("/v1/standing-approvals?state=active"));
    }
    let id = text(&world.submit(Who::Agent, "ask.it").await, "approval_id");
    let path = format!("/v1/approvals/{id}");
    let digest = world.get(Who::Automation, &path).await.ok().text_of("digest");
    let standing = json!({"valid_for": "1h", "condition": "action == 'another'"});
    let decide = json!({"decision": "approve", "digest": digest, "standing": standing});
    world
        .post(Who::Member, &format!("{path}/decide"), decide)
        .await
        .ok();
    let list = world.get(Who::Automation, "/v1/standing-approvals").await.ok();
    let id = text(&list.json()["items"][0], "id");
    Some(match operation {
        "standing_view" => Example::get(format!("/v1/standing-approvals/{id}")),
        "standing_revoke" => Example::with(format!("/v1/standing-approvals/{id}/revoke"), json!({})),
        _ => return None,
    })
}

/// On an agent of its own: nobody else's example may be refused for it.
async fn stop(world: &World, operation: &str) -> Option<Example> {
    let agent = fresh("stopped");
    let create = json!({"name": agent});
    world.post(Who::Automation, "/v1/agents", create).await.ok();
    let stop = json!({"target": agent, "reason": "an example"});
    Some(match operation {
        "stop_list" => Example::get("/v1/stops"),
        "stop_create" => Example::with("/v1/stops", stop),
        "stop_lift" => {
            world.post(Who::Automation, "/v1/stops", stop).await.ok();
            Example::with(format!("/v1/stops/{agent}/lift"), json!({"reason": "it was one"}))
        }
        _ => return None,
    })
}

async fn person(world: &World, operation: &str, caller: Who, owner: Who) -> Option<Example> {
    let body = || {
        let name = fresh("operator");
        json!({"name": name, "email": format!("{name}@example.com"), "role": "viewer"})
    };
    let made = async || {
        let operator = world.post(Who::Automation, "/v1/operators", body()).await.ok();
        format!("/v1/operators/{}", operator.text_of("id"))
    };
    // One's own are found under `me`; automations and askers have none, and name somebody.
    let person = match (owner, caller) {
        (Who::Viewer | Who::Member | Who::Admin, _) if owner == caller => "/v1/operators/me".to_owned(),
        _ => made().await,
    };
    Some(match operation {
        "operator_list" => Example::get("/v1/operators"),
        "operator_create" => Example::with("/v1/operators", body()),
        "operator_view" => Example::get(made().await),
        "operator_update" => Example::with(made().await, json!({"role": "member"})),
        "slack_code_create" => Example::with("/v1/operators/me/slack-code", json!({})),
        "slack_unlink" => Example::get(format!("{person}/slack/chn_{}", "0".repeat(32))),
        "token_list" => Example::get(format!("{person}/tokens")),
        "token_create" => Example::with(format!("{person}/tokens"), json!({"name": "t"})),
        "token_revoke" => {
            let by = if person.ends_with("/me") {
                caller
            } else {
                Who::Automation
            };
            let token = world
                .post(by, &format!("{person}/tokens"), json!({}))
                .await
                .ok()
                .text_of("id");
            Example::get(format!("{person}/tokens/{token}"))
        }
        _ => return None,
    })
}

async fn channel_or_contact(world: &World, operation: &str, owner: Who, caller: Who) -> Option<Example> {
    let body = |url: &str| json!({"name": fresh("channel"), "settings": {"webhook": {"url": url}}});
    let made = async |url: &str| {
        let made = world.post(Who::Automation, "/v1/channels", body(url)).await.ok();
        format!("/v1/channels/{}", made.text_of("id"))
    };
    // A name that never resolves: a test of it says so at once.
    let nowhere = "https://hooks.invalid/signoff";
    let person = if owner == caller && matches!(owner, Who::Viewer | Who::Member | Who::Admin) {
        "/v1/operators/me".to_owned()
    } else {
        let body = json!({"name": "P", "email": format!("{}@example.com", fresh("p")), "role": "member"});
        let operator = world.post(Who::Automation, "/v1/operators", body).await.ok();
        format!("/v1/operators/{}", operator.text_of("id"))
    };
    Some(match operation {
        "channel_list" => Example::get("/v1/channels"),
        "channel_create" => Example::with("/v1/channels", body(nowhere)),
        "channel_view" | "channel_remove" => Example::get(made(nowhere).await),
        "channel_update" => Example::with(made(nowhere).await, json!({"window": "5m"})),
        "channel_test" => Example::with(format!("{}/test", made(nowhere).await), json!({})),
        "channel_rotate_secret" => Example::with(format!("{}/rotate-secret", made(nowhere).await), json!({})),
        "channel_deliveries" => Example::get(format!("{}/deliveries", made(nowhere).await)),
        "channel_redeliver" => {
            let receiver = signoff_testkit::WebhookReceiver::start().await;
            let channel = made(&receiver.url("/")).await;
            world.submit(Who::Agent, "ask.it").await;
            receiver.wait_for(1).await;
            loop {
                let page = world
                    .get(Who::Automation, &format!("{channel}/deliveries"))
                    .await
                    .ok()
                    .json();
                let latest = &page["items"][0];
                if latest["status"] == "delivered" {
                    let path = format!("{channel}/deliveries/{}/redeliver", latest["seq"]);
                    break Example::with(path, json!({}));
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        }
        "contact_view" => Example::get(format!("{person}/contact")),
        "contact_update" => Example::with(format!("{person}/contact"), json!({"window": "2m"})),
        _ => return None,
    })
}

async fn group_or_webhook(world: &World, operation: &str) -> Option<Example> {
    let body = || json!({"name": fresh("webhook"), "url": "https://example.com/hook"});
    let webhook = async || {
        let made = world.post(Who::Automation, "/v1/webhooks", body()).await.ok();
        format!("/v1/webhooks/{}", made.text_of("id"))
    };
    Some(match operation {
        "group_list" => Example::get("/v1/groups"),
        "group_put" => Example::with(format!("/v1/groups/{}", fresh("group")), json!({"members": []})),
        "group_remove" => {
            let path = format!("/v1/groups/{}", fresh("group"));
            world
                .call(Who::Automation, "PUT", &path, Some(&json!({"members": []})))
                .await
                .ok();
            Example::get(path)
        }
        "webhook_list" => Example::get("/v1/webhooks"),
        "webhook_create" => Example::with("/v1/webhooks", body()),
        "webhook_update" => Example::with(webhook().await, json!({"events": ["approval.*"]})),
        "webhook_view" | "webhook_remove" => Example::get(webhook().await),
        "delivery_list" => Example::get(format!("{}/deliveries", webhook().await)),
        _ => return None,
    })
}

fn plain(operation: &str) -> Option<Example> {
    Some(match operation {
        "event_list" => Example::get("/v1/audit/events?type=action.*&limit=5"),
        "event_view" => Example::get("/v1/audit/events/1"),
        "audit_verify" => Example::get("/v1/audit/verify"),
        "audit_export" => Example::get("/v1/audit/export"),
        "workspace_view" => Example::get("/v1/workspace"),
        "workspace_update" => Example::with("/v1/workspace", json!({"name": "renamed"})),
        "installation_finish_upgrade" => Example::with("/v1/installation/finish-upgrade", json!({})),
        "workspace_failover" => Example::with("/v1/workspace/failover", json!({})),
        "me_view" => Example::get("/v1/me"),
        "stream_read" => Example::get("/v1/stream"),
        "health_view" => Example::get("/healthz"),
        "readiness_view" => Example::get("/readyz"),
        "metrics_view" => Example::get("/metrics"),
        "openapi_view" => Example::get("/openapi.json"),
        "docs_view" => Example::get("/docs"),
        _ => return None,
    })
}

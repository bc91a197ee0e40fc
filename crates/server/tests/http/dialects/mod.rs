//! Dialects over sockets, without the vendors' clients: what these never send, and what must not weaken an invariant. The
//! clients themselves run in `tests/dialects/`.

mod agentlattice;
mod agentsentinel;
mod agentwarden;
mod alter;
mod humanlayer;

use reqwest::StatusCode;
use serde_json::Value;

use crate::world::{Reply, Who, World};

/// Sends raw bytes to a path below a dialect, whatever they are called.
async fn sent(world: &World, who: Who, method: &str, path: &str, raw: impl Into<Vec<u8>>) -> Reply {
    let request = world.request(who, method, &format!("/dialects/{path}"));
    let request = request.header("content-type", "text/plain").body(raw.into());
    Reply::of(request.send().await.unwrap()).await
}

/// A refusal that the vendor's client can read: JSON of its own, whose `field` says what is wrong, without internals.
#[track_caller]
fn in_its_form(reply: &Reply, status: StatusCode, field: &str) {
    assert_eq!(reply.status, status, "{}", reply.text);
    assert_eq!(reply.headers["content-type"], "application/json");
    let detail = reply.json()[field].as_str().map(str::to_owned);
    assert!(detail.is_some_and(|detail| !detail.is_empty()), "{}", reply.text);
    assert!(
        !reply.text.contains("signoff_") && !reply.text.contains("struct "),
        "{}",
        reply.text
    );
}

/// What no client of the vendor's sends is refused in its form and changes nothing.
async fn hostile_input_is_refused(world: &World, posts: &[&str], prefix: &str) {
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(1_100_000));
    let before = world.head().await;
    for path in posts {
        for raw in [
            "{",
            "[]",
            "7",
            "\"x\"",
            "\u{feff}{}",
            r#"{"a":1,"a":2}"#,
            "\0",
            &deep,
        ] {
            let reply = sent(world, Who::Application, "POST", path, raw).await;
            assert!(reply.status.is_client_error(), "{path} {raw:.20}: {}", reply.text);
            in_its_form(&reply, reply.status, "detail");
        }
        let reply = sent(world, Who::Application, "POST", path, large.clone()).await;
        in_its_form(&reply, StatusCode::PAYLOAD_TOO_LARGE, "detail");
        let reply = sent(world, Who::Stranger, "POST", path, "{}").await;
        in_its_form(&reply, StatusCode::UNAUTHORIZED, "detail");
        let reply = sent(world, Who::Application, "DELETE", path, "").await;
        in_its_form(&reply, StatusCode::METHOD_NOT_ALLOWED, "detail");
    }
    for path in ["", "/", "/no/such/path", "/%00", "/..%2f..%2fv1/agents"] {
        let request = world.request(Who::Application, "GET", &format!("/dialects/{prefix}{path}"));
        let reply = Reply::of(request.header("accept", "text/html").send().await.unwrap()).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}: {}", reply.text);
        assert!(reply.json().is_object());
    }
    assert_eq!(world.head().await, before, "something was recorded");
}

fn bool_of(reply: &Reply, field: &str) -> bool {
    reply.json()[field]
        .as_bool()
        .unwrap_or_else(|| panic!("no `{field}` in {}", reply.text))
}

fn body(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

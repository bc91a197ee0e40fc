//! The live feed: it tells what happens, resumes where a reader left off, and ends when it must.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::world::{Who, World};

/// A reader of server-sent events.
struct Reader {
    response: reqwest::Response,
    text: String,
}

impl Reader {
    async fn open(world: &World, path: &str, last: Option<u64>) -> Self {
        let request = world.request(Who::Viewer, "GET", path);
        let request = match last {
            Some(last) => request.header("last-event-id", last),
            None => request,
        };
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut reader = Self {
            response,
            text: String::new(),
        };
        assert!(reader.message().await.unwrap().contains("retry: 2000"));
        reader
    }

    /// The next message, or nothing at the end.
    async fn message(&mut self) -> Option<String> {
        loop {
            if let Some((message, rest)) = self.text.split_once("\n\n") {
                let (message, rest) = (message.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(message);
            }
            let chunk = tokio::time::timeout(Duration::from_secs(5), self.response.chunk()).await;
            let chunk = chunk.expect("nothing came").unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next notice: its id, event and data.
    async fn notice(&mut self) -> (u64, String, Value) {
        let message = self.message().await.expect("the stream ended");
        let field = |name: &str| {
            let line = message.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("no `{name}` in {message}"))
                .trim()
                .to_owned()
        };
        (
            field("id:").parse().unwrap(),
            field("event:"),
            serde_json::from_str(&field("data:")).unwrap(),
        )
    }
}

#[tokio::test]
async fn what_happens_is_told_and_resumed_without_a_gap() {
    let world = World::new().await;
    let start = world.head().await;
    let mut reader = Reader::open(&world, "/v1/stream", None).await;
    let approval = world.submit(Who::Agent, "ask.it").await["approval_id"].clone();
    let (id, event, data) = reader.notice().await;
    assert_eq!((id, event.as_str()), (start + 1, "approval.requested.v1"));
    assert_eq!(
        (&data["sequence"], &data["status"]),
        (&json!(start + 1), &json!("pending"))
    );
    drop(reader);
    let cancel = format!("/v1/approvals/{}/cancel", approval.as_str().unwrap());
    world.post(Who::Agent, &cancel, json!({})).await.ok();
    world.submit(Who::Agent, "allow.it").await;
    // By the header a browser sends, and by the parameter: both go on after what was read.
    for mut reader in [
        Reader::open(&world, "/v1/stream", Some(start + 1)).await,
        Reader::open(&world, &format!("/v1/stream?after={}", start + 1), None).await,
    ] {
        let (id, event, data) = reader.notice().await;
        assert_eq!(
            (id, event.as_str(), &data["status"]),
            (start + 2, "approval.ended.v1", &json!("cancelled"))
        );
        assert_eq!(reader.notice().await.1, "action.allowed.v1");
    }
    let mut reader = Reader::open(&world, &format!("/v1/stream?after={start}"), None).await;
    for sequence in start + 1..=start + 3 {
        assert_eq!(reader.notice().await.0, sequence);
    }
    world.submit(Who::Agent, "deny.it").await;
    assert_eq!(reader.notice().await.0, start + 4);
}

#[tokio::test]
async fn a_stream_ends_with_the_key_and_with_the_server() {
    let world = World::new().await;
    let mut reader = Reader::open(&world, "/v1/stream", None).await;
    let mut other = Reader::open(&world, "/v1/stream", None).await;
    let path = format!("/v1/operators/{}", world.operators[0]);
    world
        .call(Who::Automation, "PATCH", &path, Some(&json!({"disabled": true})))
        .await
        .ok();
    assert_eq!(reader.message().await, None, "a disabled operator reads on");
    assert_eq!(other.message().await, None);
    let path = format!("/v1/operators/{}", world.operators[0]);
    world
        .call(Who::Automation, "PATCH", &path, Some(&json!({"disabled": false})))
        .await
        .ok();
    let mut reader = Reader::open(&world, "/v1/stream", None).await;
    world.stopping.cancel();
    assert_eq!(reader.message().await, None);
}

#[tokio::test]
async fn positions_that_are_none_are_refused() {
    let world = World::new().await;
    for path in ["/v1/stream?after=x", "/v1/stream?from=1"] {
        assert_eq!(
            world.get(Who::Viewer, path).await.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{path}"
        );
    }
    let request = world
        .request(Who::Viewer, "GET", "/v1/stream")
        .header("last-event-id", "evt_1");
    assert_eq!(
        request.send().await.unwrap().status(),
        StatusCode::UNPROCESSABLE_ENTITY
    );
}

/// A reader that missed more than the server reads for it is told to look again.
#[tokio::test]
async fn a_reader_from_long_ago_is_told_to_resync() {
    let world = World::new().await;
    let mut policies = Vec::new();
    for at in 0..2_100 {
        policies.push(json!({"name": format!("p{at}"), "actions": ["never.*"], "effect": "deny"}));
    }
    let set = json!({"policies": policies});
    world
        .call(Who::Admin, "PUT", "/v1/policies", Some(&set))
        .await
        .ok();
    let mut reader = Reader::open(&world, "/v1/stream?after=0", None).await;
    let mut told = 0;
    loop {
        let message = reader.message().await.unwrap();
        if message.contains("event: resync") {
            break;
        }
        told += 1;
    }
    assert_eq!(told, 2_000);
    world.submit(Who::Agent, "never.it").await;
    assert_eq!(reader.notice().await.1, "action.denied.v1");
}

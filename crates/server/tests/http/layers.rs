//! What holds for every answer: request ids, problems on every path, headers that keep answers inert.

use reqwest::StatusCode;

use crate::world::{Reply, Who, World};

#[tokio::test]
async fn unknown_paths_and_methods_are_problems_too() {
    let world = World::new().await;
    let reply = world.get(Who::Stranger, "/v1/nothing").await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (StatusCode::NOT_FOUND, "not_found")
    );
    let reply = world.call(Who::Agent, "DELETE", "/v1/me", None).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed")
    );
    assert!(reply.headers["allow"].to_str().unwrap().contains("GET"));
    for path in [
        "/v1/approvals/apr_1",
        "/v1/approvals/act_00000000000000000000000000000000",
        "/v1/agents/%FF",
    ] {
        assert_eq!(
            world.get(Who::Automation, path).await.code(),
            "not_found",
            "{path}"
        );
    }
}

#[tokio::test]
async fn every_answer_has_an_id_and_is_inert() {
    let world = World::new().await;
    for path in ["/v1/me", "/v1/nothing", "/healthz"] {
        let reply = world.get(Who::Agent, path).await;
        assert!(
            reply.headers["x-request-id"]
                .to_str()
                .unwrap()
                .starts_with("req-"),
            "{path}"
        );
        assert_eq!(reply.headers["x-content-type-options"], "nosniff");
        assert_eq!(reply.headers["cache-control"], "no-store");
        assert!(
            reply.headers["content-security-policy"]
                .to_str()
                .unwrap()
                .contains("default-src 'none'")
        );
    }
    let request = world
        .request(Who::Agent, "GET", "/v1/me")
        .header("x-request-id", "abc-1");
    assert_eq!(
        Reply::of(request.send().await.unwrap()).await.headers["x-request-id"],
        "abc-1"
    );
}

#[tokio::test]
async fn keys_that_open_nothing_are_refused_alike() {
    let world = World::new().await;
    let unknown = format!("sgo_agt_{}", "0".repeat(72));
    for key in ["", "x", unknown.as_str(), &"k".repeat(4_000)] {
        let request = world.http.get(format!("{}/v1/me", world.url)).bearer_auth(key);
        let reply = Reply::of(request.send().await.unwrap()).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (StatusCode::UNAUTHORIZED, "unauthorized"),
            "{key}"
        );
        assert_eq!(reply.headers["www-authenticate"], "Bearer");
        assert!(
            key.is_empty() || key.len() < 8 || !reply.text.contains(key),
            "a key was repeated"
        );
    }
    let key = world.key(Who::Viewer).unwrap();
    let request = world
        .http
        .get(format!("{}/v1/me", world.url))
        .header("x-api-key", key);
    assert_eq!(
        Reply::of(request.send().await.unwrap()).await.ok().json()["role"],
        "viewer"
    );
}

#[tokio::test]
async fn the_server_is_up_ready_and_counted() {
    let world = World::new().await;
    assert_eq!(
        world.get(Who::Stranger, "/healthz").await.ok().json()["status"],
        "ok"
    );
    let ready = world.get(Who::Stranger, "/readyz").await.ok().json();
    assert_eq!(ready["ready"], true, "{ready}");
    world.submit(Who::Agent, "allow.it").await;
    world.submit(Who::Agent, "ask.it").await;
    let metrics = world.get(Who::Stranger, "/metrics").await.ok();
    for line in [
        "signoff_verdicts_total{verdict=\"allowed\"} 1",
        "signoff_verdicts_total{verdict=\"pending_approval\"} 1",
        "signoff_approvals_pending 1",
        "signoff_http_requests_total{method=\"POST\",route=\"/v1/actions\",status=\"200\"} 2",
    ] {
        assert!(
            metrics.text.lines().any(|written| written == line),
            "{line} is not in\n{}",
            metrics.text
        );
    }
    assert!(metrics.text.ends_with("# EOF\n"));
    world.stopping.cancel();
    assert_eq!(
        world.get(Who::Stranger, "/readyz").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
}

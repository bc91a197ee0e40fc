//! The committed description of the API is the one that the code makes, and the reference page needs no network.

use crate::world::{Who, World};

/// From the package, where tests run: a build may have been made in another checkout.
const SPEC: &str = "../../spec/openapi.json";
const REWRITE: &str = "SIGNOFF_WRITE_SPEC";

/// `SIGNOFF_WRITE_SPEC=1 cargo test -p signoff-server` writes it anew.
#[test]
fn the_committed_openapi_document_is_not_stale() {
    let made = format!("{}\n", signoff_server::api::openapi().to_pretty_json().unwrap());
    if std::env::var_os(REWRITE).is_some() {
        std::fs::write(SPEC, &made).unwrap();
    }
    let committed = std::fs::read_to_string(SPEC).unwrap_or_default();
    assert!(
        committed == made,
        "spec/openapi.json is stale: run this test with {REWRITE}=1 and look at the change"
    );
}

#[tokio::test]
async fn machines_and_people_read_the_same_description() {
    let world = World::new().await;
    let served = world.get(Who::Stranger, "/openapi.json").await.ok();
    assert_eq!(
        served.json(),
        serde_json::to_value(signoff_server::api::openapi()).unwrap()
    );
    let page = world.get(Who::Stranger, "/docs").await.ok();
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.starts_with("default-src 'none'") && !policy.contains("http"),
        "{policy}"
    );
    assert!(page.text.contains("/v1/approvals/{id}/decide"));
}

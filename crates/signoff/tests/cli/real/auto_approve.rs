//! `serve --auto-approve`: everything passes, and every event says under which regime.

use super::Server;
use crate::run::finish;

#[test]
fn everything_is_approved_and_marked() {
    let server = Server::bare(&["--auto-approve"]);
    server.apply(
        &serde_json::json!([{"name": "deploys", "actions": ["deploy.*"], "effect": "require_approval"}]),
    );
    let agent = server.agent("bot");
    let ran = server.run(&agent, &["gate", "deploy.production", "--", "echo", "deployed"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "deployed\n"), "{ran:?}");
    let exported = finish(server.as_admin(&["audit", "export"]));
    let unmarked = exported
        .stdout
        .lines()
        .filter(|line| !line.contains(r#""mode":"auto_approve""#));
    // The workspace is made before there is a regime.
    assert!(unmarked.count() <= 1, "{}", exported.stdout);
}

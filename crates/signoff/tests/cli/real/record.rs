//! The log from the command line: read, verified with the server and without it, found out when it was touched.

use super::Server;
use crate::run::{finish, signoff};

/// A server with a little history, and its exported log.
fn with_history() -> (Server, std::path::PathBuf) {
    let server = Server::start();
    let agent = server.agent("bot");
    assert_eq!(server.run(&agent, &["gate", "db.drop_all"]).code, 1);
    assert_eq!(
        server
            .run(&agent, &["gate", "deploy.production", "--timeout", "1s"])
            .code,
        2
    );
    let path = server.place.directory().join("log.jsonl");
    let exported = finish(server.as_admin(&["audit", "export", "--output", path.to_str().unwrap()]));
    assert_eq!((exported.code, exported.stdout.as_str()), (0, ""), "{exported:?}");
    (server, path)
}

#[test]
fn the_server_and_an_export_agree_on_the_head() {
    let (server, path) = with_history();
    let verified = server.admin(&["audit", "verify", "--with-store"]);
    assert_eq!(verified["ok"], true, "{verified}");
    assert!(verified["rows"].as_u64().unwrap() > 0);
    let head = format!(
        "{}:{}",
        verified["head"]["sequence"],
        verified["head"]["hash"].as_str().unwrap()
    );
    // No server, no key.
    let offline = [
        "audit",
        "verify",
        "--offline",
        path.to_str().unwrap(),
        "--head",
        &head,
    ];
    let ran = finish(signoff(&offline));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.stdout.starts_with("intact: ") && ran.stdout.contains(&format!("head {head}")),
        "{}",
        ran.stdout
    );
}

#[test]
fn an_export_that_was_touched_is_found_out() {
    let (_server, path) = with_history();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("deploy.production"));
    std::fs::write(&path, text.replace("deploy.production", "deploy.reduction!")).unwrap();
    let ran = finish(signoff(&["audit", "verify", "--offline", path.to_str().unwrap()]));
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.stdout.starts_with("NOT intact") && ran.stdout.contains("event "),
        "{}",
        ran.stdout
    );
}

#[test]
fn events_are_listed_in_sentences_and_filtered() {
    let (server, _) = with_history();
    let ran = finish(server.as_admin(&["audit", "list"]));
    assert!(
        ran.stdout.contains("bot") && ran.stdout.contains("db.drop_all"),
        "{}",
        ran.stdout
    );
    let page = server.admin(&["audit", "list", "--agent", "bot", "--action", "db.*"]);
    let items = page["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "{page}");
    assert_eq!(items[0]["type"], "action.denied.v1");
    let first = server.admin(&["audit", "list", "--limit", "2"]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = server.admin(&["audit", "list", "--limit", "2", "--cursor", cursor]);
    assert!(
        second["items"][0]["sequence"].as_u64() < first["items"][1]["sequence"].as_u64(),
        "{second}"
    );
}

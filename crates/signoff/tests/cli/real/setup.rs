//! Setting a server up from a script: what is made, what is shown once, what the shapes are.

use super::Server;

#[test]
fn agents_are_made_listed_and_given_new_keys() {
    let server = Server::start();
    let created = server.admin(&["agents", "create", "bot", "--label", "team=support"]);
    assert!(created["id"].as_str().unwrap().starts_with("agt_"), "{created}");
    assert_eq!(created["name"], "bot");
    let old = created["api_key"].as_str().unwrap();
    assert!(old.starts_with("sgo_agt_"));
    let page = server.admin(&["agents", "list"]);
    assert_eq!(
        (&page["items"][0]["name"], &page["items"][0]["status"]),
        (&"bot".into(), &"active".into())
    );
    assert!(page["next_cursor"].is_null());
    let rotated = server.admin(&["agents", "rotate-key", "bot"]);
    let new = rotated["api_key"].as_str().unwrap();
    assert_eq!(
        server.run(old, &["check", "db.drop"]).code,
        3,
        "the old key opens nothing"
    );
    assert_eq!(server.run(new, &["check", "db.drop"]).code, 1);
}

#[test]
fn the_key_alone_goes_to_standard_output() {
    let server = Server::start();
    let ran = crate::run::finish(server.as_admin(&["agents", "create", "bot"]));
    assert!(
        ran.stdout.starts_with("sgo_agt_") && ran.stdout.lines().count() == 1,
        "{ran:?}"
    );
    assert!(!ran.stderr.contains(ran.stdout.trim()), "{ran:?}");
}

#[test]
fn people_get_roles_groups_and_tokens() {
    let server = Server::start();
    let email = "dana@example.com";
    server.admin(&[
        "operators",
        "create",
        "Dana",
        "--email",
        email,
        "--role",
        "viewer",
        "--group",
        "finance",
    ]);
    let page = server.admin(&["operators", "list"]);
    assert_eq!(page["items"][0]["email"], email);
    assert_eq!(page["items"][0]["groups"][0], "finance");
    let token = server.admin(&[
        "operators",
        "create-token",
        "DANA@example.com",
        "--name",
        "laptop",
    ]);
    let token = token["token"].as_str().unwrap().to_owned();
    assert_eq!(server.run(&token, &["agents", "list"]).code, 0);
    let refused = server.run(&token, &["agents", "create", "bot"]);
    assert_eq!(refused.code, 1, "a viewer sets nothing up: {refused:?}");
    assert_eq!(
        server.run("x", &["agents", "list"]).code,
        3,
        "an unknown key is misuse"
    );
}

#[test]
fn policies_are_applied_as_a_whole_and_explained() {
    let server = Server::start();
    let page = server.admin(&["policy", "list"]);
    let names: Vec<_> = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|policy| policy["name"].clone())
        .collect();
    assert_eq!(names, ["small", "deploys", "never"]);
    assert_eq!(
        (&page["version"], &page["items"][0]["status"]),
        (&1.into(), &"active".into())
    );
    let explained = server.admin(&[
        "policy",
        "explain",
        "stripe.refund",
        "--agent",
        "bot",
        "--inputs",
        "amount=500.00",
    ]);
    assert_eq!(explained["verdict"]["verdict"], "pending_approval", "{explained}");
    assert_eq!(explained["verdict"]["conditions"][0]["result"], "false");
    let applied =
        server.apply(&serde_json::json!([{"name": "never", "actions": ["db.*"], "effect": "deny"}]));
    assert_eq!(
        (&applied["changed"][0], &applied["version"]),
        (&"never".into(), &2.into())
    );
    assert_eq!(applied["removed"].as_array().unwrap().len(), 2);
    assert_eq!(server.admin(&["policy", "show", "never"])["version"], 2);
    assert_eq!(
        crate::run::finish(server.as_admin(&["policy", "show", "small"])).code,
        1
    );
}

#[test]
fn a_set_with_a_mistake_is_refused_with_its_place_and_changes_nothing() {
    let server = Server::start();
    let path = server.place.directory().join("wrong.json");
    std::fs::write(
        &path,
        r#"{"policies":[{"name":"a","actions":["x[y"],"effect":"deny"}]}"#,
    )
    .unwrap();
    let ran = crate::run::finish(server.as_admin(&["policy", "apply", path.to_str().unwrap()]));
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("/policies/0/actions/0"), "{}", ran.stderr);
    assert_eq!(server.admin(&["policy", "list"])["version"], 1);
}

#[test]
fn webhooks_are_added_listed_and_removed() {
    let server = Server::bare(&["--egress-allow", "127.0.0.0/8"]);
    let created = server.admin(&[
        "webhooks",
        "add",
        "pager",
        "http://127.0.0.1:9/hook?key=hidden",
        "--event",
        "approval.*",
    ]);
    assert!(
        created["secret"].as_str().unwrap().starts_with("whsec_"),
        "{created}"
    );
    let id = created["id"].as_str().unwrap();
    let page = server.admin(&["webhooks", "list"]);
    assert_eq!(
        (&page["items"][0]["id"], &page["items"][0]["status"]),
        (&id.into(), &"active".into())
    );
    assert!(
        !page.to_string().contains("hidden"),
        "what may be a credential is not shown again: {page}"
    );
    server.admin(&["webhooks", "remove", id]);
    assert_eq!(
        server.admin(&["webhooks", "list"])["items"]
            .as_array()
            .unwrap()
            .len(),
        0
    );
    // Loopback only where configuration allows it.
    let closed = Server::bare(&[]);
    let ran = crate::run::finish(closed.as_admin(&["webhooks", "add", "pager", "http://127.0.0.1:9/hook"]));
    assert_eq!(ran.code, 1, "{ran:?}");
}

#[test]
fn doctor_says_who_can_decide() {
    let server = Server::start();
    let ran = crate::run::finish(server.as_admin(&["doctor"]));
    assert_eq!(ran.code, 1, "nobody can decide yet: {ran:?}");
    assert!(ran.stdout.contains("no person can approve"), "{}", ran.stdout);
    server.person("dana");
    let ran = crate::run::finish(server.as_admin(&["doctor"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("1 person can decide"), "{}", ran.stdout);
}

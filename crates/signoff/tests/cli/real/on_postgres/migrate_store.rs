//! From SQLite to Postgres: everything goes along, and it is proven.

use std::ffi::OsString;
use std::process::Command;

use serde_json::json;
use signoff_testkit::{Backend, Place, WebhookReceiver};

use crate::real::Server;
use crate::run::{Ran, finish, signoff};

const HOOKS: &[&str] = &["--egress-allow", "127.0.0.0/8"];
const GATE: &[&str] = &["gate", "deploy.production", "--idempotency-key", "release-21"];

/// Where to, and the master key that its servers are given.
struct Target {
    place: Place,
    url: OsString,
    key: OsString,
}

impl Target {
    fn empty() -> Self {
        let place = Place::blocking_on(Backend::Postgres);
        let settings = place.settings();
        let setting = |name| {
            settings
                .iter()
                .find(|(known, _)| *known == name)
                .unwrap()
                .1
                .clone()
        };
        let (url, key) = (setting("SIGNOFF_DATABASE"), setting("SIGNOFF_MASTER_KEY"));
        Self { place, url, key }
    }

    /// An empty place on SQLite with the same master key.
    fn source(&self) -> Place {
        let place = Place::blocking_on(Backend::Sqlite);
        std::fs::create_dir(place.data()).unwrap();
        std::fs::write(place.data().join("master.key"), self.key.to_str().unwrap()).unwrap();
        place
    }

    fn migration(&self, source: &Place) -> Command {
        let from = format!("sqlite:{}", source.data().display());
        let mut command = signoff(&["migrate-store", "--from", &from, "--json"]);
        command.env("SIGNOFF_DATABASE", &self.url);
        command
    }

    fn migrate(&self, source: &Place) -> Ran {
        finish(self.migration(source))
    }
}

/// A server with a history; what it has is asked for again after the move.
fn start(place: Place) -> Server {
    let server = Server::at(place, HOOKS);
    server.apply(&json!([
        {"name": "deploys", "actions": ["deploy.*"], "effect": "require_approval"},
        {"name": "reads", "actions": ["db.read"], "effect": "allow"},
    ]));
    server
}

/// Asks and does not wait for the answer.
#[track_caller]
fn ask(server: &Server, agent: &str) -> String {
    let asked = server.run(
        agent,
        &[GATE, &["--keep", "--wait", "1s", "--", "echo", "deployed"]].concat(),
    );
    assert_eq!(asked.code, 2, "{asked:?}");
    server.pending()
}

fn head(verified: &serde_json::Value) -> String {
    let head = &verified["head"];
    format!("{}:{}", head["sequence"], head["hash"].as_str().unwrap())
}

#[test]
fn everything_goes_along_and_what_waits_is_decided_there() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let receiver = runtime.block_on(WebhookReceiver::start());
    let target = Target::empty();
    let mut server = start(target.source());
    let (agent, dana) = (server.agent("bot"), server.person("dana"));
    server.admin(&["webhooks", "add", "pager", &receiver.url("/hook")]);
    let approval = ask(&server, &agent);
    let told = runtime.block_on(receiver.wait_for(1)).len();

    let ran = target.migrate(&server.place);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains("a server runs on"), "{}", ran.stderr);
    let before = head(&server.admin(&["audit", "verify", "--with-store"]));
    server.kill();
    let ran = target.migrate(&server.place);
    assert_eq!(ran.code, 0, "{ran:?}");
    let moved = ran.json();
    assert_eq!(
        (&moved["ok"], &moved["with_master_key"]),
        (&true.into(), &true.into())
    );
    assert_eq!(moved["workspaces"][0]["head"], before.as_str());
    for table in [
        "events",
        "payloads",
        "secrets",
        "people",
        "idempotency",
        "channels",
        "approvals",
    ] {
        assert!(moved["tables"][table].as_u64().unwrap() > 0, "{table}: {moved}");
    }
    let again = target.migrate(&server.place);
    assert_eq!(again.code, 3, "the target is not empty any more: {again:?}");

    let server = Server::at(target.place, HOOKS);
    assert_eq!(
        head(&server.admin(&["audit", "verify", "--with-store"])),
        before,
        "nothing was added"
    );
    assert_eq!(server.status(&approval), "pending");
    assert_eq!(
        server.run(&dana, &["approvals", "approve", &approval]).code,
        0,
        "tokens work"
    );
    // Moving is no restore: what was asked there is carried out here, once.
    let ran = server.run(&agent, &[GATE, &["--", "echo", "deployed"]].concat());
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "deployed\n"), "{ran:?}");
    assert_eq!(server.admin(&["executions", "held"])["items"], json!([]));
    // The channel's address and secret open.
    let messages = runtime.block_on(receiver.wait_for(told + 1));
    assert!(messages[told].header("webhook-signature").starts_with("v1,"));
    let verified = server.admin(&["audit", "verify", "--with-store"]);
    assert_eq!(verified["ok"], true, "{verified}");
}

#[test]
fn a_restored_copy_stays_one_when_it_moves() {
    let target = Target::empty();
    let mut server = start(target.source());
    let (agent, dana) = (server.agent("bot"), server.person("dana"));
    let approval = ask(&server, &agent);
    assert_eq!(server.run(&dana, &["approvals", "approve", &approval]).code, 0);
    let file = server.place.directory().join("backup.db");
    let from = server.place.data();
    let line = ["backup", file.to_str().unwrap(), "--data", from.to_str().unwrap()];
    assert_eq!(finish(signoff(&line)).code, 0);
    server.kill();
    let restored = target.source();
    let to = restored.data();
    let line = ["restore", file.to_str().unwrap(), "--data", to.to_str().unwrap()];
    let ran = finish(signoff(&line));
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = target.migrate(&restored);
    assert_eq!(ran.code, 0, "{ran:?}");
    let server = Server::at(target.place, HOOKS);
    let held = server.admin(&["executions", "held"]);
    assert_eq!(
        held["items"][0]["id"],
        approval.replace("apr_", "exe_").as_str(),
        "{held}"
    );
}

/// Whatever stops it, the target has nothing, and the source is as it was.
#[test]
fn an_interrupted_move_leaves_nothing_and_can_be_repeated() {
    let target = Target::empty();
    let mut server = start(target.source());
    server.agent("bot");
    server.kill();
    for round in 0..8_u64 {
        let mut command = target.migration(&server.place);
        let mut child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(30 * round));
        let _ = child.kill();
        if child.wait().unwrap().success() {
            // It was faster, and then it is whole.
            break;
        }
    }
    let ran = target.migrate(&server.place);
    let is_whole = ran.code == 0 || ran.stderr.contains("the target has a workspace already");
    assert!(is_whole, "{ran:?}");
    let server = Server::at(target.place, HOOKS);
    assert_eq!(server.admin(&["agents", "list"])["items"][0]["name"], "bot");
    assert_eq!(server.admin(&["audit", "verify", "--with-store"])["ok"], true);
}

#[test]
fn what_is_not_intact_does_not_move() {
    let target = Target::empty();
    let mut server = start(target.source());
    server.agent("bot");
    server.kill();
    let wrong = server.place.directory().join("wrong.key");
    std::fs::write(&wrong, "ab".repeat(32)).unwrap();
    let mut command = target.migration(&server.place);
    command.env("SIGNOFF_MASTER_KEY_FILE", &wrong);
    assert_eq!(finish(command).code, 3, "a wrong master key");

    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut backdoor = server.place.backdoor().await;
        assert_eq!(backdoor.replace("agents", "\"bot\"", "\"bat\"").await, 1);
    });
    let ran = target.migrate(&server.place);
    assert_eq!(ran.code, 1, "{ran:?}");
    let report = ran.json();
    assert_eq!(
        report["workspaces"][0]["problems"][0]["table"], "agents",
        "{report}"
    );
    // Nothing arrived: a server there begins anew.
    let server = Server::at(target.place, &[]);
    assert_eq!(server.admin(&["agents", "list"])["items"], json!([]));
}

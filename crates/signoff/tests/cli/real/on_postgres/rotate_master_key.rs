//! Another master key under nodes that run: they go on, and need the new one at their next start.

use std::io::BufRead as _;

use signoff_testkit::{Backend, Place};

use crate::real::{ADMIN_KEY, Server};
use crate::run::{finish, signoff};

#[test]
fn nodes_that_run_go_on_and_new_ones_need_the_new_key() {
    let server = Server::at(Place::blocking_on(Backend::Postgres), &[]);
    let agent = server.agent("bot");
    let file = server.place.directory().join("new.key");
    let rotate = || {
        let line = [
            "rotate-master-key",
            "--new-master-key-file",
            file.to_str().unwrap(),
            "--json",
        ];
        let mut command = signoff(&line);
        command.envs(server.place.settings());
        finish(command)
    };
    let done = rotate();
    assert_eq!(
        (done.code, &done.json()["already"]),
        (0, &false.into()),
        "{done:?}"
    );
    assert_eq!(rotate().json()["already"], true);
    let new = std::fs::read_to_string(&file).unwrap();
    let new = new.trim();
    assert!(!format!("{done:?}").contains(new), "{done:?}");

    // The node that runs seals and opens as before.
    let keep = [
        "gate",
        "deploy.production",
        "--require-approval",
        "--keep",
        "--wait",
        "1s",
        "--",
        "true",
    ];
    let asked = server.run(&agent, &keep);
    assert_eq!(asked.code, 2, "{asked:?}");
    assert_eq!(server.admin(&["audit", "verify", "--with-store"])["ok"], true);

    let mut old = signoff(&["serve", "--listen", "127.0.0.1:0"]);
    old.envs(server.place.settings())
        .env("SIGNOFF_ADMIN_KEY", ADMIN_KEY);
    let refused = finish(old);
    assert_eq!(refused.code, 3, "{refused:?}");
    assert!(refused.stderr.contains("if it was rotated since"), "{refused:?}");

    let mut node = signoff(&["serve", "--listen", "127.0.0.1:0", "--json", "--log", "warn"]);
    node.envs(server.place.settings())
        .env("SIGNOFF_MASTER_KEY", new)
        .env("SIGNOFF_ADMIN_KEY", ADMIN_KEY);
    let mut node = node.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufReader::new(node.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let said: serde_json::Value = serde_json::from_str(&line).unwrap();
    let mut shown = signoff(&["approvals", "list", "--json"]);
    shown
        .env("SIGNOFF_URL", said["url"].as_str().unwrap())
        .env("SIGNOFF_ADMIN_KEY", ADMIN_KEY);
    let shown = finish(shown);
    node.kill().unwrap();
    node.wait().unwrap();
    assert_eq!(
        shown.json()["items"].as_array().map(Vec::len),
        Some(1),
        "{shown:?}"
    );
}

//! Another master key, as people rotate it: with the server stopped, and everything there afterwards.

use std::io::BufRead as _;
use std::path::Path;

use signoff_testkit::{Backend, Place};

use crate::real::calls::upstream;
use crate::real::{ADMIN_KEY, Server, serve};
use crate::run::{Ran, finish, signoff};

const CANARY: &str = "canary-5ea1ed0a5eed";
const EGRESS: &[&str] = &["--egress-allow", "127.0.0.1/32"];

fn rotate(data: &Path, options: &[&str]) -> Ran {
    let line = ["rotate-master-key", "--data", data.to_str().unwrap()];
    finish(signoff(&[&line, options].concat()))
}

fn key_in(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap().trim().to_owned()
}

/// I7: neither key is ever said.
#[track_caller]
fn says_no_key(ran: &Ran, keys: &[&str]) {
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(!keys.iter().any(|key| said.contains(key)), "{ran:?}");
}

/// Calls, payloads, keys and the log are as they were; a server on the data is in the way; a backup from before needs the
/// old key.
#[test]
fn everything_opens_after_and_the_old_key_opens_old_backups_alone() {
    let mut server = Server::at(Place::blocking_on(Backend::Sqlite), EGRESS);
    let data = server.place.data();
    let agent = server.agent("bot");
    let (origin, seen) = upstream();
    let create = [
        "grants", "create", "pinger", "--origin", &origin, "--agent", "bot",
    ];
    assert_eq!(server.piped(&create, CANARY).code, 0);
    let url = format!("{origin}/ping");
    let asks = [
        "call",
        "POST",
        &url,
        "--grant",
        "pinger",
        "--require-approval",
        "--wait",
        "0",
    ];
    assert_eq!(server.run(&agent, &asks).code, 2);
    let approval = server.pending();
    let person = server.person("dana");
    let old = key_in(&data.join("master.key"));
    let backup = server.place.directory().join("before.db");
    let backup = backup.to_str().unwrap();
    assert_eq!(
        finish(signoff(&["backup", backup, "--data", data.to_str().unwrap()])).code,
        0
    );

    let busy = rotate(&data, &[]);
    assert!(
        busy.code == 3 && busy.stderr.contains("stop it first"),
        "{busy:?}"
    );
    assert!(!data.join("master.key.next").exists());
    server.kill();
    let done = rotate(&data, &["--json"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(done.json()["workspaces"], 1);
    let new = key_in(&data.join("master.key"));
    assert_ne!(old, new);
    let kept = done.json()["old_master_key_file"].as_str().unwrap().to_owned();
    assert_eq!(key_in(Path::new(&kept)), old);
    says_no_key(&done, &[&old, &new]);

    (server.process, server.url) = serve(&server.place, "127.0.0.1:0", EGRESS);
    let id = approval.replace("apr_", "exe_");
    assert_eq!(server.run(&person, &["approvals", "approve", &approval]).code, 0);
    let result = server.run(&agent, &["executions", "result", &id, "--wait", "20"]);
    assert_eq!((result.code, result.stdout.as_str()), (0, "pong"), "{result:?}");
    assert!(seen.lock().unwrap()[0].contains(CANARY));
    assert_eq!(server.admin(&["audit", "verify", "--with-store"])["ok"], true);
    assert_eq!(server.admin(&["grants", "rotate-keys"])["rotated"], 1);
    let called = server.run(&agent, &["call", "GET", &url, "--grant", "pinger"]);
    assert_eq!((called.code, called.stdout.as_str()), (0, "pong"), "{called:?}");
    assert_eq!(server.admin(&["audit", "verify", "--with-store"])["ok"], true);
    server.kill();

    let mut started = signoff(&["serve", "--listen", "127.0.0.1:0"]);
    started
        .envs(server.place.settings())
        .env("SIGNOFF_MASTER_KEY", &old);
    let refused = finish(started);
    assert_eq!(refused.code, 3, "{refused:?}");
    assert!(
        refused
            .stderr
            .contains("if it was rotated since, put the new one in its place"),
        "{refused:?}"
    );
    says_no_key(&refused, &[&old, &new]);

    let restored = server.place.directory().join("restored");
    let restore = |key: &str| {
        let line = [
            "restore",
            backup,
            "--data",
            restored.to_str().unwrap(),
            "--master-key-file",
            key,
        ];
        finish(signoff(&line))
    };
    let with_new = restore(data.join("master.key").to_str().unwrap());
    assert_eq!(with_new.code, 3, "{with_new:?}");
    assert_eq!(restore(&kept).code, 0);
}

/// A key that is given is the person's to replace.
#[test]
fn a_key_that_is_given_is_not_replaced() {
    let place = Place::blocking_on(Backend::Sqlite);
    let (data, file) = (place.data(), place.directory().join("new.key"));
    let old = "1b".repeat(32);
    let start = |key: &str| {
        let mut command = signoff(&["serve", "--listen", "127.0.0.1:0", "--json", "--log", "warn"]);
        command
            .envs(place.settings())
            .env("SIGNOFF_MASTER_KEY", key)
            .env("SIGNOFF_ADMIN_KEY", ADMIN_KEY);
        command
    };
    // Ended as soon as it says where it runs.
    let runs = |key: &str| {
        let mut child = start(key).stdout(std::process::Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let out = child.stdout.take().unwrap();
        std::io::BufReader::new(out).read_line(&mut line).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        line.contains("http://")
    };
    assert!(runs(&old));
    let rotate = |key: &str, options: &[&str]| {
        let line = ["rotate-master-key", "--data", data.to_str().unwrap()];
        let mut command = signoff(&[&line, options].concat());
        command.env("SIGNOFF_MASTER_KEY", key);
        finish(command)
    };
    let nowhere = rotate(&old, &[]);
    assert!(
        nowhere.code == 3 && nowhere.stderr.contains("--new-master-key-file"),
        "{nowhere:?}"
    );
    let to = ["--new-master-key-file", file.to_str().unwrap()];
    let wrong = rotate(&"2c".repeat(32), &to);
    assert!(
        wrong.code == 3
            && wrong
                .stderr
                .contains("is not the one that this data was written with"),
        "{wrong:?}"
    );
    // What that run left is taken by the next one.
    let new = key_in(&file);
    for already in [false, true] {
        let done = rotate(&old, &[&to[..], &["--json"]].concat());
        assert_eq!(
            (done.code, &done.json()["already"]),
            (0, &already.into()),
            "{done:?}"
        );
        assert_eq!(key_in(&file), new);
        says_no_key(&done, &[&old, &new]);
    }
    assert!(
        !data.join("master.key").exists(),
        "a key that was given stays out of the data"
    );
    let same = rotate(&new, &to);
    assert!(
        same.code == 3 && same.stderr.contains("is the present one"),
        "{same:?}"
    );
    says_no_key(&same, &[&old, &new]);
    assert!(runs(&new));
    assert_eq!(finish(start(&old)).code, 3);
}

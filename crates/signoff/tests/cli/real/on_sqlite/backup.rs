//! Backups: made under load, refused when damaged, restored as what they are.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use signoff_client::api::action::Submit;
use signoff_client::api::{Code, Secret};
use signoff_client::{Client, Error, SubmitOptions};
use signoff_testkit::{Backend, Place};

use crate::real::Server;
use crate::run::{Ran, finish, signoff, start};

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn back_up(data: &Path, file: &Path, options: &[&str]) -> Ran {
    let line = ["backup", path(file), "--data", path(data), "--json"];
    finish(signoff(&[&line, options].concat()))
}

/// Restores with the key that the data had.
fn restore(file: &Path, data: &Path, key: &Path) -> Ran {
    let line = [
        "restore",
        path(file),
        "--data",
        path(data),
        "--master-key-file",
        path(key),
        "--json",
    ];
    finish(signoff(&line))
}

/// A backup of a server with an approved request that nobody carried out, and the server, still running.
struct Backed {
    server: Server,
    file: PathBuf,
    key: PathBuf,
    agent: String,
    execution: String,
}

impl Backed {
    #[track_caller]
    fn up() -> Self {
        let server = Server::at_sqlite();
        let (agent, dana) = (server.agent("bot"), server.person("dana"));
        let asked = server.run(
            &agent,
            &[
                "gate",
                "deploy.production",
                "--keep",
                "--wait",
                "1s",
                "--",
                "true",
            ],
        );
        assert_eq!(asked.code, 2, "{asked:?}");
        let approval = server.pending();
        assert_eq!(server.run(&dana, &["approvals", "approve", &approval]).code, 0);
        let file = server.place.directory().join("backup.db");
        let made = back_up(&server.place.data(), &file, &[]);
        assert_eq!(made.code, 0, "{made:?}");
        let key = server.place.data().join("master.key");
        let execution = approval.replace("apr_", "exe_");
        Self {
            server,
            file,
            key,
            agent,
            execution,
        }
    }
}

impl Server {
    #[track_caller]
    fn at_sqlite() -> Self {
        let server = Self::at(Place::blocking_on(Backend::Sqlite), &[]);
        server.apply(&serde_json::json!([
            {"name": "deploys", "actions": ["deploy.*"], "effect": "require_approval"},
            {"name": "reads", "actions": ["db.read"], "effect": "allow"},
        ]));
        server
    }
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().unwrap().block_on(work)
}

fn client(server: &Server, key: &str) -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::new(&server.url, Some(&Secret::new(key))).unwrap()
}

/// Submits until told to stop, and counts what was acknowledged.
async fn load(client: Client, acknowledged: Arc<AtomicU64>, stop: Arc<AtomicBool>) {
    let submit = Submit {
        action: "db.read".to_owned(),
        ..Submit::default()
    };
    while !stop.load(Ordering::SeqCst) {
        client
            .action_submit(&submit, &SubmitOptions::default())
            .await
            .unwrap();
        acknowledged.fetch_add(1, Ordering::SeqCst);
    }
}

/// I1, I9 for copies: a backup under load is of one moment, and holds all that was acknowledged before it began.
#[test]
fn a_backup_under_load_is_whole() {
    let server = Server::at_sqlite();
    let agent = server.agent("bot");
    let file = server.place.directory().join("backup.db");
    let (made, before) = wait(async {
        let (count, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let agents: Vec<_> = (0..8)
            .map(|_| {
                tokio::spawn(load(
                    client(&server, &agent),
                    Arc::clone(&count),
                    Arc::clone(&stop),
                ))
            })
            .collect();
        while count.load(Ordering::SeqCst) < 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let before = count.load(Ordering::SeqCst);
        let (data, to) = (server.place.data(), file.clone());
        let made = tokio::task::spawn_blocking(move || back_up(&data, &to, &[]))
            .await
            .unwrap();
        let after = count.load(Ordering::SeqCst);
        stop.store(true, Ordering::SeqCst);
        for agent in agents {
            agent.await.unwrap();
        }
        assert!(after > before, "the server went on meanwhile");
        (made, before)
    });
    assert_eq!(made.code, 0, "{made:?}");
    let made = made.json();
    assert_eq!(
        (&made["ok"], &made["with_master_key"]),
        (&true.into(), &true.into())
    );
    let events = made["workspaces"][0]["events"].as_u64().unwrap();
    assert!(events >= before, "{before} acknowledged, {events} in the backup");
    let rights = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
    assert_eq!(rights & 0o777, 0o600);
    // What is there is not replaced unasked.
    assert_eq!(back_up(&server.place.data(), &file, &[]).code, 3);
    assert_eq!(back_up(&server.place.data(), &file, &["--force"]).code, 0);
    let names = |directory: &Path| std::fs::read_dir(directory).unwrap().count();
    assert_eq!(
        names(server.place.directory()),
        3,
        "policies, data and the backup"
    );
}

/// R15: a restored copy carries nothing out that was approved before it, until somebody looked.
#[test]
fn a_restored_copy_holds_what_was_approved() {
    let mut backed = Backed::up();
    backed.server.kill();
    let restored = Place::blocking_on(Backend::Sqlite);
    let ran = restore(&backed.file, &restored.data(), &backed.key);
    assert_eq!(ran.code, 0, "{ran:?}");
    std::fs::copy(&backed.key, restored.data().join("master.key")).unwrap();
    let server = Server::at(restored, &[]);

    let consumed = wait(client(&server, &backed.agent).execution_consume(&backed.execution, None));
    let Err(Error::Problem(problem)) = consumed else {
        panic!("{consumed:?}")
    };
    assert_eq!(problem.code, Code::Held.as_str());
    let held = server.admin(&["executions", "held"]);
    assert_eq!(held["items"][0]["id"], backed.execution.as_str(), "{held}");
    server.admin(&["executions", "release", &backed.execution]);
    wait(client(&server, &backed.agent).execution_consume(&backed.execution, None)).unwrap();
    assert_eq!(server.admin(&["audit", "verify", "--with-store"])["ok"], true);
}

/// A backup that is copied into place by hand is known for what it is as well.
#[test]
fn a_backup_put_in_place_by_hand_holds_too() {
    let backed = Backed::up();
    let by_hand = Place::blocking_on(Backend::Sqlite);
    std::fs::create_dir(by_hand.data()).unwrap();
    std::fs::copy(&backed.file, by_hand.data().join("signoff.db")).unwrap();
    std::fs::copy(&backed.key, by_hand.data().join("master.key")).unwrap();
    let server = Server::at(by_hand, &[]);
    let held = server.admin(&["executions", "held"]);
    assert_eq!(held["items"][0]["id"], backed.execution.as_str(), "{held}");
}

#[test]
fn what_is_no_whole_backup_is_refused_and_named() {
    let backed = Backed::up();
    let bytes = std::fs::read(&backed.file).unwrap();
    let directory = backed.server.place.directory();
    // A letter in each place where the name stands: the record, its indexes, the folded row.
    let edited = String::from_utf8_lossy(&bytes).contains("deploy.production");
    assert!(edited, "the name stands somewhere in the clear");
    let mut renamed = bytes.clone();
    for at in 0..renamed.len() - 17 {
        if &renamed[at..at + 17] == b"deploy.production" {
            renamed[at] = b'D';
        }
    }
    let mut torn = bytes.clone();
    torn[4_096..12_288].fill(0);
    let cases = [
        ("renamed", renamed, "chain"),
        ("torn", torn, "torn.db"),
        ("half", bytes[..bytes.len() / 2].to_vec(), "half.db"),
        ("text", b"not a database at all".repeat(400), "text.db"),
        ("empty", Vec::new(), "empty.db"),
    ];
    for (name, bytes, says) in cases {
        let (file, to) = (
            directory.join(format!("{name}.db")),
            directory.join(format!("{name}-data")),
        );
        std::fs::write(&file, bytes).unwrap();
        let ran = restore(&file, &to, &backed.key);
        assert_eq!(ran.code, 1, "{name}: {ran:?}");
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(said.contains(says), "{name}: {said}");
        assert!(!to.join("signoff.db").exists(), "{name}");
    }
    let to = directory.join("other-data");
    let wrong = directory.join("wrong.key");
    std::fs::write(&wrong, "ab".repeat(32)).unwrap();
    let ran = restore(&backed.file, &to, &wrong);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(
        ran.stderr.contains("master key") && !ran.stderr.contains("abab"),
        "{}",
        ran.stderr
    );
    assert!(!to.join("signoff.db").exists());
}

#[test]
fn a_directory_that_has_data_is_left_alone() {
    let mut backed = Backed::up();
    let data = backed.server.place.data();
    let ran = restore(&backed.file, &data, &backed.key);
    assert_eq!(ran.code, 3, "a server runs: {ran:?}");
    backed.server.kill();
    let ran = restore(&backed.file, &data, &backed.key);
    assert_eq!(ran.code, 3, "there is a database: {ran:?}");
    assert!(ran.stderr.contains("signoff.db"), "{}", ran.stderr);
    backed.server.restart();
    assert_eq!(
        backed.server.admin(&["executions", "held"])["items"],
        Value::Array(Vec::new())
    );
}

/// Killed at any moment, a restore leaves no database or a whole one.
#[test]
fn an_interrupted_restore_is_nothing_or_whole() {
    let backed = Backed::up();
    let directory = backed.server.place.directory();
    let whole = |data: &Path| {
        let file = data.with_extension("check");
        let ran = back_up(data, &file, &["--master-key-file", path(&backed.key), "--force"]);
        assert_eq!(ran.code, 0, "{ran:?}");
    };
    let mut cut_short = 0;
    for round in 0..12_u64 {
        let to = directory.join(format!("restored-{round}"));
        let line = ["restore", path(&backed.file), "--data", path(&to)];
        let mut child = start(signoff(&line));
        std::thread::sleep(Duration::from_millis(8 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        if to.join("signoff.db").exists() {
            whole(&to);
        } else {
            cut_short += 1;
            let ran = restore(&backed.file, &to, &backed.key);
            assert_eq!(ran.code, 0, "a second attempt succeeds: {ran:?}");
            whole(&to);
        }
    }
    assert!(cut_short > 0, "no attempt was interrupted");
}

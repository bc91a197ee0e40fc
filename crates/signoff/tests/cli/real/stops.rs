//! The kill switch on the command line: pulled by a person, felt by the agent, lifted by an admin.

use super::Server;
use crate::run::{end, finish, start};

const GATE: &[&str] = &["gate", "deploy.production", "--", "echo", "deployed"];

#[test]
fn an_agent_that_waits_is_told_to_stop() {
    let server = Server::start();
    let (agent, dana) = (server.agent("bot"), server.person("dana"));
    let gate = start(server.command(&agent, GATE));
    let id = server.pending();
    let stopped = server.run(&dana, &["stop", "bot", "--reason", "odd refunds"]);
    assert_eq!((stopped.code, stopped.stdout.as_str()), (0, ""), "{stopped:?}");
    for word in ["stopped: bot", "1 pending approval", "only an admin can lift it"] {
        assert!(stopped.stderr.contains(word), "{word}: {stopped:?}");
    }
    let ran = end(gate);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    assert!(ran.stderr.contains("denied: stopped"), "{ran:?}");
    assert_eq!(server.status(&id), "denied");
    let again = server.run(&agent, GATE);
    assert_eq!((again.code, again.stdout.as_str()), (1, ""), "{again:?}");
    assert!(
        again.stderr.contains("agent bot was stopped by an operator"),
        "{again:?}"
    );
    assert!(
        !again.stderr.contains("refunds"),
        "why is not for agents: {again:?}"
    );
    let checked = server.run(&agent, &["check", "db.read"]);
    assert_eq!(checked.code, 1, "{checked:?}");

    let listed = server.run(&dana, &["stop", "--list"]);
    assert!(
        listed.stdout.contains("odd refunds") && listed.stdout.contains("dana"),
        "{listed:?}"
    );
    let refused = server.run(&dana, &["resume", "bot"]);
    assert_eq!(refused.code, 1, "a member stops, an admin lifts: {refused:?}");
    let resumed = server.admin(&["resume", "bot", "--reason", "fixed"]);
    assert_eq!(resumed["agent"]["name"], "bot");
    let ran = server.run(
        &agent,
        &[
            "gate",
            "stripe.refund",
            "--inputs",
            "amount=5.00",
            "--",
            "echo",
            "refunded",
        ],
    );
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "refunded\n"), "{ran:?}");
}

/// Everything is stopped without a question where nobody can answer one; twice is once. What an agent has in hand is named
/// on standard output, comes to its end there, and is reported all the same.
#[test]
fn everything_is_stopped_and_let_go_on() {
    let server = Server::start();
    let agent = server.agent("bot");
    let file = server.place.directory().join("go-on");
    let wait = "while [ ! -e \"$0\" ]; do sleep 0.05; done; echo refunded";
    let take = [
        "gate",
        "stripe.refund",
        "--inputs",
        "amount=5.00",
        "--",
        "sh",
        "-c",
        wait,
    ];
    let gate = start(server.command(&agent, &[&take[..], &[file.to_str().unwrap()]].concat()));
    let taken = server.logged("execution.consumed.v1");
    let stopped = finish(server.as_admin(&["stop"]));
    assert_eq!(
        (stopped.code, stopped.stdout.trim()),
        (0, taken.as_str()),
        "{stopped:?}"
    );
    assert!(stopped.stderr.contains("can't be recalled"), "{stopped:?}");
    let again = server.admin(&["stop", "--yes"]);
    assert_eq!(again["is_new"], false);
    let page = server.admin(&["stop", "--list"]);
    assert_eq!(page["items"][0]["target"], "workspace");
    std::fs::write(&file, "").unwrap();
    let ran = end(gate);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "refunded\n"), "{ran:?}");
    assert_eq!(server.logged("execution.reported.v1"), taken);
    let verified = server.admin(&["audit", "verify", "--with-store"]);
    assert_eq!(verified["ok"], true, "{verified}");
    let lifted = finish(server.as_admin(&["resume"]));
    assert_eq!(lifted.code, 0, "{lifted:?}");
    let nothing = finish(server.as_admin(&["resume"]));
    assert_eq!(nothing.code, 1, "{nothing:?}");
    assert!(
        nothing
            .stderr
            .contains("there is no stop of `the whole workspace`"),
        "{nothing:?}"
    );
}

/// A name that is a word of ours never stops more than it says.
#[test]
fn an_agent_named_workspace_is_stopped_alone() {
    let server = Server::start();
    let unknown = finish(server.as_admin(&["stop", "workspace"]));
    assert_eq!(unknown.code, 1, "{unknown:?}");
    server.agent("workspace");
    let stopped = server.admin(&["stop", "workspace"]);
    assert_eq!(stopped["kind"], "agent", "{stopped}");
    let lifted = server.admin(&["resume", "workspace"]);
    assert_eq!(lifted["kind"], "agent", "{lifted}");
    assert_eq!(finish(server.as_admin(&["stop", "--list", "--yes"])).code, 3);
}

//! An agent asks, a person decides, the agent goes on: whole, on the command line.

use super::Server;
use crate::run::{Ran, end, signal, start};

const GATE: &[&str] = &["gate", "deploy.production", "--context", "version=v2.1.0"];
const ECHO: &[&str] = &["--", "echo", "deployed"];

/// Starts a gate, decides as the person, and gives how it ended.
fn decided(server: &Server, options: &[&str], decide: impl FnOnce(&str)) -> (Ran, String) {
    let agent = server.agent("bot");
    let gate = start(server.command(&agent, &[GATE, options, ECHO].concat()));
    let id = server.pending();
    decide(&id);
    (end(gate), id)
}

#[test]
fn approved_from_another_terminal_it_prints() {
    let server = Server::start();
    let dana = server.person("dana");
    let (ran, id) = decided(&server, &[], |id| {
        let approved = server.run(&dana, &["approvals", "approve", id, "--comment", "go"]);
        assert_eq!(approved.code, 0, "{approved:?}");
        assert!(
            approved.stderr.contains("deploy.production") && approved.stderr.contains("v2.1.0"),
            "{approved:?}"
        );
    });
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "deployed\n"), "{ran:?}");
    assert!(ran.stderr.contains("approved by dana: “go”"), "{}", ran.stderr);
    let approval = server.admin(&["approvals", "show", &id]);
    assert_eq!(
        (&approval["status"], &approval["has_result"]),
        (&"approved".into(), &true.into())
    );
    assert_eq!(approval["decided_by"]["kind"], "operator");
}

#[test]
fn denied_it_exits_1_and_the_agent_reads_why() {
    let server = Server::start();
    let dana = server.person("dana");
    let (ran, id) = decided(&server, &[], |id| {
        assert_eq!(
            server
                .run(&dana, &["approvals", "deny", id, "--reason", "not today"])
                .code,
            0
        );
        let again = server.run(&dana, &["approvals", "approve", id]);
        assert_eq!(again.code, 1, "the first decision stands: {again:?}");
    });
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    assert!(
        ran.stderr.contains("denied by dana: “not today”"),
        "{}",
        ran.stderr
    );
    assert_eq!(server.status(&id), "denied");
}

#[test]
fn timed_out_it_exits_2() {
    let server = Server::start();
    let (ran, id) = decided(&server, &["--timeout", "1s"], |_| {});
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran:?}");
    assert!(
        ran.stderr.contains("expired: nobody decided in time"),
        "{}",
        ran.stderr
    );
    assert_eq!(server.status(&id), "expired");
}

#[test]
fn with_the_server_gone_it_exits_3() {
    let mut server = Server::start();
    let agent = server.agent("bot");
    let gate = start(server.command(&agent, &[GATE, &["--grace", "1s"], ECHO].concat()));
    server.pending();
    server.kill();
    let ran = end(gate);
    assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "{ran:?}");
}

#[test]
fn policy_alone_answers_at_once() {
    let server = Server::start();
    let agent = server.agent("bot");
    let refund = |amount: &str| {
        let amount = format!("amount={amount}");
        server.run(
            &agent,
            &[
                "gate",
                "stripe.refund",
                "--inputs",
                &amount,
                "--wait",
                "1s",
                "--",
                "echo",
                "refunded",
            ],
        )
    };
    let ran = refund("50.00");
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "refunded\n"), "{ran:?}");
    assert_eq!(refund("50.01").code, 2, "more than that asks a person");
    let ran = server.run(&agent, &["gate", "db.drop_all", "--", "echo", "dropped"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    let ran = server.run(&agent, &["gate", "unheard.of", "--", "echo", "done"]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (1, ""),
        "what no policy covers is denied: {ran:?}"
    );
}

#[test]
fn checks_exit_with_their_verdict_and_leave_no_trace() {
    let server = Server::start();
    let agent = server.agent("bot");
    let before = server.admin(&["audit", "verify"])["events"].clone();
    for (action, code) in [("deploy.production", 4), ("db.drop", 1), ("unheard.of", 1)] {
        assert_eq!(server.run(&agent, &["check", action]).code, code, "{action}");
    }
    assert_eq!(
        server
            .run(&agent, &["check", "stripe.refund", "--inputs", "amount:=20"])
            .code,
        0
    );
    assert_eq!(
        server.run(&agent, &["check", "two words"]).code,
        3,
        "misuse is no verdict"
    );
    assert_eq!(server.admin(&["audit", "verify"])["events"], before);
}

#[test]
fn interrupted_the_request_is_called_off_unless_kept() {
    let server = Server::start();
    let agent = server.agent("bot");
    for (options, code, status) in [(&[][..], 1, "cancelled"), (&["--keep"][..], 2, "pending")] {
        let gate = start(server.command(&agent, &[GATE, options, ECHO].concat()));
        let id = server.pending();
        signal(&gate, "INT");
        let ran = end(gate);
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{ran:?}");
        assert_eq!(server.status(&id), status);
    }
}

/// I6: asking is not deciding, also not for an agent that finds the command line.
#[test]
fn i6_an_agents_key_decides_nothing() {
    let server = Server::start();
    let agent = server.agent("bot");
    let gate = start(server.command(&agent, &[GATE, ECHO].concat()));
    let id = server.pending();
    for arguments in [
        vec!["approvals", "approve", &id],
        vec!["approvals", "deny", &id, "--reason", "x"],
        vec!["agents", "create", "other"],
        vec!["policy", "list"],
    ] {
        assert_eq!(server.run(&agent, &arguments).code, 1, "{arguments:?}");
    }
    assert_eq!(server.status(&id), "pending");
    // Its own request it can call off.
    assert_eq!(server.run(&agent, &["approvals", "cancel", &id]).code, 0);
    assert_eq!(end(gate).code, 1);
}

#[test]
fn the_same_idempotency_key_never_runs_a_command_twice() {
    let server = Server::start();
    let (agent, dana) = (server.agent("bot"), server.person("dana"));
    let line = [GATE, &["--idempotency-key", "release-21"], ECHO].concat();
    let gate = start(server.command(&agent, &line));
    let id = server.pending();
    assert_eq!(server.run(&dana, &["approvals", "approve", &id]).code, 0);
    assert_eq!(end(gate).stdout, "deployed\n");
    let again = server.run(&agent, &line);
    assert_eq!((again.code, again.stdout.as_str()), (1, ""), "{again:?}");
    assert!(
        again
            .stderr
            .contains("approved, but the permission can't be used"),
        "{}",
        again.stderr
    );
}

#[test]
fn a_digest_that_is_not_the_present_one_approves_nothing() {
    let server = Server::start();
    let (agent, dana) = (server.agent("bot"), server.person("dana"));
    let gate = start(server.command(&agent, &[GATE, &["--wait", "20s"], ECHO].concat()));
    let id = server.pending();
    let ran = server.run(&dana, &["approvals", "approve", &id, "--digest", "sha256:0"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(server.status(&id), "pending");
    let digest = server.admin(&["approvals", "show", &id])["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        server
            .run(&dana, &["approvals", "approve", &id, "--digest", &digest])
            .code,
        0
    );
    assert_eq!(end(gate).stdout, "deployed\n");
}

#[test]
fn another_terminal_can_wait_for_the_same_decision() {
    let server = Server::start();
    let (agent, dana) = (server.agent("bot"), server.person("dana"));
    let gate = start(server.command(&agent, &[GATE, ECHO].concat()));
    let id = server.pending();
    let page = format!("{}/approvals/{id}", server.url);
    let wait = start(server.command(&agent, &["approvals", "wait", &page]));
    assert_eq!(server.run(&dana, &["approvals", "approve", &page]).code, 0);
    let ran = end(wait);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, "approved by dana\n"),
        "{ran:?}"
    );
    assert_eq!(end(gate).code, 0);
}

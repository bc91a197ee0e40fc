//! Interrupting a gate: the request is called off unless it is to be kept, and a running command hears of it.

use std::time::Duration;

use crate::fake::{Desk, Server};
use crate::run::{as_agent, end, signal, start};

const POLL: &str = "GET /v1/approvals/apr_1";
const CANCEL: &str = "POST /v1/approvals/apr_1/cancel";
const REPORT: &str = "POST /v1/executions/exe_1/report";

#[test]
fn interrupting_calls_the_request_off() {
    for name in ["INT", "TERM"] {
        let server = Server::start(Desk::default());
        let gate = start(as_agent(
            &server.url,
            &["gate", "a.b", "--json", "--", "echo", "deployed"],
        ));
        server.await_request(POLL);
        signal(&gate, name);
        let ran = end(gate);
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{name}: {ran:?}");
        let ending: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
        assert_eq!(
            (&ending["status"], &ending["still_pending"]),
            (&"interrupted".into(), &false.into())
        );
        assert_eq!(server.seen_of(CANCEL).len(), 1, "{name}");
    }
}

#[test]
fn keep_leaves_the_request_pending() {
    let server = Server::start(Desk::default());
    let gate = start(as_agent(&server.url, &["gate", "a.b", "--keep"]));
    server.await_request(POLL);
    signal(&gate, "INT");
    let ran = end(gate);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.stderr.contains("interrupted; the request goes on"),
        "{}",
        ran.stderr
    );
    assert!(server.seen_of(CANCEL).is_empty());
}

#[test]
fn a_yes_that_comes_with_the_interrupt_runs_nothing() {
    let server = Server::start(Desk::default());
    let gate = start(as_agent(
        &server.url,
        &["gate", "a.b", "--", "sh", "-c", "echo deployed"],
    ));
    server.await_request(POLL);
    // The waiter is not woken: the interrupt finds the decision when it calls the request off.
    server.change(|desk| desk.down = true);
    std::thread::sleep(Duration::from_millis(300));
    signal(&gate, "INT");
    server.change(|desk| {
        desk.down = false;
        "approved".clone_into(&mut desk.status);
    });
    let ran = end(gate);
    assert_eq!(ran.stdout, "", "{ran:?}");
    assert_eq!(ran.code, 1, "{ran:?}");
}

#[test]
fn a_running_command_is_told_and_its_end_is_reported() {
    let server = Server::start(Desk {
        status: "approved".to_owned(),
        ..Desk::default()
    });
    let script = "trap 'echo told; exit 9' TERM; echo started; while :; do sleep 0.05; done";
    let gate = start(as_agent(&server.url, &["gate", "a.b", "--", "sh", "-c", script]));
    server.await_request("POST /v1/executions/exe_1/consume");
    std::thread::sleep(Duration::from_millis(500));
    signal(&gate, "TERM");
    let ran = end(gate);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (9, "started\ntold\n"),
        "{}",
        ran.stderr
    );
    assert_eq!(server.seen_of(REPORT)[0].body["outcome"], "failure");
}

#[test]
fn waiting_for_somebody_elses_request_never_calls_it_off() {
    let server = Server::start(Desk::default());
    let ran = end(start(as_agent(
        &server.url,
        &["approvals", "wait", "apr_1", "--wait", "1s"],
    )));
    assert_eq!(
        (ran.code, ran.stdout.trim()),
        (2, "pending, 30:00 left"),
        "{ran:?}"
    );
    assert!(server.seen_of(CANCEL).is_empty());
}

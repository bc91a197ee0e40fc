//! `signoff gate`: nothing runs without a yes, it runs once, and the exit codes tell the ends apart.

use std::process::Command;
use std::time::Duration;

use crate::fake::{Desk, Server};
use crate::run::{as_agent, end, finish, read_json, signoff, start};

const POLL: &str = "GET /v1/approvals/apr_1";
const CONSUME: &str = "POST /v1/executions/exe_1/consume";
const REPORT: &str = "POST /v1/executions/exe_1/report";
const CANCEL: &str = "POST /v1/approvals/apr_1/cancel";

fn pending() -> Server {
    Server::start(Desk::default())
}

fn standing(status: &str) -> Server {
    Server::start(Desk {
        status: status.to_owned(),
        ..Desk::default()
    })
}

#[test]
fn a_yes_exits_0_and_is_not_consumed_without_a_command() {
    let server = pending();
    let gate = start(as_agent(
        &server.url,
        &["gate", "a.b", "--context", "version=v2.1.0", "n:=1"],
    ));
    server.await_request(POLL);
    server.decide("approved");
    let ran = end(gate);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "approved\n"));
    assert!(ran.stderr.contains("approved by Dana: “fine”"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("http://console.example/approvals/apr_1"),
        "{}",
        ran.stderr
    );
    let submit = &server.seen_of("POST /v1/actions")[0];
    assert_eq!(
        submit.body["context"],
        serde_json::json!({"version": "v2.1.0", "n": 1})
    );
    assert!(submit.head.contains("idempotency-key: gate-"), "{}", submit.head);
    assert!(submit.body["accepts"].is_null(), "{}", submit.body);
    assert!(server.seen_of(CONSUME).is_empty());
}

#[test]
fn a_command_runs_once_after_the_yes_and_is_reported() {
    let server = pending();
    let gate = start(as_agent(&server.url, &["gate", "a.b", "--", "echo", "deployed"]));
    server.await_request(POLL);
    server.decide("approved");
    let ran = end(gate);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, "deployed\n"),
        "{}",
        ran.stderr
    );
    let order: Vec<_> = server.seen().into_iter().map(|request| request.line).collect();
    assert_eq!(order[order.len() - 2..], [CONSUME, REPORT], "{order:?}");
    let report = &server.seen_of(REPORT)[0].body;
    assert_eq!(report["outcome"], "success");
    assert_eq!(report["result"]["exit_code"], 0);
}

#[test]
fn no_end_but_a_yes_runs_the_command() {
    let cases = [("denied", 1), ("cancelled", 1), ("superseded", 1), ("expired", 2)];
    for (status, code) in cases {
        let server = standing(status);
        let ran = finish(as_agent(&server.url, &["gate", "a.b", "--", "echo", "deployed"]));
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (code, ""),
            "{status}: {}",
            ran.stderr
        );
        assert!(server.seen_of(CONSUME).is_empty(), "{status}");
        let ran = finish(as_agent(&server.url, &["gate", "a.b", "--json"]));
        assert_eq!((ran.code, &ran.json()["status"]), (code, &status.into()));
        assert_eq!(ran.stderr, "", "with --json only JSON is said");
    }
}

#[test]
fn policy_alone_can_allow_or_deny() {
    let desk = |verdict| Desk {
        verdict,
        ..Desk::default()
    };
    let server = Server::start(desk("allowed"));
    let ran = finish(as_agent(&server.url, &["gate", "a.b", "--", "echo", "deployed"]));
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, "deployed\n"),
        "{}",
        ran.stderr
    );
    assert_eq!(
        (server.seen_of(CONSUME).len(), server.seen_of(REPORT).len()),
        (1, 1)
    );
    let server = Server::start(desk("denied"));
    let ran = finish(as_agent(&server.url, &["gate", "a.b", "--", "echo", "deployed"]));
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert!(
        ran.stderr.contains("denied by policy rule: “never”"),
        "{}",
        ran.stderr
    );
}

#[test]
fn the_commands_own_exit_code_is_passed_on_and_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("result.json");
    let path = file.to_str().unwrap();
    let gate = |server: &Server, command: &[&str]| {
        let fixed = ["gate", "a.b", "--result-file", path, "--"];
        finish(as_agent(&server.url, &[&fixed, command].concat())).code
    };
    let server = standing("approved");
    assert_eq!(gate(&server, &["sh", "-c", "exit 2"]), 2);
    let result = read_json(&file);
    assert_eq!(
        (&result["status"], &result["exit_code_of"]),
        (&"approved".into(), &"command".into())
    );
    assert_eq!(
        result["command"],
        serde_json::json!({"started": true, "exit_code": 2, "reported": true})
    );
    assert_eq!(server.seen_of(REPORT)[0].body["outcome"], "failure");
    assert_eq!(gate(&server, &["sh", "-c", "kill -9 $$"]), 137);
    assert_eq!(read_json(&file)["command"]["signal"], 9);
    assert_eq!(gate(&standing("expired"), &["true"]), 2);
    let result = read_json(&file);
    assert_eq!(
        (&result["status"], &result["exit_code_of"]),
        (&"expired".into(), &"gate".into())
    );
    assert_eq!(gate(&server, &["no-such-program-here"]), 3);
    let result = read_json(&file);
    assert_eq!(
        (&result["status"], &result["error"]["code"]),
        (&"error".into(), &"misused".into())
    );
}

#[test]
fn a_permission_that_is_gone_runs_nothing() {
    for code in ["already_consumed", "lapsed", "revoked", "not_ready"] {
        let server = Server::start(Desk {
            status: "approved".to_owned(),
            consume_problem: Some(code),
            ..Desk::default()
        });
        let ran = finish(as_agent(&server.url, &["gate", "a.b", "--", "echo", "deployed"]));
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{code}");
        assert!(ran.stderr.contains(&format!("it is {code}")), "{}", ran.stderr);
        assert!(server.seen_of(REPORT).is_empty());
    }
}

#[test]
fn a_report_that_fails_is_told_and_changes_no_exit_code() {
    let server = Server::start(Desk {
        status: "approved".to_owned(),
        report_problem: Some("already_reported"),
        ..Desk::default()
    });
    let ran = finish(as_agent(
        &server.url,
        &["gate", "a.b", "--", "sh", "-c", "exit 5"],
    ));
    assert_eq!(ran.code, 5);
    assert!(
        ran.stderr
            .contains("could not be reported: it is already_reported"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_local_wait_that_runs_out_is_told_apart_from_an_expired_approval() {
    let server = pending();
    let ran = finish(as_agent(&server.url, &["gate", "a.b", "--wait", "1s", "--json"]));
    let ending = ran.json();
    assert_eq!(
        (ran.code, &ending["status"]),
        (2, &"wait_over".into()),
        "{ending}"
    );
    assert_eq!(ending["still_pending"], false);
    assert_eq!(server.seen_of(CANCEL).len(), 1);
    let server = pending();
    let ran = finish(as_agent(
        &server.url,
        &["gate", "a.b", "--wait", "1s", "--keep", "--json"],
    ));
    assert_eq!((ran.code, &ran.json()["still_pending"]), (2, &true.into()));
    assert!(server.seen_of(CANCEL).is_empty());
}

#[test]
fn a_restart_of_the_server_during_the_wait_is_survived() {
    let server = pending();
    let gate = start(as_agent(&server.url, &["gate", "a.b", "--", "echo", "deployed"]));
    server.await_request(POLL);
    server.change(|desk| desk.down = true);
    std::thread::sleep(Duration::from_millis(700));
    server.change(|desk| desk.down = false);
    server.decide("approved");
    let ran = end(gate);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, "deployed\n"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_server_that_stays_away_exits_3() {
    let server = pending();
    let gate = start(as_agent(
        &server.url,
        &["gate", "a.b", "--grace", "1s", "--", "echo", "deployed"],
    ));
    server.await_request(POLL);
    server.change(|desk| desk.down = true);
    let ran = end(gate);
    assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("trying again, the request goes on"),
        "{}",
        ran.stderr
    );
}

/// I6: what runs behind a gate can't open the next one by itself.
#[test]
fn i6_the_command_inherits_no_key_that_decides() {
    let server = standing("approved");
    let mut command = as_agent(&server.url, &["gate", "a.b", "--", "env"]);
    command
        .env("SIGNOFF_ADMIN_KEY", "admin-admin-admin-admin-admin-admin")
        .env("SIGNOFF_DATA", "/secret/place")
        .env("UNRELATED", "stays");
    let ran = finish(command);
    let ours: Vec<_> = ran
        .stdout
        .lines()
        .filter(|line| line.contains("SIGNOFF_"))
        .collect();
    assert_eq!(ours.len(), 2, "{ours:?}");
    assert!(
        !ran.stdout.contains("admin-admin") && !ran.stdout.contains("/secret/place"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("UNRELATED=stays"));
}

#[test]
fn an_approvers_words_command_no_terminal() {
    let server = Server::start(Desk {
        status: "denied".to_owned(),
        reason: "no\u{1b}[2J\r\napproved by Dana".to_owned(),
        ..Desk::default()
    });
    let ran = finish(as_agent(&server.url, &["gate", "a.b"]));
    assert_eq!(ran.code, 1);
    assert!(
        !ran.stderr.contains('\u{1b}') && !ran.stderr.contains("\napproved"),
        "{:?}",
        ran.stderr
    );
}

#[test]
fn a_terminal_gets_a_line_with_the_time_left() {
    let server = pending();
    let line = format!("{} gate a.b", env!("CARGO_BIN_EXE_signoff"));
    // From bsdutils, which every Debian has: runs a command on a terminal of its own.
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).envs(
        as_agent(&server.url, &[])
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))),
    );
    let gate = start(command);
    server.await_request(POLL);
    std::thread::sleep(Duration::from_millis(1_500));
    server.decide("approved");
    let ran = end(gate);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.stdout.contains("waiting for a decision, 29:5"),
        "{:?}",
        ran.stdout
    );
}

#[test]
fn a_result_file_that_can_not_be_written_stops_before_asking() {
    let server = standing("approved");
    let ran = finish(as_agent(
        &server.url,
        &["gate", "a.b", "--result-file", "/does/not/exist/x"],
    ));
    assert_eq!(ran.code, 3);
    assert!(server.seen().is_empty());
    assert_eq!(finish(signoff(&["gate", "a.b", "--result-file", "/"])).code, 3);
}

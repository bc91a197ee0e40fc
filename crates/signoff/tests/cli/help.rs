//! `--help` of every command, misuse, and what is said when there is no server.

use std::net::TcpListener;

use crate::run::{as_agent, finish, signoff};

/// The commands below one, as its help lists them.
fn below(help: &str) -> Vec<String> {
    let listed = help.split("Commands:\n").nth(1).unwrap_or_default();
    let lines = listed.lines().take_while(|line| !line.is_empty());
    let names = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let names = names.filter(|name| !name.is_empty() && *name != "help");
    names.map(str::to_owned).collect()
}

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

/// A port that nobody listens on.
fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn every_command_explains_itself_on_standard_output() {
    let (mut open, mut seen) = (vec![Vec::new()], Vec::new());
    while let Some(command) = open.pop() {
        let named = command.join(" ");
        let ran = finish(signoff(
            &command
                .iter()
                .map(String::as_str)
                .chain(["--help"])
                .collect::<Vec<_>>(),
        ));
        assert_eq!(ran.code, 0, "{named}: {}", ran.stderr);
        let usage = format!("Usage: signoff {named}");
        assert!(ran.stdout.contains(usage.trim_end()), "{named}: {}", ran.stdout);
        assert!(
            !ran.stdout.starts_with("Usage"),
            "{named} says what it is for: {}",
            ran.stdout
        );
        assert_eq!(ran.stderr, "", "{named}");
        open.extend(
            below(&ran.stdout)
                .into_iter()
                .map(|name| [command.clone(), vec![name]].concat()),
        );
        seen.push(named);
    }
    for known in [
        "gate",
        "channels rotate-secret",
        "operators contact",
        "policy simulate",
    ] {
        assert!(seen.iter().any(|command| command == known), "{known} in {seen:?}");
    }
}

#[test]
fn help_shows_no_key_of_the_environment() {
    let mut command = signoff(&["serve", "--help"]);
    command
        .env("SIGNOFF_ADMIN_KEY", "hidden-hidden-hidden-hidden-hidden")
        .env("SIGNOFF_DATA", "/hidden");
    let ran = finish(command);
    assert!(!ran.stdout.contains("hidden"), "{}", ran.stdout);
}

#[test]
fn misuse_exits_3_and_says_what_is_wrong() {
    let cases = [
        ("", "Usage: signoff"),
        ("gaet x", "gate"),
        ("gate", "ACTION"),
        ("gate deploy --context version", "k=v"),
        ("gate deploy --context a=1 a=2", "given twice"),
        ("gate deploy --context a:=nope", "a:=nope"),
        ("gate deploy --context a:=9007199254740993", "send it as a string"),
        ("gate deploy --timeout soon", "soon"),
        ("gate deploy --cost much", "decimal"),
        ("gate deploy --risk huge", "minimal"),
        ("gate deploy echo hello", "unexpected argument"),
        ("gate deploy -- no-such-program-here", "nothing was asked"),
        ("check", "ACTION"),
        ("agents create", "NAME"),
        ("agents create bot --label x", "k=v"),
        ("operators create Dana", "--email"),
        (
            "operators create Dana --email d@example.com --role boss",
            "viewer",
        ),
        ("approvals deny apr_1", "--reason"),
        ("approvals list --limit 0", "1..=200"),
        ("policy apply", "FILE"),
        ("policy apply /does/not/exist.json", "/does/not/exist.json"),
        ("policy apply rules.yaml", "rules.yaml"),
        ("policy apply rules.txt", "not .txt"),
        ("policy test", "CASES"),
        ("policy lint --server", "FILE"),
        ("apply -f /does/not/exist.yaml", "/does/not/exist.yaml"),
        ("apply --exit-code", "--dry-run"),
        ("audit verify --offline /does/not/exist", "/does/not/exist"),
        ("audit verify --with-store --offline x", "cannot be used with"),
        ("audit verify --head 3:00", "SEQUENCE:HASH"),
        ("serve --listen nowhere", "nowhere"),
        ("serve --auto-approve --listen 0.0.0.0:0", "loopback"),
        ("serve --egress-allow nope", "nope"),
        ("completions tcsh", "bash"),
    ];
    for (line, expected) in cases {
        let arguments: Vec<_> = line.split_whitespace().collect();
        let ran = finish(as_agent(&nowhere(), &arguments));
        assert_eq!(ran.code, 3, "{line}: {ran:?}");
        assert!(ran.stderr.contains(expected), "{line}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{line}");
    }
}

#[test]
fn without_a_server_every_command_exits_3_and_says_where_it_looked() {
    let lines = [
        "check a.b",
        "approvals list",
        "approvals show apr_1",
        "approvals approve apr_1",
        "approvals deny apr_1 --reason no",
        "approvals ask apr_1 why",
        "approvals answer apr_1 because",
        "approvals cancel apr_1",
        "policy list",
        "policy show x",
        "policy explain a.b",
        "policy lint",
        "agents list",
        "agents create bot",
        "agents rotate-key bot",
        "operators list",
        "operators create-token d@example.com",
        "audit list",
        "audit verify",
        "audit export",
        "stop --yes",
        "stop bot",
        "stop --list",
        "resume bot",
        "webhooks list",
        "webhooks add w http://x",
        "webhooks remove chn_1",
        "channels list",
        "channels show ops",
        "channels test ops",
        "channels remove ops",
        "operators contact dana@example.com",
        "doctor",
    ];
    let url = nowhere();
    for line in lines {
        let ran = finish(as_agent(&url, &words(line)));
        assert_eq!(ran.code, 3, "{line}: {ran:?}");
        let said = ran.stderr + &ran.stdout;
        assert!(said.contains(&format!("can't reach {url}")), "{line}: {said}");
    }
}

#[test]
fn without_a_key_each_side_is_told_which_one_it_needs() {
    for (line, expected) in [
        ("gate a.b", "signoff agents create"),
        ("check a.b", "signoff agents create"),
        ("approvals list", "signoff operators create-token"),
        ("policy list", "SIGNOFF_ADMIN_KEY"),
    ] {
        let ran = finish(signoff(&words(line)));
        assert_eq!(ran.code, 3, "{line}");
        assert!(ran.stderr.contains(expected), "{line}: {}", ran.stderr);
    }
    // An admin key alone never asks for an agent.
    let mut command = signoff(&["gate", "a.b"]);
    command.env("SIGNOFF_ADMIN_KEY", "0".repeat(32));
    assert_eq!(finish(command).code, 3);
}

#[test]
fn with_json_a_failure_is_one_problem_document() {
    let url = nowhere();
    let ran = finish(as_agent(&url, &["--json", "gate", "a.b"]));
    let problem: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(problem["code"], "unreachable");
    assert_eq!((ran.code, ran.stdout.as_str()), (3, ""));
}

#[test]
fn completions_are_written_for_each_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = finish(signoff(&["completions", shell]));
        assert_eq!(ran.code, 0);
        assert!(ran.stdout.contains("rotate-key"), "{shell}");
    }
}

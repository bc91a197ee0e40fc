//! `signoff demo`: the tour that every newcomer takes.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::run::{Ran, finish, signoff};

#[test]
fn auto_approved_it_acts_once_and_the_log_verifies() {
    let ran = finish(signoff(&["demo", "--auto-approve"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    for expected in [
        "allowed by refunds",
        "denied by never-delete-customers",
        "approved by",
        "asked for stripe.refund",
        "took the permission",
        "verified:",
        "done exactly once",
    ] {
        assert!(ran.stdout.contains(expected), "{expected}: {}", ran.stdout);
    }
    assert!(!ran.stdout.contains('{'), "sentences, not JSON: {}", ran.stdout);
    assert!(
        !ran.stdout.contains("sgo_"),
        "no key where nobody needs one: {}",
        ran.stdout
    );
}

#[test]
fn with_json_standard_output_is_json() {
    let ran = finish(signoff(&["demo", "--auto-approve", "--json"]));
    let ending: Value = ran.json();
    assert_eq!(
        (ran.code, &ending["calls"], &ending["reported"]),
        (0, &1.into(), &true.into()),
        "{ending}"
    );
    assert_eq!(ending["verification"]["ok"], true);
}

/// Starts the demonstration and reads up to the commands that it offers: the environment, and one line per command.
fn invited() -> (Child, BufReader<std::process::ChildStdout>, Vec<String>) {
    let mut demo = signoff(&["demo"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap());
    let mut offered = Vec::new();
    loop {
        let mut line = String::new();
        assert!(
            lines.read_line(&mut line).unwrap() > 0,
            "it ended early: {offered:?}"
        );
        if line.starts_with("    ") {
            offered.push(line.trim().to_owned());
        }
        if line.contains(" approvals ask ") {
            return (demo, lines, offered);
        }
    }
}

/// Pastes what was printed into another shell, as people do.
fn paste(offered: &[String], command: &str) -> Ran {
    let export = offered.iter().find(|line| line.starts_with("export ")).unwrap();
    let command = offered.iter().find(|line| line.contains(command)).unwrap();
    let output = Command::new("/bin/sh")
        .args(["-c", &format!("{export}\n{command}")])
        .output();
    output.unwrap().into()
}

fn rest(mut demo: Child, mut lines: BufReader<std::process::ChildStdout>) -> (i32, String) {
    let mut text = String::new();
    std::io::Read::read_to_string(&mut lines, &mut text).unwrap();
    (demo.wait().unwrap().code().unwrap(), text)
}

#[test]
fn what_it_prints_for_another_terminal_works_when_pasted() {
    let (demo, lines, offered) = invited();
    assert!(
        offered[0].starts_with("http://127.0.0.1:") && offered[0].contains("/approvals/apr_"),
        "{offered:?}"
    );
    let asked = paste(&offered, " approvals ask ");
    assert_eq!(asked.code, 0, "{asked:?}");
    let approved = paste(&offered, " approvals approve ");
    assert_eq!(approved.code, 0, "{approved:?}");
    let (code, text) = rest(demo, lines);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("approved by You") && text.contains("done exactly once"),
        "{text}"
    );
}

#[test]
fn denied_the_agent_stops() {
    let (demo, lines, offered) = invited();
    let denied = paste(&offered, " approvals deny ");
    assert_eq!(denied.code, 0, "{denied:?}");
    let (code, text) = rest(demo, lines);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("denied by You: “not this one”") && text.contains("nothing was done"),
        "{text}"
    );
}

#[test]
fn interrupted_it_leaves_nothing_behind() {
    let (demo, _lines, _) = invited();
    crate::run::signal(&demo, "INT");
    let ran = crate::run::end(demo);
    assert_eq!(ran.code, 130, "{ran:?}");
    assert!(ran.stderr.contains("nothing is left behind"), "{}", ran.stderr);
}

//! `signoff demo`: the tour that every newcomer takes.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command};

use serde_json::Value;

use crate::run::{Ran, finish, signal, signoff, start};

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

/// A demonstration that waits for a decision.
struct Demo {
    process: Child,
    lines: BufReader<ChildStdout>,
    /// What it offers to copy: the link, the environment, and one line per command.
    offered: Vec<String>,
}

impl Demo {
    /// Starts it and reads up to the last command that it offers.
    fn invited() -> Self {
        let mut process = start(signoff(&["demo"]));
        let lines = BufReader::new(process.stdout.take().unwrap());
        let mut demo = Self {
            process,
            lines,
            offered: Vec::new(),
        };
        while !demo
            .offered
            .last()
            .is_some_and(|line| line.contains(" approvals ask "))
        {
            let mut line = String::new();
            assert!(
                demo.lines.read_line(&mut line).unwrap() > 0,
                "it ended early: {:?}",
                demo.offered
            );
            if let Some(offer) = line.strip_prefix("    ") {
                demo.offered.push(offer.trim_end().to_owned());
            }
        }
        demo
    }

    /// Pastes what was printed into another shell, as people do.
    fn paste(&self, command: &str) -> Ran {
        let find = |part: &str| self.offered.iter().find(|line| line.contains(part)).unwrap();
        let script = format!("{}\n{}", find("export "), find(command));
        Command::new("/bin/sh")
            .args(["-c", &script])
            .output()
            .unwrap()
            .into()
    }

    /// The rest of the story, and the exit code.
    fn finish(mut self) -> (Option<i32>, String) {
        let mut text = String::new();
        self.lines.read_to_string(&mut text).unwrap();
        (self.process.wait().unwrap().code(), text)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It has ended already where the test went well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn what_it_prints_for_another_terminal_works_when_pasted() {
    let demo = Demo::invited();
    let link = &demo.offered[0];
    assert!(
        link.starts_with("http://127.0.0.1:") && link.contains("/approvals/apr_"),
        "{link}"
    );
    let asked = demo.paste(" approvals ask ");
    assert_eq!(asked.code, 0, "{asked:?}");
    let approved = demo.paste(" approvals approve ");
    assert_eq!(approved.code, 0, "{approved:?}");
    let (code, text) = demo.finish();
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("approved by You") && text.contains("done exactly once"),
        "{text}"
    );
}

#[test]
fn denied_the_agent_stops() {
    let demo = Demo::invited();
    let denied = demo.paste(" approvals deny ");
    assert_eq!(denied.code, 0, "{denied:?}");
    let (code, text) = demo.finish();
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("denied by You: “not this one”") && text.contains("nothing was done"),
        "{text}"
    );
}

#[test]
fn interrupted_it_leaves_nothing_behind() {
    let demo = Demo::invited();
    signal(&demo.process, "INT");
    let (code, _) = demo.finish();
    assert_eq!(code, Some(130));
}

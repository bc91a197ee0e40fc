//! Running the binary: no settings of the person who runs the tests, everything captured.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// An agent's key as far as the command line looks at it.
pub(crate) const AGENT_KEY: &str = "sgo_agt_0000";

/// The binary with nothing of ours in its environment.
pub(crate) fn signoff(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signoff"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SIGNOFF_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// The binary as an agent of this server.
pub(crate) fn as_agent(url: &str, arguments: &[&str]) -> Command {
    let mut command = signoff(arguments);
    command.env("SIGNOFF_URL", url).env("SIGNOFF_API_KEY", AGENT_KEY);
    command
}

/// What came out of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs to the end.
pub(crate) fn finish(mut command: Command) -> Ran {
    command.output().unwrap().into()
}

/// Starts without waiting.
pub(crate) fn start(mut command: Command) -> Child {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for the end of what was started.
pub(crate) fn end(child: Child) -> Ran {
    child.wait_with_output().unwrap().into()
}

/// Sends a signal by name.
pub(crate) fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    assert!(
        Command::new("/bin/sh")
            .args(["-c", "kill -s $0 $1", name, &id])
            .status()
            .unwrap()
            .success()
    );
}

/// A JSON file.
pub(crate) fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

//! The command behind a gate: found before anything is asked, run without any key that could decide.

use std::ffi::{OsStr, OsString};
use std::io::{ErrorKind, IsTerminal};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;

use anyhow::bail;
use tokio::process::Command;

use crate::connection;
use crate::signals::{Signals, Stop, pass_on};

/// What shells say of a command that is not there, and of one that can't be run.
const NOT_FOUND: u8 = 127;
const NOT_RUNNABLE: u8 = 126;
/// What shells add to a signal's number.
const SIGNAL_BASE: i32 = 128;

/// How a command went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ran {
    /// It ended by itself.
    Exited(u8),
    /// A signal ended it.
    Killed(i32),
    /// It never started.
    NotStarted {
        /// The code that shells use for this.
        code: u8,
        /// In words.
        why: String,
    },
}

impl Ran {
    /// What to exit with.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Exited(code) | Self::NotStarted { code, .. } => *code,
            Self::Killed(signal) => u8::try_from(SIGNAL_BASE + signal).unwrap_or(u8::MAX),
        }
    }

    /// For the report.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Exited(code) => format!("exit code {code}"),
            Self::Killed(signal) => format!("ended by signal {signal}"),
            Self::NotStarted { why, .. } => format!("could not be started: {why}"),
        }
    }
}

/// Refuses a command that can't be found, before a person is bothered with it.
pub(crate) fn look_for(command: &[OsString]) -> anyhow::Result<()> {
    let Some(program) = command.first() else {
        return Ok(());
    };
    let found = if program.as_encoded_bytes().contains(&b'/') {
        is_runnable(Path::new(program))
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|directory| is_runnable(&directory.join(program)))
    };
    if !found {
        bail!(
            "can't run `{}`: no such program; nothing was asked",
            Path::new(program).display()
        );
    }
    Ok(())
}

fn is_runnable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// Runs it to its end. A signal to us is for it: it decides what to do, we go on waiting.
pub(crate) async fn run(command: &[OsString], signals: &mut Signals) -> Ran {
    let Some((program, arguments)) = command.split_first() else {
        return Ran::Exited(0);
    };
    let mut prepared = Command::new(program);
    prepared.args(arguments);
    for (name, value) in std::env::vars_os() {
        if !is_inherited(&name, &value) {
            prepared.env_remove(name);
        }
    }
    let mut child = match prepared.spawn() {
        Ok(child) => child,
        Err(error) => {
            let code = if error.kind() == ErrorKind::NotFound {
                NOT_FOUND
            } else {
                NOT_RUNNABLE
            };
            return Ran::NotStarted {
                code,
                why: error.to_string(),
            };
        }
    };
    loop {
        tokio::select! {
            status = child.wait() => return ended(status),
            stop = signals.next() => {
                // Ctrl-C on a terminal reaches the child without us.
                if let Some(id) = child.id().filter(|_| !(stop == Stop::Interrupt && is_on_terminal())) {
                    pass_on(stop, id).await;
                }
            }
        }
    }
}

fn ended(status: std::io::Result<ExitStatus>) -> Ran {
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => Ran::Exited(u8::try_from(code).unwrap_or(u8::MAX)),
            (None, Some(signal)) => Ran::Killed(signal),
            (None, None) => Ran::Exited(u8::MAX),
        },
        Err(error) => Ran::NotStarted {
            code: NOT_RUNNABLE,
            why: error.to_string(),
        },
    }
}

fn is_on_terminal() -> bool {
    std::io::stdin().is_terminal() || std::io::stdout().is_terminal() || std::io::stderr().is_terminal()
}

/// Of our variables a child gets the server's address and a key that can only ask; nothing that decides or sets up.
fn is_inherited(name: &OsStr, value: &OsStr) -> bool {
    match name.to_str() {
        Some("SIGNOFF_URL") => true,
        Some("SIGNOFF_API_KEY") => value.to_str().is_some_and(connection::only_asks),
        Some(name) => !name.to_ascii_uppercase().starts_with("SIGNOFF_"),
        None => !name
            .as_encoded_bytes()
            .to_ascii_uppercase()
            .starts_with(b"SIGNOFF_"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// I6 on the command line: what runs behind a gate can't open the next one by itself.
    #[test]
    fn i6_a_child_inherits_nothing_that_decides() {
        let cases = [
            ("PATH", "/bin", true),
            ("SIGNOFF_URL", "http://x", true),
            ("SIGNOFF_API_KEY", "sgo_agt_1", true),
            ("SIGNOFF_API_KEY", "sgo_app_1", true),
            ("SIGNOFF_API_KEY", "sgo_usr_1", false),
            ("SIGNOFF_API_KEY", "an admin key in the wrong place", false),
            ("SIGNOFF_ADMIN_KEY", "k", false),
            ("SIGNOFF_DATA", "/x", false),
            ("signoff_admin_key", "k", false),
        ];
        for (name, value, expected) in cases {
            assert_eq!(
                is_inherited(name.as_ref(), value.as_ref()),
                expected,
                "{name}={value}"
            );
        }
    }

    #[test]
    fn codes_are_those_of_a_shell() {
        assert_eq!(Ran::Exited(7).exit_code(), 7);
        assert_eq!(Ran::Killed(15).exit_code(), 143);
        assert_eq!(ended(Ok(ExitStatus::from_raw(9))).exit_code(), 137);
        assert_eq!(ended(Ok(ExitStatus::from_raw(3 << 8))).exit_code(), 3);
    }

    #[test]
    fn a_command_that_is_not_there_is_told_before_asking() {
        for missing in ["no-such-program-here", "/no/such/program", "/etc/hostname/x", "/"] {
            assert!(look_for(&[missing.into()]).is_err(), "{missing}");
        }
        for present in ["sh", "/bin/sh"] {
            assert!(look_for(&[present.into()]).is_ok(), "{present}");
        }
        assert!(look_for(&[]).is_ok());
    }
}

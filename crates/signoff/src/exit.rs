//! Exit codes: what scripts rely on.

use std::process::ExitCode;

use signoff_client::Error;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done; approved; allowed.
    Ok,
    /// Refused, or something is wrong with what was looked at.
    Refused,
    /// Nobody decided in time.
    TimedOut,
    /// Misused, or the server can't be reached.
    Misused,
    /// A check says that a person would be asked.
    WouldAsk,
    /// The code of the command that was run.
    Command(u8),
}

impl Exit {
    /// The number.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Refused => 1,
            Self::TimedOut => 2,
            Self::Misused => 3,
            Self::WouldAsk => 4,
            Self::Command(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// A refusal of the server is 1; what keeps us from asking it is 3.
pub(crate) fn of_error(error: &anyhow::Error) -> Exit {
    match error.downcast_ref::<Error>() {
        Some(Error::Problem(problem)) if problem.status != 401 && problem.status < 500 => Exit::Refused,
        _ => Exit::Misused,
    }
}

/// Help and version are no misuse. Where 2 means "timed out", misuse is 3; elsewhere it is the usual 2.
pub(crate) fn of_misuse(error: &clap::Error, arguments: impl Iterator<Item = String>) -> Exit {
    if !error.use_stderr() {
        return Exit::Ok;
    }
    match subcommand(arguments).as_deref() {
        Some("gate" | "check" | "approvals") => Exit::Misused,
        _ => Exit::Command(2),
    }
}

/// The first word that is neither a global option nor the value of one.
fn subcommand(mut arguments: impl Iterator<Item = String>) -> Option<String> {
    while let Some(argument) = arguments.next() {
        if argument == "--url" {
            arguments.next();
        } else if !argument.starts_with('-') {
            return Some(argument);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subcommand_is_found_behind_global_options() {
        let cases = [
            ("gate --nope", Some("gate")),
            ("--json gate", Some("gate")),
            ("--url http://x gate", Some("gate")),
            ("--url=http://x gate", Some("gate")),
            ("--json", None),
        ];
        for (line, expected) in cases {
            assert_eq!(subcommand(line.split(' ').map(str::to_owned)).as_deref(), expected, "{line}");
        }
    }
}

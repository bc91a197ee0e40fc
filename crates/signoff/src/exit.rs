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
    /// A plan has changes, where that was asked for.
    Changes,
    /// The code of the command that was run.
    Command(u8),
}

impl Exit {
    /// The number.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Refused => 1,
            Self::TimedOut | Self::Changes => 2,
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

/// What the codes of a command are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codes {
    /// 1 means that an action was refused, so a request that the server turns down is misuse.
    OfAnAction,
    /// 1 means that the server turned the request down.
    OfTheRequest,
}

/// A refusal of the server is 1 where that can't be taken for a verdict; what keeps us from asking it is 3.
pub(crate) fn of_error(error: &anyhow::Error, codes: Codes) -> Exit {
    match error.downcast_ref::<Error>() {
        Some(Error::Problem(problem))
            if codes == Codes::OfTheRequest && problem.status != 401 && problem.status < 500 =>
        {
            Exit::Refused
        }
        _ => Exit::Misused,
    }
}

/// Help and version are no misuse.
pub(crate) fn of_misuse(error: &clap::Error) -> Exit {
    if error.use_stderr() {
        Exit::Misused
    } else {
        Exit::Ok
    }
}

#[cfg(test)]
mod tests {
    use signoff_api::{Code, Problem};

    use super::*;

    #[test]
    fn a_problem_is_never_taken_for_a_verdict_on_an_action() {
        let cases = [
            (Code::NotFound, Codes::OfTheRequest, Exit::Refused),
            (Code::NotFound, Codes::OfAnAction, Exit::Misused),
            (Code::Unauthorized, Codes::OfTheRequest, Exit::Misused),
            (Code::Unavailable, Codes::OfTheRequest, Exit::Misused),
            (Code::InvalidRequest, Codes::OfAnAction, Exit::Misused),
        ];
        for (code, codes, expected) in cases {
            let error = anyhow::Error::new(Error::Problem(Box::new(Problem::new(code, "d"))));
            assert_eq!(of_error(&error, codes), expected, "{code} {codes:?}");
        }
        assert_eq!(
            of_error(&anyhow::anyhow!("x"), Codes::OfTheRequest),
            Exit::Misused
        );
    }
}

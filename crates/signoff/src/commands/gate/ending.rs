//! What a gate has to tell in the end: to a person, as JSON, and in the result file.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use signoff_api::action::{SubmitAnswer, VerdictCode};
use signoff_api::approval::Approval;
use signoff_api::{Actor, Problem};

use super::outcome::{self, Outcome};
use crate::exit::Exit;
use crate::inert::line;
use crate::output;

/// Whose exit code it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Whose {
    /// Ours: see the table in `--help`.
    Gate,
    /// That of the command, passed on.
    Command,
}

/// How the command went.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CommandEnding {
    /// Whether it could be started.
    pub(crate) started: bool,
    /// Its exit code; absent when a signal ended it or it never started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exit_code: Option<u8>,
    /// The signal that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) signal: Option<i32>,
    /// Whether the server knows how it went.
    pub(crate) reported: bool,
}

/// How a gate ended, with all that is known of it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Ending {
    /// In one word; none while a person is asked.
    #[serde(rename = "status")]
    pub(crate) outcome: Option<Outcome>,
    /// What this process exits with.
    pub(crate) exit_code: u8,
    /// Whose code that is.
    pub(crate) exit_code_of: Whose,
    /// Name of the action.
    pub(crate) action: String,
    /// `act_…`.
    pub(crate) action_id: String,
    /// `apr_…`, when a person was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) approval_id: Option<String>,
    /// Its page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) approval_url: Option<String>,
    /// `exe_…`, once it may be carried out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) execution_id: Option<String>,
    /// The policy that governs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<String>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<VerdictCode>,
    /// The same in words, or the approver's comment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// Who brought the approval to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) decided_by: Option<Actor>,
    /// Whether the request is still waiting for people.
    pub(crate) still_pending: bool,
    /// The command, if one was given and came to its turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) command: Option<CommandEnding>,
}

impl Ending {
    /// What the answer to the submit says.
    pub(crate) fn of_answer(action: &str, answer: &SubmitAnswer) -> Self {
        let outcome = outcome::of_answer(answer);
        let mut ending = Self {
            outcome: None,
            exit_code: Exit::TimedOut.code(),
            exit_code_of: Whose::Gate,
            action: action.to_owned(),
            action_id: answer.action_id.clone(),
            approval_id: answer.approval_id.clone(),
            approval_url: answer.approval_url.clone(),
            execution_id: answer.execution_id.clone(),
            policy: answer.policy.as_ref().map(|policy| policy.name.clone()),
            code: answer.code,
            reason: answer.reason.clone(),
            decided_by: answer
                .approval
                .as_ref()
                .and_then(|approval| approval.decided_by.clone()),
            still_pending: outcome.is_none(),
            command: None,
        };
        if let Some(outcome) = outcome {
            ending.end(outcome);
        }
        ending
    }

    /// Settles how it ended.
    pub(crate) fn end(&mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
        self.exit_code = outcome.exit().code();
    }

    /// Takes over what an approval that has ended says.
    pub(crate) fn settle(&mut self, approval: &Approval) {
        self.end(outcome::of_status(approval.status));
        self.still_pending = !approval.is_terminal;
        self.execution_id.clone_from(&approval.execution_id);
        self.decided_by.clone_from(&approval.decided_by);
        self.reason.clone_from(&approval.decision_reason);
        self.code = approval.code;
    }

    /// Whether the action may be carried out.
    pub(crate) fn is_yes(&self) -> bool {
        self.outcome.is_some_and(Outcome::is_yes)
    }

    /// One line, such as `denied by Dana: “not today”`.
    pub(crate) fn words(&self) -> String {
        let mut text = self.outcome.map_or("not decided", Outcome::words).to_owned();
        if let Some(by) = &self.decided_by {
            let _ = write!(text, " by {}", by.name.as_deref().unwrap_or(&by.id));
        } else if self.code == Some(VerdictCode::Stopped) {
            text.push_str(": stopped");
        } else if self.code == Some(VerdictCode::OutOfScope) {
            text.push_str(": out of scope");
        } else if self.outcome == Some(Outcome::Allowed) || self.approval_id.is_none() {
            let policy = self.policy.as_ref().map(|policy| format!(" by policy {policy}"));
            text.push_str(policy.as_deref().unwrap_or(": no policy matches"));
        }
        if let Some(reason) = self
            .reason
            .as_ref()
            .filter(|_| self.decided_by.is_some() || !self.is_yes())
        {
            let _ = write!(text, ": “{reason}”");
        }
        if self.still_pending {
            text.push_str("; the request goes on");
        }
        line(&text)
    }
}

/// The result file, or nothing where none was asked for.
#[derive(Debug)]
pub(crate) struct ResultFile(Option<File>);

impl ResultFile {
    /// Empties or creates it before anything is asked, so that an old result is never taken for the new one.
    pub(crate) fn create(path: Option<&Path>) -> anyhow::Result<Self> {
        let file = path
            .map(|path| {
                File::create(path)
                    .with_context(|| format!("can't write `{}`; nothing was asked", path.display()))
            })
            .transpose()?;
        Ok(Self(file))
    }

    /// Writes how it ended. By now the exit code stands, so that a failure is only told.
    pub(crate) fn write(&mut self, value: &impl Serialize) {
        let Some(file) = &mut self.0 else { return };
        let written = serde_json::to_vec_pretty(value)
            .map_err(std::io::Error::from)
            .and_then(|mut bytes| {
                bytes.push(b'\n');
                file.write_all(&bytes).and_then(|()| file.flush())
            });
        if let Err(error) = written {
            output::talk(&format!("signoff: can't write the result file: {error}"));
        }
    }

    /// Writes that it came to nothing: misused, or the server could not be asked.
    pub(crate) fn write_failure(&mut self, error: &Problem) {
        self.write(&serde_json::json!({
            "status": "error",
            "exit_code": Exit::Misused.code(),
            "exit_code_of": Whose::Gate,
            "error": error,
        }));
    }
}

//! `signoff gate`: ask, wait, and do it only if the answer is yes.

mod command;
mod ending;
pub(crate) mod outcome;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration as Span;

use anyhow::Context;
use clap::Args;
use signoff_api::action::{Accepts, Submit, SubmitAnswer, Unheard, VerdictKind};
use signoff_api::approval::{Approval, Cancel};
use signoff_api::execution::{Outcome as Reported, Report};
use signoff_api::{Code, Duration, Until, WaitQuery};
use signoff_client::{Client, Progress, SubmitOptions, WaitOptions, Waited, retry};
use tokio::time::{Instant, timeout};

use self::command::Ran;
use self::ending::{CommandEnding, Ending, ResultFile, Whose};
use self::outcome::Outcome;
use crate::cli::Global;
use crate::commands::action::ActionArgs;
use crate::connection::{Side, connect};
use crate::exit::Exit;
use crate::inert::line;
use crate::progress::Waiting;
use crate::signals::Signals;
use crate::{output, random, show};

/// How long a server may take to answer at all when it is asked for the first time.
const FIRST_CONTACT: Span = Span::from_secs(5);
/// How long calling off may take once we were told to stop.
const LAST_WORD: Span = Span::from_secs(5);
/// How long to try to report what has been done.
const REPORTING: Span = Span::from_secs(30);

const AFTER_HELP: &str = "\
Exit codes:
  0  approved, or allowed by policy
  1  refused: denied, cancelled, superseded; or interrupted and therefore called off
  2  timed out: nobody decided in time, or --wait ran out
  3  misused, or the server could not be reached
  A COMMAND that was run: its own exit code instead. --result-file tells whose code it is.

Examples:
  signoff gate deploy.production --context version=v2.1.0 -- ./deploy.sh v2.1.0
  signoff gate stripe.refund --inputs customer=cus_1 amount=500.00 && ./refund.sh

k=v is text, k:=JSON is typed: amount=500.00 is exact decimal text, amount:=500 a number.
Of all SIGNOFF_ variables, the COMMAND inherits only SIGNOFF_URL, and SIGNOFF_API_KEY if that key
can only ask.";

/// What to ask, how to wait, and what to run.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct GateArgs {
    #[command(flatten)]
    action: ActionArgs,
    /// How long people have, such as 30m; a policy may cut it [default: the policy's, or 30m]
    #[arg(long, value_name = "SPAN")]
    timeout: Option<Duration>,
    /// Wait no longer than this, then call the request off (with --keep: leave it)
    #[arg(long = "wait", value_name = "SPAN")]
    at_most: Option<Duration>,
    /// While waiting, bear a server that does not answer for so long
    #[arg(long, value_name = "SPAN", default_value = "1m")]
    grace: Duration,
    /// Leave the request pending when interrupted or when --wait runs out
    #[arg(long)]
    keep: bool,
    /// Ask under this key: the same key and action find the same request again
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Let approvers ask back; the question shows here, with the command that answers it
    #[arg(long)]
    accept_questions: bool,
    /// Write how it ended, and whose exit code it is, to this file as JSON
    #[arg(long, value_name = "FILE")]
    result_file: Option<PathBuf>,
    /// Run this if the answer is yes, at most once, and report how it went
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

pub(crate) async fn run(global: &Global, args: GateArgs) -> anyhow::Result<Exit> {
    let mut file = ResultFile::create(args.result_file.as_deref())?;
    let has_command = !args.command.is_empty();
    let ended = match Gate::new(global, &args) {
        Ok(mut gate) => gate.pass(args).await,
        Err(error) => Err(error),
    };
    let ending = match ended {
        Ok(ending) => ending,
        Err(error) => {
            file.write_failure(&output::as_problem(&error));
            return Err(error);
        }
    };
    file.write(&ending);
    match (global.json, has_command) {
        // Standard output is the command's.
        (true, true) => output::talk_json(&ending)?,
        (true, false) => output::json(&ending)?,
        (false, false) if ending.is_yes() => output::data(ending.outcome.map_or("", Outcome::words))?,
        (false, _) => {}
    }
    Ok(Exit::Command(ending.exit_code))
}

/// One passage through the gate.
struct Gate {
    client: Client,
    signals: Signals,
    wait: WaitOptions,
    keep: bool,
    quiet: bool,
}

impl Gate {
    fn new(global: &Global, args: &GateArgs) -> anyhow::Result<Self> {
        command::look_for(&args.command)?;
        let span = |duration: Duration| duration.seconds().map(Span::from_secs);
        Ok(Self {
            client: connect(global, Side::Asker)?,
            signals: Signals::listen()?,
            wait: WaitOptions {
                deadline: args
                    .at_most
                    .and_then(span)
                    .and_then(|span| Instant::now().checked_add(span)),
                grace: span(args.grace).unwrap_or(Span::from_hours(24)),
                until: if args.accept_questions {
                    Until::Changed
                } else {
                    Until::Decided
                },
            },
            keep: args.keep,
            quiet: global.json,
        })
    }

    async fn pass(&mut self, args: GateArgs) -> anyhow::Result<Ending> {
        let submit = Submit {
            timeout: args.timeout,
            accepts: args.accept_questions.then(|| vec![Accepts::InfoRequests]),
            ..args.action.submit()?
        };
        let key = args.idempotency_key.map_or_else(|| random::key("gate"), Ok)?;
        let (answer, stopped) = self.ask(&submit, key).await?;
        let mut ending = Ending::of_answer(&submit.action, &answer);
        if answer.verdict == VerdictKind::PendingApproval {
            let id = answer
                .approval_id
                .clone()
                .context("the server asks a person without naming the approval")?;
            if stopped {
                self.give_up(&id, &mut ending, Outcome::Interrupted).await?;
            } else {
                self.wait(&id, answer.unheard.as_ref(), &mut ending).await?;
            }
        } else if stopped {
            ending.end(Outcome::Interrupted);
        }
        self.talk(&ending.words());
        if ending.is_yes() && !args.command.is_empty() {
            self.carry_out(&args.command, &mut ending).await?;
        }
        Ok(ending)
    }

    /// Submits. When told to stop meanwhile, still learns what came of it, for it may have to be called off.
    async fn ask(&mut self, submit: &Submit, key: String) -> anyhow::Result<(SubmitAnswer, bool)> {
        let options = SubmitOptions {
            idempotency_key: Some(key),
            ..SubmitOptions::default()
        };
        let asking = retry(FIRST_CONTACT, || self.client.action_submit(submit, &options));
        tokio::pin!(asking);
        tokio::select! {
            answer = &mut asking => Ok((answer?, false)),
            _ = self.signals.next() => {
                let answer = timeout(LAST_WORD, asking)
                    .await
                    .context("interrupted while asking; whether the request arrived is not known")??;
                Ok((answer, true))
            }
        }
    }

    async fn wait(&mut self, id: &str, unheard: Option<&Unheard>, ending: &mut Ending) -> anyhow::Result<()> {
        let mut waiting = Waiting::start("waiting for a decision", self.wait.deadline, self.quiet);
        let mut is_first = true;
        let progress = |progress: Progress<'_>| {
            if let Progress::Seen(approval) = &progress
                && std::mem::take(&mut is_first)
            {
                introduce(&waiting, approval);
                if let Some(unheard) = unheard {
                    waiting.say(&line(&format!("  {}", show::unheard(unheard))));
                }
            }
            waiting.note(&progress);
        };
        let waited = tokio::select! {
            waited = self.client.wait_for_decision(id, self.wait, progress) => Some(waited?),
            _ = self.signals.next() => None,
        };
        drop(waiting);
        match waited {
            Some(Waited::Decided(approval)) => ending.settle(&approval),
            Some(Waited::OutOfTime) => self.give_up(id, ending, Outcome::WaitOver).await?,
            None => self.give_up(id, ending, Outcome::Interrupted).await?,
        }
        Ok(())
    }

    /// Stops waiting: calls the request off unless it is to be kept, and finds out whether a decision was faster.
    async fn give_up(&self, id: &str, ending: &mut Ending, outcome: Outcome) -> anyhow::Result<()> {
        ending.end(outcome);
        if self.keep {
            // Interrupted or not: nothing was refused, our time was up.
            ending.exit_code = Exit::TimedOut.code();
            return Ok(());
        }
        let reason = match outcome {
            Outcome::WaitOver => "nobody decided while the agent could wait",
            _ => "the agent was interrupted",
        };
        let cancel = Cancel {
            reason: Some(reason.to_owned()),
        };
        let lost = || format!("the request `{}` could not be called off and may go on", line(id));
        let cancelled = timeout(
            LAST_WORD,
            retry(LAST_WORD, || self.client.approval_cancel(id, &cancel)),
        );
        match cancelled.await.with_context(lost)? {
            Ok(_) => ending.still_pending = false,
            Err(error) if has_ended(&error) => {
                let query = WaitQuery::default();
                let view = timeout(LAST_WORD, self.client.approval_view(id, &query));
                let approval = view.await.with_context(lost)?.with_context(lost)?;
                ending.still_pending = !approval.is_terminal;
                // A decision that was faster counts, unless we were told to do nothing more.
                if outcome == Outcome::WaitOver {
                    ending.settle(&approval);
                } else {
                    let status = approval.status;
                    ending.reason = Some(format!("it was {status} at the same moment; nothing was run"));
                }
            }
            Err(error) => return Err(error).with_context(lost),
        }
        Ok(())
    }

    /// Takes the permission, runs the command once, reports how it went.
    async fn carry_out(&mut self, command: &[OsString], ending: &mut Ending) -> anyhow::Result<()> {
        if !self.take(ending).await? {
            self.talk(&ending.words());
            return Ok(());
        }
        let ran = command::run(command, &mut self.signals).await;
        ending.exit_code = ran.exit_code();
        if let Ran::NotStarted { .. } = ran {
            self.talk(&format!("signoff: the command {}", line(&ran.words())));
        } else {
            ending.exit_code_of = Whose::Command;
        }
        let reported = self.report(ending, &ran).await;
        ending.command = Some(CommandEnding {
            started: !matches!(ran, Ran::NotStarted { .. }),
            exit_code: match ran {
                Ran::Exited(code) => Some(code),
                _ => None,
            },
            signal: match ran {
                Ran::Killed(signal) => Some(signal),
                _ => None,
            },
            reported,
        });
        Ok(())
    }

    /// Consumes the permission. The key is this process's own, so that asking again under one idempotency key never
    /// runs a command twice.
    async fn take(&mut self, ending: &mut Ending) -> anyhow::Result<bool> {
        let Some(id) = ending.execution_id.clone() else {
            // Without an execution there is nothing that could be used twice.
            return Ok(true);
        };
        let key = random::key("gate")?;
        let consumed = tokio::select! {
            consumed = retry(self.wait.grace, || self.client.execution_consume(&id, Some(&key))) => consumed,
            _ = self.signals.next() => {
                ending.end(Outcome::Interrupted);
                return Ok(false);
            }
        };
        match consumed {
            Ok(_) => Ok(true),
            Err(error) if is_used_up(&error) => {
                ending.end(Outcome::Unusable);
                ending.reason = Some(error.to_string());
                ending.decided_by = None;
                Ok(false)
            }
            Err(error) => Err(error).context("the command was not run: its permission could not be taken"),
        }
    }

    /// Tells the server how it went; false if that could not be done in time.
    async fn report(&mut self, ending: &Ending, ran: &Ran) -> bool {
        let report = Report {
            outcome: match ran {
                Ran::Exited(0) => Reported::Success,
                Ran::NotStarted { .. } => Reported::Blocked,
                _ => Reported::Failure,
            },
            detail: Some(ran.words()),
            result: match ran {
                Ran::Exited(code) => Some([("exit_code".to_owned(), (*code).into())].into_iter().collect()),
                _ => None,
            },
        };
        let Ok(key) = random::key("gate") else {
            return false;
        };
        let (execution, action) = (&ending.execution_id, &ending.action_id);
        let reporting = retry(REPORTING, || async {
            match execution {
                Some(id) => self.client.execution_report(id, &report, Some(&key)).await,
                None => self.client.action_report(action, &report, Some(&key)).await,
            }
        });
        let reported = tokio::select! {
            reported = reporting => reported.map_err(|error| error.to_string()),
            _ = self.signals.next() => Err("interrupted".to_owned()),
        };
        if let Err(why) = &reported {
            self.talk(&format!(
                "signoff: the outcome could not be reported: {}",
                line(why)
            ));
        }
        reported.is_ok()
    }

    fn talk(&self, text: &str) {
        if !self.quiet {
            output::talk(text);
        }
    }
}

/// Says what is asked of whom, and where.
fn introduce(waiting: &Waiting, approval: &Approval) {
    let policy = approval
        .policy
        .as_ref()
        .map_or("no policy", |policy| policy.name.as_str());
    let who = approval.requirement.approvers.join(", ");
    let who = match approval.requirement.stages.len() {
        stages @ 2.. => format!("{who} first, in {stages} stages"),
        _ => who,
    };
    waiting.say(&line(&approval.summary));
    waiting.say(&line(&format!("  {policy} asks {who}")));
    waiting.say(&line(&format!("  {}", approval.id)));
    waiting.say(&line(&format!("  {}", approval.url)));
}

fn has_ended(error: &signoff_client::Error) -> bool {
    [Code::AlreadyDecided, Code::ApprovalExpired, Code::NotPending]
        .iter()
        .any(|code| error.is(*code))
}

fn is_used_up(error: &signoff_client::Error) -> bool {
    [
        Code::AlreadyConsumed,
        Code::AlreadyReported,
        Code::NotReady,
        Code::Lapsed,
        Code::Revoked,
        Code::Stopped,
    ]
    .iter()
    .any(|code| error.is(*code))
}

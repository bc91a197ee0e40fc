//! `signoff demo`: the whole journey in one process. An agent asks, a person decides, the agent goes on, the log tells.

mod agent;
mod policies;
mod stage;
mod story;
mod trail;
mod upstream;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use clap::Args;
use signoff_api::Secret;
use signoff_api::approval::{ApprovalStatus, Decide, DecisionKind};
use signoff_client::Client;
use tempfile::TempDir;

use self::agent::Asked;
use self::stage::Stage;
use self::story::Story;
use self::trail::Trail;
use self::upstream::Upstream;
use crate::cli::Global;
use crate::commands::server;
use crate::config::{Config, DemoOperator, LogConfig};
use crate::exit::Exit;
use crate::serve::{self, Running};
use crate::signals::Signals;
use crate::{output, random};

const PORT: u16 = 7070;
/// How long `--auto-approve` lets the agent wait, so that a recording shows it waiting.
const AUTO_APPROVE_AFTER: Duration = Duration::from_secs(1);
/// How long the console stays after the end for somebody who is looking at it.
const CONSOLE_STAYS: Duration = Duration::from_secs(30);
/// The same where nobody is at the terminal: a browser that decided still gets its page.
const CONSOLE_STAYS_UNWATCHED: Duration = Duration::from_secs(1);
/// What shells say of a command that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

const AFTER_HELP: &str = "\
Starts a server on a temporary data directory (on port 7070 if it is free) with three policies and
an agent that wants to refund a customer. You approve or deny, in the browser or from another
terminal; it prints how. Everything is thrown away at the end.

Exit codes:
  0  the agent did what was decided, exactly once or not at all, and the log verifies
  1  it did not
  2  nobody decided in time
  3  the server could not be started";

/// How to run the demonstration.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct DemoArgs {
    /// Approve it without a person, for tests and screencasts
    #[arg(long)]
    auto_approve: bool,
}

pub(crate) async fn run(global: &Global, args: DemoArgs) -> anyhow::Result<Exit> {
    let mut signals = Signals::listen()?;
    let admin_key = Secret::new(random::digits()?);
    server::log_to_stderr(&LogConfig::quiet())?;
    let mut story = Story::new(global.json);
    let (directory, running) = start(&admin_key).await?;
    let played = tokio::select! {
        played = play(&mut story, &running, &admin_key, args.auto_approve) => Some(played),
        _ = signals.next() => None,
    };
    if let Some(Ok(ending)) = &played {
        tell_ending(global, &mut story, ending)?;
        let stays = stay(&mut story, args.auto_approve);
        tokio::select! {
            () = stays => {}
            _ = signals.next() => {}
        }
    }
    running.stop().await?;
    directory.close()?;
    let Some(ending) = played else {
        output::talk("stopped; nothing is left behind");
        return Ok(Exit::Command(INTERRUPTED));
    };
    Ok(ending?.exit(args.auto_approve))
}

/// What came of it.
struct Ending {
    asked: Asked,
    /// How often the payment service was called.
    calls: u64,
    trail: Trail,
}

impl Ending {
    /// Whether the agent did exactly what was decided, and the log says so.
    fn is_sound(&self) -> bool {
        let calls_due = u64::from(self.asked.status == ApprovalStatus::Approved);
        self.calls == calls_due && self.asked.reported == (calls_due == 1) && self.trail.verification.ok
    }

    fn exit(&self, auto_approve: bool) -> Exit {
        match self.asked.status {
            _ if !self.is_sound() => Exit::Refused,
            ApprovalStatus::Approved => Exit::Ok,
            ApprovalStatus::Expired => Exit::TimedOut,
            _ if auto_approve => Exit::Refused,
            _ => Exit::Ok,
        }
    }
}

async fn play(
    story: &mut Story,
    running: &Running,
    admin_key: &Secret,
    auto_approve: bool,
) -> anyhow::Result<Ending> {
    let admin = Client::new(&running.url, Some(admin_key))?;
    let upstream = Upstream::start().await?;
    let stage = Stage::set(&admin, &running.url).await?;
    Stage::introduce(story, running, &upstream);
    agent::check_beforehand(story, &stage.agent).await?;
    let asking = agent::ask(story, &stage.agent).await?;
    let automation = async {
        if auto_approve {
            tokio::time::sleep(AUTO_APPROVE_AFTER).await;
            approve(&admin, &asking.approval_id).await
        } else {
            Ok(())
        }
    };
    if auto_approve {
        story.plain("  --auto-approve decides in a second; without it, this is where you come in");
        story.blank();
    } else {
        stage.invite(story, running, &asking.approval_id);
    }
    let (asked, automated) = tokio::join!(
        agent::wait_and_act(story, &stage.agent, &asking, &upstream),
        automation
    );
    automated?;
    let asked = asked?;
    let trail = Trail::read(&admin).await?;
    Ok(Ending {
        calls: upstream.calls(),
        asked,
        trail,
    })
}

/// Decides as the server's own admin key, which the log names as an automation and never as a person.
async fn approve(admin: &Client, id: &str) -> signoff_client::Result<()> {
    let approval = admin
        .approval_view(id, &signoff_api::WaitQuery::default())
        .await?;
    let decide = Decide {
        decision: DecisionKind::Approve,
        digest: Some(approval.digest),
        comment: Some("approved by `signoff demo --auto-approve`".to_owned()),
        reason: None,
        question: None,
        edit: None,
        standing: None,
        always: None,
        view: None,
    };
    admin.approval_decide(id, &decide, None).await.map(drop)
}

fn tell_ending(global: &Global, story: &mut Story, ending: &Ending) -> anyhow::Result<()> {
    ending.trail.tell(story);
    let (calls, verification) = (ending.calls, &ending.trail.verification);
    story.blank();
    story.verdict(
        ending.is_sound(),
        &match (ending.is_sound(), ending.asked.status) {
            (true, ApprovalStatus::Approved) => "approved, done exactly once, and on the record".to_owned(),
            (true, status) => format!("{status}, nothing was done, and that is on the record"),
            (false, status) => format!(
                "something is wrong: {status}, the payment service was called {calls} times, outcome {}, log {}",
                if ending.asked.reported { "reported" } else { "not reported" },
                if verification.ok { "intact" } else { "NOT intact" }
            ),
        },
    );
    if global.json {
        output::json(&serde_json::json!({
            "status": ending.asked.status,
            "approval_id": ending.asked.approval_id,
            "calls": calls,
            "reported": ending.asked.reported,
            "verification": verification,
        }))?;
    }
    Ok(())
}

/// Leaves the console up for who decided there.
async fn stay(story: &mut Story, auto_approve: bool) {
    if auto_approve {
        return;
    }
    if story.is_watched() {
        let seconds = CONSOLE_STAYS.as_secs();
        story.blank();
        story.quiet(&format!(
            "The console stays open for {seconds} seconds; Ctrl-C ends it now."
        ));
        tokio::time::sleep(CONSOLE_STAYS).await;
    } else {
        tokio::time::sleep(CONSOLE_STAYS_UNWATCHED).await;
    }
}

/// Starts the server on the usual port, so that `SIGNOFF_URL` need not be set; where somebody has that, on any.
async fn start(admin_key: &Secret) -> anyhow::Result<(TempDir, Running)> {
    match start_on(PORT, admin_key).await {
        Err(error) if is_taken(&error) => start_on(0, admin_key).await,
        started => started,
    }
}

async fn start_on(port: u16, admin_key: &Secret) -> anyhow::Result<(TempDir, Running)> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    // Looked at first: it costs less than preparing data for nothing.
    drop(TcpListener::bind(address)?);
    let directory = tempfile::Builder::new().prefix("signoff-demo-").tempdir()?;
    let config = Config {
        demo_operator: Some(DemoOperator {
            name: stage::OPERATOR_NAME.to_owned(),
            email: stage::OPERATOR_EMAIL.to_owned(),
        }),
        ..Config::ephemeral(directory.path(), address, admin_key.clone())
    };
    Ok((directory, serve::start(config).await?))
}

fn is_taken(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == ErrorKind::AddrInUse)
}

/// How this program is called from another terminal: by name if the shell would find this very file, else by path.
fn program() -> String {
    let Ok(here) = std::env::current_exe().and_then(|path| path.canonicalize()) else {
        return "signoff".to_owned();
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).find_map(|directory| directory.join("signoff").canonicalize().ok());
    if found.as_ref() == Some(&here) {
        "signoff".to_owned()
    } else {
        quoted(&here.display().to_string())
    }
}

/// As a shell takes it for one word.
fn quoted(path: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    if path.chars().all(is_plain) {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_one_word_when_pasted() {
        assert_eq!(quoted("/usr/local/bin/signoff"), "/usr/local/bin/signoff");
        assert_eq!(quoted("/my tools/it's/signoff"), r"'/my tools/it'\''s/signoff'");
    }
}

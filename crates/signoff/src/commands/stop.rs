//! `signoff stop` and `signoff resume`: the kill switch.

use std::fmt::Write as _;
use std::io::{BufRead as _, IsTerminal as _};

use clap::Args;
use signoff_api::Page;
use signoff_api::stop::{Stop, StopCreate, StopKind, StopLift, Stopped};
use signoff_client::Client;

use crate::cli::Global;
use crate::connection::{Side, connect};
use crate::exit::Exit;
use crate::{inert, output, table, time};

/// What the server calls everything.
const WORKSPACE: &str = "workspace";

/// What to stop.
#[derive(Debug, Args)]
#[command(
    after_help = "While a stop is in force everything that it covers is refused, before every policy. What is pending is \
        denied, permissions that nobody took are taken back. What agents have taken already is in their hands and \
        can't be recalled: its executions are listed. Only an admin lifts a stop: `signoff resume`."
)]
pub(crate) struct StopArgs {
    /// Name or id of the agent; without one and without --grant the whole workspace is stopped
    agent: Option<String>,
    /// Stop every call that is made with this grant
    #[arg(long, value_name = "NAME", conflicts_with = "agent")]
    grant: Option<String>,
    /// Why, for the log and the other operators; agents are not told
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Do not ask before stopping the whole workspace
    #[arg(long)]
    yes: bool,
    /// Stop nothing; list what is stopped
    #[arg(long, conflicts_with_all = ["agent", "grant", "reason", "yes"])]
    list: bool,
}

/// What to let go on.
#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    /// Name or id of the agent; without one and without --grant the stop of the whole workspace is lifted
    agent: Option<String>,
    /// Lift the stop of this grant
    #[arg(long, value_name = "NAME", conflicts_with = "agent")]
    grant: Option<String>,
    /// Why, for the log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(crate) async fn stop(global: &Global, args: StopArgs) -> anyhow::Result<Exit> {
    let client = connect(global, Side::Operator)?;
    if args.list {
        list(global, client.stop_list().await?.items)?;
        return Ok(Exit::Ok);
    }
    if args.agent.is_none() && args.grant.is_none() && !args.yes && !is_wanted()? {
        output::talk("nothing was stopped");
        return Ok(Exit::Refused);
    }
    let create = StopCreate {
        target: target(&client, args.agent, args.grant).await?,
        reason: args.reason,
    };
    let stopped = client.stop_create(&create, None).await?;
    if global.json {
        output::json(&stopped)?;
    } else {
        output::talk(&told(&stopped));
        for id in stopped.consumed.iter().chain(&stopped.executing) {
            output::data(id)?;
        }
    }
    Ok(Exit::Ok)
}

pub(crate) async fn resume(global: &Global, args: ResumeArgs) -> anyhow::Result<Exit> {
    let client = connect(global, Side::Operator)?;
    let target = target(&client, args.agent, args.grant).await?;
    let lift = StopLift { reason: args.reason };
    let lifted = client.stop_lift(&target, &lift, None).await?;
    if global.json {
        output::json(&lifted)?;
    } else {
        let since = time::ago(&lifted.stopped_at);
        output::talk(&format!(
            "policy answers again for {}, which was stopped {since}",
            name(&lifted)
        ));
        output::talk("what was on its way then has ended: agents may ask again");
    }
    Ok(Exit::Ok)
}

/// The target on the wire. An agent that is called like the word for everything is meant by its id.
async fn target(client: &Client, agent: Option<String>, grant: Option<String>) -> anyhow::Result<String> {
    Ok(match (agent, grant) {
        (_, Some(grant)) => format!("grant:{grant}"),
        (Some(agent), _) if agent == WORKSPACE => client.agent_view(&agent).await?.id,
        (Some(agent), _) => agent,
        (None, None) => WORKSPACE.to_owned(),
    })
}

/// Asks where somebody can answer; a script has said it by calling.
fn is_wanted() -> anyhow::Result<bool> {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return Ok(true);
    }
    output::talk("This stops every agent of the workspace: what is pending is denied, and nothing goes on");
    output::talk("until an admin lifts the stop. Stop everything? [y/N]");
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}

fn name(stop: &Stop) -> String {
    match (stop.kind, stop.agent.as_ref().or(stop.grant.as_ref())) {
        (StopKind::Workspace, _) => "the whole workspace".to_owned(),
        (StopKind::Grant, Some(grant)) => format!("calls with the grant {}", inert::line(&grant.name)),
        (StopKind::Agent, Some(agent)) => inert::line(&agent.name),
        (_, None) => inert::line(&stop.target),
    }
}

fn by(stop: &Stop) -> String {
    let by = &stop.stopped_by;
    inert::line(by.name.as_deref().unwrap_or(&by.id))
}

fn told(stopped: &Stopped) -> String {
    let stop = &stopped.stop;
    let mut text = if stopped.is_new {
        format!("stopped: {}", name(stop))
    } else {
        let (by, since) = (by(stop), time::ago(&stop.stopped_at));
        format!("{} was stopped by {by} {since}; nothing changed", name(stop))
    };
    let many = |count: u64, one: &str, many: &str| {
        let word = if count == 1 { one } else { many };
        format!("{count} {word}")
    };
    if stopped.pending + stopped.ready > 0 {
        let _ = write!(
            text,
            "\nended by Signoff: {}, {}",
            many(stopped.pending, "pending approval", "pending approvals"),
            many(
                stopped.ready,
                "permission not taken yet",
                "permissions not taken yet"
            )
        );
    }
    if !stopped.may_lift {
        text.push_str("\nonly an admin can lift it: `signoff resume`");
    }
    let taken = stopped.consumed.len() + stopped.executing.len();
    if taken > 0 {
        let more = if stopped.more { " or more" } else { "" };
        let _ = write!(
            text,
            "\nout of our hands: {taken}{more} executions were taken before and can't be recalled; look after them:"
        );
    } else {
        text.push_str("\nno agent has taken a permission that it did not report");
    }
    text
}

fn list(global: &Global, items: Vec<Stop>) -> anyhow::Result<()> {
    let page = Page {
        items,
        next_cursor: None,
    };
    output::page(global.json, &page, "nothing is stopped", |items| {
        let rows = items.iter().map(|stop| {
            let reason = stop.reason.as_deref().map_or_else(|| "-".to_owned(), inert::line);
            [
                stop.target.clone(),
                name(stop),
                time::ago(&stop.stopped_at),
                by(stop),
                reason,
            ]
        });
        table::render(["TARGET", "NAME", "STOPPED", "BY", "REASON"], rows)
    })
}

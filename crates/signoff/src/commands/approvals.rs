//! `signoff approvals`: see and decide what agents ask.

mod reach;

use std::time::Duration as Span;

use anyhow::bail;
use clap::{Args, Subcommand};
use sha2::{Digest, Sha256};
use signoff_api::approval::{
    AlwaysQuery, Answer, Approval, ApprovalQuery, Cancel, Decide, DecisionKind, Order, View,
};
use signoff_api::{Duration, Priority, Risk, WaitQuery};
use signoff_client::{Client, WaitOptions, Waited};
use tokio::time::Instant;

use crate::cli::Global;
use crate::commands::gate::outcome;
use crate::commands::list::PageArgs;
use crate::connection::{Side, connect};
use crate::exit::Exit;
use crate::progress::Waiting;
use crate::{inert, output, show};

/// What to do with approvals.
#[derive(Debug, Subcommand)]
pub(crate) enum ApprovalsCommand {
    /// List approvals, newest first
    List(Box<ListArgs>),
    /// Show one approval
    Show {
        /// Its id or its page
        id: String,
    },
    /// Show what would run and vote yes on exactly that
    Approve {
        /// Its id or its page
        id: String,
        /// Words to go with it
        #[arg(long, value_name = "TEXT")]
        comment: Option<String>,
        /// Stop unless what would run still has this digest
        #[arg(long, value_name = "DIGEST")]
        digest: Option<String>,
        #[command(flatten)]
        reach: reach::ReachArgs,
    },
    /// Vote no
    Deny {
        /// Its id or its page
        id: String,
        /// Why; the agent is told
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Ask the agent a question first
    Ask {
        /// Its id or its page
        id: String,
        /// What you want to know
        question: String,
    },
    /// Answer an operator's question, as the agent
    Answer {
        /// Its id
        id: String,
        /// The answer
        answer: String,
    },
    /// Wait for the end
    #[command(
        after_help = "Exit codes: 0 approved, 1 refused, 2 expired or not decided within --wait, 3 unreachable.\n\
            Interrupting this leaves the request as it is."
    )]
    Wait {
        /// Its id or its page
        id: String,
        /// Wait no longer than this [default: until it ends]
        #[arg(long = "wait", value_name = "SPAN")]
        at_most: Option<Duration>,
    },
    /// Call it off
    Cancel {
        /// Its id or its page
        id: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

/// Which approvals to list.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// One status or several with commas, such as pending,info_requested
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// Name or id of an agent
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,
    /// Glob over action names
    #[arg(long, value_name = "GLOB")]
    action: Option<String>,
    /// Exactly this priority
    #[arg(long, value_name = "LEVEL")]
    priority: Option<Priority>,
    /// Exactly this risk
    #[arg(long, value_name = "LEVEL")]
    risk: Option<Risk>,
    /// Name or id of the policy that asks
    #[arg(long, value_name = "POLICY")]
    policy: Option<String>,
    /// Text in action or agent name
    #[arg(long = "search", value_name = "TEXT")]
    q: Option<String>,
    /// newest or oldest first [default: newest]
    #[arg(long, value_name = "ORDER")]
    order: Option<Order>,
    #[command(flatten)]
    page: PageArgs,
}

pub(crate) async fn run(global: &Global, command: ApprovalsCommand) -> anyhow::Result<Exit> {
    let side = match command {
        ApprovalsCommand::Approve { .. } | ApprovalsCommand::Deny { .. } | ApprovalsCommand::Ask { .. } => {
            Side::Operator
        }
        ApprovalsCommand::Answer { .. } => Side::Asker,
        _ => Side::Either,
    };
    let client = connect(global, side)?;
    let approval = match command {
        ApprovalsCommand::List(args) => return list(global, &client, *args).await,
        ApprovalsCommand::Show { id } => {
            let approval = view(&client, &id).await?;
            output::either(global.json, &approval, show::approval)?;
            return Ok(Exit::Ok);
        }
        ApprovalsCommand::Wait { id, at_most } => return wait(global, &client, &id, at_most).await,
        ApprovalsCommand::Approve {
            id,
            comment,
            digest,
            reach,
        } => approve(&client, &id, comment, digest, &reach).await?,
        ApprovalsCommand::Deny { id, reason } => {
            let decide = Decide {
                reason: Some(reason),
                ..decision(DecisionKind::Deny)
            };
            client.approval_decide(&id_of(&id), &decide, None).await?
        }
        ApprovalsCommand::Ask { id, question } => {
            let decide = Decide {
                question: Some(question),
                ..decision(DecisionKind::RequestInfo)
            };
            client.approval_decide(&id_of(&id), &decide, None).await?
        }
        ApprovalsCommand::Answer { id, answer } => {
            client.approval_answer(&id_of(&id), &Answer { answer }).await?
        }
        ApprovalsCommand::Cancel { id, reason } => {
            client.approval_cancel(&id_of(&id), &Cancel { reason }).await?
        }
    };
    output::either(global.json, &approval, |approval| {
        inert::line(&show::status(approval))
    })?;
    Ok(Exit::Ok)
}

async fn list(global: &Global, client: &Client, args: ListArgs) -> anyhow::Result<Exit> {
    let query = ApprovalQuery {
        status: args.status,
        agent: args.agent,
        action: args.action,
        priority: args.priority,
        risk: args.risk,
        policy: args.policy,
        q: args.q,
        order: args.order,
        cursor: args.page.cursor,
        limit: args.page.limit,
    };
    let page = client.approval_list(&query).await?;
    output::page(global.json, &page, "no approvals", show::approvals)?;
    Ok(Exit::Ok)
}

/// Shows what would run, then votes for exactly that.
async fn approve(
    client: &Client,
    id: &str,
    comment: Option<String>,
    digest: Option<String>,
    reach: &reach::ReachArgs,
) -> anyhow::Result<Approval> {
    let approval = view(client, id).await?;
    if let Some(digest) = digest
        && digest != approval.digest
    {
        bail!(
            "this is not what would run any more: its digest is {}",
            inert::line(&approval.digest)
        );
    }
    let shown = show::approval(&approval);
    output::talk(&shown);
    if let Some(scope) = reach.always() {
        let query = AlwaysQuery { scope: Some(scope) };
        let preview = client.approval_always(&approval.id, &query).await?;
        output::talk(&reach::preview(&preview));
    }
    let decide = Decide {
        digest: Some(approval.digest.clone()),
        comment,
        edit: reach.edit(&approval)?,
        standing: reach.standing(),
        always: reach.always(),
        view: Some(seen(Some(&shown))),
        ..decision(DecisionKind::Approve)
    };
    Ok(client.approval_decide(&approval.id, &decide, None).await?)
}

fn decision(decision: DecisionKind) -> Decide {
    Decide {
        decision,
        digest: None,
        comment: None,
        reason: None,
        question: None,
        edit: None,
        standing: None,
        always: None,
        view: Some(seen(None)),
    }
}

/// What was on the screen when the decision was made.
fn seen(shown: Option<&str>) -> View {
    View {
        digest: shown.map(|shown| format!("sha256:{}", hex::encode(Sha256::digest(shown.as_bytes())))),
        build: Some(concat!("signoff-cli ", env!("CARGO_PKG_VERSION")).to_owned()),
        locale: None,
    }
}

async fn wait(global: &Global, client: &Client, id: &str, at_most: Option<Duration>) -> anyhow::Result<Exit> {
    let deadline = at_most
        .and_then(Duration::seconds)
        .map(|seconds| Instant::now() + Span::from_secs(seconds));
    let options = WaitOptions {
        deadline,
        ..WaitOptions::default()
    };
    let mut waiting = Waiting::start("waiting for a decision", deadline, global.json);
    let waited = client
        .wait_for_decision(&id_of(id), options, |progress| waiting.note(&progress))
        .await?;
    drop(waiting);
    match waited {
        Waited::Decided(approval) => {
            output::either(global.json, &*approval, |approval| {
                inert::line(&show::status(approval))
            })?;
            Ok(outcome::of_status(approval.status).exit())
        }
        Waited::OutOfTime => {
            let approval = view(client, id).await?;
            output::either(global.json, &approval, |approval| {
                inert::line(&show::status(approval))
            })?;
            if approval.is_terminal {
                return Ok(outcome::of_status(approval.status).exit());
            }
            output::talk("the wait is over; the request goes on");
            Ok(Exit::TimedOut)
        }
    }
}

async fn view(client: &Client, id: &str) -> signoff_client::Result<Approval> {
    client.approval_view(&id_of(id), &WaitQuery::default()).await
}

/// People paste what they have: an id, an action's or execution's id, or the page's URL.
fn id_of(text: &str) -> String {
    let last = text.trim_end_matches('/').rsplit('/').next().unwrap_or(text);
    match last.strip_prefix("act_").or_else(|| last.strip_prefix("exe_")) {
        Some(hex) => format!("apr_{hex}"),
        None => last.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_people_paste_leads_to_the_approval() {
        for text in [
            "apr_01",
            "act_01",
            "exe_01",
            "http://x/approvals/apr_01",
            "http://x/approvals/apr_01/",
        ] {
            assert_eq!(id_of(text), "apr_01", "{text}");
        }
    }
}

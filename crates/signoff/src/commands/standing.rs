//! `signoff standing`: answers that people gave ahead.

use clap::Subcommand;
use signoff_api::approval::{StandingApproval, StandingQuery, StandingState};

use crate::cli::Global;
use crate::commands::list::PageArgs;
use crate::connection::{Side, connect};
use crate::exit::Exit;
use crate::{output, table, time};

/// What to do with standing approvals. They are given by `signoff approvals approve ID --for SPAN`.
#[derive(Debug, Subcommand)]
pub(crate) enum StandingCommand {
    /// List standing approvals, newest first
    List {
        /// Only those in this state: active, expired, used_up, revoked or policy_changed
        #[arg(long, value_name = "STATE")]
        state: Option<StandingState>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Take one back: from now on a person is asked again
    Revoke {
        /// Its id, sta_…
        id: String,
    },
}

pub(crate) async fn run(global: &Global, command: StandingCommand) -> anyhow::Result<Exit> {
    let client = connect(global, Side::Operator)?;
    match command {
        StandingCommand::List { state, page } => {
            let query = StandingQuery {
                state,
                cursor: page.cursor,
                limit: page.limit,
            };
            let page = client.standing_list(&query).await?;
            output::page(global.json, &page, "no standing approvals", shown)?;
        }
        StandingCommand::Revoke { id } => {
            let revoked = client.standing_revoke(&id, None).await?;
            output::either(global.json, &revoked, |standing| {
                format!("{} {}", standing.id, standing.state)
            })?;
        }
    }
    Ok(Exit::Ok)
}

fn shown(items: &[StandingApproval]) -> String {
    let rows = items.iter().map(|standing| {
        let uses = match standing.uses_max {
            Some(max) => format!("{} of {max}", standing.uses),
            None => standing.uses.to_string(),
        };
        let by = standing.granted_by.name.clone();
        [
            standing.id.clone(),
            standing.state.to_string(),
            standing.agent.name.clone(),
            standing.action.clone(),
            uses,
            standing.expires_at.clone(),
            by.unwrap_or_else(|| standing.granted_by.id.clone()),
            time::ago(&standing.created_at),
        ]
    });
    table::render(
        ["ID", "STATE", "AGENT", "ACTION", "USES", "UNTIL", "BY", "GIVEN"],
        rows,
    )
}

//! `signoff executions`: calls that need a person, what calls came to, and what waits to be released.

use clap::Subcommand;
use signoff_api::execution::{Execution, ExecutionQuery, ExecutionStatus, Settle, Settlement};

use crate::cli::Global;
use crate::commands::list::PageArgs;
use crate::commands::proxy;
use crate::connection::{Side, connect};
use crate::exit::Exit;
use crate::{inert, output, show, table, time};

/// What to do with executions.
#[derive(Debug, Subcommand)]
pub(crate) enum ExecutionsCommand {
    /// List what has not come to its end; first of all calls of which nobody knows whether they arrived
    List {
        /// ready, consumed, executing or indeterminate
        #[arg(long, value_name = "STATE", default_value = "indeterminate")]
        state: ExecutionStatus,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Show one execution, with its call
    Show {
        /// Its id
        #[arg(value_name = "EXECUTION")]
        id: String,
    },
    /// Fetch what a call came to; nothing is called again
    Result {
        /// Its id
        #[arg(value_name = "EXECUTION")]
        id: String,
        /// Wait for it, at most so many seconds
        #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=60))]
        wait: Option<u64>,
    },
    /// Say what became of a call of which nobody knows whether it arrived
    Settle {
        /// Its id
        #[arg(value_name = "EXECUTION")]
        id: String,
        /// executed: it ran; failed: it did not run; ready: make it again (it may run twice)
        outcome: Settlement,
        /// How you know, for the log
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// List what waits since the database was restored or failed over
    Held,
    /// Let a held execution go on, after you looked whether it ran already
    Release {
        /// Its id
        #[arg(value_name = "EXECUTION")]
        id: String,
    },
}

pub(crate) async fn run(global: &Global, command: ExecutionsCommand) -> anyhow::Result<Exit> {
    let side = match &command {
        ExecutionsCommand::Show { .. } | ExecutionsCommand::Result { .. } => Side::Either,
        _ => Side::Operator,
    };
    let client = connect(global, side)?;
    match command {
        ExecutionsCommand::Show { id } => {
            let execution = client.execution_view(&id).await?;
            output::either(global.json, &execution, show::execution)?;
        }
        ExecutionsCommand::Result { id, wait } => {
            return proxy::report(global, &client.execution_result(&id, wait).await?);
        }
        ExecutionsCommand::List { state, page } => {
            let query = ExecutionQuery {
                state: Some(state),
                cursor: page.cursor,
                limit: page.limit,
            };
            let page = client.execution_list(&query).await?;
            output::page(global.json, &page, &format!("nothing is {state}"), rows)?;
        }
        ExecutionsCommand::Settle { id, outcome, note } => {
            let settled = client.execution_settle(&id, &Settle { outcome, note }).await?;
            if global.json {
                output::json(&settled)?;
            } else {
                output::talk(&format!("{} is {}", inert::line(&settled.id), settled.status));
            }
        }
        ExecutionsCommand::Held => {
            let held = client.execution_held().await?;
            if global.json {
                output::json(&held)?;
            } else if held.items.is_empty() {
                output::talk("nothing is held");
            } else {
                let rows = held.items.iter().map(row);
                output::data(&table::render(
                    ["ID", "ACTION", "AGENT", "APPROVED", "LAPSES"],
                    rows,
                ))?;
            }
        }
        ExecutionsCommand::Release { id } => {
            let released = client.execution_release(&id).await?;
            if global.json {
                output::json(&released)?;
            } else {
                output::talk(&format!("{} may be carried out", inert::line(&released.id)));
            }
        }
    }
    Ok(Exit::Ok)
}

fn rows(items: &[Execution]) -> String {
    let rows = items.iter().map(|execution| {
        let call = execution.call.as_ref();
        let what =
            call.map(|call| format!("{} {}", call.method, call.url.as_deref().unwrap_or(&call.origin)));
        let fault = call.and_then(|call| call.fault);
        [
            execution.id.clone(),
            what.unwrap_or_else(|| execution.action.clone()),
            execution.agent.name.clone(),
            execution.status.to_string(),
            fault.map_or_else(|| "-".to_owned(), |fault| fault.to_string()),
            time::ago(&execution.created_at),
        ]
    });
    table::render(["ID", "WHAT", "AGENT", "STATE", "WHY", "SINCE"], rows)
}

fn row(held: &Execution) -> [String; 5] {
    [
        held.id.clone(),
        held.action.clone(),
        held.agent.name.clone(),
        time::ago(&held.created_at),
        held.run_by.clone().unwrap_or_default(),
    ]
}

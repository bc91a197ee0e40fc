//! `signoff executions`: what waits to be released after a restore or a failover.

use clap::Subcommand;
use signoff_api::execution::Execution;

use crate::cli::Global;
use crate::connection::{Side, connect};
use crate::exit::Exit;
use crate::{inert, output, table, time};

/// What to do with executions.
#[derive(Debug, Subcommand)]
pub(crate) enum ExecutionsCommand {
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
    let client = connect(global, Side::Operator)?;
    match command {
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

fn row(held: &Execution) -> [String; 5] {
    [
        held.id.clone(),
        held.action.clone(),
        held.agent.name.clone(),
        time::ago(&held.created_at),
        held.run_by.clone().unwrap_or_default(),
    ]
}

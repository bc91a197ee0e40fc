//! `signoff failover`: for what the server could not notice by itself.

use clap::Subcommand;

use crate::cli::Global;
use crate::connection::{Side, connect};
use crate::exit::Exit;
use crate::output;

/// What to say of the database.
#[derive(Debug, Subcommand)]
pub(crate) enum FailoverCommand {
    /// Say that the database may have lost its last records: what was approved before is held
    #[command(
        after_help = "Signoff notices by itself that a database was restored elsewhere or a standby promoted. \
            Say it after a restore into the same database, or a replica without a timeline of its own."
    )]
    Declare,
}

pub(crate) async fn run(global: &Global, command: FailoverCommand) -> anyhow::Result<Exit> {
    let FailoverCommand::Declare = command;
    let client = connect(global, Side::Operator)?;
    let declared = client.workspace_failover().await?;
    if global.json {
        output::json(&declared)?;
    } else {
        output::talk("what was approved before is held: `signoff executions held` lists it");
    }
    Ok(Exit::Ok)
}

/// `signoff finish-upgrade`: no node of an earlier version runs any more.
pub(crate) async fn finish_upgrade(global: &Global) -> anyhow::Result<Exit> {
    let client = connect(global, Side::Operator)?;
    let finished = client.installation_finish_upgrade().await?;
    if global.json {
        output::json(&finished)?;
    } else {
        output::talk(&format!("feature level {}", finished.feature_level));
    }
    Ok(Exit::Ok)
}

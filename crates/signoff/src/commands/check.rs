//! `signoff check`: what policy would say, without asking anyone.

use clap::Args;
use signoff_api::action::VerdictKind;

use crate::cli::Global;
use crate::commands::action::ActionArgs;
use crate::connection::{Side, connect};
use crate::exit::Exit;
use crate::{output, show};

/// What to check.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    action: ActionArgs,
}

pub(crate) async fn run(global: &Global, args: CheckArgs) -> anyhow::Result<Exit> {
    let client = connect(global, Side::Asker)?;
    let verdict = client.action_check(&args.action.submit()?).await?;
    output::either(global.json, &verdict, show::verdict)?;
    Ok(match verdict.verdict {
        VerdictKind::Allowed => Exit::Ok,
        VerdictKind::Denied => Exit::Refused,
        VerdictKind::PendingApproval => Exit::WouldAsk,
    })
}

//! `signoff check`: what policy would say, without asking anyone.

use clap::Args;
use signoff_api::action::VerdictKind;

use crate::cli::Global;
use crate::commands::action::ActionArgs;
use crate::connection::{Side, connect};
use crate::exit::Exit;
use crate::{output, show};

const AFTER_HELP: &str = "\
Nothing is stored and nobody is asked.
Exit codes: 0 allowed, 1 denied, 4 a person would be asked, 3 misused or the server unreachable.";

/// What to check.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
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

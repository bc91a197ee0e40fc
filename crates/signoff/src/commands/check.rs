//! `signoff check`: what policy would say, without asking anyone.

use clap::Args;
use signoff_api::action::VerdictKind;

use crate::cli::Global;
use crate::commands::action::ActionArgs;
use crate::commands::call::CallArgs;
use crate::connection::{Side, connect};
use crate::exit::Exit;
use crate::{output, show};

const AFTER_HELP: &str = "\
Nothing is stored and nobody is asked.
Exit codes: 0 allowed, 1 denied, 4 a person would be asked, 3 misused, the request says too
little for its policy, or the server unreachable.";

/// What to check.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    action: ActionArgs,
    #[command(flatten)]
    call: CallArgs,
}

pub(crate) async fn run(global: &Global, args: CheckArgs) -> anyhow::Result<Exit> {
    let client = connect(global, Side::Asker)?;
    let verdict = client.action_check(&args.call.on(args.action.submit()?)?).await?;
    output::either(global.json, &verdict, show::verdict)?;
    if !verdict.incomplete.is_empty() {
        return Ok(Exit::Misused);
    }
    Ok(match verdict.verdict {
        VerdictKind::Allowed => Exit::Ok,
        VerdictKind::Denied => Exit::Refused,
        VerdictKind::PendingApproval => Exit::WouldAsk,
    })
}

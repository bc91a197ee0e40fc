//! `signoff policy`: the rules, why one of them governs, whether they say what was meant, and what is wrong with them.

mod lint;
mod simulate;
mod test;

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use signoff_api::policy::{Orphaned, Policy, PolicyApplied, PolicyApply, PolicySet};
use signoff_api::status::PrincipalStatus;

use crate::cli::Global;
use crate::commands::action::ActionArgs;
use crate::commands::call::CallArgs;
use crate::connection::{Side, connect};
use crate::exit::Exit;
use crate::{document, inert, output, show, table, time};

const APPLY_HELP: &str = "\
What is not in the file is removed; --dry-run says what would change. A file to begin with:

  {
    \"settings\": {\"unmatched\": \"deny\"},
    \"policies\": [
      {\"name\": \"refunds\", \"actions\": [\"stripe.refund*\"], \"effect\": \"conditional\",
       \"conditions\": [{\"field\": \"inputs.amount\", \"operator\": \"lte\", \"value\": 50}],
       \"otherwise\": \"require_approval\", \"approval\": {\"timeout\": \"30m\"}},
      {\"name\": \"deploys\", \"actions\": [\"deploy.production\"], \"effect\": \"require_approval\"},
      {\"name\": \"never-drop\", \"actions\": [\"db.drop*\"], \"effect\": \"deny\"}
    ]
  }";

/// What to do with policies.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// List the policies in force
    List,
    /// Show one policy
    Show {
        /// Its name or id
        name: String,
    },
    /// Put a file's policies in place of all present ones
    #[command(after_help = APPLY_HELP)]
    Apply {
        /// .yaml, .json or .toml with `policies` and perhaps `settings`; `-` reads standard input
        #[arg(value_name = "FILE", required_unless_present = "option")]
        file: Option<PathBuf>,
        /// The same, written as an option
        #[arg(
            short = 'f',
            long = "file",
            id = "option",
            value_name = "FILE",
            conflicts_with = "file"
        )]
        option: Option<PathBuf>,
        /// Only say what would change
        #[arg(long)]
        dry_run: bool,
        /// Refuse if the present version is another one
        #[arg(long, value_name = "VERSION")]
        expected_version: Option<u64>,
        /// What happens to pending approvals left without a policy [default: the workspace's choice]
        #[arg(long, value_enum, value_name = "WHAT")]
        orphaned: Option<OrphanedArg>,
    },
    /// Test policies: actions, and what should come of them
    Test(test::TestArgs),
    /// Look for policies that can't do what they say
    Lint(lint::LintArgs),
    /// Try policies on what was asked before: what would be judged otherwise
    Simulate(simulate::SimulateArgs),
    /// Say why an action gets the verdict it gets
    Explain {
        #[command(flatten)]
        action: Box<ActionArgs>,
        #[command(flatten)]
        call: Box<CallArgs>,
    },
}

/// What happens to pending approvals left without a policy.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum OrphanedArg {
    /// Judged like an identical new action
    Judge,
    /// Approved
    Release,
    /// Denied
    Deny,
    /// Left under their old requirement
    Keep,
}

impl From<OrphanedArg> for Orphaned {
    fn from(arg: OrphanedArg) -> Self {
        match arg {
            OrphanedArg::Judge => Self::Judge,
            OrphanedArg::Release => Self::Release,
            OrphanedArg::Deny => Self::Deny,
            OrphanedArg::Keep => Self::Keep,
        }
    }
}

pub(crate) async fn run(global: &Global, command: PolicyCommand) -> anyhow::Result<Exit> {
    let client = match command {
        PolicyCommand::Test(args) => return test::run(global, args).await,
        PolicyCommand::Lint(args) => return lint::run(global, args).await,
        PolicyCommand::Simulate(args) => return simulate::run(global, args).await,
        _ => connect(global, Side::Operator)?,
    };
    match command {
        PolicyCommand::Test(_) | PolicyCommand::Lint(_) | PolicyCommand::Simulate(_) => {}
        PolicyCommand::List => list(global, &client.policy_list().await?)?,
        PolicyCommand::Show { name } => {
            let policy = client.policy_view(&name).await?;
            // A policy is data: people read it best in the shape they write it in.
            output::json(&policy)?;
        }
        PolicyCommand::Apply {
            file,
            option,
            dry_run,
            expected_version,
            orphaned,
        } => {
            let file = file.or(option).unwrap_or_else(|| PathBuf::from("-"));
            let set = PolicyApply {
                dry_run: dry_run.then_some(true),
                expected_version,
                orphaned: orphaned.map(Orphaned::from),
                ..document::read(&file)?
            };
            let applied = client.policy_apply(&set).await?;
            output::either(global.json, &applied, |applied| describe(applied, dry_run))?;
        }
        PolicyCommand::Explain { action, call } => {
            let explanation = client.policy_explain(&call.on(action.submit()?)?).await?;
            output::either(global.json, &explanation, show::explanation)?;
        }
    }
    Ok(Exit::Ok)
}

fn list(global: &Global, set: &PolicySet) -> anyhow::Result<()> {
    if global.json {
        // The shape of every list, with what a set has besides.
        return output::json(&serde_json::json!({
            "version": set.version,
            "settings": set.settings,
            "items": set.items.iter().map(with_status).collect::<Result<Vec<_>, _>>()?,
            "next_cursor": null,
        }));
    }
    if set.items.is_empty() {
        output::talk("no policies yet: `signoff apply` puts those of signoff.yaml in force");
        return Ok(());
    }
    let any = |globs: &Option<Vec<String>>| {
        globs
            .as_ref()
            .map_or_else(|| "*".to_owned(), |globs| globs.join(" "))
    };
    let rows = set.items.iter().map(|policy| {
        let body = &policy.body;
        let state = if is_on(policy) { "on" } else { "off" };
        let version = policy.version.to_string();
        let (actions, agents) = (any(&body.actions), any(&body.agents));
        let updated = time::ago(&policy.updated_at);
        [
            body.name.clone(),
            body.effect.to_string(),
            actions,
            agents,
            state.to_owned(),
            version,
            updated,
        ]
    });
    output::data(&table::render(
        [
            "NAME", "EFFECT", "ACTIONS", "AGENTS", "STATE", "VERSION", "CHANGED",
        ],
        rows,
    ))?;
    output::talk(&format!("version {} of the set", set.version));
    Ok(())
}

/// A policy with a status, as the items of every other list have one.
fn with_status(policy: &Policy) -> serde_json::Result<serde_json::Value> {
    let mut value = serde_json::to_value(policy)?;
    let status = if is_on(policy) {
        PrincipalStatus::Active
    } else {
        PrincipalStatus::Disabled
    };
    value["status"] = status.as_str().into();
    Ok(value)
}

fn is_on(policy: &Policy) -> bool {
    policy.body.enabled != Some(false)
}

fn describe(applied: &PolicyApplied, dry_run: bool) -> String {
    let mut lines = Vec::new();
    for (sign, names) in [
        ("+", &applied.added),
        ("~", &applied.changed),
        ("-", &applied.removed),
    ] {
        lines.extend(names.iter().map(|name| format!("{sign} {}", inert::line(name))));
    }
    lines.push(format!("{} unchanged", applied.unchanged.len()));
    let version = applied.version;
    lines.push(crate::commands::apply::pending(applied.pending));
    if dry_run {
        lines.push(format!(
            "nothing was changed: version {version} is still in force"
        ));
    } else {
        lines.push(format!("version {version} is now in force"));
    }
    lines.join("\n")
}

//! `signoff policy lint`: policies that can't do what they say.

use std::path::PathBuf;

use clap::Args;
use signoff_api::file::SignoffFile;
use signoff_api::lint::{Finding, Findings, PolicyLint, Severity};
use signoff_client::Error;
use signoff_server::offline::Rules;

use crate::cli::Global;
use crate::commands::apply::{finding_in_words, known, present::Present};
use crate::connection::{Side, connect};
use crate::exit::Exit;
use crate::{document, output};

const AFTER_HELP: &str = "\
A file is looked at here, without a server: with the people, groups, agents and channels that it says there are.
Every finding is certain; what can't be known is left out.
Exit codes: 0 nothing worse than notes, 1 errors or warnings, 3 misused or the server unreachable.";

/// What to look at.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct LintArgs {
    /// .yaml, .json or .toml with `policies`; none: the policies in force on the server
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Ask the server who and what there is, where the file does not say
    #[arg(long, requires = "file")]
    server: bool,
}

pub(crate) async fn run(global: &Global, args: LintArgs) -> anyhow::Result<Exit> {
    let findings = match &args.file {
        None => {
            let client = connect(global, Side::Operator)?;
            client.policy_lint(&PolicyLint::default()).await?.findings
        }
        Some(path) => {
            let file: SignoffFile = document::read(path)?;
            let mut settings = file.settings.clone().unwrap_or_default();
            let mut there = None;
            if args.server {
                let present = Present::of(&connect(global, Side::Operator)?).await?;
                settings.default_approvers = settings
                    .default_approvers
                    .or_else(|| present.set.settings.default_approvers.clone());
                there = Some(present);
            }
            let policies = file.policies.clone().unwrap_or_default();
            let rules = Rules::new(policies, Some(settings)).map_err(Error::Problem)?;
            rules.lint(&known(&file, there.as_ref()))
        }
    };
    say(global, findings)
}

fn say(global: &Global, findings: Vec<Finding>) -> anyhow::Result<Exit> {
    let bad = findings.iter().any(|finding| finding.severity > Severity::Note);
    if global.json {
        output::json(&Findings { findings })?;
    } else if findings.is_empty() {
        output::talk("nothing found");
    } else {
        let lines: Vec<String> = findings.iter().map(finding_in_words).collect();
        output::data(&lines.join("\n"))?;
    }
    Ok(if bad { Exit::Refused } else { Exit::Ok })
}

//! The command line: which commands there are, and what is common to all.

use clap::{Args, Parser, Subcommand};

use crate::commands::{
    agents::AgentsCommand,
    apply::ApplyArgs,
    approvals::ApprovalsCommand,
    audit::AuditCommand,
    backup::BackupArgs,
    channels::ChannelsCommand,
    check::CheckArgs,
    completions::Shell,
    demo::DemoArgs,
    executions::ExecutionsCommand,
    failover::FailoverCommand,
    gate::GateArgs,
    grants::GrantsCommand,
    migrate_store::MigrateStoreArgs,
    operators::OperatorsCommand,
    policy::PolicyCommand,
    proxy::CallArgs,
    restore::RestoreArgs,
    rotate_master_key::RotateMasterKeyArgs,
    standing::StandingCommand,
    stop::{ResumeArgs, StopArgs},
    webhooks::WebhooksCommand,
};
use crate::config::ServeArgs;
use crate::exit::Codes;

const AFTER_HELP: &str = "\
Environment:
  SIGNOFF_URL        the server, like --url
  SIGNOFF_API_KEY    who you are: an agent's or application's key, or your personal token
  SIGNOFF_ADMIN_KEY  the server's own admin key, for scripts that set it up; where both are set,
                     commands of operators use it if the other key can only ask

Exit codes: 0 done, 1 refused, 2 nobody decided in time, 3 misused or the server unreachable.
New here? `signoff demo` shows all of it in a minute.";

/// Heading of the options that every command has.
const COMMON: &str = "Common options";

/// Approval gateway for AI agents: agents ask, policy answers, people decide.
#[derive(Debug, Parser)]
#[command(
    name = "signoff",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    max_term_width = 110,
    after_help = AFTER_HELP
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Global {
    /// Print JSON
    #[arg(long, global = true, help_heading = COMMON)]
    pub(crate) json: bool,
    /// The server to talk to [default: http://127.0.0.1:7070]
    #[arg(
        long,
        global = true,
        help_heading = COMMON,
        value_name = "URL",
        env = "SIGNOFF_URL",
        hide_env_values = true
    )]
    pub(crate) url: Option<String>,
}

/// One command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server
    Serve(Box<ServeArgs>),
    /// See it work: a server, an agent that waits, and you
    Demo(DemoArgs),
    /// Ask before doing, and do it only if approved
    Gate(Box<GateArgs>),
    /// Ask what policy would say, without asking anyone
    Check(Box<CheckArgs>),
    /// Have an HTTP request made with a credential that you never see
    Call(Box<CallArgs>),
    /// See and decide what agents ask
    #[command(subcommand)]
    Approvals(ApprovalsCommand),
    /// What people approved for a while, without being asked each time
    #[command(subcommand)]
    Standing(StandingCommand),
    /// Credentials that agents use without holding them
    #[command(subcommand)]
    Grants(Box<GrantsCommand>),
    /// Stop an agent, a grant, or everything, at once
    Stop(StopArgs),
    /// Lift a stop
    Resume(ResumeArgs),
    /// Read, write, test and lint the rules
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Make the workspace what a file says, with a plan first
    Apply(ApplyArgs),
    /// Print the JSON Schema of that file, for editors
    Schema,
    /// Agents and their keys
    #[command(subcommand)]
    Agents(AgentsCommand),
    /// People and their tokens
    #[command(subcommand)]
    Operators(OperatorsCommand),
    /// Read, verify and export the log
    #[command(subcommand)]
    Audit(AuditCommand),
    /// How people and programs are told: mail, Slack, Teams, PagerDuty, text messages, push, webhooks
    #[command(subcommand)]
    Channels(Box<ChannelsCommand>),
    /// Signed messages to other systems when something is asked or decided
    #[command(subcommand)]
    Webhooks(WebhooksCommand),
    /// Calls that need a person, and what calls came to
    #[command(subcommand)]
    Executions(ExecutionsCommand),
    /// Say that the database was restored or failed over, where Signoff could not notice
    #[command(subcommand)]
    Failover(FailoverCommand),
    /// Write a verified copy of the SQLite database, also while a server runs on it
    Backup(BackupArgs),
    /// Put a backup in place of a database that was lost
    Restore(RestoreArgs),
    /// Move everything from SQLite to Postgres
    MigrateStore(MigrateStoreArgs),
    /// Wrap all data with another master key
    RotateMasterKey(RotateMasterKeyArgs),
    /// Say that every node runs this version, so that what it brought may be used
    FinishUpgrade,
    /// Look for what is wrong with the set-up
    Doctor,
    /// Print completions for a shell
    Completions {
        /// Which shell
        #[arg(value_enum)]
        shell: Shell,
    },
}

impl Command {
    /// What this command's exit codes are about.
    pub(crate) const fn codes(&self) -> Codes {
        match self {
            Self::Gate(_)
            | Self::Check(_)
            | Self::Call(_)
            | Self::Approvals(ApprovalsCommand::Wait { .. }) => Codes::OfAnAction,
            _ => Codes::OfTheRequest,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_follows_two_dashes_is_the_command_even_with_our_own_options() {
        let line = "signoff gate deploy.production --context version=v2.1.0 n:=1 -- echo --json deployed";
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        let Command::Gate(gate) = cli.command else {
            panic!("not gate")
        };
        assert_eq!(gate.command, ["echo", "--json", "deployed"]);
        assert!(!cli.global.json);
    }
}

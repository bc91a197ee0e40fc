//! The command line: which commands there are, and what is common to all.

use clap::{Args, Parser, Subcommand};

use crate::commands::{
    agents::AgentsCommand, approvals::ApprovalsCommand, audit::AuditCommand, check::CheckArgs, completions::Shell,
    demo::DemoArgs, gate::GateArgs, operators::OperatorsCommand, policy::PolicyCommand, webhooks::WebhooksCommand,
};
use crate::config::ServeArgs;

/// Approval gateway for AI agents: agents ask, policy answers, people decide.
#[derive(Debug, Parser)]
#[command(name = "signoff", version, propagate_version = true, arg_required_else_help = true, max_term_width = 110)]
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
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The server [default: http://127.0.0.1:7070]
    #[arg(long, global = true, value_name = "URL", env = "SIGNOFF_URL", hide_env_values = true)]
    pub(crate) url: Option<String>,
}

/// One command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server
    Serve(Box<ServeArgs>),
    /// See it work: a server, an agent that waits, and you
    Demo(DemoArgs),
    /// Ask before doing: exits 0 approved or allowed, 1 refused, 2 timed out, 3 misused or unreachable
    Gate(Box<GateArgs>),
    /// Ask what policy would say: exits 0 allowed, 1 denied, 4 would ask
    Check(Box<CheckArgs>),
    /// See and decide what agents ask
    #[command(subcommand)]
    Approvals(ApprovalsCommand),
    /// Read and write the rules
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Agents and their keys
    #[command(subcommand)]
    Agents(AgentsCommand),
    /// People and their tokens
    #[command(subcommand)]
    Operators(OperatorsCommand),
    /// Read, verify and export the log
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Signed messages to the outside
    #[command(subcommand)]
    Webhooks(WebhooksCommand),
    /// Look for what is wrong with the set-up
    Doctor,
    /// Print completions for a shell
    Completions {
        /// Which shell
        #[arg(value_enum)]
        shell: Shell,
    },
}

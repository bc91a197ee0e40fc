//! One file per group of commands.

pub(crate) mod action;
pub(crate) mod agents;
pub(crate) mod apply;
pub(crate) mod approvals;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod call;
pub(crate) mod channels;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod contact;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod executions;
pub(crate) mod failover;
pub(crate) mod gate;
pub(crate) mod grants;
pub(crate) mod list;
pub(crate) mod migrate_store;
pub(crate) mod operators;
pub(crate) mod policy;
pub(crate) mod proxy;
pub(crate) mod restore;
pub(crate) mod rotate_master_key;
pub(crate) mod schema;
pub(crate) mod server;
pub(crate) mod shape;
pub(crate) mod standing;
pub(crate) mod stop;
pub(crate) mod webhooks;

use crate::cli::{Cli, Command};
use crate::exit::Exit;

/// Runs the command that was asked for.
pub(crate) async fn run(cli: Cli) -> anyhow::Result<Exit> {
    let global = &cli.global;
    match cli.command {
        Command::Serve(args) => server::run(global, *args).await,
        Command::Demo(args) => demo::run(global, args).await,
        Command::Gate(args) => gate::run(global, *args).await,
        Command::Check(args) => check::run(global, *args).await,
        Command::Approvals(command) => approvals::run(global, command).await,
        Command::Grants(command) => grants::run(global, *command).await,
        Command::Call(args) => proxy::run(global, *args).await,
        Command::Standing(command) => standing::run(global, command).await,
        Command::Stop(args) => stop::stop(global, args).await,
        Command::Resume(args) => stop::resume(global, args).await,
        Command::Policy(command) => policy::run(global, command).await,
        Command::Apply(args) => apply::run(global, args).await,
        Command::Schema => schema::run(),
        Command::Agents(command) => agents::run(global, command).await,
        Command::Operators(command) => operators::run(global, command).await,
        Command::Audit(command) => audit::run(global, command).await,
        Command::Channels(command) => channels::run(global, *command).await,
        Command::Webhooks(command) => webhooks::run(global, command).await,
        Command::Executions(command) => executions::run(global, command).await,
        Command::Failover(command) => failover::run(global, command).await,
        Command::Backup(args) => backup::run(global, args).await,
        Command::Restore(args) => restore::run(global, args).await,
        Command::MigrateStore(args) => migrate_store::run(global, args).await,
        Command::RotateMasterKey(args) => rotate_master_key::run(global, args).await,
        Command::FinishUpgrade => failover::finish_upgrade(global).await,
        Command::Doctor => doctor::run(global).await,
        Command::Completions { shell } => completions::run(shell),
    }
}

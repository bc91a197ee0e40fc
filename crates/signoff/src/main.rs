//! The `signoff` binary: server, demo and command line.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![expect(
    clippy::doc_markdown,
    reason = "doc comments of arguments are help texts, read on a terminal"
)]

mod cli;
mod commands;
mod config;
mod connection;
mod document;
mod exit;
mod fields;
mod inert;
mod keeping;
mod offline;
mod output;
mod progress;
mod random;
mod serve;
mod show;
mod signals;
mod table;
mod time;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;
use crate::exit::Exit;

/// A submit allocates some hundred times; the system's allocator would take an eighth of the processor time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    rustls::crypto::ring::default_provider()
        .install_default()
        .expect("nothing was installed before the first line of main");
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing can be done about a closed pipe here.
            drop(error.print());
            return exit::of_misuse(&error).into();
        }
    };
    let (json, codes) = (cli.global.json, cli.command.codes());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("signoff: can't start: {error}");
            return Exit::Misused.into();
        }
    };
    let exit = runtime.block_on(commands::run(cli)).unwrap_or_else(|error| {
        output::complain(&error, json);
        exit::of_error(&error, codes)
    });
    // A blocked reader of standard input must not keep the process alive.
    runtime.shutdown_background();
    exit.into()
}

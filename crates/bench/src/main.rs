//! Measures what Signoff does beside floors of the same run: a bare handler, raw group commits, a bare long-poll.
//!
//! It prints ratios and judges nothing: machines differ and are shared, so no test depends on it. What the figures
//! mean and how they came out stands in `docs/benchmarks.md`.

mod bare;
mod calls;
mod checks;
mod child;
mod footprint;
mod house;
mod http;
mod judging;
mod load;
mod nginx;
mod nodes;
mod nodes_floor;
mod numbers;
mod raw;
mod release;
mod submits;
mod waiters;

use std::{path::PathBuf, time::Duration};

use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum};

/// Measures Signoff beside floors of the same run.
#[derive(Parser)]
#[command(name = "signoff-bench", args_conflicts_with_subcommands = true)]
struct Cli {
    /// Fewer and shorter rounds: under a minute, and noisier
    #[arg(long)]
    quick: bool,
    /// Only these parts
    #[arg(long, value_delimiter = ',', value_name = "PARTS")]
    only: Vec<Part>,
    /// Where databases are made and removed again: on the disk that is to be measured
    #[arg(long, value_name = "DIRECTORY", default_value_os_t = std::env::temp_dir())]
    data: PathBuf,
    /// A Postgres server to measure several nodes on (postgres://USER@HOST:PORT/postgres); a database is made there and
    /// dropped again
    #[arg(
        long,
        value_name = "URL",
        env = "SIGNOFF_TEST_POSTGRES",
        hide_env_values = true
    )]
    postgres: Option<String>,
    #[command(subcommand)]
    serve: Option<Serve>,
}

/// The servers that the benchmark starts as processes of their own.
#[derive(Subcommand)]
enum Serve {
    #[command(name = "serve-signoff", hide = true)]
    Signoff(house::Args),
    #[command(name = "serve-bare", hide = true)]
    Bare(bare::Args),
    #[command(name = "serve-bare-node", hide = true)]
    BareNode(nodes_floor::Args),
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// What judging costs in the process
    Judging,
    /// Checks per second
    Checks,
    /// Durable submits per second
    Submits,
    /// Time from a decision to the unblocked agent
    Release,
    /// Memory per idle waiter
    Waiters,
    /// Calls through Signoff, beside nginx
    Calls,
    /// Submits and releases with several nodes on Postgres
    Nodes,
}

/// How long and how often everything is measured.
pub(crate) struct Pace {
    /// One round of one contestant.
    pub(crate) round: Duration,
    /// Rounds of each contestant, alternating.
    pub(crate) rounds: usize,
    /// Rounds of releases.
    pub(crate) release_rounds: usize,
    /// Fresh servers whose memory is looked at.
    pub(crate) memory_runs: usize,
    /// Where databases are made.
    pub(crate) data: PathBuf,
}

/// As the server's, for floors as well.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let ring = rustls::crypto::ring::default_provider().install_default();
    ring.map_err(|_| anyhow::anyhow!("another cryptography provider was installed"))?;
    let cli = Cli::parse();
    match cli.serve {
        Some(Serve::Signoff(args)) => child::serve(house::serve(args)),
        Some(Serve::Bare(args)) => child::serve(bare::serve(args)),
        Some(Serve::BareNode(args)) => child::serve(nodes_floor::serve(args)),
        None => measure(cli),
    }
}

fn measure(cli: Cli) -> anyhow::Result<()> {
    let pace = if cli.quick {
        Pace {
            round: Duration::from_millis(400),
            rounds: 3,
            release_rounds: 1,
            memory_runs: 1,
            data: cli.data,
        }
    } else {
        Pace {
            round: Duration::from_secs(1),
            rounds: 5,
            release_rounds: 5,
            memory_runs: 3,
            data: cli.data,
        }
    };
    let wanted = |part| cli.only.is_empty() || cli.only.contains(&part);
    println!("{}", numbers::machine(&pace.data));
    if cfg!(debug_assertions) {
        println!("This is a build without optimisation: its figures mean nothing. Use `--release`.");
    }
    if wanted(Part::Judging) {
        judging::measure(&pace).context("judging")?;
    }
    if wanted(Part::Checks) {
        checks::measure(&pace).context("checks")?;
    }
    if wanted(Part::Submits) {
        submits::measure(&pace).context("submits")?;
    }
    if wanted(Part::Release) {
        release::measure(&pace).context("release")?;
    }
    if wanted(Part::Waiters) {
        waiters::measure(&pace).context("waiters")?;
    }
    if wanted(Part::Calls) {
        calls::measure(&pace).context("calls")?;
    }
    if wanted(Part::Nodes) {
        match &cli.postgres {
            Some(url) => nodes::measure(&pace, url).context("nodes")?,
            None => println!("\nSeveral nodes: not measured; name a Postgres server with --postgres"),
        }
    }
    Ok(())
}

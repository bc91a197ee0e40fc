//! Servers as processes of their own, so that their memory and processor time are theirs alone. A child says where it
//! listens on one line of JSON and goes when its standard input closes.

use std::{
    fs,
    io::{BufRead as _, BufReader, IsTerminal as _, Read as _},
    net::SocketAddr,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::Context as _;
use axum::{Router, serve::ListenerExt as _};
use serde::{Deserialize, Serialize};

/// What a child says once it listens.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Announcement {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// The agents' keys.
    pub(crate) agents: Vec<String>,
    /// The token of an operator who may decide.
    pub(crate) operator: String,
}

/// A server that is ready to be announced, and what must stay alive beside it.
pub(crate) struct Ready {
    /// What it serves.
    pub(crate) router: Router,
    /// The agents' keys.
    pub(crate) agents: Vec<String>,
    /// The token of an operator.
    pub(crate) operator: String,
}

/// Runs a server in this process until the parent closes its standard input.
pub(crate) fn serve(ready: impl Future<Output = anyhow::Result<Ready>>) -> anyhow::Result<()> {
    // As `signoff serve` writes its log: what it leaves out costs time too.
    tracing_subscriber::fmt()
        .with_env_filter("info")
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let Ready {
            router,
            agents,
            operator,
        } = ready.await?;
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let announcement = Announcement {
            address: listener.local_addr()?,
            agents,
            operator,
        };
        println!("{}", serde_json::to_string(&announcement)?);
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let gone = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        tokio::select! {
            served = axum::serve(listener, service) => served.context("can't serve"),
            _ = gone => Ok(()),
        }
    })?;
    runtime.shutdown_background();
    Ok(())
}

/// A child that runs.
pub(crate) struct Child {
    process: std::process::Child,
    /// What it said.
    pub(crate) said: Announcement,
}

impl Child {
    /// Starts this program again with other arguments, and waits until it listens.
    pub(crate) fn start(arguments: &[&str]) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("can't find this program")?;
        let mut process = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("can't start a server")?;
        let stdout = process.stdout.take().context("the server has no output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let said = serde_json::from_str(&line);
        Ok(Self {
            process,
            said: said.with_context(|| format!("a server started with {arguments:?} said `{line}`"))?,
        })
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Resident memory, in bytes.
    pub(crate) fn memory(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
        Ok(1024 * kibibytes.context("can't read the server's memory")?)
    }
}

/// Processor time of a process so far, of all its threads.
pub(crate) fn processor_time(pid: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // After the name, which may hold anything: user and system time are the 12th and 13th, in hundredths of a second.
    let (_, fields) = stat.rsplit_once(") ").context("can't read a server's state")?;
    let ticks = fields
        .split(' ')
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<u64>().unwrap_or(0));
    Ok(Duration::from_millis(10 * ticks.sum::<u64>()))
}

impl Drop for Child {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        if self.process.wait().is_err() {
            drop(self.process.kill());
        }
    }
}

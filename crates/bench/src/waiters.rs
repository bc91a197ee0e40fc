//! Memory per idle waiter: how much a server grows when agents wait, and nothing else happens.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, bail};

use crate::{
    Pace,
    child::Child,
    http::{Connection, request},
    load::client_runtime,
    numbers::{aim, as_f64, median},
    release::{Pending, ask, bare_pending},
};

/// How many wait.
const WAITERS: usize = 1_000;
/// How many files a process must be able to open for that.
const FILES_MIN: u64 = 1_200;
/// How long memory is given to settle.
const SETTLE: Duration = Duration::from_millis(500);
/// How often a server is asked how many wait.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// Prints the memory of an idle waiter beside that of a bare one.
pub(crate) fn measure(pace: &Pace) -> anyhow::Result<()> {
    check_files()?;
    let runtime = client_runtime()?;
    let data = tempfile::tempdir_in(&pace.data)?;
    let path = data.path().to_string_lossy().into_owned();
    let (pending, length) = {
        let server = Child::start(&["serve-signoff", "--agents", "4", "--data", &path])?;
        runtime.block_on(ask(&server, WAITERS))?
    };
    let (mut subjects, mut floors) = (Vec::new(), Vec::new());
    for _ in 0..pace.memory_runs {
        // Fresh servers: what they freed before would hide what waiters take.
        let bare = Child::start(&["serve-bare", "--answer-bytes", &length.to_string()])?;
        let floor: Vec<Pending> = (0..WAITERS).map(bare_pending).collect();
        let warm = vec![request("POST", "/check", "", "", r#"{"action":"a"}"#); WAITERS];
        floors.push(runtime.block_on(growth(&bare, &floor, &warm))?);
        drop(bare);
        let server = Child::start(&["serve-signoff", "--data", &path])?;
        let warm: Vec<_> = pending.iter().map(|one| without_wait(&one.wait)).collect();
        subjects.push(runtime.block_on(growth(&server, &pending, &warm))?);
    }
    let (subject, floor) = (median(&subjects), median(&floors));
    println!("\nMemory per idle waiter, {WAITERS} waiting, each on its own connection");
    println!("  {:<20}{:>8.1} KiB", "bare long-poll", floor / 1024.0);
    println!("  {:<20}{:>8.1} KiB", "Signoff", subject / 1024.0);
    let ratio = subject / floor;
    println!(
        "  {ratio:.2} times the floor ({})",
        aim(ratio <= 1.25, "1.25 or less")
    );
    Ok(())
}

/// How much the server's memory grows with all of them waiting, in bytes for each.
async fn growth(server: &Child, pending: &[Pending], warm: &[Vec<u8>]) -> anyhow::Result<f64> {
    let address = server.said.address;
    // Everything is read once before, by a few at a time: what caches take is not the waiters'.
    let readers = warm
        .chunks(warm.len().div_ceil(8))
        .map(<[Vec<u8>]>::to_vec)
        .map(|requests| {
            tokio::spawn(async move {
                let mut connection = Connection::open(address).await?;
                for request in &requests {
                    connection.call(request).await?;
                }
                anyhow::Ok(())
            })
        });
    for reader in readers.collect::<Vec<_>>() {
        reader.await??;
    }
    tokio::time::sleep(SETTLE).await;
    let before = server.memory()?;
    let mut waiting = Vec::new();
    for one in pending {
        let mut connection = Connection::open(address).await?;
        connection.send(&one.wait).await?;
        waiting.push(connection);
    }
    until_waiting(address, pending.len()).await?;
    tokio::time::sleep(SETTLE).await;
    let grown = server.memory()?.saturating_sub(before);
    Ok(as_f64(grown) / as_f64(pending.len() as u64))
}

/// The same request, answered at once.
fn without_wait(request: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(request)
        .replacen("?wait=60", "", 1)
        .into_bytes()
}

/// Comes back when so many wait. Signoff and the bare server say it in the same words.
pub(crate) async fn until_waiting(address: SocketAddr, count: usize) -> anyhow::Result<()> {
    let mut connection = Connection::open(address).await?;
    let question = request("GET", "/metrics", "", "", "");
    let wanted = format!("signoff_waiters {count}");
    for _ in 0..500 {
        let metrics = String::from_utf8_lossy(connection.call(&question).await?).into_owned();
        if metrics.lines().any(|line| line == wanted) {
            return Ok(());
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
    bail!("{count} waiters did not come together");
}

fn check_files() -> anyhow::Result<()> {
    let limits = std::fs::read_to_string("/proc/self/limits")?;
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .context("no limit is known")?;
    let limit = line
        .split_whitespace()
        .nth(3)
        .and_then(|limit| limit.parse::<u64>().ok());
    if limit.is_some_and(|limit| limit < FILES_MIN) {
        bail!("{WAITERS} waiters need {FILES_MIN} open files; run `ulimit -n 4096` first");
    }
    Ok(())
}

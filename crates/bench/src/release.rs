//! Time from a decision to the unblocked agent: from the first byte of the approver's request until the long-poll's
//! answer has arrived, beside a bare long-poll that is released after a commit of the same rows.

use std::{net::SocketAddr, time::Instant};

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::{
    Pace,
    child::Child,
    house::{ASKING, body},
    http::{Connection, request},
    load::client_runtime,
    numbers::{aim, median, median_ratio, quantile},
    waiters::until_waiting,
};

/// How many agents wait at once; their requests are decided one after another.
const WAITING: usize = 100;

/// A request that somebody waits for: the long-poll and the decision.
pub(crate) struct Pending {
    pub(crate) wait: Vec<u8>,
    pub(crate) decide: Vec<u8>,
}

/// Prints how long releases take beside bare ones.
pub(crate) fn measure(pace: &Pace) -> anyhow::Result<()> {
    let runtime = client_runtime()?;
    let (data, bare_data) = (
        tempfile::tempdir_in(&pace.data)?,
        tempfile::tempdir_in(&pace.data)?,
    );
    let path = data.path().to_string_lossy().into_owned();
    let server = Child::start(&["serve-signoff", "--agents", "1", "--data", &path])?;
    let rounds = pace.release_rounds + 1;
    let (pending, length) = runtime.block_on(ask(&server, WAITING * rounds))?;
    let (path, requests) = (
        bare_data.path().to_string_lossy().into_owned(),
        pending.len().to_string(),
    );
    let arguments = [
        "serve-bare",
        "--data",
        &path,
        "--requests",
        &requests,
        "--answer-bytes",
        &length.to_string(),
    ];
    let bare = Child::start(&arguments)?;
    let floor: Vec<Pending> = (0..pending.len()).map(bare_pending).collect();
    let (mut floors, mut subjects) = (Vec::new(), Vec::new());
    for (at, (floor, subject)) in floor.chunks(WAITING).zip(pending.chunks(WAITING)).enumerate() {
        let floor = runtime.block_on(release(bare.said.address, floor))?;
        let subject = runtime.block_on(release(server.said.address, subject))?;
        // The first round warms up.
        if at > 0 {
            floors.push(floor);
            subjects.push(subject);
        }
    }
    print(&floors, &subjects, length);
    Ok(())
}

fn print(floors: &[Vec<f64>], subjects: &[Vec<f64>], length: usize) {
    println!("\nFrom decision to unblocked agent over HTTP, {WAITING} waiting, {length} bytes answered");
    for (name, rounds) in [
        ("bare long-poll after the same commit", floors),
        ("Signoff", subjects),
    ] {
        let all = rounds.concat();
        let [half, most, nearly] = [0.5, 0.9, 0.99].map(|share| quantile(&all, share));
        println!("  {name:<38} median {half:>6.2} ms   p90 {most:>6.2} ms   p99 {nearly:>6.2} ms");
    }
    let medians = |rounds: &[Vec<f64>]| rounds.iter().map(|round| median(round)).collect::<Vec<f64>>();
    let ratio = median_ratio(&medians(subjects), &medians(floors));
    println!(
        "  {ratio:.2} times the floor ({})",
        aim(ratio <= 1.5, "1.50 or less")
    );
}

/// Lets a server's agents ask, and answers what to send for each, and how long an approval is.
pub(crate) async fn ask(server: &Child, count: usize) -> anyhow::Result<(Vec<Pending>, usize)> {
    let mut connection = Connection::open(server.said.address).await?;
    let (mut all, mut length) = (Vec::new(), 0);
    for at in 0..count {
        let agent = &server.said.agents[at % server.said.agents.len()];
        let submit = request("POST", "/v1/actions", agent, "", &body(ASKING));
        let submitted: Value = serde_json::from_slice(connection.call(&submit).await?)?;
        let id = submitted["approval_id"].as_str().context("it asks")?.to_owned();
        let path = format!("/v1/approvals/{id}");
        let answer = connection.call(&request("GET", &path, agent, "", "")).await?;
        length = answer.len();
        let approval: Value = serde_json::from_slice(answer)?;
        let decision = json!({"decision": "approve", "digest": approval["digest"]}).to_string();
        all.push(Pending {
            wait: request("GET", &format!("{path}?wait=60"), agent, "", ""),
            decide: request(
                "POST",
                &format!("{path}/decide"),
                &server.said.operator,
                "",
                &decision,
            ),
        });
    }
    Ok((all, length))
}

/// The same for the bare server.
pub(crate) fn bare_pending(at: usize) -> Pending {
    let decision = json!({"decision": "approve", "digest": "0".repeat(64)}).to_string();
    Pending {
        wait: request("GET", &format!("/wait/{at}"), "", "", ""),
        decide: request("POST", &format!("/decide/{at}"), "", "", &decision),
    }
}

/// Decides one after another while all wait; milliseconds from each decision to its agent.
async fn release(address: SocketAddr, pending: &[Pending]) -> anyhow::Result<Vec<f64>> {
    let mut waiting = Vec::new();
    for one in pending {
        let mut connection = Connection::open(address).await?;
        connection.send(&one.wait).await?;
        waiting.push(tokio::spawn(async move {
            connection.receive().await?;
            anyhow::Ok(Instant::now())
        }));
    }
    until_waiting(address, pending.len()).await?;
    let mut approver = Connection::open(address).await?;
    let mut took = Vec::new();
    for (one, waiter) in pending.iter().zip(waiting) {
        let decided = Instant::now();
        approver.call(&one.decide).await?;
        took.push((waiter.await?? - decided).as_secs_f64() * 1e3);
    }
    Ok(took)
}

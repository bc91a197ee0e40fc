//! Calls that policy allows, through Signoff, beside the same calls made directly and through nginx.

use std::net::SocketAddr;

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::{
    Pace,
    child::Child,
    footprint::{Footprint, Kind},
    house::{ALLOWED, GRANT, body},
    http::{Connection, request},
    load::{Load, Requests, Round, client_runtime},
    nginx::Nginx,
    numbers::{aim, median, rate, shown},
    raw::RawWriter,
};

/// How many calls are under way at once where throughput is looked at.
const TOGETHER: usize = 64;
/// How long the upstream's answers are, in bytes.
const ANSWER_BYTES: usize = 1024;

/// The same request again and again.
#[derive(Clone)]
struct Same(Vec<u8>);

impl Requests for Same {
    fn next(&mut self) -> &[u8] {
        &self.0
    }
}

/// A way to the upstream.
struct Way {
    name: &'static str,
    /// Whose processor time is looked at.
    pid: u32,
    alone: Load<Same>,
    together: Load<Same>,
    rounds: Vec<Round>,
    /// Of one call at a time, in microseconds.
    latencies: Vec<f64>,
}

impl Way {
    async fn open(
        name: &'static str,
        (pid, address): (u32, SocketAddr),
        requests: &[Vec<u8>],
    ) -> anyhow::Result<Self> {
        let senders = |count| requests.iter().cycle().take(count).cloned().map(Same);
        Ok(Self {
            name,
            pid,
            alone: Load::open(address, senders(1)).await?,
            together: Load::open(address, senders(TOGETHER)).await?,
            rounds: Vec::new(),
            latencies: Vec::new(),
        })
    }

    fn latency(&self) -> f64 {
        median(&self.latencies)
    }

    fn median(&self, figure: impl Fn(&Round) -> f64) -> f64 {
        median(&self.rounds.iter().map(figure).collect::<Vec<_>>())
    }

    fn micros(&self) -> f64 {
        self.median(|round| round.server_micros)
    }
}

/// Prints calls per second, processor time per call and added latency.
pub(crate) fn measure(pace: &Pace) -> anyhow::Result<()> {
    let many = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let one = client_runtime()?;
    let upstream = Child::start(&["serve-bare", "--answer-bytes", &ANSWER_BYTES.to_string()])?;
    let there = upstream.said.address;
    let (Some(nginx), Some(keeping)) = (Nginx::start(there, false)?, Nginx::start(there, true)?) else {
        println!("\nCalls: not measured; there is no nginx here to measure beside");
        return Ok(());
    };
    let data = tempfile::tempdir_in(&pace.data)?;
    let directory = data.path().to_string_lossy().into_owned();
    let origin = format!("http://{there}");
    let server = Child::start(&[
        "serve-signoff",
        "--agents",
        "16",
        "--data",
        &directory,
        "--upstream",
        &origin,
    ])?;
    let plain = [request("POST", "/check", "none", "", &body(ALLOWED))];
    // One policy of the set looks at the amount of everything, and denies what it can't look at.
    let call = json!({
        "grant": GRANT, "method": "POST", "url": format!("{origin}/check"), "body": body(ALLOWED),
        "headers": {"content-type": "application/json"}, "context": {"amount": 120},
    });
    let keys = server.said.agents.iter();
    let governed: Vec<_> = keys
        .map(|key| request("POST", "/v1/proxy", key, "", &call.to_string()))
        .collect();
    let ours = (server.pid(), server.said.address);
    one.block_on(reaches_upstream(server.said.address, &governed[0]))?;
    let mut ways = one.block_on(async {
        anyhow::Ok([
            Way::open("direct", (upstream.pid(), there), &plain).await?,
            Way::open("nginx", (nginx.pid(), nginx.address), &plain).await?,
            Way::open(
                "nginx, connections kept",
                (keeping.pid(), keeping.address),
                &plain,
            )
            .await?,
            Way::open("Signoff", ours, &governed).await?,
        ])
    })?;
    let commit_micros = rounds(pace, &many, &one, &mut ways)?;
    told(&ways, commit_micros);
    Ok(())
}

/// Makes one call and looks at what came of it: a load of refusals would be answered with 200 as well.
async fn reaches_upstream(address: SocketAddr, call: &[u8]) -> anyhow::Result<()> {
    let mut connection = Connection::open(address).await?;
    let answer: Value = serde_json::from_slice(connection.call(call).await?)?;
    let arrived = answer["response"]["status"] == 200
        && answer["response"]["body"].as_str().map(str::len) == Some(ANSWER_BYTES);
    anyhow::ensure!(arrived, "the call was not made: {answer}");
    Ok(())
}

/// Rounds of all ways in turns; how long one raw commit takes, in microseconds.
fn rounds(pace: &Pace, many: &Runtime, one: &Runtime, ways: &mut [Way]) -> anyhow::Result<f64> {
    let directory = tempfile::tempdir_in(&pace.data)?;
    let footprint = many.block_on(Footprint::take(Kind::Allowed, directory.path()))?;
    let mut writer = many.block_on(RawWriter::create(directory.path()))?;
    let mut commits = Vec::new();
    for at in 0..=pace.rounds {
        for way in &mut *ways {
            let alone = one.block_on(way.alone.run(way.pid, pace.round / 2));
            let together = one.block_on(way.together.run(way.pid, pace.round));
            let (alone, together) = (alone.context(way.name)?, together.context(way.name)?);
            // The first round only warms up.
            if at > 0 {
                way.latencies.push(1e6 / alone.rate);
                way.rounds.push(together);
            }
        }
        commits.push(many.block_on(async {
            let (start, mut count) = (std::time::Instant::now(), 0);
            while start.elapsed() < pace.round / 4 {
                writer.submit(&footprint, 1).await?;
                count += 1;
            }
            anyhow::Ok(1e6 / rate(count, start.elapsed()))
        })?);
    }
    Ok(median(&commits))
}

fn told(ways: &[Way; 4], commit_micros: f64) {
    println!(
        "\nCalls that policy allows, 1 KB there and 1 KB back, {TOGETHER} at once; latency of one at a time"
    );
    println!(
        "  {:<26}{:>12}{:>18}{:>14}{:>12}",
        "way", "calls/s", "its time/call, µs", "latency, µs", "added, µs"
    );
    let direct = ways[0].latency();
    for way in ways {
        println!(
            "  {:<26}{:>12}{:>18}{:>14}{:>12}",
            way.name,
            shown(way.median(|round| round.rate)),
            shown(way.micros()),
            shown(way.latency()),
            shown(way.latency() - direct),
        );
    }
    println!(
        "  One raw commit of what a submit writes: {} µs",
        shown(commit_micros)
    );
    let [_, nginx, _, signoff] = ways;
    let times = signoff.micros() / nginx.micros();
    println!(
        "    {times:.1} times nginx's processor time ({})",
        aim(times <= 2.0, "2 times")
    );
    let allowed = nginx.latency() - direct + 2.0 * commit_micros;
    let added = signoff.latency() - direct;
    println!(
        "    {:.2} of nginx's added latency and two commits ({})",
        added / allowed,
        aim(added <= allowed, "1")
    );
}

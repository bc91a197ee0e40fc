//! Durable submits per second, allowed and asking, in the process and over HTTP, beside raw group commits.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use signoff_engine::{Engine, request::Submit, view::Caller};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{
    Pace,
    child::Child,
    footprint::{Footprint, Kind},
    house::{ALLOWED, ASKING, House, action, body},
    http::{Connection, request},
    load::{Load, Requests, client_runtime},
    numbers::{aim, median, median_ratio, rate, shown},
    raw::RawWriter,
};

/// How many agents ask at once.
const CONCURRENCY: [usize; 3] = [1, 16, 256];
/// How many there are. Asks go around them, because one agent may have 1,000 pending.
const AGENTS: usize = 256;

/// Every request has another idempotency key.
static KEYS: AtomicU64 = AtomicU64::new(0);

/// One connection's submits: agents in turns, a fresh idempotency key each.
struct Submits {
    /// One request for each agent.
    requests: Arc<Vec<Vec<u8>>>,
    /// Where the key's digits stand in them.
    place: usize,
    current: Vec<u8>,
}

const KEY_HEADER: &str = "idempotency-key: ";
const NO_KEY: &str = "0000000000000000";

impl Submits {
    fn of(path: &str, name: &str, agents: &[String], connections: usize) -> anyhow::Result<Vec<Self>> {
        let header = format!("{KEY_HEADER}{NO_KEY}\r\n");
        let requests: Vec<_> = agents
            .iter()
            .map(|key| request("POST", path, key, &header, &body(name)))
            .collect();
        let found = requests[0]
            .windows(KEY_HEADER.len())
            .position(|part| part == KEY_HEADER.as_bytes());
        let place = found.context("the header is there")? + KEY_HEADER.len();
        let requests = Arc::new(requests);
        let one = || Self {
            requests: Arc::clone(&requests),
            place,
            current: Vec::new(),
        };
        Ok((0..connections).map(|_| one()).collect())
    }
}

impl Requests for Submits {
    fn next(&mut self) -> &[u8] {
        let number = KEYS.fetch_add(1, Ordering::Relaxed);
        let agent = usize::try_from(number).unwrap_or(0) % self.requests.len();
        self.current.clone_from(&self.requests[agent]);
        let digits = format!("{number:016x}");
        self.current[self.place..self.place + digits.len()].copy_from_slice(digits.as_bytes());
        &self.current
    }
}

/// Everything that takes part, for one kind of submit.
struct Contest<'a> {
    pace: &'a Pace,
    kind: Kind,
    name: &'static str,
    footprint: Footprint,
    floor: RawWriter,
    house: &'a House,
    callers: Arc<Vec<Caller>>,
    server: &'a Child,
    bare: &'a Child,
}

/// Rates of one concurrency, round by round.
#[derive(Default)]
struct Rates {
    floor: Vec<f64>,
    engine: Vec<f64>,
    http: Vec<f64>,
    bare: Vec<f64>,
}

/// Prints submits per second beside raw group commits.
pub(crate) fn measure(pace: &Pace) -> anyhow::Result<()> {
    let many = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let one = client_runtime()?;
    let (data, other_data) = (
        tempfile::tempdir_in(&pace.data)?,
        tempfile::tempdir_in(&pace.data)?,
    );
    let house = many.block_on(House::build(data.path(), AGENTS, 10))?;
    let elsewhere = other_data.path().to_string_lossy().into_owned();
    let server = Child::start(&[
        "serve-signoff",
        "--agents",
        &AGENTS.to_string(),
        "--data",
        &elsewhere,
    ])?;
    let example = Submits::of("/v1/actions", ALLOWED, &server.said.agents, 1)?
        .remove(0)
        .next()
        .to_vec();
    let length = one.block_on(async {
        anyhow::Ok(
            Connection::open(server.said.address)
                .await?
                .call(&example)
                .await?
                .len(),
        )
    })?;
    let bare = Child::start(&["serve-bare", "--answer-bytes", &length.to_string()])?;
    println!("\nDurable submits per second, 1 KB of payload and an idempotency key each");
    for (kind, name) in [(Kind::Allowed, ALLOWED), (Kind::Asking, ASKING)] {
        let directory = tempfile::tempdir_in(&pace.data)?;
        let mut contest = contest(pace, (kind, name), &many, &house, &server, &bare, &directory)?;
        contest.run(&many, &one)?;
    }
    many.block_on(house.stop());
    Ok(())
}

fn contest<'a>(
    pace: &'a Pace,
    (kind, name): (Kind, &'static str),
    runtime: &Runtime,
    house: &'a House,
    server: &'a Child,
    bare: &'a Child,
    directory: &TempDir,
) -> anyhow::Result<Contest<'a>> {
    let path: &Path = directory.path();
    let footprint = runtime.block_on(Footprint::take(kind, path))?;
    let floor = runtime.block_on(RawWriter::create(path))?;
    let callers = Arc::new(runtime.block_on(house.callers())?);
    Ok(Contest {
        pace,
        kind,
        name,
        footprint,
        floor,
        house,
        callers,
        server,
        bare,
    })
}

impl Contest<'_> {
    fn run(&mut self, many: &Runtime, one: &Runtime) -> anyhow::Result<()> {
        let (rows, bytes) = self.footprint.size();
        let kind = if self.kind == Kind::Allowed {
            "allowed"
        } else {
            "asking"
        };
        println!(
            "  {kind} ({rows} rows and the head, {} bytes)",
            shown(crate::numbers::as_f64(bytes as u64))
        );
        println!(
            "  {:>8}{:>14}{:>12}{:>10}{:>10}{:>10}{:>10}",
            "agents", "raw commits", "bare HTTP", "engine", "of raw", "HTTP", "of floor"
        );
        let mut all = Vec::new();
        for concurrency in CONCURRENCY {
            let rates = self.rounds(concurrency, many, one)?;
            let (of_raw, of_floor) = (median_ratio(&rates.engine, &rates.floor), of_smaller(&rates));
            println!(
                "  {concurrency:>8}{:>14}{:>12}{:>10}{of_raw:>10.2}{:>10}{of_floor:>10.2}",
                shown(median(&rates.floor)),
                shown(median(&rates.bare)),
                shown(median(&rates.engine)),
                shown(median(&rates.http)),
            );
            all.push(rates);
        }
        verdict(&all);
        Ok(())
    }

    /// Rounds of all contestants in turns.
    fn rounds(&mut self, concurrency: usize, many: &Runtime, one: &Runtime) -> anyhow::Result<Rates> {
        let mut rates = Rates::default();
        let span = self.pace.round;
        let submits = |path| Submits::of(path, self.name, &self.server.said.agents, concurrency);
        let (to_server, to_bare) = (submits("/v1/actions")?, submits("/check")?);
        let mut http = one.block_on(Load::open(self.server.said.address, to_server))?;
        let mut bare = one.block_on(Load::open(self.bare.said.address, to_bare))?;
        one.block_on(http.run(self.server.pid(), span / 4))?;
        for _ in 0..self.pace.rounds {
            rates.floor.push(many.block_on(floor(
                &mut self.floor,
                &self.footprint,
                concurrency as u64,
                span,
            ))?);
            rates.engine.push(many.block_on(engine(
                &self.house.engine,
                &self.callers,
                self.name,
                concurrency,
                span,
            ))?);
            rates
                .bare
                .push(one.block_on(bare.run(self.bare.pid(), span / 2))?.rate);
            rates
                .http
                .push(one.block_on(http.run(self.server.pid(), span))?.rate);
        }
        Ok(rates)
    }
}

/// Submits over HTTP beside the smaller of the two floors they stand on: raw commits and a bare handler.
fn of_smaller(rates: &Rates) -> f64 {
    let smaller: Vec<f64> = rates
        .floor
        .iter()
        .zip(&rates.bare)
        .map(|(raw, bare)| raw.min(*bare))
        .collect();
    median_ratio(&rates.http, &smaller)
}

fn verdict(all: &[Rates]) {
    let (Some(alone), Some(together)) = (all.first(), all.last()) else {
        return;
    };
    let (of_raw, of_floor) = (
        median_ratio(&together.engine, &together.floor),
        of_smaller(together),
    );
    println!(
        "    256 agents in the process: {of_raw:.2} of raw commits ({})",
        aim(of_raw >= 0.5, "0.50")
    );
    println!(
        "    256 agents over HTTP: {of_floor:.2} of the smaller floor ({})",
        aim(of_floor >= 0.5, "0.50")
    );
    for (way, together, alone) in [
        ("in the process", &together.engine, &alone.engine),
        ("over HTTP", &together.http, &alone.http),
    ] {
        let times = median(together) / median(alone);
        println!(
            "    256 agents beside one, {way}: {times:.1} times ({})",
            aim(times >= 5.0, "5 times")
        );
    }
}

/// Raw commits of as many requests as would be under way.
async fn floor(
    writer: &mut RawWriter,
    footprint: &Footprint,
    count: u64,
    span: Duration,
) -> anyhow::Result<f64> {
    let (start, mut done) = (Instant::now(), 0);
    while start.elapsed() < span {
        writer.submit(footprint, count).await?;
        done += count;
    }
    Ok(rate(done, start.elapsed()))
}

/// Submits from as many tasks, straight to the engine.
pub(crate) async fn engine(
    engine: &Engine,
    callers: &Arc<Vec<Caller>>,
    name: &'static str,
    concurrency: usize,
    span: Duration,
) -> anyhow::Result<f64> {
    let until = Instant::now() + span;
    let agent = |_| {
        let (engine, callers) = (engine.clone(), Arc::clone(callers));
        tokio::spawn(async move {
            let submit = Submit::of(action(name));
            let mut count = 0_u64;
            loop {
                let number = KEYS.fetch_add(1, Ordering::Relaxed);
                let caller = &callers[usize::try_from(number)? % callers.len()];
                engine
                    .submit(caller, submit.clone(), Some(&format!("{number:016x}")))
                    .await?;
                if Instant::now() > until {
                    return anyhow::Ok(count);
                }
                count += 1;
            }
        })
    };
    let agents: Vec<_> = (0..concurrency).map(agent).collect();
    let mut count = 0;
    for agent in agents {
        count += agent.await??;
    }
    Ok(rate(count, span))
}

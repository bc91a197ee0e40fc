//! Several nodes on one Postgres: submits per second beside single INSERTs of the same server, and the time from a
//! decision on one node to the agent who waits on another.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::runtime::Runtime;

use crate::{
    Pace,
    child::Child,
    house::{ALLOWED, ASKING, House},
    http::Connection,
    load::client_runtime,
    nodes_floor,
    numbers::{aim, median, median_ratio, quantile, shown},
    release::{Pending, ask, bare_pending},
    submits::engine,
    waiters::until_waiting,
};

/// How many agents submit at once.
const CONCURRENCY: usize = 256;
const NODES: usize = 3;
/// How many agents wait at once.
const WAITING: usize = 50;

/// A database of this run, dropped at its end.
struct Database {
    server: String,
    name: String,
}

static DATABASES: AtomicU64 = AtomicU64::new(0);

impl Database {
    async fn create(server: &str) -> anyhow::Result<Self> {
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        let name = format!("signoff_bench_{}_{number}", std::process::id());
        let made = Self {
            server: server.to_owned(),
            name,
        };
        made.execute(format!("CREATE DATABASE {}", made.name)).await?;
        Ok(made)
    }

    fn url(&self) -> String {
        let (start, _) = self.server.rsplit_once('/').unwrap_or((&self.server, ""));
        format!("{start}/{}", self.name)
    }

    async fn execute(&self, sql: String) -> anyhow::Result<()> {
        let mut connection = PgConnection::connect(&self.server).await?;
        // A name of our own making, never anything from outside.
        sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await?;
        Ok(())
    }

    async fn remove(self) -> anyhow::Result<()> {
        self.execute(format!("DROP DATABASE {} WITH (FORCE)", self.name))
            .await
    }
}

/// Prints submits per second and releases with one node and three, beside their floors.
pub(crate) fn measure(pace: &Pace, server: &str) -> anyhow::Result<()> {
    let many = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    in_a_database(server, &many, |url| submits(pace, url, &many))?;
    in_a_database(server, &many, |url| releases(pace, url))
}

/// Measures in a fresh database, which is dropped whatever comes of it.
fn in_a_database(
    server: &str,
    runtime: &Runtime,
    measure: impl FnOnce(&str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let database = runtime.block_on(Database::create(server))?;
    let measured = measure(&database.url());
    runtime.block_on(database.remove())?;
    measured
}

/// Rates of one kind of submit, round by round.
#[derive(Default)]
struct Rates {
    inserts: Vec<f64>,
    sqlite: Vec<f64>,
    one: Vec<f64>,
    three: Vec<f64>,
}

fn submits(pace: &Pace, database: &str, many: &Runtime) -> anyhow::Result<()> {
    println!("\nSeveral nodes on one Postgres: submits per second of {CONCURRENCY} agents, in the process");
    let floor = many.block_on(nodes_floor::create(database))?;
    let data = tempfile::tempdir_in(&pace.data)?;
    let sqlite = many.block_on(House::build(data.path(), CONCURRENCY, 10))?;
    let first = many.block_on(async { House::node(database).await?.furnished(CONCURRENCY, 10).await })?;
    let mut nodes = vec![first];
    for _ in 1..NODES {
        nodes.push(many.block_on(House::node(database))?);
    }
    let callers = Arc::new(many.block_on(nodes[0].callers())?);
    let of_sqlite = Arc::new(many.block_on(sqlite.callers())?);
    println!(
        "  {:>8}{:>14}{:>10}{:>12}{:>10}{:>14}{:>10}",
        "", "INSERTs (32)", "SQLite", "one node", "of floor", "three nodes", "of floor"
    );
    for (kind, name) in [("allowed", ALLOWED), ("asking", ASKING)] {
        let mut rates = Rates::default();
        let rounds = if kind == "asking" {
            pace.rounds.min(3)
        } else {
            pace.rounds
        };
        for _ in 0..rounds {
            rates
                .inserts
                .push(many.block_on(nodes_floor::inserts(&floor, pace.round))?);
            let alone = engine(&sqlite.engine, &of_sqlite, name, CONCURRENCY, pace.round);
            rates.sqlite.push(many.block_on(alone)?);
            let one = engine(&nodes[0].engine, &callers, name, CONCURRENCY, pace.round);
            rates.one.push(many.block_on(one)?);
            let three = futures(&nodes, &callers, name, pace);
            rates.three.push(many.block_on(three)?);
        }
        let (one, three) = (
            median_ratio(&rates.one, &rates.inserts),
            median_ratio(&rates.three, &rates.inserts),
        );
        println!(
            "  {kind:>8}{:>14}{:>10}{:>12}{one:>10.2}{:>14}{three:>10.2}",
            shown(median(&rates.inserts)),
            shown(median(&rates.sqlite)),
            shown(median(&rates.one)),
            shown(median(&rates.three)),
        );
        if kind == "allowed" {
            println!(
                "    beside single INSERTs: one node {}, three nodes {}",
                aim(one >= 1.0, "1.00"),
                aim(three >= 1.0, "1.00")
            );
        }
    }
    many.block_on(async {
        for house in nodes {
            house.stop().await;
        }
        sqlite.stop().await;
        floor.close().await;
    });
    Ok(())
}

/// The agents spread over all nodes.
async fn futures(
    nodes: &[House],
    callers: &Arc<Vec<signoff_engine::view::Caller>>,
    name: &'static str,
    pace: &Pace,
) -> anyhow::Result<f64> {
    let share = CONCURRENCY / nodes.len();
    let loads: Vec<_> = nodes
        .iter()
        .map(|node| {
            let (engine_of, callers, round) = (node.engine.clone(), Arc::clone(callers), pace.round);
            tokio::spawn(async move { engine(&engine_of, &callers, name, share, round).await })
        })
        .collect();
    let mut together = 0.0;
    for load in loads {
        together += load.await??;
    }
    Ok(together)
}

fn releases(pace: &Pace, database: &str) -> anyhow::Result<()> {
    let runtime = client_runtime()?;
    runtime.block_on(async {
        nodes_floor::create(database).await?.close().await;
        anyhow::Ok(())
    })?;
    let here = Child::start(&["serve-signoff", "--database", database, "--agents", "1"])?;
    let there = Child::start(&["serve-signoff", "--database", database])?;
    let rounds = pace.release_rounds + 1;
    let (pending, length) = runtime.block_on(ask(&here, WAITING * rounds))?;
    let length = length.to_string();
    let bare = [
        "serve-bare-node",
        "--answer-bytes",
        &length,
        "--database",
        database,
    ];
    let (one_bare, other_bare) = (Child::start(&bare)?, Child::start(&bare)?);
    let floor: Vec<Pending> = (0..pending.len()).map(bare_pending).collect();
    let (mut floors, mut subjects) = (Vec::new(), Vec::new());
    for (at, (floor, subject)) in floor.chunks(WAITING).zip(pending.chunks(WAITING)).enumerate() {
        let floor = runtime.block_on(release(&one_bare, &other_bare, floor))?;
        let subject = runtime.block_on(release(&here, &there, subject))?;
        // The first round warms up.
        if at > 0 {
            floors.push(floor);
            subjects.push(subject);
        }
    }
    println!("\nFrom a decision on one node to the unblocked agent on another, over HTTP, {WAITING} waiting");
    for (name, rounds) in [
        ("INSERT, NOTIFY, bare long-poll", &floors),
        ("Signoff", &subjects),
    ] {
        let all = rounds.concat();
        let [half, most, nearly] = [0.5, 0.9, 0.99].map(|share| quantile(&all, share));
        println!("  {name:<38} median {half:>6.2} ms   p90 {most:>6.2} ms   p99 {nearly:>6.2} ms");
    }
    let medians = |rounds: &[Vec<f64>]| rounds.iter().map(|round| median(round)).collect::<Vec<f64>>();
    let ratio = median_ratio(&medians(&subjects), &medians(&floors));
    println!(
        "  {ratio:.2} times the floor ({})",
        aim(ratio <= 3.0, "3.00 or less")
    );
    Ok(())
}

/// Decides on one node while agents wait on the other; milliseconds from each decision to its agent.
async fn release(here: &Child, there: &Child, pending: &[Pending]) -> anyhow::Result<Vec<f64>> {
    let mut waiting = Vec::new();
    for one in pending {
        let mut connection = Connection::open(here.said.address).await?;
        connection.send(&one.wait).await?;
        waiting.push(tokio::spawn(async move {
            connection.receive().await?;
            anyhow::Ok(Instant::now())
        }));
    }
    until_waiting(here.said.address, pending.len()).await?;
    let mut approver = Connection::open(there.said.address).await?;
    let mut took = Vec::new();
    for (one, waiter) in pending.iter().zip(waiting) {
        let decided = Instant::now();
        approver.call(&one.decide).await?;
        took.push((waiter.await?? - decided).as_secs_f64() * 1e3);
    }
    Ok(took)
}

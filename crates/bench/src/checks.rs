//! Checks per second: what policy says of an action, over HTTP, with few and with many policies.

use crate::{
    Pace,
    child::Child,
    house::{action_of, body},
    http::{Connection, request},
    load::{Load, Requests, Round, client_runtime},
    numbers::{aim, median, median_ratio, shown},
};

/// How many requests are under way at once.
const CONNECTIONS: usize = 32;
const FEW: usize = 10;
const MANY: usize = 10_000;

/// A connection's requests, one after another and again: about as many actions as there are policies, so that no answer
/// is helped by the one before.
struct Cycle {
    requests: Vec<Vec<u8>>,
    at: usize,
}

impl Requests for Cycle {
    fn next(&mut self) -> &[u8] {
        self.at = (self.at + 1) % self.requests.len();
        &self.requests[self.at]
    }
}

fn cycles(path: &str, key: &str, policies: usize) -> impl Iterator<Item = Cycle> {
    let count = policies.saturating_sub(3);
    (0..CONNECTIONS).map(move |connection| {
        let places = (0..320).map(|at| (at * CONNECTIONS + connection) * 7 % count);
        let requests = places
            .map(|at| request("POST", path, key, "", &body(&action_of(at))))
            .collect();
        Cycle { requests, at: 0 }
    })
}

/// Prints checks per second beside those of a bare handler.
pub(crate) fn measure(pace: &Pace) -> anyhow::Result<()> {
    let runtime = client_runtime()?;
    let (few_data, many_data) = (
        tempfile::tempdir_in(&pace.data)?,
        tempfile::tempdir_in(&pace.data)?,
    );
    let signoff = |data: &tempfile::TempDir, policies: usize| {
        let data = data.path().to_string_lossy().into_owned();
        Child::start(&[
            "serve-signoff",
            "--agents",
            "1",
            "--data",
            &data,
            "--policies",
            &policies.to_string(),
        ])
    };
    let (few, many) = (signoff(&few_data, FEW)?, signoff(&many_data, MANY)?);
    let path = "/v1/actions/check";
    let example = request("POST", path, &many.said.agents[0], "", &body(&action_of(0)));
    let length = runtime.block_on(async {
        anyhow::Ok(
            Connection::open(many.said.address)
                .await?
                .call(&example)
                .await?
                .len(),
        )
    })?;
    let bare = Child::start(&["serve-bare", "--answer-bytes", &length.to_string()])?;
    let rounds = runtime.block_on(async {
        let mut contestants = [
            (
                Load::open(bare.said.address, cycles("/check", &few.said.agents[0], MANY)).await?,
                &bare,
            ),
            (
                Load::open(few.said.address, cycles(path, &few.said.agents[0], FEW)).await?,
                &few,
            ),
            (
                Load::open(many.said.address, cycles(path, &many.said.agents[0], MANY)).await?,
                &many,
            ),
        ];
        for (load, server) in &mut contestants {
            load.run(server.pid(), pace.round / 2).await?;
        }
        let mut rounds: [Vec<Round>; 3] = Default::default();
        for _ in 0..pace.rounds {
            for ((load, server), rounds) in contestants.iter_mut().zip(&mut rounds) {
                rounds.push(load.run(server.pid(), pace.round).await?);
            }
        }
        anyhow::Ok(rounds)
    })?;
    print(&rounds, body(&action_of(0)).len(), length);
    Ok(())
}

fn print(rounds: &[Vec<Round>; 3], asked: usize, answered: usize) {
    let series = |of: fn(&Round) -> f64| {
        rounds
            .each_ref()
            .map(|rounds| rounds.iter().map(of).collect::<Vec<f64>>())
    };
    let [bare, few, many] = series(|round| round.rate);
    let micros = series(|round| round.server_micros).map(|micros| median(&micros));
    let client = series(|round| round.client_share).map(|share| 100.0 * median(&share));
    println!(
        "\nChecks per second over HTTP, {CONNECTIONS} connections, {asked} bytes asked, {answered} answered"
    );
    let line = |name: &str, at: usize, rate: &[f64], more: String| {
        let (rate, micros, client) = (shown(median(rate)), micros[at], client[at]);
        println!(
            "  {name:<34}{rate:>9}/s   server {micros:>4.0} µs, client {client:>2.0} % of a core   {more}"
        );
    };
    line("bare handler", 0, &bare, String::new());
    for (name, at, rate) in [
        ("Signoff, 10 policies", 1, &few),
        ("Signoff, 10,000 policies", 2, &many),
    ] {
        let ratio = median_ratio(rate, &bare);
        line(
            name,
            at,
            rate,
            format!("{ratio:.2} of the floor ({})", aim(ratio >= 0.6, "0.60")),
        );
    }
    let equal = median_ratio(&many, &few);
    println!(
        "  10,000 policies beside 10: {equal:.2} ({})",
        aim(equal >= 0.95, "equal, 0.95 or more")
    );
    let cost = |at: usize| micros[0] / micros[at];
    println!(
        "  by processor time of the server alone: {:.2} and {:.2} of the floor",
        cost(1),
        cost(2)
    );
}

//! As many requests as kept-open connections take in a given time, from one thread.

use std::{
    fs,
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tokio::runtime::Runtime;

use crate::{child::processor_time, http::Connection, numbers::rate};

/// Makes a connection's next request from its previous one.
pub(crate) trait Requests: Send + 'static {
    /// The next request of this connection.
    fn next(&mut self) -> &[u8];
}

/// Open connections to one server, each with what it sends.
pub(crate) struct Load<R> {
    clients: Vec<(Connection, R)>,
}

/// What came of one round.
#[derive(Clone, Copy)]
pub(crate) struct Round {
    /// Answers per second.
    pub(crate) rate: f64,
    /// Processor time of the server per answer, in microseconds.
    pub(crate) server_micros: f64,
    /// How much of one core the client took.
    pub(crate) client_share: f64,
}

/// The runtime that clients run on: this thread alone.
pub(crate) fn client_runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("can't start a runtime")
}

impl<R: Requests> Load<R> {
    /// Connects once for each sender.
    pub(crate) async fn open(
        address: SocketAddr,
        senders: impl IntoIterator<Item = R>,
    ) -> anyhow::Result<Self> {
        let mut clients = Vec::new();
        for sender in senders {
            clients.push((Connection::open(address).await?, sender));
        }
        Ok(Self { clients })
    }

    /// Sends on all connections until the time is up, to a server that is this process. What is answered later does not
    /// count.
    pub(crate) async fn run(&mut self, server: u32, span: Duration) -> anyhow::Result<Round> {
        let (server_before, client_before) = (processor_time(server)?, own_time());
        let until = Instant::now() + span;
        let clients = self.clients.drain(..).map(|(mut connection, mut sender)| {
            tokio::spawn(async move {
                let mut count = 0_u64;
                loop {
                    connection.call(sender.next()).await?;
                    if Instant::now() > until {
                        return anyhow::Ok((connection, sender, count));
                    }
                    count += 1;
                }
            })
        });
        let running: Vec<_> = clients.collect();
        let mut count = 0;
        for client in running {
            let (connection, sender, answered) = client.await??;
            self.clients.push((connection, sender));
            count += answered;
        }
        let micros = processor_time(server)?
            .saturating_sub(server_before)
            .as_secs_f64()
            * 1e6;
        let rate = rate(count, span);
        Ok(Round {
            rate,
            server_micros: micros / (rate * span.as_secs_f64()),
            client_share: own_time().saturating_sub(client_before).as_secs_f64() / span.as_secs_f64(),
        })
    }
}

/// Processor time of this thread.
fn own_time() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

//! Puts the rooms together and runs the server.

use std::net::SocketAddr;

use anyhow::bail;
use signoff_api::Secret;

use crate::config::Config;

/// A server that runs.
#[expect(dead_code, reason = "the wiring is to come")]
#[derive(Debug)]
pub(crate) struct Running {
    /// Where it listens.
    pub(crate) addr: SocketAddr,
    /// Its public URL without a trailing slash.
    pub(crate) url: String,
    /// Link that makes the first admin, while there is none.
    pub(crate) setup_url: Option<String>,
    /// Link whose page signs the demonstration's operator in by POST; none unless the settings name one.
    pub(crate) demo_link: Option<String>,
    /// The admin key in force, if one is set.
    pub(crate) admin_key: Option<Secret>,
}

impl Running {
    /// Stops taking requests, lets running ones end, and closes the store.
    #[expect(clippy::unused_async, reason = "the wiring is to come")]
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Starts the server and returns once it answers.
#[expect(clippy::unused_async, reason = "the wiring is to come")]
pub(crate) async fn start(config: Config) -> anyhow::Result<Running> {
    bail!(
        "the server is not wired up yet (data directory `{}`)",
        config.data.display()
    )
}

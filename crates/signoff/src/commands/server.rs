//! `signoff serve`: runs the server until it is told to stop.

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogConfig, LogFormat, ServeArgs};
use crate::exit::Exit;
use crate::{output, serve};

pub(crate) async fn run(args: ServeArgs) -> anyhow::Result<Exit> {
    let config = Config::load(args)?;
    log_to_stderr(&config.log)?;
    let auto_approve = config.auto_approve;
    // Listened for before the start, so that a signal during it still stops in order.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let running = tokio::select! {
        started = serve::start(config) => started?,
        _ = terminate.recv() => return Ok(Exit::Ok),
        _ = interrupt.recv() => return Ok(Exit::Ok),
    };
    output::talk(&format!("Signoff runs at {}", running.url));
    if let Some(link) = &running.setup_url {
        output::talk(&format!("make yourself the first admin: {link}"));
    }
    if auto_approve {
        output::talk("everything is approved at once (--auto-approve): for your own tests only");
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    running.stop().await?;
    Ok(Exit::Ok)
}

/// Sends log lines to standard error in the shape asked for.
pub(crate) fn log_to_stderr(config: &LogConfig) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.filter).with_context(|| format!("--log: `{}`", config.filter))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
    Ok(())
}

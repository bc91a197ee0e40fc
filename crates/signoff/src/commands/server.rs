//! `signoff serve`: runs the server until it is told to stop.

use std::io::IsTerminal as _;

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use crate::cli::Global;
use crate::config::{Config, LogConfig, LogFormat, ServeArgs};
use crate::exit::Exit;
use crate::serve::{self, Running};
use crate::signals::Signals;
use crate::{inert, output};

pub(crate) async fn run(global: &Global, args: ServeArgs) -> anyhow::Result<Exit> {
    let config = Config::load(args)?;
    log_to_stderr(&config.log)?;
    let auto_approve = config.auto_approve;
    // Listened for before the start, so that a signal during it still stops in order.
    let mut signals = Signals::listen()?;
    let running = tokio::select! {
        started = serve::start(config) => started?,
        _ = signals.next() => return Ok(Exit::Ok),
    };
    announce(global, &running, auto_approve)?;
    signals.next().await;
    tracing::info!("stopping");
    running.stop().await?;
    Ok(Exit::Ok)
}

/// Says where it runs: to a person, or on one line of JSON to the script that started it.
fn announce(global: &Global, running: &Running, auto_approve: bool) -> anyhow::Result<()> {
    if global.json {
        let line = serde_json::json!({
            "listen": running.addr, "url": running.url, "setup_url": running.setup_url, "auto_approve": auto_approve,
        });
        return output::data(&inert::json(&line.to_string()));
    }
    output::talk(&format!("Signoff runs at {}", running.url));
    if let Some(link) = &running.setup_url {
        output::talk(&format!("make yourself the first admin: {link}"));
    }
    if auto_approve {
        output::talk("everything is approved at once (--auto-approve): for your own tests only");
    }
    Ok(())
}

/// Sends log lines to standard error in the shape asked for.
pub(crate) fn log_to_stderr(config: &LogConfig) -> anyhow::Result<()> {
    // What Postgres says in passing is for whoever asks for it.
    let filter = format!("sqlx::postgres::notice=warn,{}", config.filter);
    let filter = EnvFilter::try_new(filter).with_context(|| format!("--log: `{}`", config.filter))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match config.format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
    Ok(())
}

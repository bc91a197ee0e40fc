//! Being asked to stop: SIGINT and SIGTERM as something that can be waited for, and passed on.

use std::process::Stdio;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Which signal came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// SIGINT, as from Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl Stop {
    const fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "INT",
            Self::Terminate => "TERM",
        }
    }
}

/// Listens from its creation on. SIGHUP is left alone: a handler of ours would undo `nohup`.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// From now on neither signal ends the process by itself.
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> Stop {
        tokio::select! {
            _ = self.interrupt.recv() => Stop::Interrupt,
            _ = self.terminate.recv() => Stop::Terminate,
        }
    }
}

/// Sends a signal to a child of ours. Through the shell's own `kill`, because the call itself is unsafe code.
pub(crate) async fn pass_on(stop: Stop, process: u32) {
    let sent = tokio::process::Command::new("/bin/sh")
        .args([
            "-c",
            "kill -s \"$1\" \"$2\"",
            "sh",
            stop.name(),
            &process.to_string(),
        ])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status();
    // The child may just have ended; then there is nobody to tell.
    drop(sent.await);
}

//! nginx as a reverse proxy: what a call through a proxy costs that decides nothing, keeps nothing and hides nothing.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail};
use tempfile::TempDir;

/// How long it may take to listen, in tenths of a second.
const START_TENTHS: usize = 50;

/// One nginx process in front of an upstream.
pub(crate) struct Nginx {
    process: std::process::Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Its configuration and scratch files.
    _directory: TempDir,
}

impl Nginx {
    /// Starts it with one process; none if there is no nginx here. It opens a connection for each call, as it does unless
    /// it is told otherwise, or keeps them.
    pub(crate) fn start(upstream: SocketAddr, keeps_connections: bool) -> anyhow::Result<Option<Self>> {
        let directory = tempfile::tempdir()?;
        // Free until it is closed; nobody else here takes ports at random.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let configuration = directory.path().join("nginx.conf");
        fs::write(&configuration, configured(address, upstream, keeps_connections))?;
        let started = Command::new("nginx")
            .arg("-p")
            .arg(directory.path())
            .arg("-c")
            .arg(&configuration)
            .args(["-e", "error.log"])
            .stdin(Stdio::null())
            .spawn();
        let process = match started {
            Ok(process) => process,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context("can't start nginx"),
        };
        let nginx = Self {
            process,
            address,
            _directory: directory,
        };
        for _ in 0..START_TENTHS {
            if TcpStream::connect(address).is_ok() {
                return Ok(Some(nginx));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        bail!("nginx does not listen");
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It is a single process without anything to finish.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn configured(address: SocketAddr, upstream: SocketAddr, keeps_connections: bool) -> String {
    let (pool, towards) = if keeps_connections {
        (
            "keepalive 256;",
            "proxy_http_version 1.1; proxy_set_header connection \"\";",
        )
    } else {
        ("", "")
    };
    format!(
        "daemon off; master_process off; worker_processes 1; pid nginx.pid;
        events {{ worker_connections 4096; }}
        http {{
            access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
            uwsgi_temp_path uwsgi; scgi_temp_path scgi; keepalive_requests 1000000000;
            upstream there {{ server {upstream}; {pool} }}
            server {{ listen {address}; location / {{ proxy_pass http://there; {towards} }} }}
        }}"
    )
}

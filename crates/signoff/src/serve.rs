//! Puts the rooms together and runs the server.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use axum::serve::ListenerExt;
use secrecy::{ExposeSecret, SecretString};
use signoff_api::Secret;
use signoff_core::requirement::Role;
use signoff_egress::{Egress, EgressConfig};
use signoff_engine::request::CreateOperator;
use signoff_engine::{Engine, EngineOptions};
use signoff_server::Doors;
use signoff_store::sqlite::SqliteStore;
use signoff_store::{Store as _, SystemClock};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, DemoOperator};

/// The file beside the database with the key that everything secret is wrapped with.
const MASTER_KEY_FILE: &str = "master.key";
/// How long requests under way may take once the server stops.
const DRAIN: Duration = Duration::from_secs(10);

/// A server that runs.
pub(crate) struct Running {
    /// Where it listens.
    pub(crate) addr: SocketAddr,
    /// Its public URL without a trailing slash.
    pub(crate) url: String,
    /// Link that makes the first admin, while there is none.
    pub(crate) setup_url: Option<String>,
    /// Link (with a query) whose page signs the demonstration's operator in by POST; none unless the settings name one.
    pub(crate) demo_link: Option<String>,
    engine: Engine,
    store: Arc<SqliteStore>,
    stopping: CancellationToken,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Running {
    /// Stops taking requests, lets running ones end, and closes the store.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.stopping.cancel();
        let abort = self.serving.abort_handle();
        if let Ok(ended) = tokio::time::timeout(DRAIN, self.serving).await {
            ended.context("the server broke off")??;
        } else {
            tracing::warn!("some requests did not end in time");
            abort.abort();
        }
        self.engine.stop().await;
        self.store.close().await;
        Ok(())
    }
}

/// Starts the server and returns once it answers.
pub(crate) async fn start(config: Config) -> anyhow::Result<Running> {
    prepare_directory(&config.data)?;
    let store = SqliteStore::open(&config.data, Arc::new(SystemClock)).await;
    let store =
        Arc::new(store.with_context(|| format!("can't open the data in `{}`", config.data.display()))?);
    let is_new = store.workspaces().await?.is_empty();
    let master_key = master_key(&config.data, is_new)?;
    let listener = TcpListener::bind(config.listen).await;
    let listener = listener.with_context(|| format!("can't listen on {}", config.listen))?;
    let addr = listener.local_addr()?;
    let url = match &config.public_url {
        Some(url) => url.as_str().trim_end_matches('/').to_owned(),
        None => format!("http://{}", reachable(addr)),
    };
    let egress = Egress::new(EgressConfig {
        allow: config.egress_allow.clone(),
        ..EgressConfig::default()
    });
    let engine = Engine::start(EngineOptions {
        store: store.clone(),
        master_key,
        egress: egress.context("can't prepare outbound calls")?,
        public_url: url.clone(),
        admin_key: config
            .admin_key
            .as_ref()
            .map(|key| SecretString::from(key.expose())),
        auto_approve: config.auto_approve,
    });
    let engine = engine
        .await
        .with_context(|| format!("can't use the data in `{}`", config.data.display()))?;
    let demo_link = match (&config.demo_operator, &config.admin_key) {
        (Some(person), Some(key)) => Some(demo_link(&engine, person, key, &url).await?),
        _ => None,
    };
    let stopping = CancellationToken::new();
    let router = signoff_server::router(Doors::new(engine.clone(), stopping.clone()));
    // Small answers must not wait for more to send with them.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let down = stopping.clone();
    let serving = tokio::spawn(async move {
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, service)
            .with_graceful_shutdown(down.cancelled_owned())
            .await
    });
    let setup_url = engine
        .setup_token()
        .map(|token| format!("{url}/setup?token={}", token.expose_secret()));
    Ok(Running {
        addr,
        url,
        setup_url,
        demo_link,
        engine,
        store,
        stopping,
        serving,
    })
}

/// An address that can be opened on this machine, for one that means all of its addresses.
fn reachable(addr: SocketAddr) -> SocketAddr {
    match addr {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => SocketAddr::from(([127, 0, 0, 1], v4.port())),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
            SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], v6.port()))
        }
        other => other,
    }
}

fn prepare_directory(data: &Path) -> anyhow::Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(data);
    made.with_context(|| format!("can't make the data directory `{}`", data.display()))
}

/// Reads the master key, or makes one for data that does not exist yet.
fn master_key(data: &Path, is_new: bool) -> anyhow::Result<SecretString> {
    let path = data.join(MASTER_KEY_FILE);
    match File::open(&path) {
        Ok(mut file) => {
            let mut text = String::new();
            file.read_to_string(&mut text)
                .with_context(|| format!("can't read `{}`", path.display()))?;
            return Ok(SecretString::from(text.trim()));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("can't read `{}`", path.display())),
    }
    if !is_new {
        bail!(
            "`{}` is missing: without it the database beside it can't be read; bring it back from your backup",
            path.display()
        );
    }
    let key = crate::random::digits()?;
    let partial = data.join(format!("{MASTER_KEY_FILE}.new"));
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&partial)?;
        writeln!(file, "{key}")?;
        file.sync_all()?;
        fs::rename(&partial, &path)?;
        File::open(data)?.sync_all()
    };
    write().with_context(|| format!("can't write `{}`", path.display()))?;
    Ok(SecretString::from(key))
}

/// Makes the person of a demonstration, and a link whose page signs in as them.
async fn demo_link(
    engine: &Engine,
    person: &DemoOperator,
    key: &Secret,
    url: &str,
) -> anyhow::Result<String> {
    let admin = engine.authenticate(key.expose()).await?;
    let create = CreateOperator {
        name: person.name.clone(),
        email: person.email.clone(),
        role: Role::Admin,
        groups: Vec::new(),
        password: None,
    };
    let made = engine.create_operator(&admin, create, None).await?;
    let token = engine.mint_entry(made.row.id);
    Ok(format!("{url}/enter?token={}", token.expose_secret()))
}

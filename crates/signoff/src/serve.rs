//! Puts the rooms together and runs the server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::serve::ListenerExt;
use secrecy::{ExposeSecret, SecretString};
use signoff_api::Secret;
use signoff_core::requirement::Role;
use signoff_egress::{Egress, EgressConfig};
use signoff_engine::request::CreateOperator;
use signoff_engine::{Engine, EngineOptions, StartError};
use signoff_server::Doors;
use signoff_store::Store;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::commands::rotate_master_key;
use crate::config::{Config, DemoOperator};
use crate::keeping;

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
    store: Arc<dyn Store>,
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
    let (store, master_key) = keeping::open(&config).await?;
    let listener = TcpListener::bind(config.listen).await;
    let listener = listener.with_context(|| format!("can't listen on {}", config.listen))?;
    let addr = listener.local_addr()?;
    let url = match &config.public_url {
        Some(url) => url.as_str().trim_end_matches('/').to_owned(),
        None => format!("http://{}", reachable(addr)),
    };
    let egress = Egress::new(EgressConfig {
        allow: config.egress_allow.clone(),
        resolver: config.egress_resolver,
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
    let engine = engine.await.map_err(|error| unusable(&config, error))?;
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

/// Why there is no engine, and what to do where a rotation of the master key was left in the middle.
fn unusable(config: &Config, error: StartError) -> anyhow::Error {
    let is_wrong_key = matches!(error, StartError::WrongMasterKey);
    let error = anyhow::Error::new(error).context(format!("can't use the data in {}", keeping::name(config)));
    let is_beside = config.database.is_none() && config.master_key.is_none();
    match rotate_master_key::unfinished(&config.data).filter(|_| is_wrong_key && is_beside) {
        Some(advice) => error.context(advice),
        None => error,
    }
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

//! Starting and stopping the engine, and what all its operations share.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use signoff_core::{
    actor::Actor,
    event::{Event, FEATURE_LEVEL, WorkspaceSet},
    id::{ApprovalId, RawId, WorkspaceId},
    policy::Settings,
    time::{Micros, Timestamp},
};
use signoff_egress::Egress;
use signoff_store::{Changes, Health, Store, StoreError, Wants};
use tokio::sync::{Semaphore, broadcast};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    EngineError, EngineResult, StartError,
    aftermath::{Aftermath, Counters, Nudges},
    calls::Runners,
    credential::ADMIN_KEY_CHARS_MIN,
    identity::SignIns,
    seal::{MasterKey, random},
    slack::LinkTries,
    tenant::Tenant,
    turn::{Turn, mint_id},
    view::{Caller, Numbers, ReadyCheck},
    waiters::Waiters,
    workers,
    writer::{Writer, WriterTask},
};

/// How many notices a slow reader may be behind before it is told to read anew.
const NOTICES_MAX: usize = 1_024;
/// How many passwords are hashed at once: each takes 19 MiB.
const HASHERS_MAX: usize = 2;
/// How far this machine's clock may be from the store's.
const CLOCK_SKEW_MAX: Micros = Micros::seconds(5);
/// How long the store's answer to "are you there" is taken for true.
const PROBE_LIFETIME: Duration = Duration::from_secs(1);

/// What an engine is made of.
pub struct EngineOptions {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// Wraps the keys of the workspaces; 32 bytes as 64 hexadecimal digits. A wrong one is refused.
    pub master_key: SecretString,
    /// The only way out.
    pub egress: Egress,
    /// Links are built from this, without a trailing slash; never from a Host header.
    pub public_url: String,
    /// Acts as an automation while set; 32 characters or more.
    pub admin_key: Option<SecretString>,
    /// Approve everything that asks, and mark every event.
    pub auto_approve: bool,
}

/// The running engine; cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

/// What the clones share.
pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) egress: Egress,
    pub(crate) public_url: String,
    pub(crate) admin_key: Option<[u8; 32]>,
    pub(crate) auto_approve: bool,
    pub(crate) tenants: Arc<HashMap<WorkspaceId, Arc<Tenant>>>,
    pub(crate) home: Arc<Tenant>,
    writers: HashMap<WorkspaceId, Writer>,
    pub(crate) aftermath: Aftermath,
    pub(crate) setup_token: SecretString,
    /// This start of this process, as leases name it.
    pub(crate) node: RawId,
    /// Who makes calls here.
    pub(crate) runners: Runners,
    pub(crate) sign_ins: SignIns,
    /// Codes that were tried at Slack.
    pub(crate) link_tries: LinkTries,
    pub(crate) hashers: Semaphore,
    probe: tokio::sync::Mutex<Option<(Instant, Option<Health>)>>,
    pub(crate) stop_workers: CancellationToken,
    stop_writers: CancellationToken,
    pub(crate) workers: TaskTracker,
    writer_tasks: TaskTracker,
}

impl Engine {
    /// Opens what the store holds, or makes the first workspace, and starts writer and workers.
    ///
    /// # Errors
    /// If the master key is not the one the data was written with, or the store can't be read.
    pub async fn start(options: EngineOptions) -> Result<Self, StartError> {
        let master = MasterKey::parse(options.master_key.expose_secret())?;
        let admin_key = options.admin_key.as_ref().map(admin_key_hash).transpose()?;
        let store = options.store;
        // Every record of such a server says so, from the first.
        let mode = options.auto_approve.then_some("auto_approve");
        let level = store.health().await?.feature_level;
        if level > FEATURE_LEVEL {
            return Err(StoreError::NewerFeatures(level).into());
        }
        if !store.is_shared() {
            // No older node can be running beside this one.
            store.raise_feature_level(FEATURE_LEVEL).await?;
        }
        create_first_workspace(&*store, &master, mode).await?;
        let tenants = Arc::new(load_tenants(&*store, &master).await?);
        let home = tenants
            .values()
            .min_by_key(|tenant| tenant.id)
            .cloned()
            .ok_or_else(|| StartError::Damaged("there is no workspace".into()))?;
        let aftermath = Aftermath {
            waiters: Arc::new(Waiters::default()),
            notices: broadcast::channel(NOTICES_MAX).0,
            nudges: Arc::new(Nudges::default()),
            counters: Arc::new(Counters::default()),
            deaf: Arc::default(),
            moved: Arc::default(),
        };
        let (stop_writers, writer_tasks) = (CancellationToken::new(), TaskTracker::new());
        let mut writers = HashMap::new();
        for tenant in tenants.values() {
            let (writer, task) =
                WriterTask::new(Arc::clone(&store), Arc::clone(tenant), aftermath.clone(), mode);
            writers.insert(tenant.id, writer);
            writer_tasks.spawn(task.run(stop_writers.clone()));
        }
        let engine = Self {
            inner: Arc::new(Inner {
                store,
                egress: options.egress,
                public_url: options.public_url,
                admin_key,
                auto_approve: options.auto_approve,
                // The same on every node: a link that one of them printed works on all.
                setup_token: home.key.setup_token(),
                node: RawId(random()),
                tenants,
                home,
                writers,
                aftermath,
                runners: Runners::default(),
                sign_ins: SignIns::default(),
                link_tries: LinkTries::default(),
                hashers: Semaphore::new(HASHERS_MAX),
                probe: tokio::sync::Mutex::default(),
                stop_workers: CancellationToken::new(),
                stop_writers,
                workers: TaskTracker::new(),
                writer_tasks,
            }),
        };
        // Before anybody is served: what was approved before a restore is not carried out in passing.
        engine.look_at_places().await;
        workers::start(&engine, &engine.inner.workers, &engine.inner.stop_workers);
        Ok(engine)
    }

    /// Stops taking commands, finishes what was taken, ends the workers.
    pub async fn stop(&self) {
        self.inner.stop_workers.cancel();
        self.inner.workers.close();
        self.inner.workers.wait().await;
        self.inner.stop_writers.cancel();
        self.inner.writer_tasks.close();
        self.inner.writer_tasks.wait().await;
    }

    /// Whether requests can be served.
    pub async fn ready(&self) -> Vec<ReadyCheck> {
        let health = self.health().await;
        let stopping = self.inner.stop_workers.is_cancelled();
        let check = |name, trouble: Option<String>| ReadyCheck {
            name,
            ok: trouble.is_none(),
            detail: trouble,
        };
        let away = health.is_none().then(|| "the store does not answer".to_owned());
        let skewed = health
            .map(|health| health.clock_skew)
            .filter(|skew| skew.0.abs() > CLOCK_SKEW_MAX.0);
        vec![
            check("store", away),
            check(
                "version",
                health.and_then(|health| version_trouble(health.feature_level)),
            ),
            check("clock", skewed.map(clock_trouble)),
            check("writer", stopping.then(|| "the server is stopping".to_owned())),
        ]
    }

    /// Asks the store at most once a second: the question takes the writer's turn, and strangers may ask us.
    async fn health(&self) -> Option<Health> {
        let mut probe = self.inner.probe.lock().await;
        if let Some((asked_at, answer)) = *probe
            && asked_at.elapsed() < PROBE_LIFETIME
        {
            return answer;
        }
        let answer = self.inner.store.health().await;
        if let Err(error) = &answer {
            tracing::error!(%error, "the store does not answer");
        }
        let answer = answer.ok();
        *probe = Some((Instant::now(), answer));
        answer
    }

    /// Numbers for metrics.
    pub fn numbers(&self) -> Numbers {
        use std::sync::atomic::Ordering::Relaxed;
        let counters = &self.inner.aftermath.counters;
        Numbers {
            allowed: counters.allowed.load(Relaxed),
            denied: counters.denied.load(Relaxed),
            asked: counters.asked.load(Relaxed),
            decisions: counters.decisions.load(Relaxed),
            batches: counters.batches.load(Relaxed),
            commands: counters.commands.load(Relaxed),
            waiters: self.inner.aftermath.waiters.count(),
            delivered: counters.delivered.load(Relaxed),
            delivery_failures: counters.delivery_failures.load(Relaxed),
        }
    }

    /// Approvals that wait, for the metric.
    ///
    /// # Errors
    /// If the store can't be read.
    pub async fn pending(&self) -> EngineResult<u64> {
        Ok(self.inner.store.pending_count(self.inner.home.id, None).await?)
    }

    /// The present time, by the clock that everything is recorded with.
    pub fn now(&self) -> Timestamp {
        self.inner.store.clock().now()
    }

    /// What links are built from.
    pub fn public_url(&self) -> &str {
        &self.inner.public_url
    }

    /// The console page of an approval.
    pub fn approval_url(&self, id: ApprovalId) -> String {
        format!("{}/approvals/{id}", self.inner.public_url)
    }

    /// Whether the server approves everything by itself.
    pub fn auto_approves(&self) -> bool {
        self.inner.auto_approve
    }

    /// The caller's workspace.
    pub(crate) fn tenant(&self, caller: &Caller) -> EngineResult<Arc<Tenant>> {
        self.inner
            .tenants
            .get(&caller.workspace)
            .cloned()
            .ok_or(EngineError::Unauthorized)
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.inner.store
    }

    /// Sends a command to the writer and waits for its commit.
    pub(crate) async fn write<T, F>(&self, tenant: &Tenant, wants: Wants, work: F) -> EngineResult<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Turn<'_>) -> EngineResult<T> + Send + 'static,
    {
        let writer = self.inner.writers.get(&tenant.id).ok_or(EngineError::Internal)?;
        writer.run(wants, work).await
    }
}

fn clock_trouble(skew: Micros) -> String {
    let (seconds, direction) = (
        skew.0.abs() / 1_000_000,
        if skew.0 > 0 { "ahead of" } else { "behind" },
    );
    format!("this machine's clock is {seconds} seconds {direction} the database's; set it by NTP")
}

fn version_trouble(level: u32) -> Option<String> {
    (level > FEATURE_LEVEL).then(|| {
        format!(
            "the installation is at feature level {level}, this node knows {FEATURE_LEVEL}: upgrade this node"
        )
    })
}

fn admin_key_hash(key: &SecretString) -> Result<[u8; 32], StartError> {
    let key = key.expose_secret();
    if key.chars().count() < ADMIN_KEY_CHARS_MIN {
        let why = format!("SIGNOFF_ADMIN_KEY has fewer than {ADMIN_KEY_CHARS_MIN} characters");
        return Err(StartError::InvalidOption(why));
    }
    Ok(Sha256::digest(key.as_bytes()).into())
}

async fn load_tenants(
    store: &dyn Store,
    master: &MasterKey,
) -> Result<HashMap<WorkspaceId, Arc<Tenant>>, StartError> {
    let mut tenants = HashMap::new();
    for id in store.workspaces().await? {
        let wrapped = store.workspace_key(id).await?;
        let wrapped = wrapped.ok_or_else(|| StartError::Damaged(format!("the key of {id} is missing")))?;
        let key = master.unwrap(id, &wrapped).ok_or(StartError::WrongMasterKey)?;
        tenants.insert(id, Arc::new(Tenant::load(store, id, key).await?));
    }
    Ok(tenants)
}

/// The first record of a new installation. Of several nodes that start at once, one writes it.
async fn create_first_workspace(
    store: &dyn Store,
    master: &MasterKey,
    mode: Option<&str>,
) -> Result<(), StartError> {
    use signoff_core::{fold::Rows, record::Head, record::Record};
    if !store.workspaces().await?.is_empty() {
        return Ok(());
    }
    let mut batch = store.begin().await?;
    if !batch.lock_installation().await?.is_empty() {
        return Ok(());
    }
    let now = batch.now();
    let workspace = WorkspaceId(mint_id(now));
    let (_, wrapped) = master.mint(workspace);
    let head = Head::empty(workspace);
    let record = Record {
        v: 1,
        workspace,
        seq: 1,
        id: signoff_core::id::EventId(mint_id(now)),
        time: now,
        event: Event::WorkspaceCreated(WorkspaceSet {
            settings: Settings::default(),
        }),
        actor: Actor::system("first_run"),
        subject: workspace.to_string(),
        policy: None,
        epochs: head.epochs,
        payloads: std::collections::BTreeMap::new(),
        mode: mode.map(str::to_owned),
        prev: head.hash,
    };
    let mut rows = Rows::default();
    let damaged = |why: String| StartError::Store(StoreError::Damaged(why));
    rows.fold(&record).map_err(|error| damaged(error.to_string()))?;
    let sealed = record.seal().map_err(|error| damaged(error.to_string()))?;
    let changes = Changes {
        head: Some((workspace, head.after(&sealed))),
        rows: rows
            .workspace
            .into_iter()
            .map(signoff_store::Row::Workspace)
            .collect(),
        records: vec![sealed],
        workspace_key: Some(wrapped),
        ..Changes::default()
    };
    batch.write(&changes).await?;
    batch.commit().await?;
    Ok(())
}

/// A number below `bound`, for jitter.
pub(crate) fn jitter() -> u32 {
    u32::from_be_bytes(random())
}

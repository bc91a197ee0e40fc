//! The batch writer: the only thing that changes anything. Commands wait in a queue; a batch takes up to 256 of them,
//! reads what they need in a constant number of statements, lets each take its turn, writes, commits once, then answers.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use signoff_core::id::WorkspaceId;
use signoff_store::{Batch, BatchState, RecordQuery, Store, StoreError, Wants};
use tokio::sync::{mpsc, oneshot};

use crate::{
    EngineError, EngineResult,
    aftermath::Aftermath,
    tenant::Tenant,
    turn::{Ledger, Turn},
};

/// How many commands one batch carries.
pub(crate) const BATCH_MAX: usize = 256;
/// How many commands may wait; more are told to come back.
const QUEUE_MAX: usize = 8_192;
/// How often a batch is tried on a fresh snapshot before it fails closed.
const ROUNDS_MAX: u32 = 3;

/// A command in the queue. It may run more than once (a batch that fails is tried again), but only one run is kept.
trait Job: Send {
    fn workspace(&self) -> WorkspaceId;
    fn wants(&self) -> &Wants;
    fn run(&mut self, turn: &mut Turn<'_>);
    /// Answers: what the kept run came to, or why nothing was kept.
    fn answer(self: Box<Self>, failed: Option<EngineError>);
}

struct Command<T, F> {
    workspace: WorkspaceId,
    wants: Wants,
    work: F,
    came_to: Option<EngineResult<T>>,
    reply: oneshot::Sender<EngineResult<T>>,
}

impl<T: Send, F: FnMut(&mut Turn<'_>) -> EngineResult<T> + Send> Job for Command<T, F> {
    fn workspace(&self) -> WorkspaceId {
        self.workspace
    }
    fn wants(&self) -> &Wants {
        &self.wants
    }
    fn run(&mut self, turn: &mut Turn<'_>) {
        self.came_to = Some((self.work)(turn));
    }
    fn answer(self: Box<Self>, failed: Option<EngineError>) {
        let Self { came_to, reply, .. } = *self;
        let answer = match failed {
            Some(error) => Err(error),
            None => came_to.unwrap_or(Err(EngineError::Unavailable)),
        };
        // Whoever asked may have gone; the command stands all the same.
        drop(reply.send(answer));
    }
}

/// Sends commands to the writer.
#[derive(Clone)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Box<dyn Job>>,
}

impl Writer {
    /// Runs a command in some batch and answers after its commit. The command goes on if the caller gives up.
    ///
    /// # Errors
    /// What the command came to, or [`EngineError::Unavailable`] when nothing was written.
    pub(crate) async fn run<T, F>(&self, workspace: WorkspaceId, wants: Wants, work: F) -> EngineResult<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Turn<'_>) -> EngineResult<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let command = Command {
            workspace,
            wants,
            work,
            came_to: None,
            reply,
        };
        self.queue
            .try_send(Box::new(command))
            .map_err(|_| EngineError::Unavailable)?;
        answer.await.unwrap_or(Err(EngineError::Unavailable))
    }
}

/// The task behind [`Writer`].
pub(crate) struct WriterTask {
    pen: Pen,
    queue: mpsc::Receiver<Box<dyn Job>>,
    waiting: VecDeque<Box<dyn Job>>,
}

/// What writes a batch.
struct Pen {
    store: Arc<dyn Store>,
    tenants: Arc<HashMap<WorkspaceId, Arc<Tenant>>>,
    aftermath: Aftermath,
    mode: Option<&'static str>,
}

/// Why a batch did not come about.
enum Failure {
    /// Nothing was written; trying again command by command may help.
    Culprit,
    /// Nothing was written and nothing can be now.
    Store(EngineError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error.into())
    }
}

impl WriterTask {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        tenants: Arc<HashMap<WorkspaceId, Arc<Tenant>>>,
        aftermath: Aftermath,
        mode: Option<&'static str>,
    ) -> (Writer, Self) {
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        let pen = Pen {
            store,
            tenants,
            aftermath,
            mode,
        };
        (
            Writer { queue: sender },
            Self {
                pen,
                queue,
                waiting: VecDeque::new(),
            },
        )
    }

    /// Runs until the token is cancelled, then takes what is still in the queue to its end.
    pub(crate) async fn run(mut self, stop: tokio_util::sync::CancellationToken) {
        let mut arrived = Vec::with_capacity(BATCH_MAX);
        loop {
            if self.waiting.is_empty() {
                tokio::select! {
                    biased;
                    () = stop.cancelled(), if !self.queue.is_closed() => self.queue.close(),
                    count = self.queue.recv_many(&mut arrived, BATCH_MAX) => if count == 0 { return },
                }
                self.waiting.extend(arrived.drain(..));
            }
            while self.waiting.len() < BATCH_MAX
                && let Ok(job) = self.queue.try_recv()
            {
                self.waiting.push_back(job);
            }
            let count = self.waiting.len().min(BATCH_MAX);
            let jobs: Vec<_> = self.waiting.drain(..count).collect();
            self.process(jobs).await;
        }
    }

    async fn process(&mut self, mut jobs: Vec<Box<dyn Job>>) {
        if jobs.is_empty() {
            return;
        }
        match self.pen.batch(&mut jobs).await {
            Ok(done) => {
                let later = jobs.split_off(done);
                answer_all(jobs, None);
                for job in later.into_iter().rev() {
                    self.waiting.push_front(job);
                }
            }
            Err(Failure::Culprit) if jobs.len() > 1 => {
                // One of them is at fault: alone, the others pass.
                for job in jobs {
                    let mut alone = vec![job];
                    match self.pen.batch(&mut alone).await {
                        Ok(_) => answer_all(alone, None),
                        Err(Failure::Culprit) => answer_all(alone, Some(&EngineError::Internal)),
                        Err(Failure::Store(error)) => answer_all(alone, Some(&error)),
                    }
                }
            }
            Err(Failure::Culprit) => answer_all(jobs, Some(&EngineError::Internal)),
            Err(Failure::Store(error)) => answer_all(jobs, Some(&error)),
        }
    }
}

impl Pen {
    /// One transaction. Answers how many of the commands took their turn; the rest belong to the next batch, because
    /// policy or authority changed under them.
    async fn batch(&self, jobs: &mut [Box<dyn Job>]) -> Result<usize, Failure> {
        let wants = union(jobs);
        let (mut batch, mut ledgers) = self.open(&wants).await?;
        let mut done = 0;
        for job in jobs.iter_mut() {
            let Some(ledger) = ledgers.get_mut(&job.workspace()) else {
                return Err(Failure::Culprit);
            };
            let ran = catch_unwind(AssertUnwindSafe(|| job.run(&mut Turn { ledger })));
            if ran.is_err() || ledger.poisoned {
                return Err(Failure::Culprit);
            }
            done += 1;
            if ledger.moved {
                break;
            }
        }
        let mut wrote = false;
        for ledger in ledgers.values_mut() {
            if let Some(changes) = ledger.take_changes() {
                batch.write(&changes).await.map_err(|error| {
                    tracing::error!(%error, "a batch could not be written");
                    Failure::Culprit
                })?;
                ledger.changes = changes;
                wrote = true;
            }
        }
        if wrote {
            self.commit(batch, &ledgers).await?;
            self.aftermath.follow(&*self.store, ledgers, done).await;
        }
        Ok(done)
    }

    /// Opens a transaction whose snapshots are those of the heads it locked.
    async fn open(&self, wants: &Wants) -> Result<(Box<dyn Batch>, BTreeMap<WorkspaceId, Ledger>), Failure> {
        for _ in 0..ROUNDS_MAX {
            let mut batch = self.store.begin().await?;
            let state = batch.read(wants).await?;
            let behind: Vec<_> = self.stale(&state).cloned().collect();
            if behind.is_empty() {
                let ledgers = self.ledgers(wants, state, batch.now());
                return Ok((batch, ledgers));
            }
            drop(batch);
            for tenant in behind {
                tenant.reload(&*self.store).await?;
            }
        }
        Err(Failure::Store(EngineError::Unavailable))
    }

    fn stale<'a>(&'a self, state: &'a BatchState) -> impl Iterator<Item = &'a Arc<Tenant>> {
        let tenants = state
            .heads
            .iter()
            .filter_map(|(id, head)| Some((self.tenants.get(id)?, head)));
        tenants
            .filter(|(tenant, head)| tenant.snapshot().epochs != head.epochs)
            .map(|(tenant, _)| tenant)
    }

    fn ledgers(
        &self,
        wants: &Wants,
        mut state: BatchState,
        now: signoff_core::time::Timestamp,
    ) -> BTreeMap<WorkspaceId, Ledger> {
        let mut ledgers = BTreeMap::new();
        for id in &wants.workspaces {
            let (Some(tenant), Some(head)) = (self.tenants.get(id), state.heads.get(id)) else {
                continue;
            };
            let ledger = Ledger {
                tenant: Arc::clone(tenant),
                snapshot: tenant.snapshot(),
                // Time never runs backwards in a log, whatever the clock does.
                now: now.max(head.time),
                head: *head,
                rows: state.rows.remove(id).unwrap_or_default(),
                idempotency: HashMap::new(),
                submissions: BTreeMap::new(),
                changes: signoff_store::Changes::default(),
                changed: std::collections::BTreeSet::new(),
                notices: Vec::new(),
                moved: false,
                poisoned: false,
                mode: self.mode,
            };
            ledgers.insert(*id, ledger);
        }
        for (name, row) in state.idempotency {
            if let Some(ledger) = ledgers.get_mut(&name.workspace) {
                ledger.idempotency.insert(name, row);
            }
        }
        for ((workspace, action), record) in state.submissions {
            if let Some(ledger) = ledgers.get_mut(&workspace) {
                ledger.submissions.insert(action, record);
            }
        }
        ledgers
    }

    /// Commits; where the answer is lost, the log itself says whether it happened.
    async fn commit(
        &self,
        batch: Box<dyn Batch>,
        ledgers: &BTreeMap<WorkspaceId, Ledger>,
    ) -> Result<(), Failure> {
        let Err(error) = batch.commit().await else {
            return Ok(());
        };
        tracing::error!(%error, "no answer to a commit; looking into the log");
        for ledger in ledgers.values() {
            let Some(first) = ledger.changes.records.first() else {
                continue;
            };
            let query = RecordQuery {
                beyond: Some(first.record.seq - 1),
                limit: 1,
                ..RecordQuery::default()
            };
            let stored = self.store.records(ledger.tenant.id, &query).await?;
            let happened = stored.first().is_some_and(|stored| stored.hash == first.hash);
            return if happened { Ok(()) } else { Err(error.into()) };
        }
        Err(error.into())
    }
}

fn union(jobs: &[Box<dyn Job>]) -> Wants {
    let mut all = Wants::default();
    for job in jobs {
        all.workspaces.insert(job.workspace());
        let wants = job.wants();
        all.rows.extend(wants.rows.iter().copied());
        all.idempotency.extend(wants.idempotency.iter().cloned());
        all.submissions.extend(wants.submissions.iter().copied());
    }
    all
}

fn answer_all(jobs: Vec<Box<dyn Job>>, failed: Option<&EngineError>) {
    for job in jobs {
        job.answer(failed.cloned());
    }
}

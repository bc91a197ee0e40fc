//! The batch writer, one for each workspace: the only thing that changes anything. Commands wait in a queue; a batch takes
//! up to 256 of them, reads what they need in a constant number of statements, lets each take its turn, writes, commits
//! once, then answers.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use signoff_core::{actor::Actor, event::EpochCause, record::Head};
use signoff_store::{Batch, BatchState, Changes, Store, StoreError, Wants};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

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
/// How long a batch is tried again while the store is away: a restart of the database takes about so long.
const PATIENCE: Duration = Duration::from_secs(15);
/// The pauses between such tries; the last one repeats.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(5),
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
];

/// A command in the queue. It may run more than once (a batch that fails is tried again), but only one run is kept.
trait Job: Send {
    fn wants(&self) -> &Wants;
    fn run(&mut self, turn: &mut Turn<'_>);
    /// Answers: what the kept run came to, or why nothing was kept.
    fn answer(self: Box<Self>, failed: Option<EngineError>);
}

struct Command<T, F> {
    wants: Wants,
    work: F,
    came_to: Option<EngineResult<T>>,
    reply: oneshot::Sender<EngineResult<T>>,
}

impl<T: Send, F: FnMut(&mut Turn<'_>) -> EngineResult<T> + Send> Job for Command<T, F> {
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
    pub(crate) async fn run<T, F>(&self, wants: Wants, work: F) -> EngineResult<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Turn<'_>) -> EngineResult<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let command = Command {
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
    tenant: Arc<Tenant>,
    aftermath: Aftermath,
    mode: Option<&'static str>,
}

/// Why a batch did not come about. Nothing was written.
enum Failure {
    /// One of the commands is at fault; trying them one by one may help.
    Culprit,
    /// The store is away for the moment; trying again may help.
    Away(StoreError),
    /// Nothing can be written now.
    Store(EngineError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        if error.is_transient() {
            Self::Away(error)
        } else {
            Self::Store(error.into())
        }
    }
}

impl WriterTask {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        tenant: Arc<Tenant>,
        aftermath: Aftermath,
        mode: Option<&'static str>,
    ) -> (Writer, Self) {
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        let pen = Pen {
            store,
            tenant,
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
        match self.pen.patiently(&mut jobs).await {
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
                    self.alone(job).await;
                }
            }
            Err(Failure::Culprit) => answer_all(jobs, Some(&EngineError::Internal)),
            Err(Failure::Store(error)) => answer_all(jobs, Some(&error)),
            Err(Failure::Away(error)) => answer_all(jobs, Some(&error.into())),
        }
    }

    async fn alone(&mut self, job: Box<dyn Job>) {
        let mut jobs = vec![job];
        match self.pen.patiently(&mut jobs).await {
            Ok(0) => self.waiting.extend(jobs),
            Ok(_) => answer_all(jobs, None),
            Err(Failure::Culprit) => answer_all(jobs, Some(&EngineError::Internal)),
            Err(Failure::Store(error)) => answer_all(jobs, Some(&error)),
            Err(Failure::Away(error)) => answer_all(jobs, Some(&error.into())),
        }
    }
}

impl Pen {
    /// A batch, tried again while the store is away.
    async fn patiently(&self, jobs: &mut [Box<dyn Job>]) -> Result<usize, Failure> {
        let patience = Instant::now() + PATIENCE;
        let mut pauses = PAUSES.into_iter();
        let mut pause = Duration::ZERO;
        loop {
            match self.batch(jobs).await {
                Err(Failure::Away(error)) if Instant::now() < patience => {
                    tracing::warn!(%error, "a batch was not written; trying again");
                    pause = pauses.next().unwrap_or(pause);
                    tokio::time::sleep(pause).await;
                }
                settled => return settled,
            }
        }
    }

    /// One transaction. Answers how many of the commands took their turn; the rest belong to the next batch, because
    /// policy or authority changed under them.
    async fn batch(&self, jobs: &mut [Box<dyn Job>]) -> Result<usize, Failure> {
        let (mut batch, mut ledger, displaced) = self.open(&self.union(jobs)).await?;
        let mut done = 0;
        if displaced {
            self.raise_epoch(&mut ledger)?;
        } else {
            for job in jobs.iter_mut() {
                let mut turn = Turn { ledger: &mut ledger };
                let ran = catch_unwind(AssertUnwindSafe(|| job.run(&mut turn)));
                if ran.is_err() || ledger.poisoned {
                    return Err(Failure::Culprit);
                }
                done += 1;
                if ledger.moved {
                    break;
                }
            }
        }
        let before = ledger.began_at;
        if let Some(changes) = ledger.take_changes() {
            batch.write(&changes).await.map_err(|error| {
                if error.is_transient() {
                    return Failure::Away(error);
                }
                tracing::error!(%error, "a batch could not be written");
                Failure::Culprit
            })?;
            self.commit(batch, &before, &changes).await?;
            ledger.changes = changes;
            self.aftermath.follow(&*self.store, ledger, done).await;
        }
        Ok(done)
    }

    /// The log goes on in another place than where it was written last: what was acknowledged there at the end may be
    /// missing here, so what was approved is held until a person has looked.
    fn raise_epoch(&self, ledger: &mut Ledger) -> Result<(), Failure> {
        let workspace = self.tenant.id;
        tracing::error!(%workspace, "the database is a restored copy or was failed over: approved executions are held until a person releases them");
        let mut turn = Turn { ledger };
        turn.raise_epoch(EpochCause::Displaced, Actor::system("displaced"))
            .map(drop)
            .map_err(Failure::Store)
    }

    /// Opens a transaction whose snapshot is that of the head it locked, and says whether the log was displaced.
    async fn open(&self, wants: &Wants) -> Result<(Box<dyn Batch>, Ledger, bool), Failure> {
        let tenant = &self.tenant;
        for round in 1..=ROUNDS_MAX {
            let mut batch = self.store.begin().await?;
            let mut state = batch.read(wants).await?;
            let Some(head) = state.heads.remove(&tenant.id) else {
                return Err(StoreError::Damaged(format!("{} has no log", tenant.id)).into());
            };
            if tenant.snapshot().epochs != head.epochs {
                if round == 1 {
                    drop(batch);
                    tenant.reload(&*self.store).await?;
                    continue;
                }
                // Other nodes change policy or people as fast as this one reads: it reads under the lock.
                tenant.reload(&*self.store).await?;
            }
            if tenant.snapshot().epochs == head.epochs {
                let displaced = state.displaced.contains(&tenant.id);
                let ledger = self.ledger(state, head, batch.now());
                return Ok((batch, ledger, displaced));
            }
        }
        Err(Failure::Store(EngineError::Unavailable))
    }

    fn ledger(&self, mut state: BatchState, head: Head, now: signoff_core::time::Timestamp) -> Ledger {
        let id = self.tenant.id;
        Ledger {
            tenant: Arc::clone(&self.tenant),
            snapshot: self.tenant.snapshot(),
            // Time never runs backwards in a log, whatever the clock does.
            now: now.max(head.time),
            began_at: head,
            head,
            rows: state.rows.remove(&id).unwrap_or_default(),
            idempotency: state
                .idempotency
                .into_iter()
                .filter(|(name, _)| name.workspace == id)
                .collect::<HashMap<_, _>>(),
            submissions: state
                .submissions
                .into_iter()
                .filter(|((workspace, _), _)| *workspace == id)
                .map(|((_, action), record)| (action, record))
                .collect(),
            figures: state
                .figures
                .into_iter()
                .filter(|((workspace, _), _)| *workspace == id)
                .map(|((_, key), figure)| (key, figure))
                .collect(),
            unread: false,
            changes: Changes::default(),
            changed: BTreeSet::new(),
            notices: Vec::new(),
            moved: false,
            poisoned: false,
            mode: self.mode,
            feature_level: state.feature_level,
        }
    }

    /// Commits; where the answer is lost, the log itself says whether it happened.
    async fn commit(&self, batch: Box<dyn Batch>, before: &Head, changes: &Changes) -> Result<(), Failure> {
        let Err(error) = batch.commit().await else {
            return Ok(());
        };
        tracing::error!(%error, "no answer to a commit; looking into the log");
        let Some(first) = changes.records.first() else {
            // Side rows alone: writing them again comes to the same.
            return Err(error.into());
        };
        let patience = Instant::now() + PATIENCE;
        loop {
            match self.reached(before.seq + 1, first.hash).await {
                Ok(true) => return Ok(()),
                Ok(false) => return Err(error.into()),
                Err(lost) if lost.is_transient() && Instant::now() < patience => {
                    tokio::time::sleep(PAUSES[PAUSES.len() - 1]).await;
                }
                Err(lost) => {
                    tracing::error!(error = %lost, "what became of a commit is not known; its commands are told so");
                    return Err(Failure::Store(EngineError::Unavailable));
                }
            }
        }
    }

    /// Whether a record is in the log. Asked under the lock: the transaction in doubt has then come to its end.
    async fn reached(&self, seq: u64, hash: signoff_core::payload::Hash32) -> Result<bool, StoreError> {
        let mut batch = self.store.begin().await?;
        let mut wants = Wants::default();
        wants.workspaces.insert(self.tenant.id);
        batch.read(&wants).await?;
        let stored = self.store.records_at(self.tenant.id, &[seq]).await?;
        Ok(stored.first().is_some_and(|stored| stored.hash == hash))
    }

    fn union(&self, jobs: &[Box<dyn Job>]) -> Wants {
        let mut all = Wants::default();
        all.workspaces.insert(self.tenant.id);
        for job in jobs {
            let wants = job.wants();
            all.rows.extend(wants.rows.iter().copied());
            all.idempotency.extend(wants.idempotency.iter().cloned());
            all.submissions.extend(wants.submissions.iter().copied());
            all.figures.extend(wants.figures.iter().cloned());
        }
        all
    }
}

fn answer_all(jobs: Vec<Box<dyn Job>>, failed: Option<&EngineError>) {
    for job in jobs {
        job.answer(failed.cloned());
    }
}

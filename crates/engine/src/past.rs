//! The recent past, as velocity conditions ask for it: named before the batch, read under its lock, kept exact while the
//! commands of the batch take their turns. Dry runs read it beside the batches, and may lag.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use signoff_core::{
    action::Action,
    counted::{CountedRow, Counter, CounterKey, Figure, Figures},
    fold::CountedChange,
    id::{AgentId, PolicyId, WorkspaceId},
    judge::{AgentFacts, PolicySet},
    time::Timestamp,
};
use signoff_store::Wants;

use crate::{
    Engine, EngineError, EngineResult,
    snapshot::Snapshot,
    tenant::Tenant,
    turn::{Ledger, Turn},
};

/// How often a command is prepared anew because policy came to ask for what its batch had not read.
pub(crate) const ROUNDS_MAX: u32 = 3;

/// What a batch reads of the past.
pub(crate) type Keys = BTreeSet<(WorkspaceId, CounterKey)>;

/// What must be read before an action of this agent can be judged. `before`: only what was submitted before this record.
pub(crate) fn keys(
    tenant: &Tenant,
    policies: &PolicySet,
    (action, agent): (&Action, &AgentFacts),
    before: Option<u64>,
) -> Keys {
    let wanted = policies.wanted(action, agent);
    let keys = wanted
        .into_iter()
        .map(|(policy, counter)| CounterKey::new(policy, &counter, agent.id, before));
    keys.map(|key| (tenant.id, key)).collect()
}

/// The answers that conditions see. None if one of them was not read, or can't be: nobody judges by a missing figure.
pub(crate) fn figures(
    known: &BTreeMap<CounterKey, Figure>,
    wanted: Vec<(PolicyId, Counter)>,
    (agent, before): (AgentId, Option<u64>),
    besides: &[CountedRow],
    now: Timestamp,
) -> Option<Figures> {
    let mut figures = Figures::default();
    for (policy, counter) in wanted {
        let key = CounterKey::new(policy, &counter, agent, before);
        let known = *known.get(&key)?;
        let mut left_out = besides.iter().filter(|row| key.fits(row, now));
        let figure = left_out.try_fold(known, Figure::without)?;
        figures.insert(policy, counter, figure);
    }
    Some(figures)
}

/// What a command came to.
pub(crate) enum Ran<T> {
    Done(T),
    /// Policy asks for what was not read: it must be prepared anew.
    Again,
}

impl Turn<'_> {
    /// The past that an action is judged by, `besides` left out.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] where a figure was not read; [`Self::attempt`] then has the command prepared anew.
    pub(crate) fn past(
        &mut self,
        (action, agent): (&Action, &AgentFacts),
        before: Option<u64>,
        besides: &[CountedRow],
    ) -> EngineResult<Figures> {
        let wanted = self.ledger.snapshot.policies.wanted(action, agent);
        let (known, now) = (&self.ledger.figures, self.ledger.now);
        let found = figures(known, wanted, (agent.id, before), besides, now);
        self.ledger.unread |= found.is_none();
        found.ok_or(EngineError::Unavailable)
    }

    /// Runs what asks for the past before it changes anything.
    pub(crate) fn attempt<T>(
        &mut self,
        work: impl FnOnce(&mut Turn<'_>) -> EngineResult<T>,
    ) -> EngineResult<Ran<T>> {
        self.ledger.unread = false;
        let came = work(self);
        if std::mem::take(&mut self.ledger.unread) {
            return Ok(Ran::Again);
        }
        came.map(Ran::Done)
    }
}

impl Ledger {
    /// Keeps the figures exact for the commands that follow in the batch.
    pub(crate) fn count(&mut self, change: &CountedChange) {
        let (CountedChange::Entered(rows) | CountedChange::TakenOut(rows)) = change;
        let entered = matches!(change, CountedChange::Entered(_));
        let now = self.now;
        self.figures.retain(|key, figure| {
            for row in rows.iter().filter(|row| key.fits(row, now)) {
                if entered {
                    figure.add(row);
                } else {
                    // What can't be is not judged by: it is as if it had not been read.
                    let Some(less) = figure.without(row) else {
                        return false;
                    };
                    *figure = less;
                }
            }
            true
        });
    }
}

impl Engine {
    /// Runs a command that judges an action: `wanted` says what of the past a snapshot's policies ask for. Where a batch
    /// finds that they ask for something else by now, the command is prepared anew.
    ///
    /// # Errors
    /// What the command came to; [`EngineError::Unavailable`] after some rounds of new policies.
    pub(crate) async fn write_judging<T, F>(
        &self,
        tenant: &Tenant,
        wants: Wants,
        wanted: impl Fn(&Snapshot) -> Keys + Send,
        work: F,
    ) -> EngineResult<T>
    where
        T: Send + 'static,
        F: Fn(&mut Turn<'_>) -> EngineResult<T> + Send + Sync + 'static,
    {
        let work = Arc::new(work);
        for _ in 0..ROUNDS_MAX {
            let mut wants = wants.clone();
            wants.figures = wanted(&tenant.snapshot());
            let work = Arc::clone(&work);
            let ran = self.write(tenant, wants, move |turn| turn.attempt(|turn| work(turn)));
            if let Ran::Done(came) = ran.await? {
                return Ok(came);
            }
        }
        Err(EngineError::Unavailable)
    }

    /// The past for a dry run, as the store has it now, `besides` left out.
    pub(crate) async fn past_now(
        &self,
        tenant: &Tenant,
        policies: &PolicySet,
        asked: (&Action, &AgentFacts),
        besides: &[CountedRow],
        now: Timestamp,
    ) -> EngineResult<Figures> {
        let known = self
            .known_now(tenant, policies, std::iter::once(asked), now)
            .await?;
        known.of(policies, asked, besides)
    }

    /// The same for several actions, in one read.
    pub(crate) async fn known_now<'a>(
        &self,
        tenant: &Tenant,
        policies: &PolicySet,
        asked: impl Iterator<Item = (&'a Action, &'a AgentFacts)>,
        now: Timestamp,
    ) -> EngineResult<Known> {
        let wanted: Keys = asked
            .flat_map(|asked| keys(tenant, policies, asked, None))
            .collect();
        let wanted: Vec<CounterKey> = wanted.into_iter().map(|(_, key)| key).collect();
        let figures = if wanted.is_empty() {
            BTreeMap::new()
        } else {
            self.store().figures(tenant.id, &wanted, now).await?
        };
        Ok(Known { figures, now })
    }
}

/// What was read of the past for dry runs.
pub(crate) struct Known {
    figures: BTreeMap<CounterKey, Figure>,
    now: Timestamp,
}

impl Known {
    /// The past of one action, `besides` left out.
    pub(crate) fn of(
        &self,
        policies: &PolicySet,
        (action, agent): (&Action, &AgentFacts),
        besides: &[CountedRow],
    ) -> EngineResult<Figures> {
        let wanted = policies.wanted(action, agent);
        figures(&self.figures, wanted, (agent.id, None), besides, self.now).ok_or(EngineError::Internal)
    }
}

//! The kill switch: what is stopped, stopping, and lifting a stop. That a stop refuses stands in core, where everything is
//! judged; what is on its way is brought to its end in `ending.rs`.

mod ending;
mod guard;

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use signoff_core::{
    action::check_text,
    actor::Principal,
    authority::Operation,
    event::{Event, ExecutionState, StopLifted, StopPulled},
    fold::RowKey,
    http::CallFacts,
    id::{AgentId, ExecutionId, GrantId, RawId},
    stop::{Stop, StopTarget},
};
use signoff_store::{ExecutionQuery, Wants};

use crate::{
    Engine, EngineError, EngineResult,
    content::{Opened, seal_text},
    idempotency::{Once, want},
    policies::open_page,
    seal::SealedPayload,
    snapshot::Snapshot,
    tenant::Tenant,
    turn::{Draft, Turn},
    view::{Caller, InFlight, Named, StopOutlook, StopTargetView, StopView, Stopped},
};

pub(crate) use guard::{PART, check, target_text};

/// What doors call the whole workspace where they name a target.
const WORKSPACE: &str = "workspace";
/// What stands before the name of a grant there.
const GRANT: &str = "grant:";
/// How many calls on their way are looked through.
const CALLS_MAX: u32 = 10_000;
/// How many executions of a kind an answer names.
pub(crate) const IN_FLIGHT_MAX: u32 = 100;
/// How long stopping is tried where the server has more to do than it can take: nobody pulls a switch twice gladly.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause between such tries.
const PAUSE: Duration = Duration::from_millis(20);
/// How often lifting begins again because the stop was pulled anew meanwhile.
const ROUNDS_MAX: u32 = 3;

#[derive(Serialize)]
struct SameStop<'a> {
    target: StopTarget,
    reason: Option<&'a str>,
}

/// What pulling or lifting came to, as it is remembered for its idempotency key.
#[derive(Serialize, Deserialize)]
struct Remembered {
    stop: Stop,
}

/// The target that a text names: the word for the whole workspace, an agent by id or name, or a grant as `grant:NAME`.
fn find(snapshot: &Snapshot, text: &str) -> EngineResult<StopTarget> {
    if text == WORKSPACE {
        return Ok(StopTarget::Workspace);
    }
    let agent = snapshot.find_agent(text).map(|row| StopTarget::Agent(row.id));
    let grant = || {
        let name = text.strip_prefix(GRANT).unwrap_or(text);
        let row = snapshot.find_grant(name).map(|row| StopTarget::Grant(row.id));
        row.filter(|_| text.starts_with(GRANT) || text.parse::<GrantId>().is_ok())
    };
    agent
        .or_else(grant)
        .ok_or_else(|| EngineError::not_found("agent", text))
}

/// Whose executions and approvals a target covers; none: those of several agents.
fn agent_of(target: StopTarget) -> Option<AgentId> {
    match target {
        StopTarget::Workspace | StopTarget::Grant(_) => None,
        StopTarget::Agent(id) => Some(id),
    }
}

fn digits(tenant: &Tenant, target: StopTarget) -> RawId {
    match target {
        StopTarget::Workspace => tenant.id.0,
        StopTarget::Agent(id) => id.0,
        StopTarget::Grant(id) => id.0,
    }
}

/// Whether what this call is part of is covered by a target, as far as its grant tells.
fn is_of(target: StopTarget, call: Option<&CallFacts>) -> bool {
    match target {
        StopTarget::Grant(id) => call.is_some_and(|call| call.grant == Some(id)),
        StopTarget::Workspace | StopTarget::Agent(_) => true,
    }
}

fn not_stopped(snapshot: &Snapshot, target: StopTarget) -> EngineError {
    EngineError::not_found("stop of", target_text(snapshot, target))
}

fn target_view(snapshot: &Snapshot, target: StopTarget) -> StopTargetView {
    match target {
        StopTarget::Workspace => StopTargetView::Workspace,
        StopTarget::Agent(id) => StopTargetView::Agent(Named {
            id,
            name: snapshot.agent_name(id),
        }),
        StopTarget::Grant(id) => StopTargetView::Grant(Named {
            id,
            name: snapshot.grant_name(id),
        }),
    }
}

fn view(snapshot: &Snapshot, opened: &Opened, target: StopTarget, stop: &Stop) -> StopView {
    StopView {
        target: target_view(snapshot, target),
        at: stop.at,
        by: snapshot.named(&stop.by),
        reason: opened.text(stop.seq),
    }
}

impl Engine {
    /// What is stopped, the widest first.
    ///
    /// # Errors
    /// If the caller may not see the workspace.
    pub async fn stops(&self, caller: &Caller) -> EngineResult<Vec<StopView>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        self.catch_up(&tenant).await?;
        let snapshot = tenant.snapshot();
        let stops: Vec<(StopTarget, &Stop)> = snapshot.policies.stops().iter().collect();
        let sequences: Vec<u64> = stops.iter().map(|(_, stop)| stop.seq).collect();
        let opened = Opened::read(self.store(), &tenant, &sequences).await?;
        let views = stops
            .into_iter()
            .map(|(target, stop)| view(&snapshot, &opened, target, stop));
        Ok(views.collect())
    }

    /// Whether nothing that an agent asks for goes on: it is stopped, everything is, or it was switched off. An agent asks
    /// about itself, whatever it calls itself; without a name it is about everything.
    ///
    /// # Errors
    /// If the caller may not see what is asked for.
    pub async fn is_stopped(&self, caller: &Caller, agent: Option<&str>) -> EngineResult<bool> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeActions)?;
        self.catch_up(&tenant).await?;
        let snapshot = tenant.snapshot();
        let row = match (&caller.principal, agent) {
            (Principal::Agent(id), Some(_)) => snapshot.rows.agents.get(id),
            (_, Some(agent)) => snapshot.find_agent(agent),
            (_, None) => None,
        };
        // Whoever is not known yet is stopped only together with everybody else.
        let id = row.map_or(AgentId(RawId([0; 16])), |row| row.id);
        let stopped = snapshot.policies.stops().over(id).is_some();
        Ok(stopped || row.is_some_and(|row| row.disabled))
    }

    /// What is stopped, without reasons and from memory: for what stands on every page.
    ///
    /// # Errors
    /// If the caller may not see the workspace.
    pub fn stops_at_a_glance(&self, caller: &Caller) -> EngineResult<Vec<StopView>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        let snapshot = tenant.snapshot();
        let stops = snapshot.policies.stops().iter();
        Ok(stops
            .map(|(target, stop)| view(&snapshot, &Opened::default(), target, stop))
            .collect())
    }

    /// What a stop of this target would meet: what to show before it is pulled.
    ///
    /// # Errors
    /// If there is no such agent.
    pub async fn stop_outlook(&self, caller: &Caller, target: &str) -> EngineResult<StopOutlook> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        self.catch_up(&tenant).await?;
        let snapshot = tenant.snapshot();
        let target = find(&snapshot, target)?;
        let stop = match snapshot.policies.stops().on(target) {
            Some(stop) => {
                let opened = Opened::read(self.store(), &tenant, &[stop.seq]).await?;
                Some(view(&snapshot, &opened, target, stop))
            }
            None => None,
        };
        Ok(StopOutlook {
            target: target_view(&snapshot, target),
            stop,
            in_flight: self.in_flight(&tenant, target).await?,
        })
    }

    /// Stops an agent, or the whole workspace: from the answer on nothing that is covered is allowed, approved or taken.
    /// Where it is stopped already, that is the answer.
    ///
    /// # Errors
    /// If there is no such agent.
    pub async fn pull_stop(
        &self,
        caller: &Caller,
        target: &str,
        reason: Option<&str>,
        key: Option<&str>,
    ) -> EngineResult<Stopped> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Stop)?;
        check_text(reason.unwrap_or_default()).map_err(|why| EngineError::invalid("/reason", why))?;
        // Nothing that only informs keeps anybody from stopping.
        if let Err(error) = self.catch_up(&tenant).await {
            tracing::warn!(%error, "a stop goes by what this node knows");
        }
        let target = find(&tenant.snapshot(), target)?;
        let once = Once::of(&tenant, caller, "stop", key, &SameStop { target, reason })?;
        // Before: what is ended by the stop. Afterwards nothing of it may be left.
        let outlook = self.in_flight(&tenant, target).await.unwrap_or_default();
        let words = seal_text(&tenant.key, digits(&tenant, target), reason);
        let until = Instant::now() + PATIENCE;
        let (stop, is_new) = loop {
            let mut wants = Wants::default();
            want(&mut wants, once.as_ref());
            let (caller, once, words) = (caller.clone(), once.clone(), words.clone());
            let pulled = self.write(&tenant, wants, move |turn| {
                pull(turn, &caller, target, once.as_ref(), words.as_ref())
            });
            match pulled.await {
                Err(EngineError::Unavailable) if Instant::now() < until => tokio::time::sleep(PAUSE).await,
                settled => break settled?,
            }
        };
        // Afterwards: what is in somebody's hands. What was taken before the stop is all there is, and none is missing.
        let taken = self.in_flight(&tenant, target).await;
        let unknown = InFlight {
            more: true,
            ..outlook.clone()
        };
        let in_flight = InFlight {
            pending: outlook.pending,
            ready: outlook.ready,
            ..taken.unwrap_or(unknown)
        };
        let opened = Opened::read(self.store(), &tenant, &[stop.seq]).await;
        let opened = opened.unwrap_or_default();
        Ok(Stopped {
            stop: view(&tenant.snapshot(), &opened, target, &stop),
            is_new,
            may_lift: self.permit(caller, Operation::LiftStop).is_ok(),
            in_flight,
        })
    }

    /// Lets policy answer again. What the stop covered comes to its end first, so that nothing from before it comes back
    /// to life.
    ///
    /// # Errors
    /// If it is not stopped.
    pub async fn lift_stop(
        &self,
        caller: &Caller,
        target: &str,
        reason: Option<&str>,
        key: Option<&str>,
    ) -> EngineResult<StopView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::LiftStop)?;
        check_text(reason.unwrap_or_default()).map_err(|why| EngineError::invalid("/reason", why))?;
        self.catch_up(&tenant).await?;
        let target = find(&tenant.snapshot(), target)?;
        let once = Once::of(&tenant, caller, "lift_stop", key, &SameStop { target, reason })?;
        let words = seal_text(&tenant.key, digits(&tenant, target), reason);
        for _ in 0..ROUNDS_MAX {
            let ended = tenant.snapshot().policies.stops().on(target).map(|stop| stop.seq);
            if ended.is_some() {
                self.end_what_is_stopped(&tenant).await?;
            }
            let mut wants = Wants::default();
            want(&mut wants, once.as_ref());
            let (caller, once, words) = (caller.clone(), once.clone(), words.clone());
            let lifted = self
                .write(&tenant, wants, move |turn| {
                    lift(turn, &caller, target, ended, once.as_ref(), words.as_ref())
                })
                .await?;
            if let Some(stop) = lifted {
                let snapshot = tenant.snapshot();
                let opened = Opened::read(self.store(), &tenant, &[stop.seq]).await?;
                return Ok(view(&snapshot, &opened, target, &stop));
            }
            // It was pulled anew since it was looked at: what that one covers comes to its end first, too.
            self.catch_up(&tenant).await?;
        }
        Err(EngineError::Unavailable)
    }

    /// What is on its way of a target, as it stands.
    async fn in_flight(&self, tenant: &Tenant, target: StopTarget) -> EngineResult<InFlight> {
        if let StopTarget::Grant(_) = target {
            return self.calls_in_flight(tenant, target).await;
        }
        let agent = agent_of(target);
        let store = self.store();
        let ready = store.execution_count(tenant.id, ExecutionState::Ready, agent);
        let (pending, ready) = tokio::try_join!(store.pending_count(tenant.id, agent), ready)?;
        let (consumed, consumed_more) = self.taken(tenant, agent, ExecutionState::Consumed).await?;
        let (executing, executing_more) = self.taken(tenant, agent, ExecutionState::Executing).await?;
        Ok(InFlight {
            pending,
            ready,
            consumed,
            executing,
            more: consumed_more || executing_more,
        })
    }

    /// The same of a grant. All of what is on its way is read for it: there is no index by grant, and a stop is rare.
    async fn calls_in_flight(&self, tenant: &Tenant, target: StopTarget) -> EngineResult<InFlight> {
        let mut found = InFlight::default();
        for (workspace, row) in self.store().calls(CALLS_MAX).await? {
            if workspace != tenant.id || !is_of(target, row.call.as_ref().map(|call| &call.facts)) {
                continue;
            }
            match row.state {
                ExecutionState::Executing if found.executing.len() < IN_FLIGHT_MAX as usize => {
                    found.executing.push(row.id);
                }
                ExecutionState::Executing => found.more = true,
                _ => found.ready += 1,
            }
        }
        let mut beyond = None;
        loop {
            let rows = self.store().approvals(tenant.id, &open_page(beyond)).await?;
            let Some(last) = rows.last() else {
                return Ok(found);
            };
            beyond = Some(last.submitted_seq);
            let covered = rows.iter().filter(|row| is_of(target, row.call.as_ref()));
            found.pending += covered.count() as u64;
        }
    }

    /// Executions in a state, the latest asked for first, and whether there are more.
    async fn taken(
        &self,
        tenant: &Tenant,
        agent: Option<AgentId>,
        state: ExecutionState,
    ) -> EngineResult<(Vec<ExecutionId>, bool)> {
        let query = ExecutionQuery {
            state,
            agent,
            beyond: None,
            limit: IN_FLIGHT_MAX + 1,
        };
        let rows = self.store().executions(tenant.id, &query).await?;
        let mut ids: Vec<ExecutionId> = rows.into_iter().map(|row| row.id).collect();
        let more = ids.len() > IN_FLIGHT_MAX as usize;
        ids.truncate(IN_FLIGHT_MAX as usize);
        Ok((ids, more))
    }
}

/// Pulls, unless it is pulled: the stop in force, and whether it is this one.
fn pull(
    turn: &mut Turn<'_>,
    caller: &Caller,
    target: StopTarget,
    once: Option<&Once>,
    words: Option<&SealedPayload>,
) -> EngineResult<(Stop, bool)> {
    let (principal, _) = turn.principal(caller, Operation::Stop)?;
    let snapshot = turn.snapshot();
    let present = snapshot.policies.stops().on(target).cloned();
    if let Some(Remembered { stop }) = turn.before(once)? {
        // The same call again. Once that stop was lifted, it must not read as if it were still in force.
        let present = present.ok_or_else(|| not_stopped(&snapshot, target))?;
        return Ok((present.clone(), present == stop));
    }
    if let Some(stop) = present {
        return Ok((stop, false));
    }
    bring(turn, target);
    let actor = principal.actor();
    let event = Event::StopPulled(StopPulled { target });
    let subject = target.subject(turn.ledger.tenant.id);
    let seq = turn.emit(Draft::new(event, actor.clone(), subject).with(words.cloned()))?;
    let stop = Stop {
        by: actor,
        at: turn.now(),
        seq,
    };
    let remembered = Remembered { stop };
    turn.remember(once, &remembered)?;
    Ok((remembered.stop, true))
}

/// Lifts the stop whose record is `ended`; none where another is in force by now.
fn lift(
    turn: &mut Turn<'_>,
    caller: &Caller,
    target: StopTarget,
    ended: Option<u64>,
    once: Option<&Once>,
    words: Option<&SealedPayload>,
) -> EngineResult<Option<Stop>> {
    let (principal, _) = turn.principal(caller, Operation::LiftStop)?;
    if let Some(Remembered { stop }) = turn.before(once)? {
        return Ok(Some(stop));
    }
    let snapshot = turn.snapshot();
    let Some(stop) = snapshot.policies.stops().on(target).cloned() else {
        return Err(not_stopped(&snapshot, target));
    };
    if Some(stop.seq) != ended {
        return Ok(None);
    }
    bring(turn, target);
    let event = Event::StopLifted(StopLifted { target });
    let subject = target.subject(turn.ledger.tenant.id);
    turn.emit(Draft::new(event, principal.actor(), subject).with(words.cloned()))?;
    let remembered = Remembered { stop };
    turn.remember(once, &remembered)?;
    Ok(Some(remembered.stop))
}

fn bring(turn: &mut Turn<'_>, target: StopTarget) {
    turn.bring(match target {
        StopTarget::Workspace => RowKey::Workspace,
        StopTarget::Agent(id) => RowKey::Agent(id),
        StopTarget::Grant(id) => RowKey::Grant(id),
    });
}

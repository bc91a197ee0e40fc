//! Backtest: what a set that is not in force would have said of what was asked before. Reads the log and changes nothing;
//! works in pages, off the runtime, and never comes near the writer.

mod past;
mod recorded;
mod sorted;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use signoff_core::{
    action::Action,
    authority::Operation,
    judge::{PolicySet, Verdict},
    record::Record,
    stop::Stops,
    time::{Micros, Timestamp},
};
use signoff_store::{RecordQuery, StoredPayload, StoredRecord};
use tokio::sync::OwnedSemaphorePermit;

use super::{check_policies, plan::candidate_under, plan::plan};
use crate::{
    Engine, EngineError, EngineResult,
    approvals::{PAGE_MAX, compose},
    content::Opened,
    request::{ApplyPolicies, Simulate},
    snapshot::Snapshot,
    tenant::Tenant,
    view::{Caller, Content, CutShort, Example, Named, Simulation},
};

use past::{Past, Waiting};
use recorded::{Ends, JUDGED, Recorded};
use sorted::{Sorted, explained};

/// How far back a simulation may look.
pub const SIMULATE_SPAN_MAX: Micros = Micros::seconds(400 * 86_400);
/// How many actions one simulation looks at, at most.
pub const SIMULATE_ACTIONS_MAX: u64 = 50_000;
/// How many changed actions one simulation lists, at most.
pub const SIMULATE_EXAMPLES_MAX: usize = 200;
/// How long one simulation takes, at most.
const TIME_MAX: Duration = Duration::from_secs(20);
/// When somebody who is told that another simulation runs should try again.
const BUSY_RETRY_SECONDS: u64 = 5;
/// How many actions are held in memory with all they carry.
const CHUNK: usize = 50;

impl Engine {
    /// Judges recorded actions by a proposed set and by the one in force, each at the time when it was asked, and says where
    /// they differ. Agents are taken as they are today, and stops are left aside.
    ///
    /// # Errors
    /// If any policy can't work, `since` is out of range, or another simulation of the workspace runs on this node.
    pub async fn simulate(&self, caller: &Caller, simulate: Simulate) -> EngineResult<Simulation> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        let (now, deadline) = (self.now(), Instant::now() + TIME_MAX);
        check_bounds(&simulate, now)?;
        let permit = Arc::clone(&tenant.simulating)
            .try_acquire_owned()
            .map_err(|_| EngineError::Busy {
                what: "another simulation of this workspace is running",
                retry_after_seconds: BUSY_RETRY_SECONDS,
            })?;
        let snapshot = tenant.snapshot();
        let bounds = Bounds {
            since: simulate.since,
            actions: simulate.actions_max,
            examples: simulate.examples_max,
            deadline,
        };
        let replay = off_the_runtime(permit, move || Replay::new(snapshot, simulate, bounds, now)).await??;
        self.replay(&tenant, replay).await
    }

    /// Walks the log backwards, page by page.
    async fn replay(&self, tenant: &Arc<Tenant>, mut replay: Replay) -> EngineResult<Simulation> {
        let mut beyond = None;
        loop {
            let query = RecordQuery {
                beyond,
                newest_first: true,
                limit: PAGE_MAX,
                ..RecordQuery::default()
            };
            let page = self.store().records(tenant.id, &query).await?;
            let is_last = page.len() < PAGE_MAX as usize;
            beyond = page.last().map(|stored| stored.seq);
            for chunk in in_chunks(replay.read(&page)?) {
                if replay.is_over() {
                    break;
                }
                let sequences: Vec<u64> = chunk.iter().flat_map(Recorded::sequences).collect();
                let mut kept = self.store().payloads(tenant.id, &sequences).await?;
                kept.retain(|payload| JUDGED.contains(&payload.name));
                let (tenant, permit) = (Arc::clone(tenant), replay.permit.take());
                let permit = permit.ok_or(EngineError::Internal)?;
                replay = off_the_runtime(permit, move || replay.judged(&tenant, chunk, kept)).await??;
            }
            replay.end_page(is_last);
            if replay.has_all || replay.is_over() {
                let permit = replay.permit.take().ok_or(EngineError::Internal)?;
                let replay = off_the_runtime(permit, move || Ok(replay.judged_by_past())).await??;
                return Ok(replay.found());
            }
        }
    }
}

fn check_bounds(simulate: &Simulate, now: Timestamp) -> EngineResult<()> {
    let refused = |pointer, why: String| Err(EngineError::invalid(pointer, why));
    if simulate.since > now {
        return refused(
            "/since",
            "it is in the future: nothing was asked since then".into(),
        );
    }
    if simulate.since.until(now) > SIMULATE_SPAN_MAX {
        let days = SIMULATE_SPAN_MAX.as_seconds() / 86_400;
        return refused("/since", format!("a simulation looks back at most {days} days"));
    }
    if !(1..=SIMULATE_ACTIONS_MAX).contains(&simulate.actions_max) {
        return refused(
            "/limit",
            format!("a simulation looks at 1 to {SIMULATE_ACTIONS_MAX} actions"),
        );
    }
    if simulate.examples_max > SIMULATE_EXAMPLES_MAX {
        return refused(
            "/examples",
            format!("a simulation lists at most {SIMULATE_EXAMPLES_MAX} actions"),
        );
    }
    check_policies(&simulate.policies)
}

/// Pieces that fit into memory with all they carry.
fn in_chunks(mut found: Vec<Recorded>) -> Vec<Vec<Recorded>> {
    let mut chunks = Vec::new();
    while found.len() > CHUNK {
        let rest = found.split_off(CHUNK);
        chunks.push(std::mem::replace(&mut found, rest));
    }
    if !found.is_empty() {
        chunks.push(found);
    }
    chunks
}

/// Runs what would hold up the runtime elsewhere. The permit goes along and comes back: whoever stops waiting leaves no
/// second one running beside the next.
async fn off_the_runtime<F>(permit: OwnedSemaphorePermit, work: F) -> EngineResult<EngineResult<Replay>>
where
    F: FnOnce() -> EngineResult<Replay> + Send + 'static,
{
    let run = move || {
        work().map(|replay| Replay {
            permit: Some(permit),
            ..replay
        })
    };
    tokio::task::spawn_blocking(run).await.map_err(|error| {
        tracing::error!(%error, "a simulation broke off");
        EngineError::Internal
    })
}

/// How far a simulation goes.
struct Bounds {
    since: Timestamp,
    actions: u64,
    examples: usize,
    deadline: Instant,
}

/// A simulation under way.
struct Replay {
    snapshot: Arc<Snapshot>,
    present: PolicySet,
    proposed: PolicySet,
    bounds: Bounds,
    now: Timestamp,
    ends: Ends,
    sorted: Sorted,
    /// What was done before under the present and under the proposed set, and what is judged by it.
    pasts: [Past; 2],
    waiting: Vec<Waiting>,
    actions: u64,
    erased: u64,
    unknown_agent: u64,
    /// The oldest record read.
    read_to: Option<Timestamp>,
    /// How far back everything was looked at.
    reached: Option<Timestamp>,
    cut_short: Option<CutShort>,
    /// Nothing older is to be looked at.
    has_all: bool,
    permit: Option<OwnedSemaphorePermit>,
}

impl Replay {
    fn new(
        snapshot: Arc<Snapshot>,
        simulate: Simulate,
        bounds: Bounds,
        now: Timestamp,
    ) -> EngineResult<Self> {
        let apply = ApplyPolicies {
            policies: simulate.policies,
            settings: simulate.settings,
            ..ApplyPolicies::default()
        };
        let plan = plan(&snapshot, &apply, now)?;
        // A stop is no policy: while everything is stopped, rules can still be tried.
        let proposed = candidate_under(&snapshot, &plan, Stops::default())?;
        let in_force = &snapshot.policies;
        let present = PolicySet::new(
            in_force.policies().to_vec(),
            in_force.settings().clone(),
            Stops::default(),
        );
        let present = present.map_err(|_| EngineError::Internal)?;
        Ok(Self {
            present: present.among(Arc::clone(in_force.people())),
            proposed,
            snapshot,
            bounds,
            now,
            ends: Ends::default(),
            sorted: Sorted::default(),
            pasts: Default::default(),
            waiting: Vec::new(),
            actions: 0,
            erased: 0,
            unknown_agent: 0,
            read_to: None,
            reached: None,
            cut_short: None,
            has_all: false,
            permit: None,
        })
    }

    /// The actions of a page, those that were asked for within the time.
    fn read(&mut self, page: &[StoredRecord]) -> EngineResult<Vec<Recorded>> {
        let mut found = Vec::new();
        for stored in page {
            let record: Record = serde_json::from_slice(&stored.bytes).map_err(|_| EngineError::Internal)?;
            if record.time < self.bounds.since {
                self.has_all = true;
                break;
            }
            self.read_to = Some(record.time);
            found.extend(self.ends.take(record));
        }
        Ok(found)
    }

    fn end_page(&mut self, is_last: bool) {
        self.has_all |= is_last;
        if !self.is_over() {
            self.reached = self.read_to;
            // A page without actions takes its time, too.
            let is_late = Instant::now() >= self.bounds.deadline && !self.has_all;
            self.cut_short = is_late.then_some(CutShort::Time);
        }
    }

    fn is_over(&self) -> bool {
        self.cut_short.is_some()
    }

    /// Judges some actions, newest first, until a bound is hit.
    fn judged(
        mut self,
        tenant: &Tenant,
        chunk: Vec<Recorded>,
        kept: Vec<StoredPayload>,
    ) -> EngineResult<Self> {
        let opened = Opened::open(tenant, kept)?;
        for recorded in chunk {
            if self.actions >= self.bounds.actions {
                self.cut_short = Some(CutShort::Actions);
            } else if Instant::now() >= self.bounds.deadline {
                self.cut_short = Some(CutShort::Time);
            }
            if self.is_over() {
                break;
            }
            self.actions += 1;
            self.reached = Some(recorded.at);
            self.judge(recorded, &opened);
        }
        Ok(self)
    }

    fn judge(&mut self, recorded: Recorded, opened: &Opened) {
        let Some(action) = recorded.action(opened) else {
            self.erased += 1;
            return;
        };
        let Some(facts) = self.snapshot.facts(recorded.facts.agent).cloned() else {
            self.unknown_agent += 1;
            return;
        };
        let [before, after] = &mut self.pasts;
        let asks = [
            before.take(&self.present, &recorded, &action, &facts),
            after.take(&self.proposed, &recorded, &action, &facts),
        ];
        if asks.contains(&true) {
            self.waiting.push(Waiting { recorded, action });
        } else {
            let present = self.present.judge(&action, &facts, recorded.at);
            let proposed = self.proposed.judge(&action, &facts, recorded.at);
            self.sort(recorded, action, present, proposed);
        }
    }

    /// Those that are judged by what was done before, now that all of it is known.
    fn judged_by_past(mut self) -> Self {
        for Waiting { recorded, action } in std::mem::take(&mut self.waiting) {
            if Instant::now() >= self.bounds.deadline && !self.is_over() {
                self.cut_short = Some(CutShort::Time);
            }
            let late = Instant::now() >= self.bounds.deadline;
            let Some(facts) = self
                .snapshot
                .facts(recorded.facts.agent)
                .cloned()
                .filter(|_| !late)
            else {
                self.actions -= 1;
                continue;
            };
            let [before, after] = &self.pasts;
            let present = before.judge(&self.present, &recorded, &action, &facts);
            let proposed = after.judge(&self.proposed, &recorded, &action, &facts);
            self.sort(recorded, action, present, proposed);
        }
        self
    }

    fn sort(&mut self, recorded: Recorded, action: Action, present: Verdict, proposed: Verdict) {
        let Some(kind) = self.sorted.count(recorded.outcome, &present, &proposed) else {
            return;
        };
        if self.sorted.wants(kind, self.bounds.examples) {
            let example = example(&self.snapshot, recorded, action, present, proposed);
            self.sorted.keep(kind, example);
        }
    }

    fn found(self) -> Simulation {
        let since = self.bounds.since;
        let workspace = self.snapshot.rows.workspace.as_ref();
        let cut = workspace.and_then(|row| row.cut.as_ref());
        let whole = cut.map_or(since, |cut| cut.time.max(since));
        let (outcomes, changes) = self.sorted.found(self.bounds.examples);
        Simulation {
            since,
            until: self.now,
            reached: if self.cut_short.is_some() {
                self.reached.unwrap_or(self.now)
            } else {
                whole
            },
            cut_short: self.cut_short,
            actions: self.actions,
            erased: self.erased,
            unknown_agent: self.unknown_agent,
            outcomes,
            changes,
        }
    }
}

fn example(
    snapshot: &Snapshot,
    recorded: Recorded,
    action: Action,
    present: Verdict,
    proposed: Verdict,
) -> Example {
    let agent = Named {
        id: recorded.facts.agent,
        name: snapshot.agent_name(recorded.facts.agent),
    };
    let content = Content {
        inputs: action.inputs,
        context: action.context,
        call: action.http,
        ..Content::default()
    };
    let cost = action.cost.as_ref().map(signoff_core::action::Cost::as_str);
    Example {
        action_id: recorded.id,
        approval_id: recorded.asked.then(|| recorded.id.approval()),
        at: recorded.at,
        sentence: compose(&agent.name, &action.name, &content, cost),
        action: action.name,
        agent,
        outcome: recorded.outcome,
        policy: recorded.facts.policy.map(|policy| policy.name),
        decided_by: recorded.decided_by.as_ref().map(|actor| snapshot.named(actor)),
        present: explained(present),
        proposed: explained(proposed),
    }
}

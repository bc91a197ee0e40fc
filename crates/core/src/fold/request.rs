//! The part of the projection that is about single requests: approvals, their executions, and what is counted of them.

use crate::{
    counted::Entries,
    event::{
        ActionFacts, ApprovalEdited, ApprovalEnd, ApprovalRequested, ApprovalStatus, ApprovalVoted, Event,
        ExecutionOrigin, ExecutionSource, ExecutionState,
    },
    fold::{Fold, FoldError, RowKey},
    id::{ActionId, AgentId, ApprovalId, ExecutionId},
    record::Record,
    rows::{ApprovalRow, CallRun, CounterRow, Edit, ExecutionRow, InfoRequest, Settled, StageDone, Vote},
    time::Timestamp,
};

impl Fold<'_> {
    pub(super) fn apply_approval(&mut self) -> Result<(), FoldError> {
        let record = self.record;
        let id: ApprovalId = self.subject()?;
        if let Event::ApprovalRequested(requested) = &record.event {
            return self.apply_requested(id, requested);
        }
        let row = row_mut!(self.approvals, Approval, id)?;
        let status = row.status;
        let follows = match &record.event {
            Event::InfoRequested(_) => status == ApprovalStatus::Pending,
            Event::InfoAnswered(_) => status == ApprovalStatus::InfoRequested,
            _ => !status.is_terminal(),
        };
        row.last_seq = record.seq;
        match &record.event {
            _ if !follows => return Err(self.impossible(status.as_str())),
            Event::ApprovalRejudged(rejudged) => {
                row.policy.clone_from(&rejudged.policy);
                row.requirement.clone_from(&rejudged.requirement);
                row.valid_for = rejudged.valid_for;
                if rejudged.stages_done.len() > row.requirement.stages.len().saturating_sub(1) {
                    return Err(self.impossible(status.as_str()));
                }
                take_stages(row, &rejudged.stages_done);
            }
            Event::ApprovalEdited(edited) => {
                if edited.before != row.digest {
                    return Err(self.impossible(status.as_str()));
                }
                take_edit(row, edited, record);
            }
            Event::ApprovalVoted(voted) => {
                if !fits_the_stage(row, voted) {
                    return Err(self.impossible(status.as_str()));
                }
                take_vote(row, voted, record);
                if let Some(end) = &voted.end {
                    return self.end(id, end);
                }
            }
            Event::InfoRequested(_) => {
                row.status = ApprovalStatus::InfoRequested;
                row.info.push(InfoRequest {
                    asked_by: record.actor.clone(),
                    asked_at: record.time,
                    asked_seq: record.seq,
                    answered_at: None,
                    answered_seq: None,
                });
            }
            Event::InfoAnswered(_) => {
                row.status = ApprovalStatus::Pending;
                if let Some(info) = row.info.last_mut() {
                    info.answered_at = Some(record.time);
                    info.answered_seq = Some(record.seq);
                }
            }
            Event::ApprovalEscalated(_) => row.escalated_at = Some(record.time),
            Event::ApprovalEnded(end) => {
                if !end.counted.is_empty() {
                    let since = row.stages_done.last().map_or(0, |done| done.seq);
                    row.votes
                        .iter_mut()
                        .filter(|vote| vote.seq > since)
                        .for_each(|vote| vote.counted = end.counted.contains(&vote.actor));
                }
                return self.end(id, end);
            }
            _ => {}
        }
        Ok(())
    }

    fn apply_requested(&mut self, id: ApprovalId, requested: &ApprovalRequested) -> Result<(), FoldError> {
        if let Some(row) = self.rows.approvals.get(&id) {
            return Err(self.impossible(row.status.as_str()));
        }
        self.changed.insert(RowKey::Approval(id));
        let row = requested_row(id, requested, self.record.seq, self.record.time);
        self.rows.approvals.insert(id, row);
        self.count(requested.action.agent, true);
        Ok(())
    }

    fn end(&mut self, id: ApprovalId, end: &ApprovalEnd) -> Result<(), FoldError> {
        let record = self.record;
        let row = row_mut!(self.approvals, Approval, id)?;
        // Only an approval opens an execution, and it always does.
        let fits =
            end.status.is_terminal() && (end.status == ApprovalStatus::Approved) == end.run_by.is_some();
        if !fits {
            let status = row.status.as_str();
            return Err(self.impossible(status));
        }
        row.status = end.status;
        row.decided_at = Some(record.time);
        row.decided_by = Some(record.actor.clone());
        row.decided_seq = Some(record.seq);
        row.code = end.code;
        row.note.clone_from(&end.note);
        row.superseded_by = end.superseded_by;
        let agent = row.agent;
        if let Some(run_by) = end.run_by {
            let execution = approved_execution(row, record, run_by);
            self.changed.insert(RowKey::Execution(execution.id));
            self.rows.executions.insert(execution.id, execution);
        }
        self.count(agent, false);
        Ok(())
    }

    fn count(&mut self, agent: AgentId, up: bool) {
        self.changed.insert(RowKey::Counter(agent));
        let row = self
            .rows
            .counters
            .entry(agent)
            .or_insert(CounterRow { agent, pending: 0 });
        row.pending = if up {
            row.pending + 1
        } else {
            row.pending.saturating_sub(1)
        };
    }

    pub(super) fn apply_execution(&mut self) -> Result<(), FoldError> {
        let record = self.record;
        let id: ExecutionId = self.subject()?;
        let origin = match &record.event {
            Event::ExecutionConsumed(touched) => touched.origin.as_ref(),
            Event::ExecutionReported(reported) => reported.origin.as_ref(),
            Event::ExecutionStarted(started) => started.origin.as_ref(),
            _ => None,
        };
        if let Some(origin) = origin {
            // What had to be asked for is opened by its approval's end, never by a claim to have been allowed.
            if let Some(asked) = self.rows.approvals.get(&id.action().approval()) {
                return Err(self.impossible(asked.status.as_str()));
            }
            self.rows
                .executions
                .entry(id)
                .or_insert_with(|| allowed_execution(id, origin));
        }
        let row = row_mut!(self.executions, Execution, id)?;
        let state = row.state;
        let Some(next) = next_state(row, &record.event) else {
            return Err(self.impossible(state.as_str()));
        };
        if matches!(record.event, Event::ExecutionReleased(_)) {
            row.released_at = Some(record.time);
            return Ok(());
        }
        row.state = next;
        if let Some(call) = &mut row.call {
            take_call(call, record);
        }
        match &record.event {
            Event::ExecutionConsumed(_) => row.consumed_at = Some(record.time),
            Event::ExecutionReported(reported) => {
                row.outcome = Some(reported.outcome);
                row.reported_seq = Some(record.seq);
            }
            Event::ExecutionSettled(settled)
                if settled.state == ExecutionState::Ready && row.call.is_some() =>
            {
                // A person says that it is to run now: for as long as it could at first, wherever the log is.
                row.run_by = record.time.plus(row.created_at.until(row.run_by));
                row.released_at = Some(record.time);
            }
            _ => {}
        }
        row.ended_at = row.state.is_end().then_some(record.time);
        Ok(())
    }
}

/// Whether a vote says what can be said in the stage that is open: I8, nothing is approved before the last one.
fn fits_the_stage(row: &ApprovalRow, voted: &ApprovalVoted) -> bool {
    let open = row.open_stage();
    let is_last = open + 1 >= row.requirement.stages.len();
    let approves = voted
        .end
        .as_ref()
        .is_some_and(|end| end.status == ApprovalStatus::Approved);
    match &voted.stage {
        None => !row.requirement.is_staged(),
        Some(stage) => {
            let completes = !stage.completed_by.is_empty();
            usize::try_from(stage.number).is_ok_and(|number| number == open + 1)
                && (is_last || !approves)
                && !(completes && (is_last || stage.for_nothing || voted.end.is_some()))
        }
    }
}

/// One person, one vote: the latest. What was cast in a stage that is over stays as it was counted there.
fn take_vote(row: &mut ApprovalRow, voted: &ApprovalVoted, record: &Record) {
    row.votes.retain(|vote| !vote.actor.is_same(&record.actor));
    let since = row.stages_done.last().map_or(0, |done| done.seq);
    let completed_by = voted.stage.as_ref().map_or(&[][..], |stage| &stage.completed_by);
    let decides = voted.end.is_some() || !completed_by.is_empty();
    for vote in row.votes.iter_mut().filter(|vote| vote.seq > since) {
        let against_the_end = decides && vote.ballot != voted.ballot;
        vote.counted = !against_the_end && !voted.not_counted.contains(&vote.actor);
    }
    row.votes.push(Vote {
        actor: record.actor.clone(),
        ballot: voted.ballot,
        at: record.time,
        seq: record.seq,
        counted: voted.stage.as_ref().is_none_or(|stage| !stage.for_nothing),
        via: voted.via(),
    });
    if !completed_by.is_empty() {
        row.stages_done.push(StageDone {
            seq: record.seq,
            at: record.time,
            by: completed_by.to_vec(),
        });
    }
}

/// What is asked is another thing now: nobody has said anything about it yet.
fn take_edit(row: &mut ApprovalRow, edited: &ApprovalEdited, record: &Record) {
    row.digest = edited.digest;
    row.policy.clone_from(&edited.policy);
    row.requirement.clone_from(&edited.requirement);
    row.valid_for = edited.valid_for;
    if let Some(levels) = &edited.levels {
        let claims = row.claims();
        row.claimed = (claims != *levels).then_some(claims);
        row.priority = levels.priority;
        row.risk = levels.risk;
        row.cost.clone_from(&levels.cost);
    }
    // It counts from its submission on, whatever it counts for.
    let (at, seq) = (row.created_at, row.submitted_seq);
    row.counted = Entries::new(at, seq, &edited.counted);
    row.votes.clear();
    row.stages_done.clear();
    row.edits.push(Edit {
        by: record.actor.clone(),
        at: record.time,
        seq: record.seq,
        before: edited.before,
    });
}

/// The stages that votes cast before complete under another requirement; such votes count for these or for nothing.
fn take_stages(row: &mut ApprovalRow, done: &[StageDone]) {
    row.stages_done = done.to_vec();
    let since = done.last().map_or(0, |done| done.seq);
    for vote in row.votes.iter_mut().filter(|vote| vote.seq <= since) {
        vote.counted = done.iter().any(|done| done.by.contains(&vote.actor));
    }
}

/// The state that an event leads to, if it can happen at all.
fn next_state(row: &ExecutionRow, event: &Event) -> Option<ExecutionState> {
    use ExecutionState as S;
    let (from, to): (&[S], S) = match event {
        Event::ExecutionConsumed(_) | Event::ExecutionReported(_) if row.call.is_some() => return None,
        Event::ExecutionConsumed(_) => (&[S::Ready], S::Consumed),
        Event::ExecutionReported(_) if row.source == ExecutionSource::Approved => {
            (&[S::Consumed], S::Reported)
        }
        Event::ExecutionReported(_) => (&[S::Ready, S::Consumed], S::Reported),
        // What a call is, Signoff makes, and nobody takes; anything else it does not make.
        Event::ExecutionStarted(started) if started.runner.is_some() != row.call.is_some() => return None,
        Event::ExecutionStarted(_) => (&[S::Ready], S::Executing),
        Event::ExecutionRepeated(_) if row.call.is_none() => return None,
        Event::ExecutionRepeated(_) => (&[S::Executing], S::Executing),
        Event::ExecutionFinished(finished) => {
            let runner = row.call.as_ref().and_then(|call| call.runner);
            match finished.state {
                // Found by another run of the server, which knows no more than that there was no end.
                S::Indeterminate => (&[S::Executing], S::Indeterminate),
                _ if finished.runner != runner => return None,
                // Late, but sure: whoever made the call had been taken for gone.
                state @ (S::Executed | S::Failed) => (&[S::Executing, S::Indeterminate], state),
                _ => return None,
            }
        }
        Event::ExecutionSettled(settled) => match settled.state {
            state @ (S::Executed | S::Failed | S::Ready) => (&[S::Indeterminate], state),
            _ => return None,
        },
        Event::ExecutionLapsed(_) => (&[S::Ready], S::Lapsed),
        Event::ExecutionRevoked(_) => (&[S::Ready], S::Revoked),
        // It stays what it is; whether it was held is the machine's to say, which knows the epoch.
        Event::ExecutionReleased(_) if matches!(row.state, S::Ready | S::Executing) => {
            return Some(row.state);
        }
        _ => return None,
    };
    from.contains(&row.state).then_some(to)
}

/// What a record says of the call.
fn take_call(call: &mut CallRun, record: &Record) {
    match &record.event {
        Event::ExecutionStarted(started) => {
            call.runner = started.runner;
            call.started_at.get_or_insert(record.time);
            call.started_seq.get_or_insert(record.seq);
            call.attempts += 1;
            // A person has said that it did not run.
            (call.status, call.fault, call.finished_seq) = (None, None, None);
        }
        Event::ExecutionRepeated(repeated) => {
            call.runner = Some(repeated.runner);
            call.attempts += 1;
        }
        Event::ExecutionFinished(finished) => {
            (call.status, call.fault) = (finished.status, finished.fault);
            call.finished_seq = Some(record.seq);
        }
        Event::ExecutionSettled(_) => {
            call.settled = Some(Settled {
                by: record.actor.clone(),
                at: record.time,
                seq: record.seq,
            });
        }
        Event::ExecutionRevoked(revoked) => call.revoked = revoked.because,
        _ => {}
    }
}

/// The row that an approved action's execution starts from.
fn approved_execution(row: &ApprovalRow, record: &Record, run_by: Timestamp) -> ExecutionRow {
    let run = |call| Box::new(CallRun::new(call, record.seq));
    ExecutionRow {
        id: row.id.action().execution(),
        agent: row.agent,
        action: row.action.clone(),
        digest: row.digest,
        source: ExecutionSource::Approved,
        policy: row.policy.clone(),
        state: ExecutionState::Ready,
        submitted_seq: row.submitted_seq,
        edited_seq: row.edits.last().map(|edit| edit.seq),
        standing: None,
        created_at: record.time,
        run_by,
        consumed_at: None,
        ended_at: None,
        outcome: None,
        reported_seq: None,
        released_at: None,
        counted: row.counted.clone(),
        call: row.call.clone().map(run),
    }
}

/// The row that an allowed action's execution starts from.
pub fn allowed_execution(id: ExecutionId, origin: &ExecutionOrigin) -> ExecutionRow {
    let call = origin.call.clone();
    ExecutionRow {
        id,
        agent: origin.agent,
        action: origin.action.clone(),
        digest: origin.digest,
        source: ExecutionSource::Allowed,
        policy: origin.policy.clone(),
        state: ExecutionState::Ready,
        submitted_seq: origin.submitted_seq,
        edited_seq: None,
        standing: origin.standing,
        created_at: origin.created_at,
        run_by: origin.run_by,
        consumed_at: None,
        ended_at: None,
        outcome: None,
        reported_seq: None,
        released_at: None,
        // It runs as soon as somebody touches it, so nothing takes out again what it counts for.
        counted: None,
        call: call.map(|call| Box::new(CallRun::new(call, origin.submitted_seq))),
    }
}

/// What the record of an allowed action says of its execution.
pub fn origin_of(record: &Record) -> Option<(ActionId, ExecutionOrigin)> {
    let Event::ActionAllowed(allowed) = &record.event else {
        return None;
    };
    let ActionFacts {
        name,
        agent,
        digest,
        policy,
        call,
        ..
    } = &allowed.action;
    let origin = ExecutionOrigin {
        agent: *agent,
        action: name.clone(),
        digest: *digest,
        policy: policy.clone(),
        submitted_seq: record.seq,
        created_at: record.time,
        run_by: allowed.run_by,
        standing: allowed.standing,
        call: call.clone(),
    };
    Some((record.subject.parse().ok()?, origin))
}

fn requested_row(id: ApprovalId, requested: &ApprovalRequested, seq: u64, time: Timestamp) -> ApprovalRow {
    let facts = &requested.action;
    ApprovalRow {
        id,
        agent: facts.agent,
        application: facts.application,
        action: facts.name.clone(),
        digest: facts.digest,
        edits: Vec::new(),
        priority: facts.priority,
        risk: facts.risk,
        cost: facts.cost.clone(),
        claimed: facts.claimed.clone(),
        accepts: facts.accepts,
        require_approval: facts.require_approval,
        timeout: requested.timeout,
        policy: facts.policy.clone(),
        requirement: requested.requirement.clone(),
        valid_for: requested.valid_for,
        escalate: requested.escalate.clone(),
        notify: requested.notify.clone(),
        status: ApprovalStatus::Pending,
        submitted_seq: seq,
        last_seq: seq,
        created_at: time,
        decide_by: requested.decide_by,
        escalate_at: requested.escalate_at,
        escalated_at: None,
        votes: Vec::new(),
        stages_done: Vec::new(),
        info: Vec::new(),
        decided_at: None,
        decided_by: None,
        decided_seq: None,
        code: None,
        note: None,
        replaces: requested.replaces,
        superseded_by: None,
        counted: Entries::new(time, seq, &facts.counted),
        call: facts.call.clone(),
    }
}

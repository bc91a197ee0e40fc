//! The decision machine in the hands of tables: a row to start from, one step, and the row after it.
#![allow(dead_code, reason = "every test binary uses its part of it")]

use signoff_core::{
    actor::Actor,
    approval::{Command, Refusal, Selves, Surroundings, transition},
    event::{ApprovalEnd, ApprovalStatus, Ballot, Event},
    requirement::Requirement,
    rows::ApprovalRow,
    time::Timestamp,
};

use crate::support::{self, DIGEST, Log, People, approval_id, operator, person, requested, seconds};

/// Where a table starts: in which state, at what time.
#[derive(Clone)]
pub(crate) struct Start {
    pub(crate) row: ApprovalRow,
    pub(crate) now: Timestamp,
}

pub(crate) fn pending() -> Start {
    let mut log = Log::new();
    let event = Event::ApprovalRequested(Box::new(requested()));
    log.push(seconds(0), &support::agent(), approval_id(), event);
    Start {
        row: log.rows.approvals[&approval_id()].clone(),
        now: seconds(100),
    }
}

impl Start {
    pub(crate) fn status(mut self, status: ApprovalStatus) -> Self {
        self.row.status = status;
        self
    }

    pub(crate) fn asked(self) -> Self {
        let mut asked = self;
        let event = step(&asked, &Command::RequestInfo, &person(operator(9)))
            .expect("may ask")
            .expect("asks");
        asked.row = folded(&asked, event, &person(operator(9)));
        asked
    }

    pub(crate) fn at(mut self, now: Timestamp) -> Self {
        self.now = now;
        self
    }

    pub(crate) fn needs(mut self, change: impl Fn(&mut Requirement)) -> Self {
        change(&mut self.row.requirement);
        self
    }

    pub(crate) fn voted(self, number: u8, ballot: Ballot) -> Self {
        let mut voted = self;
        let event = step(&voted, &vote(ballot), &person(operator(number)))
            .expect("may vote")
            .expect("votes");
        voted.row = folded(&voted, event, &person(operator(number)));
        voted
    }
}

pub(crate) fn people() -> People {
    People::members(9)
}

pub(crate) fn step(start: &Start, command: &Command<'_>, actor: &Actor) -> Result<Option<Event>, Refusal> {
    let people = people();
    let around = Surroundings {
        now: start.now,
        actor,
        roster: &people,
        selves: Selves::default(),
    };
    transition(&start.row, command, &around)
}

/// The row after an event, through the one projection.
pub(crate) fn folded(start: &Start, event: Event, actor: &Actor) -> ApprovalRow {
    let mut log = Log::new();
    log.rows.approvals.insert(start.row.id, start.row.clone());
    log.push(start.now, actor, start.row.id, event);
    log.rows.approvals[&start.row.id].clone()
}

pub(crate) fn vote(ballot: Ballot) -> Command<'static> {
    Command::Vote {
        ballot,
        digest: Some(DIGEST),
        view: None,
        commented: true,
    }
}

/// The end that an event brings, if any.
pub(crate) fn end_of(event: &Event) -> Option<&ApprovalEnd> {
    match event {
        Event::ApprovalEnded(end) => Some(end),
        Event::ApprovalVoted(voted) => voted.end.as_ref(),
        _ => None,
    }
}

//! Random lives of one approval, that the decision machine and a naive model of it are led through.

use proptest::{prelude::*, sample::select};
use signoff_core::{
    actor::Actor,
    approval::{Command, Selves, Surroundings, transition},
    event::{ApprovalEnd, Ballot, Event},
    id::ApprovalId,
    judge::Verdict,
    payload::Hash32,
    policy::{Effect, Orphaned, PolicyRef},
    record::Record,
    requirement::{Approver, Requirement, Role, Stage},
    rows::ApprovalRow,
    time::{Micros, Timestamp},
};

mod naive;

pub(crate) use naive::{Model, has_authority};

use crate::support::{self, DIGEST, Log, OTHER_DIGEST, People, approval_id, operator, person, seconds};

/// Operators 1 to 5; 4 may be the agent's owner, 5 the one it asks for.
pub(crate) const OPERATORS: u8 = 5;
pub(crate) const DEADLINE: Timestamp = seconds(1_000);

/// Who tries something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    Operator(u8),
    Automation,
    Agent,
}

impl Who {
    fn actor(self) -> Actor {
        match self {
            Self::Operator(number) => person(operator(number)),
            Self::Automation => support::automation(),
            Self::Agent => support::agent(),
        }
    }
}

/// One thing that happens to the approval or around it.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Wait(i64),
    SetRole(u8, Role),
    SetDisabled(u8, bool),
    SetGroup(u8, bool),
    Vote {
        who: Who,
        ballot: Ballot,
        digest: Option<Hash32>,
        commented: bool,
    },
    Ask(Who),
    Answer,
    Cancel,
    Withdraw,
    Supersede,
    Expire,
    Escalate,
    Rejudge {
        effect: Effect,
        requirement: Requirement,
        governed: bool,
        orphaned: Orphaned,
    },
    Tally,
    AutoApprove,
}

/// A whole life: how it starts and what happens.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    pub(crate) requirement: Requirement,
    pub(crate) selves: Selves,
    pub(crate) require_approval: bool,
    pub(crate) steps: Vec<Step>,
}

fn any_approver() -> impl Strategy<Value = Approver> {
    prop_oneof![
        4 => Just(Approver::Role(Role::Member)),
        1 => Just(Approver::Role(Role::Admin)),
        2 => Just(Approver::Group("g".into())),
        1 => (1..=OPERATORS).prop_map(|number| Approver::Operator(operator(number))),
        1 => Just(Approver::AgentOwner),
    ]
}

fn any_stage(quorum: std::ops::RangeInclusive<u32>) -> impl Strategy<Value = Stage> {
    let people = prop::collection::vec(any_approver(), 1..3);
    (people, quorum, 1..=3_u32).prop_map(|(approvers, quorum, deny_quorum)| Stage {
        name: None,
        approvers,
        quorum,
        deny_quorum,
    })
}

/// One stage, or up to three that fewer people complete.
fn any_requirement() -> impl Strategy<Value = Requirement> {
    let stages = prop_oneof![
        1 => prop::collection::vec(any_stage(1..=4), 1),
        1 => prop::collection::vec(any_stage(1..=2), 2..=3),
    ];
    (stages, any::<bool>(), prop::bool::weighted(0.2)).prop_map(
        |(stages, self_approval, require_decision_reason)| Requirement {
            stages,
            self_approval,
            require_decision_reason,
            ..support::requirement()
        },
    )
}

fn any_who() -> impl Strategy<Value = Who> {
    prop_oneof![10 => (1..=OPERATORS).prop_map(Who::Operator), 1 => Just(Who::Automation), 1 => Just(Who::Agent)]
}

fn any_step() -> impl Strategy<Value = Step> {
    let digest = prop_oneof![12 => Just(Some(DIGEST)), 1 => Just(Some(OTHER_DIGEST)), 1 => Just(None)];
    let ballot = prop_oneof![3 => Just(Ballot::Approve), 1 => Just(Ballot::Deny)];
    let vote = (any_who(), ballot, digest, prop::bool::weighted(0.8)).prop_map(
        |(who, ballot, digest, commented)| Step::Vote {
            who,
            ballot,
            digest,
            commented,
        },
    );
    let effect = prop_oneof![1 => Just(Effect::Allow), 20 => Just(Effect::Ask), 1 => Just(Effect::Deny)];
    let rejudge = (
        effect,
        any_requirement(),
        prop::bool::weighted(0.8),
        select(Orphaned::ALL),
    )
        .prop_map(|(effect, requirement, governed, orphaned)| Step::Rejudge {
            effect,
            requirement,
            governed,
            orphaned,
        });
    prop_oneof![
        30 => vote,
        7 => prop_oneof![4 => 0..60_i64, 1 => 400..600_i64].prop_map(Step::Wait),
        4 => ((1..=OPERATORS), select(Role::ALL)).prop_map(|(number, role)| Step::SetRole(number, role)),
        4 => ((1..=OPERATORS), any::<bool>()).prop_map(|(number, off)| Step::SetDisabled(number, off)),
        4 => ((1..=OPERATORS), any::<bool>()).prop_map(|(number, member)| Step::SetGroup(number, member)),
        6 => rejudge,
        8 => Just(Step::Tally),
        3 => any_who().prop_map(Step::Ask),
        3 => Just(Step::Answer),
        2 => Just(Step::Expire),
        2 => Just(Step::Escalate),
        1 => select(vec![Step::Cancel, Step::Withdraw, Step::Supersede, Step::AutoApprove]),
    ]
}

/// Any life of at most 40 steps.
pub(crate) fn any_life() -> impl Strategy<Value = Life> {
    let behind = (any::<bool>(), any::<bool>()).prop_map(|(owned, asked_for)| Selves {
        owner: owned.then_some(operator(4)),
        requested_by: asked_for.then_some(operator(5)),
    });
    let steps = prop::collection::vec(any_step(), 1..40);
    (any_requirement(), behind, prop::bool::weighted(0.2), steps).prop_map(
        |(requirement, selves, require_approval, steps)| Life {
            requirement,
            selves,
            require_approval,
            steps,
        },
    )
}

/// One step that was tried, with all that could be seen before and after.
#[derive(Debug, Clone)]
pub(crate) struct Tried {
    pub(crate) step: Step,
    pub(crate) people: People,
    pub(crate) before: ApprovalRow,
    pub(crate) after: ApprovalRow,
    /// What was written, if anything changed.
    pub(crate) record: Option<Record>,
    /// How the model stands after it.
    pub(crate) model: Model,
}

impl Tried {
    /// The end that this step brought, if any.
    pub(crate) fn end(&self) -> Option<&ApprovalEnd> {
        match &self.record.as_ref()?.event {
            Event::ApprovalEnded(end) => Some(end),
            Event::ApprovalVoted(voted) => voted.end.as_ref(),
            _ => None,
        }
    }
}

/// A life as it was led.
#[derive(Debug, Clone)]
pub(crate) struct Led {
    pub(crate) life: Life,
    pub(crate) log: Log,
    pub(crate) tried: Vec<Tried>,
}

/// Leads machine and model through a life.
pub(crate) fn lead(life: Life) -> Led {
    let mut log = Log::new();
    let mut requested = support::requested();
    requested.requirement = life.requirement.clone();
    requested.action.require_approval = life.require_approval;
    requested.action.policy = Some(policy(1));
    log.push(
        seconds(0),
        &support::agent(),
        approval_id(),
        Event::ApprovalRequested(Box::new(requested)),
    );
    let mut people = People::members(OPERATORS);
    let mut model = Model::new(&life);
    let mut now = seconds(0);
    let mut tried = Vec::new();
    for step in &life.steps {
        let before = log.rows.approvals[&approval_id()].clone();
        arrange(step, &mut people, &mut now);
        let record = attempt(step, &before, &people, life.selves, now).map(|(actor, event)| {
            let record = log.next(now, &actor, approval_id(), event);
            log.append(record.clone())
                .expect("what the machine answers follows from the rows");
            record
        });
        model.step(step, &people, now);
        let after = log.rows.approvals[&approval_id()].clone();
        tried.push(Tried {
            step: step.clone(),
            people: people.clone(),
            before,
            after,
            record,
            model: model.clone(),
        });
    }
    Led { life, log, tried }
}

fn policy(version: u64) -> PolicyRef {
    PolicyRef {
        id: signoff_core::id::PolicyId(support::raw(3)),
        name: "refunds".into(),
        version,
    }
}

/// What happens around the approval: time passes, people come and go.
fn arrange(step: &Step, people: &mut People, now: &mut Timestamp) {
    let mut change = |number: &u8, change: &dyn Fn(&mut support::Person)| {
        change(people.0.get_mut(&operator(*number)).expect("a known operator"));
    };
    match step {
        Step::Wait(span) => *now = now.plus(Micros::seconds(*span)),
        Step::SetRole(number, role) => change(number, &|person| person.role = *role),
        Step::SetDisabled(number, off) => change(number, &|person| person.disabled = *off),
        Step::SetGroup(number, true) => change(number, &|person| person.groups.extend(["g".to_owned()])),
        Step::SetGroup(number, false) => change(number, &|person| person.groups.retain(|name| name != "g")),
        _ => {}
    }
}

/// What happens to the approval itself.
fn attempt(
    step: &Step,
    row: &ApprovalRow,
    people: &People,
    selves: Selves,
    now: Timestamp,
) -> Option<(Actor, Event)> {
    let system = Actor::system("test");
    let verdict;
    let (actor, command) = match step {
        Step::Wait(_) | Step::SetRole(..) | Step::SetDisabled(..) | Step::SetGroup(..) => return None,
        Step::Vote {
            who,
            ballot,
            digest,
            commented,
        } => (
            who.actor(),
            Command::Vote {
                ballot: *ballot,
                digest: *digest,
                view: None,
                commented: *commented,
            },
        ),
        Step::Ask(who) => (who.actor(), Command::RequestInfo),
        Step::Answer => (support::agent(), Command::Answer),
        Step::Cancel => (support::agent(), Command::Cancel),
        Step::Withdraw => (system, Command::Withdraw),
        Step::Supersede => (support::agent(), Command::Supersede(ApprovalId(support::raw(2)))),
        Step::Expire => (system, Command::Expire),
        Step::Escalate => (system, Command::Escalate),
        Step::Rejudge {
            effect,
            requirement,
            governed,
            orphaned,
        } => {
            verdict = Verdict {
                policy: governed.then(|| policy(2)),
                ..support::verdict(*effect, requirement.clone())
            };
            (
                system,
                Command::Rejudge {
                    verdict: &verdict,
                    orphaned: *orphaned,
                },
            )
        }
        Step::Tally => (system, Command::Tally),
        Step::AutoApprove => (system, Command::AutoApprove),
    };
    let around = Surroundings {
        now,
        actor: &actor,
        roster: people,
        selves,
    };
    let event = transition(row, &command, &around).ok()??;
    Some((actor, event))
}

//! Stages in order, by the table in `spec/stages.json`; and what a policy's terms ask of one action, by the table in
//! `spec/requirements.json`.

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;
use serde_json::{Map, Value};
use signoff_core::{
    action::{Action, Priority, Risk},
    actor::Actor,
    approval::{Command, Refusal, Selves, Surroundings, standing, transition},
    event::{ApprovalStatus, Ballot, Event},
    id::{AgentId, OperatorId, PolicyId},
    judge::{AgentFacts, PolicySet, Prepared},
    policy::{ApprovalTerms, Effect, Orphaned, PolicyDoc, PolicyEffect, PolicyRef, RiskMatch, Settings},
    requirement::{Approver, LinkMode, Requirement, Role, Stage, Unresolved},
    stop::Stops,
};

mod machine;
mod support;
use machine::{Start, folded, pending, vote};
use support::{People, Person, automation, operator, person, seconds};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    people: BTreeMap<String, CasePerson>,
    owner: Option<String>,
    stages: Vec<Stage>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CasePerson {
    #[serde(default = "member")]
    role: Role,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    disabled: bool,
}

fn member() -> Role {
    Role::Member
}

/// A vote, new stages, or a change of people.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    who: Option<String>,
    vote: Option<Ballot>,
    stages: Option<Vec<Stage>>,
    change: Option<BTreeMap<String, CasePerson>>,
    refused: Option<String>,
    expect: Option<Stands>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stands {
    status: ApprovalStatus,
    stage: usize,
    needed: Vec<u32>,
}

/// A case as it runs.
struct Run {
    people: People,
    numbers: BTreeMap<String, OperatorId>,
    selves: Selves,
    now: Start,
}

impl Run {
    fn new(case: &Case) -> Self {
        let numbers: BTreeMap<String, OperatorId> =
            case.people.keys().cloned().zip((1..).map(operator)).collect();
        let mut now = pending();
        now.row.requirement.stages.clone_from(&case.stages);
        let mut run = Self {
            people: People::default(),
            selves: Selves {
                owner: case.owner.as_ref().map(|owner| numbers[owner]),
                requested_by: None,
            },
            numbers,
            now,
        };
        run.change(&case.people);
        run
    }

    fn change(&mut self, people: &BTreeMap<String, CasePerson>) {
        for (name, given) in people {
            let person = Person {
                role: given.role,
                disabled: given.disabled,
                groups: given.groups.iter().cloned().collect(),
                email: format!("{name}@example.com"),
            };
            self.people.0.insert(self.numbers[name], person);
        }
    }

    fn attempt(&self, actor: &Actor, command: &Command<'_>) -> Result<Option<Event>, Refusal> {
        let around = Surroundings {
            now: self.now.now,
            actor,
            roster: &self.people,
            selves: self.selves,
        };
        transition(&self.now.row, command, &around)
    }

    fn fold(&mut self, actor: &Actor, event: Event) {
        self.now.row = folded(&self.now, event, actor);
        // Records of a log follow each other; these are each the first of its own.
        let seq = self.now.row.votes.len() as u64;
        if let Some(vote) = self.now.row.votes.last_mut().filter(|vote| vote.seq == 1) {
            vote.seq = 100 + seq;
            if let Some(done) = self.now.row.stages_done.last_mut().filter(|done| done.seq == 1) {
                done.seq = 100 + seq;
            }
        }
    }

    fn vote(&mut self, who: &str, ballot: Ballot) -> Result<(), Refusal> {
        let actor = if who == "automation" {
            automation()
        } else {
            person(self.numbers[who])
        };
        let event = self.attempt(&actor, &vote(ballot))?.expect("a vote is an event");
        self.fold(&actor, event);
        Ok(())
    }

    /// Policy asks for other stages; then the votes so far are counted, as the engine does.
    fn require(&mut self, stages: Vec<Stage>) {
        let requirement = Requirement {
            stages,
            ..self.now.row.requirement.clone()
        };
        let verdict = support::verdict(Effect::Ask, requirement);
        let system = Actor::system("policy");
        let rejudge = Command::Rejudge {
            verdict: &verdict,
            orphaned: Orphaned::Judge,
        };
        for command in [rejudge, Command::Tally] {
            if let Some(event) = self.attempt(&system, &command).expect("in time") {
                self.now.row = folded(&self.now, event, &system);
            }
        }
    }
}

fn stands(run: &Run) -> Stands {
    let row = &run.now.row;
    let stages = standing(row, &run.people, run.selves);
    Stands {
        status: row.status,
        stage: row.open_stage() + 1,
        needed: stages.iter().map(|stage| stage.needed).collect(),
    }
}

fn word(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::NotNamed => "not_named",
        Refusal::NotYet(_) => "not_yet",
        Refusal::SelfApproval => "self_approval",
        Refusal::AlreadyVoted => "already_voted",
        Refusal::NotAPerson => "not_a_person",
        _ => "another refusal",
    }
}

/// Stages decide in order, one person counts once over all of them, and a dismissed approver completes none.
#[test]
fn stages_decide_in_order_by_the_table() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../../spec/stages.json")).expect("the table");
    assert!(cases.len() >= 15);
    for case in cases {
        let mut run = Run::new(&case);
        for (at, step) in case.steps.into_iter().enumerate() {
            let place = format!("{}, step {}", case.name, at + 1);
            if let Some(people) = &step.change {
                run.change(people);
            }
            if let Some(stages) = step.stages {
                run.require(stages);
            }
            if let (Some(who), Some(ballot)) = (&step.who, step.vote) {
                let refused = run.vote(who, ballot).err();
                assert_eq!(refused.as_ref().map(word), step.refused.as_deref(), "{place}");
            }
            if let Some(expected) = step.expect {
                assert_eq!(stands(&run), expected, "{place}");
            }
        }
    }
}

/// A refusal says after which stage the turn comes.
#[test]
fn who_comes_too_early_is_told_when_their_turn_comes() {
    let mut start = pending();
    let stage = |number| Stage {
        name: None,
        approvers: vec![Approver::Operator(operator(number))],
        quorum: 1,
        deny_quorum: 1,
    };
    start.row.requirement.stages = (1..=3).map(stage).collect();
    for (number, after) in [(2, 1), (3, 2)] {
        let refused = machine::step(&start, &vote(Ballot::Approve), &person(operator(number)));
        assert_eq!(refused, Err(Refusal::NotYet(after)));
        assert_eq!(
            Refusal::NotYet(after).to_string(),
            format!("the turn of this voter comes after stage {after}")
        );
    }
}

/// I8: the fold takes no vote that completes what is not open, or approves before the last stage.
#[test]
fn i8_the_fold_refuses_votes_that_leave_stages_out() {
    let mut start = pending();
    let stage = start.row.requirement.stages[0].clone();
    start.row.requirement.stages = vec![stage; 2];
    let ada = person(operator(1));
    let event = machine::step(&start, &vote(Ballot::Approve), &ada)
        .expect("may vote")
        .expect("votes");
    let Event::ApprovalVoted(voted) = event else {
        panic!("a vote")
    };
    let end = |row: &Start| {
        let mut flat = row.clone();
        flat.row.requirement.stages.truncate(1);
        let event = machine::step(&flat, &vote(Ballot::Approve), &ada).ok().flatten();
        event.as_ref().and_then(machine::end_of).cloned()
    };
    let mut forged: Vec<_> = (0..4).map(|_| voted.clone()).collect();
    forged[0].stage = None;
    forged[1].end = end(&start);
    forged[2].stage.as_mut().expect("a stage").number = 2;
    forged[3].stage.as_mut().expect("a stage").for_nothing = true;
    for forged in forged {
        let mut log = support::Log::new();
        log.rows.approvals.insert(start.row.id, start.row.clone());
        let record = log.next(start.now, &ada, start.row.id, Event::ApprovalVoted(forged));
        assert!(log.append(record).is_err());
    }
    assert_eq!(folded(&start, Event::ApprovalVoted(voted), &ada).open_stage(), 1);
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Terms {
    name: String,
    approval: ApprovalTerms,
    matches_risk: Option<RiskMatch>,
    #[serde(default)]
    people: Vec<String>,
    #[serde(default)]
    context: Map<String, Value>,
    #[serde(default)]
    priority: Priority,
    #[serde(default)]
    risk: Risk,
    refused: Option<String>,
    expect: Option<Expected>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    stages: Vec<Vec<String>>,
    #[serde(default)]
    unresolved: Vec<Unresolved>,
    #[serde(default)]
    notify: Vec<String>,
    #[serde(default)]
    escalate: Vec<String>,
    #[serde(default)]
    link: LinkMode,
}

/// What the terms of a policy come to for one action; `person:ADDRESS` stands for the operator who has it.
#[test]
fn terms_come_to_what_the_table_says() {
    let cases: Vec<Terms> =
        serde_json::from_str(include_str!("../../../spec/requirements.json")).expect("the table");
    for case in cases {
        let doc = PolicyDoc {
            approval: case.approval,
            risk: case.matches_risk,
            ..PolicyDoc::new("terms", PolicyEffect::RequireApproval)
        };
        let refused = doc.check().err().map(|problem| problem.pointer);
        assert_eq!(refused, case.refused, "{}", case.name);
        let Some(expected) = case.expect else { continue };
        let mut people: BTreeMap<OperatorId, String> = BTreeMap::new();
        people.extend((1..).map(operator).zip(case.people));
        let known = people
            .iter()
            .map(|(id, address)| (address.clone(), *id))
            .collect();
        let reference = PolicyRef {
            id: PolicyId(support::raw(1)),
            name: "terms".into(),
            version: 1,
        };
        let prepared = Prepared::new(reference, doc).expect("it was checked");
        let set = PolicySet::new(vec![Arc::new(prepared)], Settings::default(), Stops::default())
            .expect("a set")
            .among(Arc::new(known));
        let mut action = Action::named("stripe.refund");
        (action.context, action.priority, action.risk) = (case.context, case.priority, case.risk);
        let agent = AgentFacts::new(AgentId(support::raw(2)), "bot", &BTreeMap::new(), None);
        let verdict = set.judge(&action, &agent, seconds(1));
        let say = |approver: &Approver| match approver {
            Approver::Operator(id) => format!("person:{}", people[id]),
            other => other.to_string(),
        };
        let stages = verdict.requirement.stages.iter();
        let seen = Expected {
            stages: stages
                .map(|stage| stage.approvers.iter().map(say).collect())
                .collect(),
            unresolved: verdict.requirement.unresolved,
            notify: verdict.notify,
            escalate: verdict.escalate.map(|escalate| escalate.to).unwrap_or_default(),
            link: verdict.requirement.link,
        };
        assert_eq!(seen, expected, "{}", case.name);
    }
}

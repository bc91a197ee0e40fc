//! Whose votes count: who may vote, about what, how often, and what becomes of votes when people or rules change.

use signoff_core::{
    action::Accepts,
    actor::{Actor, Auth},
    approval::{Command, Refusal, Selves, Surroundings, transition},
    event::{ApprovalEnd, ApprovalStatus, Ballot, Event},
    requirement::{Approver, Requirement, Role},
    rows::ApprovalRow,
    time::Timestamp,
};

mod machine;
mod support;
use machine::{Start, end_of, folded, pending, people, step, vote};
use support::{DIGEST, Log, OTHER_DIGEST, People, Person, agent, automation, operator, person, seconds};

/// Operator 2 is a viewer, 3 an admin, 4 in finance, 5 disabled; 6 owns the agent, 7 is the one it asks for.
fn company() -> (People, Selves) {
    let mut people = people();
    let mut change = |number, change: fn(&mut Person)| {
        change(people.0.get_mut(&operator(number)).expect("a known operator"));
    };
    change(2, |person| person.role = Role::Viewer);
    change(3, |person| person.role = Role::Admin);
    change(4, |person| person.groups.extend(["finance".to_owned()]));
    change(5, |person| person.disabled = true);
    let selves = Selves {
        owner: Some(operator(6)),
        requested_by: Some(operator(7)),
    };
    (people, selves)
}

/// Who may vote, in one table: the voter, whom the requirement names, what an approval gets and what a denial gets.
/// `2` asks for two people, `self` lets those behind the request approve.
#[test]
fn who_may_vote() {
    let member = || person(operator(1));
    #[rustfmt::skip]
    let table = [
        ("a member", member(), "role:member", "ok", "ok"),
        ("a viewer", person(operator(2)), "role:member", "not named", "not named"),
        ("a viewer, by address", person(operator(2)), "email:person2@example.com", "not named", "not named"),
        ("an admin", person(operator(3)), "role:member", "ok", "ok"),
        ("a member where admins decide", member(), "role:admin", "not named", "not named"),
        ("in the group", person(operator(4)), "group:finance", "ok", "ok"),
        ("not in the group", member(), "group:finance", "not named", "not named"),
        ("an admin not in the group", person(operator(3)), "group:finance", "not named", "not named"),
        ("in one of two", person(operator(4)), "role:admin group:finance", "ok", "ok"),
        ("by address, in another case", member(), "email:Person1@Example.com", "ok", "ok"),
        ("disabled", person(operator(5)), "email:person5@example.com role:member", "not named", "not named"),
        ("nobody known", person(operator(99)), "role:member", "not named", "not named"),
        ("the owner", person(operator(6)), "role:member", "own", "ok"),
        ("the requester", person(operator(7)), "role:member", "own", "ok"),
        ("the owner, with leave", person(operator(6)), "role:member self", "ok", "ok"),
        ("the requester, with leave", person(operator(7)), "role:member self", "ok", "ok"),
        ("the owner as owner", person(operator(6)), "agent.owner", "own", "ok"),
        ("the owner as owner, with leave", person(operator(6)), "agent.owner self", "ok", "ok"),
        // Whom it asks for is what the agent says: it makes nobody the owner.
        ("the requester is not the owner", person(operator(7)), "agent.owner self", "not named", "not named"),
        ("a member is not the owner", member(), "agent.owner self", "not named", "not named"),
        ("automation", automation(), "role:member", "ok", "ok"),
        ("automation where admins decide", automation(), "role:admin", "ok", "ok"),
        ("automation among several", automation(), "role:member 2", "a machine", "a machine"),
        ("automation in a group's place", automation(), "group:finance", "not named", "not named"),
        ("automation in a person's place", automation(), "email:person1@example.com", "not named", "not named"),
        ("the agent itself", agent(), "role:member", "not named", "not named"),
        ("the system", Actor::system("clock"), "role:member", "not named", "not named"),
    ];
    let (people, selves) = company();
    for (name, actor, requirement, approve, deny) in table {
        let mut row = pending().row;
        row.requirement = Requirement::of(Vec::new(), 1, 1);
        for word in requirement.split(' ') {
            match word {
                "2" => {
                    let stage = &mut row.requirement.stages[0];
                    (stage.quorum, stage.deny_quorum) = (2, 2);
                }
                "self" => row.requirement.self_approval = true,
                approver => row.requirement.stages[0]
                    .approvers
                    .push(approver.parse().expect(name)),
            }
        }
        let around = Surroundings {
            now: seconds(1),
            actor: &actor,
            roster: &people,
            selves,
        };
        let gets = |command: Command<'_>| match transition(&row, &command, &around) {
            Ok(_) => "ok",
            Err(Refusal::NotNamed) => "not named",
            Err(Refusal::SelfApproval) => "own",
            Err(Refusal::NotAPerson) => "a machine",
            Err(_) => "another refusal",
        };
        assert_eq!(gets(vote(Ballot::Approve)), approve, "{name} approves");
        assert_eq!(gets(vote(Ballot::Deny)), deny, "{name} denies");
        // Who may deny may ask back.
        assert_eq!(gets(Command::RequestInfo), deny, "{name} asks back");
    }
}

/// I2: an approval names what it saw. A denial may come blind, but never of something else.
#[test]
fn i2_a_vote_is_about_what_was_shown() {
    let start = pending();
    let ballot = |ballot, digest, commented| Command::Vote {
        ballot,
        digest,
        view: None,
        commented,
    };
    let mut wordy = pending();
    wordy.row.requirement.require_decision_reason = true;
    let table = [
        (&start, ballot(Ballot::Approve, Some(DIGEST), false), None),
        (
            &start,
            ballot(Ballot::Approve, Some(OTHER_DIGEST), false),
            Some(Refusal::DigestMismatch),
        ),
        (
            &start,
            ballot(Ballot::Approve, None, false),
            Some(Refusal::DigestMismatch),
        ),
        (&start, ballot(Ballot::Deny, None, true), None),
        (
            &start,
            ballot(Ballot::Deny, Some(OTHER_DIGEST), true),
            Some(Refusal::DigestMismatch),
        ),
        (
            &start,
            ballot(Ballot::Deny, Some(DIGEST), false),
            Some(Refusal::ReasonRequired),
        ),
        (
            &wordy,
            ballot(Ballot::Approve, Some(DIGEST), false),
            Some(Refusal::ReasonRequired),
        ),
        (&wordy, ballot(Ballot::Approve, Some(DIGEST), true), None),
    ];
    for (start, command, expected) in table {
        assert_eq!(
            step(start, &command, &person(operator(1))).err(),
            expected,
            "{command:?}"
        );
    }
}

#[test]
fn one_person_has_one_vote_and_may_change_it() {
    let two = |needs: &mut Requirement| (needs.stages[0].quorum, needs.stages[0].deny_quorum) = (2, 2);
    let start = pending().needs(two).voted(1, Ballot::Approve);
    let again = step(&start, &vote(Ballot::Approve), &person(operator(1)));
    assert_eq!(again, Err(Refusal::AlreadyVoted));
    // The same person by another way in is the same person.
    let by_token = Actor {
        auth: Some(Auth::Token),
        ..person(operator(1))
    };
    assert_eq!(
        step(&start, &vote(Ballot::Approve), &by_token),
        Err(Refusal::AlreadyVoted)
    );
    let changed = start.voted(1, Ballot::Deny);
    assert_eq!(changed.row.votes.len(), 1);
    assert_eq!(changed.row.votes[0].ballot, Ballot::Deny);
}

/// A person who lost their authority keeps their vote in the record, and it decides nothing.
#[test]
fn votes_without_authority_are_kept_and_not_counted() {
    let two = |needs: &mut Requirement| (needs.stages[0].quorum, needs.stages[0].deny_quorum) = (2, 2);
    let start = pending().needs(two).voted(1, Ballot::Approve);
    let mut people = people();
    people.0.get_mut(&operator(1)).expect("one").disabled = true;
    let with = |row: &ApprovalRow, ballot, number, people: &People| {
        let actor = person(operator(number));
        let around = Surroundings {
            now: start.now,
            actor: &actor,
            roster: people,
            selves: Selves::default(),
        };
        let event = transition(row, &vote(ballot), &around)
            .expect("may vote")
            .expect("votes");
        folded(
            &Start {
                row: row.clone(),
                now: start.now,
            },
            event,
            &actor,
        )
    };
    let counted = |row: &ApprovalRow| -> Vec<bool> { row.votes.iter().map(|vote| vote.counted).collect() };

    let second = with(&start.row, Ballot::Approve, 2, &people);
    assert_eq!(
        (second.status, counted(&second)),
        (ApprovalStatus::Pending, vec![false, true])
    );
    // A vote against it does not bring the lost one back.
    let against = with(&second, Ballot::Deny, 3, &people);
    assert_eq!(
        (against.status, counted(&against)),
        (ApprovalStatus::Pending, vec![false, true, true])
    );
    let third = with(&against, Ballot::Approve, 4, &people);
    assert_eq!(
        (third.status, counted(&third)),
        (ApprovalStatus::Approved, vec![false, true, false, true])
    );
}

/// Votes cast before count under a new requirement, by who has authority then; the record says whose they were.
#[test]
fn a_tally_says_whose_votes_brought_the_end() {
    let many = |needs: &mut Requirement| (needs.stages[0].quorum, needs.stages[0].deny_quorum) = (4, 2);
    let voted = pending()
        .needs(many)
        .voted(1, Ballot::Approve)
        .voted(2, Ballot::Approve)
        .voted(3, Ballot::Approve);
    let mut people = people();
    people.0.get_mut(&operator(2)).expect("two").disabled = true;
    let system = Actor::system("policy");
    let tallied = |row: &ApprovalRow| {
        let around = Surroundings {
            now: voted.now,
            actor: &system,
            roster: &people,
            selves: Selves::default(),
        };
        transition(row, &Command::Tally, &around).expect("in time")
    };
    assert_eq!(tallied(&voted.row), None, "two of four");
    let mut relaxed = voted.clone();
    relaxed.row.requirement.stages[0].quorum = 2;
    let event = tallied(&relaxed.row).expect("two of two");
    assert_eq!(
        end_of(&event).map(|end| end.counted.clone()),
        Some(vec![person(operator(1)), person(operator(3))])
    );
    let after = folded(&relaxed, event, &system);
    let counted: Vec<bool> = after.votes.iter().map(|vote| vote.counted).collect();
    assert_eq!(
        (after.status, counted),
        (ApprovalStatus::Approved, vec![true, false, true])
    );

    // Where both sides suffice, the denial wins.
    let mut torn = pending()
        .needs(many)
        .voted(1, Ballot::Approve)
        .voted(3, Ballot::Deny);
    torn.row.requirement = support::requirement();
    let event = tallied(&torn.row).expect("both suffice");
    assert_eq!(end_of(&event).map(|end| end.status), Some(ApprovalStatus::Denied));
}

#[test]
fn a_question_needs_a_client_that_can_answer() {
    let mut start = pending();
    start.row.accepts = Accepts::default();
    assert_eq!(
        step(&start, &Command::RequestInfo, &person(operator(1))),
        Err(Refusal::NotAskable)
    );
}

#[test]
fn what_has_no_deadline_never_expires() {
    let mut start = pending().at(Timestamp(i64::MAX / 2));
    start.row.decide_by = None;
    assert_eq!(
        step(&start, &Command::Expire, &Actor::system("clock")),
        Err(Refusal::NotDue)
    );
    assert!(step(&start, &vote(Ballot::Approve), &person(operator(1))).is_ok());
}

#[test]
fn further_contacts_are_told_once() {
    let start = pending().at(seconds(500));
    let event = step(&start, &Command::Escalate, &Actor::system("clock"))
        .expect("due")
        .expect("tells");
    let told = Start {
        row: folded(&start, event, &Actor::system("clock")),
        now: seconds(600),
    };
    assert_eq!(told.row.escalated_at, Some(seconds(500)));
    assert_eq!(step(&told, &Command::Escalate, &Actor::system("clock")), Ok(None));
    assert_eq!(step(&told, &Command::EscalateNow, &agent()), Ok(None));
}

/// Whoever asks for it gets it once, before the time, and nobody is told whom the policy does not name.
#[test]
fn further_contacts_are_told_before_the_time_where_somebody_asks_for_it() {
    let start = pending();
    assert!(matches!(
        step(&start, &Command::EscalateNow, &agent()),
        Ok(Some(Event::ApprovalEscalated(_)))
    ));
    let mut nobody = pending();
    nobody.row.escalate = None;
    assert_eq!(step(&nobody, &Command::EscalateNow, &agent()), Ok(None));
    assert_eq!(
        step(&pending().at(seconds(1_000)), &Command::EscalateNow, &agent()),
        Err(Refusal::DeadlinePassed)
    );
}

/// Owning the agent gives a voice only to somebody who has one.
#[test]
fn an_owner_who_was_switched_off_or_only_looks_on_decides_nothing() {
    let owner = person(operator(1));
    let mut row = pending().row;
    row.requirement.stages[0].approvers = vec![Approver::AgentOwner];
    row.requirement.self_approval = true;
    let selves = Selves {
        owner: Some(operator(1)),
        requested_by: None,
    };
    let changes: [(fn(&mut Person), _); 3] = [
        (|_| {}, None),
        (|person| person.disabled = true, Some(Refusal::NotNamed)),
        (|person| person.role = Role::Viewer, Some(Refusal::NotNamed)),
    ];
    for (change, expected) in changes {
        let mut people = people();
        change(people.0.get_mut(&operator(1)).expect("one"));
        let around = Surroundings {
            now: seconds(1),
            actor: &owner,
            roster: &people,
            selves,
        };
        assert_eq!(transition(&row, &vote(Ballot::Approve), &around).err(), expected);
        assert_eq!(transition(&row, &vote(Ballot::Deny), &around).err(), expected);
    }
}

/// I8: a requirement that asks for nobody can't be saved; if one came all the same, nobody would still not be enough.
#[test]
fn i8_nobody_is_never_enough() {
    let mut start = pending();
    (
        start.row.requirement.stages[0].quorum,
        start.row.requirement.stages[0].deny_quorum,
    ) = (0, 0);
    assert_eq!(step(&start, &Command::Tally, &Actor::system("policy")), Ok(None));
}

/// I8: the fold opens an execution for an approval and for nothing else, whatever a record claims.
#[test]
fn i8_ends_that_contradict_themselves_do_not_fold() {
    let start = pending();
    let run_by = Some(seconds(500));
    for (status, run_by, folds) in [
        (ApprovalStatus::Approved, run_by, true),
        (ApprovalStatus::Approved, None, false),
        (ApprovalStatus::Denied, None, true),
        (ApprovalStatus::Denied, run_by, false),
        (ApprovalStatus::Expired, run_by, false),
        (ApprovalStatus::Cancelled, run_by, false),
        (ApprovalStatus::Pending, None, false),
        (ApprovalStatus::InfoRequested, None, false),
    ] {
        let mut log = Log::new();
        log.rows.approvals.insert(start.row.id, start.row.clone());
        let end = ApprovalEnd {
            status,
            code: None,
            note: None,
            run_by,
            superseded_by: None,
            counted: Vec::new(),
        };
        let record = log.next(
            start.now,
            &Actor::system("test"),
            start.row.id,
            Event::ApprovalEnded(end),
        );
        assert_eq!(log.append(record).is_ok(), folds, "{status} {run_by:?}");
        assert_eq!(
            !log.rows.executions.is_empty(),
            folds && run_by.is_some(),
            "{status} {run_by:?}"
        );
    }
}

/// An id is asked for once: a second request under it would bury the end of the first.
#[test]
fn i4_a_second_request_under_the_same_id_does_not_fold() {
    let start = pending().status(ApprovalStatus::Denied);
    let mut log = Log::new();
    log.rows.approvals.insert(start.row.id, start.row.clone());
    let again = Event::ApprovalRequested(Box::new(support::requested()));
    let record = log.next(start.now, &agent(), start.row.id, again);
    assert!(log.append(record).is_err());
}

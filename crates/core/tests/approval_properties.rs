//! What holds in every life of an approval, however commands, people, policy and the clock fall together.

use std::collections::BTreeSet;

use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use signoff_core::{
    actor::{Actor, ActorKind},
    event::{ApprovalStatus, Ballot, Event, ExecutionOrigin, ExecutionTouched},
    fold::FoldError,
    record::ChainVerifier,
    rows::{ApprovalRow, Vote},
    time::Timestamp,
};

mod approval_model;
mod support;
use approval_model::{DEADLINE, Led, OPERATORS, Tried, Who, any_life, has_authority, lead};
use support::{WORKSPACE, approval_id, operator, person};

fn who(vote: &Vote) -> Who {
    who_is(&vote.actor)
}

fn who_is(actor: &Actor) -> Who {
    match actor.kind {
        ActorKind::Automation => Who::Automation,
        _ => (1..=OPERATORS)
            .find(|number| *actor == person(operator(*number)))
            .map_or(Who::Agent, Who::Operator),
    }
}

/// Steps that brought an end by the votes of people, not by the system's own reasons.
fn ends_by_votes(led: &Led) -> impl Iterator<Item = (&Tried, ApprovalStatus)> {
    led.tried.iter().filter_map(|tried| {
        let end = tried.end()?;
        let voted = matches!(tried.record.as_ref()?.event, Event::ApprovalVoted(_));
        (voted || !end.counted.is_empty()).then_some((tried, end.status))
    })
}

/// Votes that count in the stage at which it stands.
fn counted(tried: &Tried, ballot: Ballot) -> Vec<&Vote> {
    let votes = tried.after.votes.iter();
    votes
        .filter(|vote| vote.counted && vote.ballot == ballot && tried.after.is_of_open_stage(vote))
        .collect()
}

/// Whose approvals completed each stage.
fn voters_of_stages(row: &ApprovalRow) -> Vec<BTreeSet<Who>> {
    let stages = row.stages_done.iter();
    stages.map(|done| done.by.iter().map(who_is).collect()).collect()
}

/// Runs a property over random lives.
fn in_every_life(property: impl Fn(&Led) -> Result<(), TestCaseError>) {
    run(TestRunner::new(config(192)), property);
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

fn run(mut runner: TestRunner, property: impl Fn(&Led) -> Result<(), TestCaseError>) {
    runner
        .run(&any_life(), |life| property(&lead(life)))
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn the_machine_agrees_with_the_naive_model() {
    in_every_life(|led| {
        for tried in &led.tried {
            prop_assert_eq!(tried.after.status, tried.model.status, "after {:?}", tried.step);
            let cast = tried.model.votes.iter();
            let votes: Vec<(Who, Ballot)> = cast.map(|cast| (cast.who, cast.ballot)).collect();
            let seen = tried.after.votes.iter();
            let seen: Vec<(Who, Ballot)> = seen.map(|vote| (who(vote), vote.ballot)).collect();
            prop_assert_eq!(seen, votes, "after {:?}", tried.step);
            let done: Vec<BTreeSet<Who>> = voters_of_stages(&tried.after);
            prop_assert_eq!(&done, &tried.model.done, "after {:?}", tried.step);
        }
        Ok(())
    });
}

#[test]
fn i1_no_event_no_change_and_the_log_folds_to_the_rows() {
    in_every_life(|led| {
        for tried in &led.tried {
            prop_assert_eq!(
                tried.record.is_none(),
                tried.before == tried.after,
                "{:?}",
                tried.step
            );
        }
        prop_assert_eq!(&led.log.refold(), &led.log.rows);
        let mut verifier = ChainVerifier::new(WORKSPACE);
        for sealed in &led.log.sealed {
            prop_assert!(verifier.next(&sealed.bytes, sealed.hash).is_ok());
        }
        prop_assert_eq!(verifier.head(), &led.log.head);
        Ok(())
    });
}

#[test]
fn i4_an_approval_reaches_one_end_and_stays_there() {
    in_every_life(|led| {
        prop_assert!(led.tried.iter().filter(|tried| tried.end().is_some()).count() <= 1);
        for tried in &led.tried {
            if tried.before.status.is_terminal() {
                prop_assert!(tried.record.is_none());
                prop_assert_eq!(&tried.after, &tried.before);
            }
            prop_assert_eq!(
                tried.end().is_some(),
                !tried.before.status.is_terminal() && tried.after.status.is_terminal()
            );
        }
        // Nor does the fold accept a second end from a log that was written by something else.
        if let Some(end) = led
            .tried
            .iter()
            .find(|tried| tried.end().is_some())
            .and_then(|tried| tried.record.clone())
        {
            let mut log = led.log.clone();
            let again = log.next(log.head.time, &end.actor, approval_id(), end.event);
            let refused = matches!(log.append(again), Err(FoldError::Impossible { .. }));
            prop_assert!(refused);
        }
        Ok(())
    });
}

#[test]
fn i8_nothing_is_approved_without_a_quorum_of_authorised_people_or_a_reason_of_the_system() {
    in_every_life(|led| {
        for tried in &led.tried {
            let Some(end) = tried.end().filter(|end| end.status == ApprovalStatus::Approved) else {
                continue;
            };
            let record = tried.record.as_ref().expect("an end is a record");
            let by_votes = matches!(record.event, Event::ApprovalVoted(_)) || !end.counted.is_empty();
            if !by_votes {
                prop_assert_eq!(record.actor.kind, ActorKind::System);
                prop_assert!(end.note.is_some());
                continue;
            }
            let requirement = &tried.before.requirement;
            let last = requirement.stages.len() - 1;
            prop_assert_eq!(tried.after.stages_done.len(), last, "stages in order");
            let voters = counted(tried, Ballot::Approve);
            let distinct: BTreeSet<Who> = voters.iter().map(|vote| who(vote)).collect();
            prop_assert_eq!(distinct.len(), voters.len());
            prop_assert!(distinct.len() >= requirement.stages[last].quorum as usize);
            for voter in distinct {
                prop_assert!(has_authority(
                    voter,
                    Ballot::Approve,
                    requirement,
                    last,
                    &tried.people,
                    led.life.selves
                ));
            }
        }
        Ok(())
    });
}

#[test]
fn i8_a_stage_is_done_only_by_a_quorum_of_people_with_authority_then() {
    in_every_life(|led| {
        for tried in &led.tried {
            let requirement = &tried.after.requirement;
            let before = if tried.before.requirement == *requirement {
                &tried.before.stages_done[..]
            } else {
                &[]
            };
            prop_assert!(
                tried.after.stages_done.starts_with(before),
                "what is done stays done"
            );
            for (stage, done) in tried.after.stages_done.iter().enumerate().skip(before.len()) {
                let voters: BTreeSet<Who> = done.by.iter().map(who_is).collect();
                prop_assert_eq!(voters.len(), done.by.len());
                prop_assert!(voters.len() >= requirement.stages[stage].quorum as usize);
                for voter in voters {
                    let ballot = Ballot::Approve;
                    let selves = led.life.selves;
                    prop_assert!(has_authority(
                        voter,
                        ballot,
                        requirement,
                        stage,
                        &tried.people,
                        selves
                    ));
                }
            }
        }
        Ok(())
    });
}

#[test]
fn one_person_counts_once_over_all_stages() {
    in_every_life(|led| {
        for tried in &led.tried {
            let mut seen = BTreeSet::new();
            let last = counted(tried, Ballot::Approve);
            let all = tried.after.stages_done.iter().flat_map(|done| &done.by);
            for actor in all.chain(last.iter().map(|vote| &vote.actor)) {
                prop_assert!(seen.insert(who_is(actor)), "{:?} counts twice", who_is(actor));
            }
        }
        Ok(())
    });
}

#[test]
fn i2_every_vote_in_the_log_is_for_the_digest_that_was_asked_for() {
    in_every_life(|led| {
        for sealed in &led.log.sealed {
            if let Event::ApprovalVoted(voted) = &sealed.record.event {
                prop_assert_eq!(voted.digest, led.log.rows.approvals[&approval_id()].digest);
            }
        }
        Ok(())
    });
}

#[test]
fn i8_nobody_votes_and_nothing_is_approved_after_the_deadline() {
    in_every_life(|led| {
        for sealed in &led.log.sealed {
            if sealed.record.time >= DEADLINE {
                prop_assert!(!matches!(sealed.record.event, Event::ApprovalVoted(_)));
            }
        }
        for (id, execution) in &led.log.rows.executions {
            prop_assert!(execution.created_at < DEADLINE, "{} was opened late", id);
        }
        Ok(())
    });
}

#[test]
fn i8_what_was_not_approved_can_never_be_carried_out() {
    in_every_life(|led| {
        let approval = &led.log.rows.approvals[&approval_id()];
        let execution = approval_id().action().execution();
        prop_assert_eq!(
            led.log.rows.executions.contains_key(&execution),
            approval.status == ApprovalStatus::Approved
        );
        if approval.status == ApprovalStatus::Approved {
            return Ok(());
        }
        // Not even by claiming that policy had allowed it.
        let origin = ExecutionOrigin {
            agent: approval.agent,
            action: approval.action.clone(),
            digest: approval.digest,
            policy: None,
            submitted_seq: 1,
            created_at: Timestamp(0),
            run_by: Timestamp(i64::MAX / 2),
            standing: None,
            call: None,
        };
        for origin in [None, Some(origin)] {
            let mut log = led.log.clone();
            let event = Event::ExecutionConsumed(ExecutionTouched { origin });
            let record = log.next(log.head.time, &support::agent(), execution, event);
            prop_assert!(log.append(record).is_err());
        }
        Ok(())
    });
}

#[test]
fn automation_never_counts_to_a_quorum_above_one() {
    in_every_life(|led| {
        for (tried, status) in ends_by_votes(led) {
            let stage = &tried.before.requirement.stages[tried.before.open_stage()];
            let (ballot, quorum) = match status {
                ApprovalStatus::Approved => (Ballot::Approve, stage.quorum),
                _ => (Ballot::Deny, stage.deny_quorum),
            };
            let machines = counted(tried, ballot)
                .into_iter()
                .filter(|vote| who(vote) == Who::Automation);
            prop_assert!(quorum == 1 || machines.count() == 0);
        }
        Ok(())
    });
}

#[test]
fn who_is_behind_a_request_never_counts_for_it_without_leave() {
    in_every_life(|led| {
        let selves = [led.life.selves.owner, led.life.selves.requested_by];
        for (tried, status) in ends_by_votes(led) {
            if status != ApprovalStatus::Approved || tried.before.requirement.self_approval {
                continue;
            }
            for vote in counted(tried, Ballot::Approve) {
                prop_assert!(
                    vote.actor
                        .operator()
                        .is_none_or(|voter| !selves.contains(&Some(voter)))
                );
            }
        }
        Ok(())
    });
}

/// The random lives are worth something only if they come to every end, and to those by votes in both ways.
#[test]
fn the_lives_reach_every_end() {
    let seen = std::cell::RefCell::new(BTreeSet::new());
    // Always the same lives, so that this test fails only when somebody changes what lives are like.
    let fixed = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    run(TestRunner::new_with_rng(config(512), fixed), |led| {
        for tried in &led.tried {
            let Some(end) = tried.end() else { continue };
            let by_vote = matches!(
                tried.record.as_ref().map(|record| &record.event),
                Some(Event::ApprovalVoted(_))
            );
            let how = if by_vote { "vote" } else { "command" };
            let how = if end.counted.is_empty() { how } else { "tally" };
            seen.borrow_mut().insert((end.status.as_str(), how));
            if by_vote && tried.before.stages_done.len() > 1 {
                seen.borrow_mut().insert((end.status.as_str(), "after stages"));
            }
        }
        Ok(())
    });
    let expected = [
        ("approved", "after stages"),
        ("approved", "command"),
        ("approved", "tally"),
        ("approved", "vote"),
        ("cancelled", "command"),
        ("denied", "after stages"),
        ("denied", "command"),
        ("denied", "tally"),
        ("denied", "vote"),
        ("expired", "command"),
        ("superseded", "command"),
    ];
    assert_eq!(seen.into_inner(), BTreeSet::from(expected));
}

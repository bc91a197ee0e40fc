//! The decision machine as one table: every state with every command, and what follows.

use signoff_core::{
    actor::Actor,
    approval::{Command, Refusal},
    event::{ApprovalStatus, Ballot, Event},
    id::{ApprovalId, PolicyId},
    judge::{ReasonCode, Verdict},
    policy::{Effect, Orphaned, PolicyRef},
    time::Timestamp,
};

mod machine;
mod support;
use machine::{Start, end_of, folded, pending, step, vote};
use support::{operator, person, seconds, verdict};

/// One word for what follows.
fn word(start: &Start, command: &Command<'_>, actor: &Actor) -> &'static str {
    match step(start, command, actor) {
        Ok(None) => "nothing",
        Ok(Some(event)) => {
            let after = folded(start, event.clone(), actor).status;
            match event {
                Event::ApprovalVoted(_) if !after.is_terminal() => "voted",
                Event::ApprovalRejudged(_) => "rejudged",
                Event::ApprovalEscalated(_) => "escalated",
                Event::InfoRequested(_) => "asked",
                Event::InfoAnswered(_) => "told",
                _ => after.as_str(),
            }
        }
        Err(Refusal::Ended(status)) => {
            assert_eq!(status, start.row.status, "a refusal names the state as it is");
            "!ended"
        }
        Err(Refusal::DeadlinePassed) => "!late",
        Err(Refusal::NotDue) => "!not due",
        Err(Refusal::NothingAsked) => "!unasked",
        Err(Refusal::AlreadyAsked) => "!open",
        Err(_) => "!other",
    }
}

/// What the letters of the table stand for; small ones are refusals.
const LEGEND: [(char, &str); 16] = [
    ('A', "approved"),
    ('D', "denied"),
    ('V', "voted"),
    ('I', "asked"),
    ('T', "told"),
    ('C', "cancelled"),
    ('S', "superseded"),
    ('X', "expired"),
    ('E', "escalated"),
    ('J', "rejudged"),
    ('-', "nothing"),
    ('e', "!ended"),
    ('l', "!late"),
    ('n', "!not due"),
    ('u', "!unasked"),
    ('o', "!open"),
];

/// I4: every state with every command. What is at its end stays there.
#[test]
fn i4_every_state_with_every_command() {
    use ApprovalStatus as S;
    let judged = |effect, quorum| {
        let mut requirement = support::requirement();
        requirement.stages[0].quorum = quorum;
        verdict(effect, requirement)
    };
    let (allow, deny) = (judged(Effect::Allow, 1), judged(Effect::Deny, 1));
    let (as_before, otherwise) = (judged(Effect::Ask, 1), judged(Effect::Ask, 2));
    let rejudge = |verdict| Command::Rejudge {
        verdict,
        orphaned: Orphaned::Judge,
    };
    let commands = [
        vote(Ballot::Approve),
        vote(Ballot::Deny),
        Command::RequestInfo,
        Command::Answer,
        Command::Cancel,
        Command::Withdraw,
        Command::Supersede(ApprovalId(support::raw(2))),
        Command::Expire,
        Command::Escalate,
        rejudge(&allow),
        rejudge(&deny),
        rejudge(&as_before),
        rejudge(&otherwise),
        Command::Tally,
        Command::AutoApprove,
    ];
    let two = || pending().needs(|needs| (needs.stages[0].quorum, needs.stages[0].deny_quorum) = (2, 2));
    #[rustfmt::skip]
    let table = [
        // vote: approve, deny; ask, answer; cancel, withdraw, supersede; expire, escalate; rejudge: allow, deny, ask as
        // before, ask otherwise; tally, auto-approve
        ("pending",                   pending(),                                             "AD Iu CCS nn AD-J -A"),
        ("to be escalated",           pending().at(seconds(500)),                            "AD Iu CCS nE AD-J -A"),
        ("just before the deadline",  pending().at(Timestamp(999_999_999)),                  "AD Iu CCS nE AD-J -A"),
        ("at the deadline",           pending().at(seconds(1_000)),                          "ll ll CCS XE ---- ll"),
        ("long after the deadline",   pending().at(seconds(9_000)),                          "ll ll CCS XE ---- ll"),
        ("two must agree",            two(),                                                 "VV Iu CCS nn ADJJ -A"),
        ("one of two approved",       two().voted(8, Ballot::Approve),                       "AV Iu CCS nn ADJJ -A"),
        ("one of two denied",         two().voted(8, Ballot::Deny),                          "VD Iu CCS nn ADJJ -A"),
        ("one of each",               two().voted(7, Ballot::Deny).voted(8, Ballot::Approve), "AD Iu CCS nn ADJJ -A"),
        ("asked back",                pending().asked(),                                     "AD oT CCS nn AD-J -A"),
        ("asked back, late",          pending().asked().at(seconds(1_000)),                  "ll ll CCS XE ---- ll"),
        ("asked back, one approved",  two().voted(8, Ballot::Approve).asked(),               "AV oT CCS nn ADJJ -A"),
        ("approved",                  pending().status(S::Approved),                         "ee ee eee ee eeee ee"),
        ("answered",                  pending().status(S::Answered),                         "ee ee eee ee eeee ee"),
        ("denied",                    pending().status(S::Denied),                           "ee ee eee ee eeee ee"),
        ("expired",                   pending().status(S::Expired),                          "ee ee eee ee eeee ee"),
        ("cancelled",                 pending().status(S::Cancelled),                        "ee ee eee ee eeee ee"),
        ("superseded",                pending().status(S::Superseded),                       "ee ee eee ee eeee ee"),
        ("approved, late",            pending().status(S::Approved).at(seconds(1_000)),      "ee ee eee ee eeee ee"),
    ];
    for status in S::ALL {
        let covered = table.iter().any(|(_, start, _)| start.row.status == *status);
        assert!(covered, "`{status}` is not in the table");
    }
    for (name, start, letters) in &table {
        let letters: Vec<char> = letters.chars().filter(|letter| *letter != ' ').collect();
        assert_eq!(letters.len(), commands.len(), "{name}");
        for (command, letter) in commands.iter().zip(letters) {
            let (_, expected) = LEGEND
                .iter()
                .find(|(known, _)| *known == letter)
                .expect("a letter of the legend");
            assert_eq!(
                word(start, command, &person(operator(1))),
                *expected,
                "{name}: {command:?}"
            );
        }
    }
}

/// Each end says why, and only approval opens an execution.
#[test]
fn each_end_has_its_own_code() {
    let later = ApprovalId(support::raw(2));
    let (allow, deny) = (
        verdict(Effect::Allow, support::requirement()),
        verdict(Effect::Deny, support::requirement()),
    );
    let rejudge = |verdict, orphaned| Command::Rejudge { verdict, orphaned };
    let denied = |code, note| (ApprovalStatus::Denied, Some(code), note);
    let table = [
        (vote(Ballot::Approve), 100, (ApprovalStatus::Approved, None, None)),
        (
            vote(Ballot::Deny),
            100,
            denied(ReasonCode::DeniedByReviewer, None),
        ),
        (
            Command::Expire,
            1_000,
            (ApprovalStatus::Expired, Some(ReasonCode::ApprovalTimeout), None),
        ),
        (
            Command::Cancel,
            100,
            (ApprovalStatus::Cancelled, Some(ReasonCode::Cancelled), None),
        ),
        (
            Command::Withdraw,
            100,
            (
                ApprovalStatus::Cancelled,
                Some(ReasonCode::Cancelled),
                Some("agent_disabled"),
            ),
        ),
        (
            Command::Supersede(later),
            100,
            (ApprovalStatus::Superseded, Some(ReasonCode::Superseded), None),
        ),
        (
            rejudge(&allow, Orphaned::Keep),
            100,
            (ApprovalStatus::Approved, None, Some("policy_changed")),
        ),
        (
            rejudge(&deny, Orphaned::Keep),
            100,
            denied(ReasonCode::PolicyDenied, Some("policy_changed")),
        ),
        (
            Command::AutoApprove,
            100,
            (ApprovalStatus::Approved, None, Some("auto_approve")),
        ),
    ];
    for (command, at, (status, code, note)) in table {
        let start = pending().at(seconds(at));
        let event = step(&start, &command, &person(operator(1)))
            .expect("follows")
            .expect("changes something");
        let end = end_of(&event).expect("is an end").clone();
        assert_eq!(
            (end.status, end.code, end.note.as_deref()),
            (status, code, note),
            "{command:?}"
        );
        let run_by = (status == ApprovalStatus::Approved).then_some(seconds(at + 100));
        assert_eq!(end.run_by, run_by, "{command:?}");
        let superseded_by = (status == ApprovalStatus::Superseded).then_some(later);
        assert_eq!(end.superseded_by, superseded_by, "{command:?}");
    }
}

/// What no policy governs any more goes the way that was chosen when the policy was turned off.
#[test]
fn orphans_go_where_they_were_sent() {
    use Orphaned as O;
    let governed = || {
        let mut start = pending();
        start.row.policy = Some(PolicyRef {
            id: PolicyId(support::raw(3)),
            name: "refunds".into(),
            version: 1,
        });
        start
    };
    let mut insisted = governed();
    insisted.row.require_approval = true;
    let unmatched = |effect| Verdict {
        code: (effect == Effect::Deny).then_some(ReasonCode::Unmatched),
        ..verdict(effect, support::requirement())
    };
    for (name, start, orphaned, effect, expected) in [
        ("judged, denied", governed(), O::Judge, Effect::Deny, "denied"),
        ("judged, asked", governed(), O::Judge, Effect::Ask, "rejudged"),
        ("judged, allowed", governed(), O::Judge, Effect::Allow, "approved"),
        ("released", governed(), O::Release, Effect::Deny, "approved"),
        ("denied", governed(), O::Deny, Effect::Allow, "denied"),
        ("kept", governed(), O::Keep, Effect::Deny, "nothing"),
        // Who insisted on a human gets one, whatever becomes of the policy.
        (
            "not released",
            insisted.clone(),
            O::Release,
            Effect::Ask,
            "rejudged",
        ),
        ("not denied", insisted.clone(), O::Deny, Effect::Ask, "rejudged"),
        // What no policy ever governed is no orphan.
        ("never governed", pending(), O::Release, Effect::Deny, "denied"),
        // A release that comes after the deadline comes too late.
        (
            "late",
            governed().at(seconds(1_000)),
            O::Release,
            Effect::Deny,
            "nothing",
        ),
    ] {
        let verdict = unmatched(effect);
        let command = Command::Rejudge {
            verdict: &verdict,
            orphaned,
        };
        assert_eq!(
            word(&start, &command, &Actor::system("policy")),
            expected,
            "{name}"
        );
    }
}

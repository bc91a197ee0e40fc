//! The decision machine as one table: every state with every command, and what follows.

use signoff_core::{
    actor::Actor,
    approval::{Command, Refusal},
    event::{ApprovalStatus, Ballot, Event},
    id::{ApprovalId, PolicyId},
    judge::{ReasonCode, Verdict},
    policy::{Effect, Orphaned, PolicyRef},
    requirement::Requirement,
    time::Timestamp,
};

mod machine;
mod support;
use machine::{Start, end_of, folded, pending, step, vote};
use support::{operator, person, seconds, verdict};

/// One word for what follows: the state that is reached, what else was noted, `-` for nothing, `!` and the refusal.
fn word(start: &Start, command: &Command<'_>, actor: &Actor) -> String {
    match step(start, command, actor) {
        Ok(None) => "-".into(),
        Ok(Some(event)) => {
            let after = folded(start, event.clone(), actor);
            match event {
                Event::ApprovalVoted(_) if !after.status.is_terminal() => "vote".into(),
                Event::ApprovalRejudged(_) => "rejudged".into(),
                Event::ApprovalEscalated(_) => "escalated".into(),
                Event::InfoRequested(_) => "asked".into(),
                Event::InfoAnswered(_) => "answered".into(),
                _ => after.status.to_string(),
            }
        }
        Err(Refusal::Ended(status)) => {
            assert_eq!(status, start.row.status, "a refusal names the state as it is");
            "!ended".into()
        }
        Err(Refusal::DeadlinePassed) => "!late".into(),
        Err(Refusal::NotDue) => "!early".into(),
        Err(Refusal::NothingAsked) => "!unasked".into(),
        Err(Refusal::AlreadyAsked) => "!open".into(),
        Err(other) => format!("{other:?}"),
    }
}

/// I4: every state with every command. What is at its end stays there.
#[test]
fn i4_every_state_with_every_command() {
    use ApprovalStatus as S;
    let (allow, deny) = (
        verdict(Effect::Allow, support::requirement()),
        verdict(Effect::Deny, support::requirement()),
    );
    let same = verdict(Effect::Ask, support::requirement());
    let mut stricter = support::requirement();
    stricter.quorum = 2;
    let changed = verdict(Effect::Ask, stricter);
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
        rejudge(&same),
        rejudge(&changed),
        Command::Tally,
        Command::AutoApprove,
    ];
    let ends = "!ended !ended !ended !ended !ended !ended !ended !ended !ended !ended !ended !ended !ended !ended !ended";
    let two = |needs: &mut Requirement| (needs.quorum, needs.deny_quorum) = (2, 2);
    // vote: approve, deny; ask, answer, cancel, withdraw, supersede, expire, escalate; rejudged: allow, deny, ask as
    // before, ask otherwise; tally, auto-approve
    let table = [
        (
            "pending",
            pending(),
            "approved denied asked !unasked cancelled cancelled superseded !early !early approved denied - rejudged - approved",
        ),
        (
            "to be escalated",
            pending().at(seconds(500)),
            "approved denied asked !unasked cancelled cancelled superseded !early escalated approved denied - rejudged - approved",
        ),
        (
            "a microsecond before the deadline",
            pending().at(Timestamp(999_999_999)),
            "approved denied asked !unasked cancelled cancelled superseded !early escalated approved denied - rejudged - approved",
        ),
        (
            "at the deadline",
            pending().at(seconds(1_000)),
            "!late !late !late !late cancelled cancelled superseded expired escalated - - - - !late !late",
        ),
        (
            "after the deadline",
            pending().at(seconds(9_000)),
            "!late !late !late !late cancelled cancelled superseded expired escalated - - - - !late !late",
        ),
        (
            "two must agree",
            pending().needs(two),
            "vote vote asked !unasked cancelled cancelled superseded !early !early approved denied rejudged rejudged - approved",
        ),
        (
            "one of two approved",
            pending().needs(two).voted(8, Ballot::Approve),
            "approved vote asked !unasked cancelled cancelled superseded !early !early approved denied rejudged rejudged - approved",
        ),
        (
            "one of two denied",
            pending().needs(two).voted(8, Ballot::Deny),
            "vote denied asked !unasked cancelled cancelled superseded !early !early approved denied rejudged rejudged - approved",
        ),
        (
            "one of each",
            pending()
                .needs(two)
                .voted(7, Ballot::Deny)
                .voted(8, Ballot::Approve),
            "approved denied asked !unasked cancelled cancelled superseded !early !early approved denied rejudged rejudged - approved",
        ),
        (
            "asked back",
            pending().asked(),
            "approved denied !open answered cancelled cancelled superseded !early !early approved denied - rejudged - approved",
        ),
        (
            "asked back, late",
            pending().asked().at(seconds(1_000)),
            "!late !late !late !late cancelled cancelled superseded expired escalated - - - - !late !late",
        ),
        (
            "asked back, one of two approved",
            pending().needs(two).voted(8, Ballot::Approve).asked(),
            "approved vote !open answered cancelled cancelled superseded !early !early approved denied rejudged rejudged - approved",
        ),
        ("approved", pending().status(S::Approved), ends),
        ("answered", pending().status(S::Answered), ends),
        ("denied", pending().status(S::Denied), ends),
        ("expired", pending().status(S::Expired), ends),
        ("cancelled", pending().status(S::Cancelled), ends),
        ("superseded", pending().status(S::Superseded), ends),
        (
            "approved, late",
            pending().status(S::Approved).at(seconds(1_000)),
            ends,
        ),
    ];
    for status in S::ALL {
        assert!(
            table.iter().any(|(_, start, _)| start.row.status == *status),
            "`{status}` is not in the table"
        );
    }
    for (name, start, expected) in &table {
        let words: Vec<String> = commands
            .iter()
            .map(|command| word(start, command, &person(operator(1))))
            .collect();
        assert_eq!(words.join(" "), *expected, "{name}");
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
    use Orphaned as O;
    for (name, start, orphaned, effect, expected) in [
        ("judged, denied", governed(), O::Judge, Effect::Deny, "denied"),
        ("judged, asked", governed(), O::Judge, Effect::Ask, "rejudged"),
        ("judged, allowed", governed(), O::Judge, Effect::Allow, "approved"),
        ("released", governed(), O::Release, Effect::Deny, "approved"),
        ("denied", governed(), O::Deny, Effect::Allow, "denied"),
        ("kept", governed(), O::Keep, Effect::Deny, "-"),
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
            "-",
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

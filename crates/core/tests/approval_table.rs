//! The decision machine as one table: every state with every command, and what follows.

use signoff_core::{
    action::Accepts,
    actor::Actor,
    approval::{Command, Refusal, Selves, Surroundings, transition},
    event::{ApprovalEnd, ApprovalStatus, Ballot, Event},
    id::ApprovalId,
    judge::{ReasonCode, Verdict},
    policy::{Effect, Orphaned},
    requirement::{Approver, Requirement, Role},
    rows::ApprovalRow,
    time::{Micros, Timestamp},
};

mod support;
use support::{
    DIGEST, Log, OTHER_DIGEST, People, approval_id, automation, operator, person, requested, seconds,
};

/// Where a table starts: in which state, at what time.
#[derive(Clone)]
struct Start {
    row: ApprovalRow,
    now: Timestamp,
}

fn pending() -> Start {
    let mut log = Log::new();
    let event = Event::ApprovalRequested(Box::new(requested()));
    log.push(seconds(0), &support::agent(), approval_id(), event);
    Start {
        row: log.rows.approvals[&approval_id()].clone(),
        now: seconds(100),
    }
}

impl Start {
    fn status(mut self, status: ApprovalStatus) -> Self {
        self.row.status = status;
        self
    }

    fn asked(self) -> Self {
        let mut asked = self;
        let event = step(&asked, &Command::RequestInfo, &person(operator(9)))
            .expect("may ask")
            .expect("asks");
        asked.row = folded(&asked, event, &person(operator(9)));
        asked
    }

    fn at(mut self, now: Timestamp) -> Self {
        self.now = now;
        self
    }

    fn needs(mut self, change: impl Fn(&mut Requirement)) -> Self {
        change(&mut self.row.requirement);
        self
    }

    fn voted(self, number: u8, ballot: Ballot) -> Self {
        let mut voted = self;
        let event = step(&voted, &vote(ballot), &person(operator(number)))
            .expect("may vote")
            .expect("votes");
        voted.row = folded(&voted, event, &person(operator(number)));
        voted
    }
}

fn people() -> People {
    People::members(9)
}

fn step(start: &Start, command: &Command<'_>, actor: &Actor) -> Result<Option<Event>, Refusal> {
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
fn folded(start: &Start, event: Event, actor: &Actor) -> ApprovalRow {
    let mut log = Log::new();
    log.rows.approvals.insert(start.row.id, start.row.clone());
    log.push(start.now, actor, start.row.id, event);
    log.rows.approvals[&start.row.id].clone()
}

fn vote(ballot: Ballot) -> Command<'static> {
    Command::Vote {
        ballot,
        digest: Some(DIGEST),
        view: None,
        commented: true,
    }
}

fn verdict(effect: Effect, requirement: Requirement) -> Verdict {
    Verdict {
        effect,
        code: (effect == Effect::Deny).then_some(ReasonCode::PolicyDenied),
        policy: None,
        conditions: Vec::new(),
        requirement,
        decide_within: None,
        timeout_cut: false,
        valid_for: Micros::seconds(100),
        escalate: None,
        notify: Vec::new(),
        reason_missing: false,
    }
}

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

fn end_of(event: &Event) -> Option<&ApprovalEnd> {
    match event {
        Event::ApprovalEnded(end) => Some(end),
        Event::ApprovalVoted(voted) => voted.end.as_ref(),
        _ => None,
    }
}

/// What no policy governs any more goes the way that was chosen when the policy was turned off.
#[test]
fn orphans_go_where_they_were_sent() {
    let governed = || {
        let mut start = pending();
        start.row.policy = Some(signoff_core::policy::PolicyRef {
            id: signoff_core::id::PolicyId(support::raw(3)),
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

/// Who may vote, in one table: kind of voter, requirement, ballot.
#[test]
fn who_may_vote() {
    let mut people = people();
    people.0.get_mut(&operator(2)).expect("two").role = Role::Viewer;
    people.0.get_mut(&operator(3)).expect("three").role = Role::Admin;
    people
        .0
        .get_mut(&operator(4))
        .expect("four")
        .groups
        .insert("finance".into());
    people.0.get_mut(&operator(5)).expect("five").disabled = true;
    let (owner, requester) = (operator(6), operator(7));
    let selves = Selves {
        owner: Some(owner),
        requested_by: Some(requester),
    };
    let named = |approver: Approver| Requirement {
        approvers: vec![approver],
        ..support::requirement()
    };
    let anyone = named(Approver::Role(Role::Member));
    let two = Requirement {
        quorum: 2,
        deny_quorum: 2,
        ..anyone.clone()
    };
    let selfish = Requirement {
        self_approval: true,
        ..anyone.clone()
    };
    let by_owner = named(Approver::AgentOwner);
    let owner_alone = Requirement {
        self_approval: true,
        ..by_owner.clone()
    };
    let (ok, not_named, own, machine) = (
        None,
        Some(Refusal::NotNamed),
        Some(Refusal::SelfApproval),
        Some(Refusal::NotAPerson),
    );
    // actor, requirement, what an approval gets, what a denial gets
    let table = [
        ("a member", person(operator(1)), &anyone, &ok, &ok),
        ("a viewer", person(operator(2)), &anyone, &not_named, &not_named),
        (
            "a viewer, named",
            person(operator(2)),
            &named(Approver::Operator(operator(2))),
            &not_named,
            &not_named,
        ),
        ("an admin", person(operator(3)), &anyone, &ok, &ok),
        (
            "a member where admins decide",
            person(operator(1)),
            &named(Approver::Role(Role::Admin)),
            &not_named,
            &not_named,
        ),
        (
            "in the group",
            person(operator(4)),
            &named(Approver::Group("finance".into())),
            &ok,
            &ok,
        ),
        (
            "not in the group",
            person(operator(1)),
            &named(Approver::Group("finance".into())),
            &not_named,
            &not_named,
        ),
        (
            "an admin not in the group",
            person(operator(3)),
            &named(Approver::Group("finance".into())),
            &not_named,
            &not_named,
        ),
        (
            "by address",
            person(operator(1)),
            &named(Approver::Email("Person1@Example.com".into())),
            &ok,
            &ok,
        ),
        (
            "disabled",
            person(operator(5)),
            &named(Approver::Operator(operator(5))),
            &not_named,
            &not_named,
        ),
        (
            "nobody known",
            person(operator(99)),
            &anyone,
            &not_named,
            &not_named,
        ),
        ("the owner", person(owner), &anyone, &own, &ok),
        ("the requester", person(requester), &anyone, &own, &ok),
        ("the owner, with leave", person(owner), &selfish, &ok, &ok),
        ("the requester, with leave", person(requester), &selfish, &ok, &ok),
        ("the owner as owner", person(owner), &by_owner, &own, &ok),
        (
            "the owner as owner, with leave",
            person(owner),
            &owner_alone,
            &ok,
            &ok,
        ),
        // Whom it asks for is what the agent says: it makes nobody the owner.
        (
            "the requester is not the owner",
            person(requester),
            &owner_alone,
            &not_named,
            &not_named,
        ),
        (
            "a member is not the owner",
            person(operator(1)),
            &owner_alone,
            &not_named,
            &not_named,
        ),
        ("automation", automation(), &anyone, &ok, &ok),
        ("automation among several", automation(), &two, &machine, &machine),
        (
            "automation in a group's place",
            automation(),
            &named(Approver::Group("finance".into())),
            &not_named,
            &not_named,
        ),
        (
            "automation in a person's place",
            automation(),
            &named(Approver::Operator(operator(1))),
            &not_named,
            &not_named,
        ),
        (
            "the agent itself",
            support::agent(),
            &anyone,
            &not_named,
            &not_named,
        ),
        (
            "the system",
            Actor::system("clock"),
            &anyone,
            &not_named,
            &not_named,
        ),
    ];
    for (name, actor, requirement, approve, deny) in table {
        let mut row = pending().row;
        row.requirement = requirement.clone();
        let around = Surroundings {
            now: seconds(1),
            actor: &actor,
            roster: &people,
            selves,
        };
        assert_eq!(
            transition(&row, &vote(Ballot::Approve), &around).err(),
            *approve,
            "{name} approves"
        );
        assert_eq!(
            transition(&row, &vote(Ballot::Deny), &around).err(),
            *deny,
            "{name} denies"
        );
        // Who may deny may ask back.
        assert_eq!(
            transition(&row, &Command::RequestInfo, &around).err(),
            *deny,
            "{name} asks back"
        );
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
    let two = |needs: &mut Requirement| (needs.quorum, needs.deny_quorum) = (2, 2);
    let start = pending().needs(two).voted(1, Ballot::Approve);
    let again = step(&start, &vote(Ballot::Approve), &person(operator(1)));
    assert_eq!(again, Err(Refusal::AlreadyVoted));
    // The same person by another way in is the same person.
    let by_token = Actor {
        auth: Some(signoff_core::actor::Auth::Token),
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
    let two = |needs: &mut Requirement| (needs.quorum, needs.deny_quorum) = (2, 2);
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
    let many = |needs: &mut Requirement| (needs.quorum, needs.deny_quorum) = (4, 2);
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
    relaxed.row.requirement.quorum = 2;
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
}

//! Personal links: what opens one, what it decides, and everything that it does not.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use common::{House, policy, submit};
use serde_json::json;
use signoff_core::{
    action::{Accepts, Risk},
    actor::{Auth, Principal},
    approval::Refusal,
    event::{ApprovalStatus, Event, Via, View},
    id::{ApprovalId, OperatorId},
    payload::Hash32,
    policy::{ApprovalTerms, EditTerms, PolicyDoc, PolicyEffect},
    requirement::{LinkMode, Role},
    standing::StandingTerms,
    time::Micros,
};
use signoff_engine::{
    EngineError, EngineResult,
    request::{Always, CreateAgent, Decide, Decision, Edit, Scope, UpdateOperator},
    view::{Caller, LinkView},
};
use signoff_testkit::policy as build;

const TOLD_SEQ: u64 = 41;

fn id_of(caller: &Caller) -> OperatorId {
    match &caller.principal {
        Principal::Operator { id, .. } => *id,
        other => panic!("no operator: {other:?}"),
    }
}

fn seen() -> View {
    View {
        digest: Hash32([7; 32]),
        build: "test".into(),
        locale: "en".into(),
        via: None,
    }
}

fn approval_of(digest: Hash32, scope: Scope) -> Decide {
    Decide {
        decision: Decision::Approve {
            digest,
            comment: None,
            scope,
        },
        view: Some(seen()),
    }
}

fn denial() -> Decide {
    Decide {
        decision: Decision::Deny {
            digest: None,
            reason: "not today".into(),
        },
        view: Some(seen()),
    }
}

fn question() -> Decide {
    Decide {
        decision: Decision::RequestInfo {
            question: "which invoice?".into(),
        },
        view: Some(seen()),
    }
}

impl House {
    fn token(&self, id: ApprovalId, operator: &Caller) -> String {
        let link = self
            .engine
            .personal_link(self.admin.workspace, id, id_of(operator), TOLD_SEQ)
            .unwrap();
        link.strip_prefix("http://127.0.0.1:7070/d/").unwrap().to_owned()
    }

    async fn open(&self, token: &str) -> EngineResult<LinkView> {
        self.engine.open_link(token).await
    }

    async fn approve_by(&self, token: &str) -> EngineResult<LinkView> {
        let view = self.open(token).await?;
        let decide = approval_of(view.approval.row.digest, Scope::Once);
        self.engine.decide_by_link(token, decide).await
    }

    async fn change(&self, operator: &Caller, update: UpdateOperator) {
        let id = id_of(operator).to_string();
        let changed = self.engine.update_operator(&self.admin, &id, update).await;
        changed.unwrap();
    }

    async fn ask_at(&self, agent: &Caller, risk: Risk) -> ApprovalId {
        let mut asked = submit("stripe.refund", json!({"amount": 4200}));
        asked.action.risk = risk;
        asked.action.accepts = Accepts {
            edits: true,
            info_requests: true,
            ..Accepts::default()
        };
        let submitted = self.engine.submit(agent, asked, None).await.unwrap();
        submitted.approval_id.unwrap()
    }
}

fn refunds(change: impl FnOnce(&mut ApprovalTerms)) -> PolicyDoc {
    let mut doc = policy("refunds", &["stripe.*"], PolicyEffect::RequireApproval);
    change(&mut doc.approval);
    doc.check().unwrap();
    doc
}

fn is_nothing<T>(result: &EngineResult<T>) -> bool {
    matches!(result, Err(error @ EngineError::NotFound { .. }) if error.to_string() == "there is no page `for this link`")
}

#[tokio::test]
async fn a_link_decides_as_its_person_and_then_is_dead() {
    let house = House::new().await;
    house.apply(vec![refunds(|_| {})]).await;
    let (agent, dana) = (house.agent("a").await, house.operator("dana", Role::Member).await);
    let id = house.ask_at(&agent, Risk::Medium).await;
    let token = house.token(id, &dana);
    let view = house.open(&token).await.unwrap();
    assert_eq!((view.operator.name.as_str(), view.decides), ("dana", Ok(())));

    let decided = house.approve_by(&token).await.unwrap();
    let row = &decided.approval.row;
    assert_eq!(row.status, ApprovalStatus::Approved);
    let told = Some(Via::Link { told_seq: TOLD_SEQ });
    assert_eq!((decided.approval.votes[0].via, row.votes[0].via), (told, told));
    let by = row.decided_by.as_ref().unwrap();
    assert_eq!((by.operator(), by.auth), (Some(id_of(&dana)), Some(Auth::Link)));
    assert_eq!(decided.decides, Err(Refusal::Ended(ApprovalStatus::Approved)));

    let log = house.log().await;
    let voted = log.last().unwrap();
    assert_eq!(voted.summary, "dana approved stripe.refund by a personal link");
    assert!(matches!(&voted.record.event, Event::ApprovalVoted(voted) if voted.via() == told));
    for decide in [denial(), approval_of(row.digest, Scope::Once), question()] {
        let again = house.engine.decide_by_link(&token, decide).await;
        assert!(
            matches!(
                again,
                Err(EngineError::Ended {
                    status: ApprovalStatus::Approved,
                    ..
                })
            ),
            "{again:?}"
        );
    }
    assert_eq!(house.log().await.len(), log.len());
    house.assert_verifies().await;
}

/// Every bit of a link is held against its proof, and what opens nothing is answered alike.
#[tokio::test]
async fn i11_no_forged_link_opens_anything() {
    let house = House::new().await;
    house.apply(vec![refunds(|_| {})]).await;
    let (agent, dana) = (house.agent("a").await, house.operator("dana", Role::Admin).await);
    let id = house.ask_at(&agent, Risk::Low).await;
    let token = house.token(id, &dana);
    let records = house.log().await.len();
    let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut forged = bytes.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        let forged = URL_SAFE_NO_PAD.encode(forged);
        assert!(is_nothing(&house.open(&forged).await), "bit {bit}");
        if bit % 61 == 0 {
            let decided = house.engine.decide_by_link(&forged, denial()).await;
            assert!(is_nothing(&decided), "bit {bit}");
        }
    }
    let swapped = token.replace(['-', '_'], "+");
    let cut = &token[..token.len() - 4];
    for odd in [
        String::new(),
        cut.to_owned(),
        format!("{token}="),
        format!("{token}AAAA"),
        format!(" {token}"),
        token.to_lowercase(),
        "A".repeat(token.len()),
        "é".repeat(token.len() / 2),
        if swapped == token { String::new() } else { swapped },
    ] {
        assert!(is_nothing(&house.open(&odd).await), "{odd}");
    }
    // Another installation's, made with the same master key: the workspace is not here, or the key is not its own.
    let other = House::new().await;
    let foreign = other
        .engine
        .personal_link(other.admin.workspace, id, id_of(&dana), TOLD_SEQ);
    let foreign = foreign.unwrap().rsplit('/').next().unwrap().to_owned();
    assert!(is_nothing(&house.open(&foreign).await));
    assert!(is_nothing(&other.open(&token).await));
    assert!(
        house
            .engine
            .personal_link(other.admin.workspace, id, id_of(&dana), 1)
            .is_none()
    );
    // Genuine, but about nothing that is here.
    let nowhere = ApprovalId(signoff_core::id::RawId([9; 16]));
    let nobody = OperatorId(signoff_core::id::RawId([9; 16]));
    for (approval, operator) in [(nowhere, id_of(&dana)), (id, nobody)] {
        let link = house
            .engine
            .personal_link(house.admin.workspace, approval, operator, 1);
        let link = link.unwrap().rsplit('/').next().unwrap().to_owned();
        assert!(is_nothing(&house.open(&link).await));
        assert!(is_nothing(&house.engine.decide_by_link(&link, denial()).await));
    }
    assert_eq!(house.log().await.len(), records);
    assert_eq!(house.open(&token).await.unwrap().decides, Ok(()));
}

/// I5: a link may be opened as often as anybody likes.
#[tokio::test]
async fn i5_opening_a_link_leaves_no_record() {
    let house = House::new().await;
    house.apply(vec![refunds(|_| {})]).await;
    let (agent, dana) = (house.agent("a").await, house.operator("dana", Role::Member).await);
    let id = house.ask_at(&agent, Risk::Low).await;
    let (token, records) = (house.token(id, &dana), house.log().await.len());
    for _ in 0..50 {
        house.open(&token).await.unwrap();
    }
    assert_eq!(house.log().await.len(), records);
}

/// What a person loses, their links lose with them.
#[tokio::test]
async fn i8_a_link_is_worth_what_its_person_is_worth_now() {
    let house = House::new().await;
    house
        .engine
        .put_group(&house.admin, "finance", Vec::new())
        .await
        .unwrap();
    house
        .apply(vec![
            build("refunds")
                .actions(["stripe.*"])
                .approvers(["group:finance"])
                .build(),
        ])
        .await;
    let agent = house.agent("a").await;
    let (off, viewer, left) = (
        house.operator("off", Role::Member).await,
        house.operator("viewer", Role::Member).await,
        house.operator("left", Role::Member).await,
    );
    let members = |people: &[&Caller]| people.iter().map(|who| id_of(who).to_string()).collect();
    let put = |people| house.engine.put_group(&house.admin, "finance", people);
    put(members(&[&off, &viewer, &left])).await.unwrap();
    let id = house.ask_at(&agent, Risk::Medium).await;
    let tokens = [&off, &viewer, &left].map(|who| house.token(id, who));
    for token in &tokens {
        assert_eq!(house.open(token).await.unwrap().decides, Ok(()));
    }
    let off_now = UpdateOperator {
        disabled: Some(true),
        ..UpdateOperator::default()
    };
    let lowered = UpdateOperator {
        role: Some(Role::Viewer),
        ..UpdateOperator::default()
    };
    house.change(&off, off_now).await;
    house.change(&viewer, lowered).await;
    put(members(&[&viewer])).await.unwrap();
    let records = house.log().await.len();

    assert!(is_nothing(&house.open(&tokens[0]).await));
    assert!(is_nothing(
        &house.engine.decide_by_link(&tokens[0], denial()).await
    ));
    assert_eq!(
        house.open(&tokens[1]).await.unwrap().decides,
        Err(Refusal::NotNamed)
    );
    let refused = house.engine.decide_by_link(&tokens[1], denial()).await;
    assert!(matches!(refused, Err(EngineError::Forbidden(_))), "{refused:?}");
    assert_eq!(
        house.open(&tokens[2]).await.unwrap().decides,
        Err(Refusal::NotNamed)
    );
    let refused = house.engine.decide_by_link(&tokens[2], denial()).await;
    assert!(
        matches!(refused, Err(EngineError::Decision(Refusal::NotNamed))),
        "{refused:?}"
    );
    assert_eq!(house.log().await.len(), records);
}

/// Above the policy's limit people sign in; what the policy says by the time of the vote counts.
#[tokio::test]
async fn i8_above_the_limit_no_link_and_no_button_decides() {
    use Risk::{Critical, High, Low, Medium, Minimal};
    let house = House::new().await;
    let (agent, dana) = (house.agent("a").await, house.operator("dana", Role::Member).await);
    let max = |max| refunds(|terms| terms.link_risk_max = Some(max));
    let table = [
        (refunds(|_| {}), vec![Minimal, Low, Medium], vec![High, Critical]),
        (max(Minimal), vec![Minimal], vec![Low, Medium, High, Critical]),
        (max(Critical), vec![Minimal, Medium, Critical], vec![]),
        (
            refunds(|terms| terms.link = Some(LinkMode::None)),
            vec![],
            vec![Minimal, Critical],
        ),
    ];
    for (doc, decided, refused) in table {
        house.apply(vec![doc]).await;
        for risk in decided {
            let id = house.ask_at(&agent, risk).await;
            house.approve_by(&house.token(id, &dana)).await.unwrap();
        }
        for risk in refused {
            let id = house.ask_at(&agent, risk).await;
            let token = house.token(id, &dana);
            assert_eq!(
                house.open(&token).await.unwrap().decides,
                Err(Refusal::SignInFirst)
            );
            for decide in [denial(), question()] {
                let refused = house.engine.decide_by_link(&token, decide).await;
                assert!(
                    matches!(refused, Err(EngineError::Decision(Refusal::SignInFirst))),
                    "{risk:?}: {refused:?}"
                );
            }
            // The machine itself refuses a button of a message too, whatever its door overlooked.
            let mut pressed = denial();
            pressed.view.as_mut().unwrap().via = Some(Via::Link { told_seq: 1 });
            let refused = house.engine.decide(&dana, id, pressed, None).await;
            assert!(matches!(
                refused,
                Err(EngineError::Decision(Refusal::SignInFirst))
            ));
            // Signed in, they decide as ever.
            house.deny(&dana, id).await.unwrap();
        }
    }
    house.apply(vec![refunds(|_| {})]).await;
    let id = house.ask_at(&agent, Medium).await;
    let token = house.token(id, &dana);
    let view = house.open(&token).await.unwrap();
    house.apply(vec![max(Low)]).await;
    let decide = approval_of(view.approval.row.digest, Scope::Once);
    let refused = house.engine.decide_by_link(&token, decide).await;
    assert!(
        matches!(refused, Err(EngineError::Decision(Refusal::SignInFirst))),
        "{refused:?}"
    );
}

/// I2: what was looked at before an edit is not what would run after it.
#[tokio::test]
async fn i2_a_link_opened_before_an_edit_approves_nothing_after_it() {
    let house = House::new().await;
    let editable = refunds(|terms| {
        terms.allow_edit = Some(EditTerms::Any(true));
        terms.quorum = Some(2);
    });
    house.apply(vec![editable]).await;
    let agent = house.agent("a").await;
    let (dana, erin) = (
        house.operator("dana", Role::Member).await,
        house.operator("erin", Role::Member).await,
    );
    let id = house.ask_at(&agent, Risk::Medium).await;
    let token = house.token(id, &dana);
    let before = house.open(&token).await.unwrap().approval.row.digest;
    let edit = Scope::Edited(Edit {
        context: json!({"amount": 1}).as_object().cloned(),
        ..Edit::default()
    });
    let edited = house
        .engine
        .decide(&erin, id, approval_of(before, edit), None)
        .await;
    assert_eq!(edited.unwrap().row.status, ApprovalStatus::Pending);
    let records = house.log().await.len();
    let stale = house
        .engine
        .decide_by_link(&token, approval_of(before, Scope::Once))
        .await;
    assert!(
        matches!(stale, Err(EngineError::Decision(Refusal::DigestMismatch))),
        "{stale:?}"
    );
    assert_eq!(house.log().await.len(), records);
    let now = house.approve_by(&token).await.unwrap();
    assert_eq!(now.approval.row.status, ApprovalStatus::Approved);
}

#[tokio::test]
async fn who_asks_for_themselves_can_not_approve_by_a_link_either() {
    let house = House::new().await;
    house.apply(vec![refunds(|_| {})]).await;
    let dana = house.operator("dana", Role::Admin).await;
    let create = CreateAgent {
        name: "hers".into(),
        owner: Some(id_of(&dana).to_string()),
        ..CreateAgent::default()
    };
    let made = house
        .engine
        .create_agent(&house.admin, create, None)
        .await
        .unwrap();
    let key = made.secret.unwrap();
    let key = secrecy::ExposeSecret::expose_secret(&key);
    let agent = house.engine.authenticate(key).await.unwrap();
    let id = house.ask_at(&agent, Risk::Low).await;
    let token = house.token(id, &dana);
    let view = house.open(&token).await.unwrap();
    assert_eq!(
        (view.may.approve, view.may.deny),
        (Err(Refusal::SelfApproval), Ok(()))
    );
    let refused = house.approve_by(&token).await;
    assert!(matches!(
        refused,
        Err(EngineError::Decision(Refusal::SelfApproval))
    ));
    let denied = house.engine.decide_by_link(&token, denial()).await.unwrap();
    assert_eq!(denied.approval.row.status, ApprovalStatus::Denied);
}

#[tokio::test]
async fn two_links_of_two_people_are_two_votes_and_one_twice_is_one() {
    let house = House::new().await;
    house.apply(vec![refunds(|terms| terms.quorum = Some(2))]).await;
    let agent = house.agent("a").await;
    let (dana, erin) = (
        house.operator("dana", Role::Member).await,
        house.operator("erin", Role::Member).await,
    );
    let id = house.ask_at(&agent, Risk::Medium).await;
    let (first, second) = (house.token(id, &dana), house.token(id, &erin));
    // Two messages to one person are two links, and still one person.
    let later = house
        .engine
        .personal_link(house.admin.workspace, id, id_of(&dana), TOLD_SEQ + 9);
    let later = later.unwrap().rsplit('/').next().unwrap().to_owned();
    assert_ne!(later, first);
    let open = house.approve_by(&first).await.unwrap();
    assert_eq!(open.approval.row.status, ApprovalStatus::Pending);
    for again in [&first, &later] {
        let again = house.approve_by(again).await;
        assert!(
            matches!(again, Err(EngineError::Decision(Refusal::AlreadyVoted))),
            "{again:?}"
        );
    }
    let done = house.approve_by(&second).await.unwrap();
    assert_eq!(done.approval.row.status, ApprovalStatus::Approved);
    assert_eq!(done.approval.row.votes.len(), 2);
    house.assert_verifies().await;
}

/// I4: the link and the console at once bring one end, and the other is told which.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i4_a_link_and_the_console_at_once_bring_one_end() {
    let house = House::new().await;
    house.apply(vec![refunds(|_| {})]).await;
    let agent = house.agent("a").await;
    let (dana, erin) = (
        house.operator("dana", Role::Member).await,
        house.operator("erin", Role::Member).await,
    );
    for _ in 0..12 {
        let id = house.ask_at(&agent, Risk::Medium).await;
        let token = house.token(id, &dana);
        let (by_link, by_link_again, signed_in) = tokio::join!(
            house.approve_by(&token),
            house.approve_by(&token),
            house.deny(&erin, id)
        );
        let done = usize::from(by_link.is_ok()) + usize::from(by_link_again.is_ok());
        assert_eq!(done + usize::from(signed_in.is_ok()), 1);
        let row = house.engine.approval(&erin, id).await.unwrap().row;
        assert_eq!(row.status == ApprovalStatus::Approved, done == 1);
        assert_eq!(row.votes.len(), 1);
    }
    house.assert_verifies().await;
}

/// A link answers for its request as it is: what reaches beyond it needs signing in, an admin's too.
#[tokio::test]
async fn i6_a_link_reaches_no_further_than_its_request() {
    let house = House::new().await;
    house
        .apply(vec![refunds(|terms| {
            terms.allow_edit = Some(EditTerms::Any(true));
        })])
        .await;
    let (agent, max) = (house.agent("a").await, house.operator("max", Role::Admin).await);
    let id = house.ask_at(&agent, Risk::Low).await;
    let token = house.token(id, &max);
    let view = house.open(&token).await.unwrap();
    let (digest, may) = (view.approval.row.digest, view.may);
    assert!(!may.always && !may.cancel && !may.release);
    let records = house.log().await.len();
    let edit = Edit {
        context: json!({"amount": 1}).as_object().cloned(),
        ..Edit::default()
    };
    let terms = StandingTerms {
        valid_for: Micros::seconds(3600),
        uses: None,
        condition: None,
    };
    for scope in [
        Scope::Edited(edit),
        Scope::Standing(terms),
        Scope::Always(Always::Action),
        Scope::Always(Always::Policy),
    ] {
        let refused = house
            .engine
            .decide_by_link(&token, approval_of(digest, scope))
            .await;
        assert!(matches!(refused, Err(EngineError::Forbidden(_))), "{refused:?}");
    }
    let mut blind = approval_of(digest, Scope::Once);
    blind.view = None;
    let refused = house.engine.decide_by_link(&token, blind).await;
    assert!(matches!(refused, Err(EngineError::Invalid(_))), "{refused:?}");
    assert_eq!(house.log().await.len(), records);

    let asked = house.engine.decide_by_link(&token, question()).await.unwrap();
    assert_eq!(asked.approval.row.status, ApprovalStatus::InfoRequested);
    let log = house.log().await;
    assert_eq!(
        log.last().unwrap().summary,
        "max asked the agent about stripe.refund by a personal link"
    );
    assert_eq!(
        house.approve_by(&token).await.unwrap().approval.row.status,
        ApprovalStatus::Approved
    );
}

/// The deadline ends a link, whether or not the clock's worker has run.
#[tokio::test]
async fn a_link_dies_with_the_deadline() {
    let house = House::new().await;
    house
        .apply(vec![
            build("refunds").actions(["stripe.*"]).timeout("10m").build(),
        ])
        .await;
    let (agent, dana) = (house.agent("a").await, house.operator("dana", Role::Member).await);
    let id = house.ask_at(&agent, Risk::Low).await;
    let token = house.token(id, &dana);
    house.clock.advance(Micros::seconds(601));
    let view = house.open(&token).await.unwrap();
    assert!(matches!(
        view.decides,
        Err(Refusal::DeadlinePassed | Refusal::Ended(ApprovalStatus::Expired))
    ));
    let late = house.approve_by(&token).await;
    assert!(
        matches!(
            late,
            Err(EngineError::Decision(Refusal::DeadlinePassed)
                | EngineError::Ended {
                    status: ApprovalStatus::Expired,
                    ..
                })
        ),
        "{late:?}"
    );
}

/// Nodes of the release before would not know what such a vote, or such a policy, says.
#[tokio::test]
async fn links_need_their_feature_level() {
    let house = House::new().await;
    house.apply(vec![refunds(|_| {})]).await;
    let (agent, dana) = (house.agent("a").await, house.operator("dana", Role::Member).await);
    let id = house.ask_at(&agent, Risk::Low).await;
    let token = house.token(id, &dana);
    let sql = "UPDATE installation SET feature_level = 4";
    house.backdoor().await.execute(sql, &[]).await;
    for decide in [denial(), question()] {
        let refused = house.engine.decide_by_link(&token, decide).await;
        assert!(
            matches!(refused, Err(EngineError::FeatureLevel(5))),
            "{refused:?}"
        );
    }
    let apply = signoff_engine::request::ApplyPolicies {
        policies: vec![refunds(|terms| terms.link_risk_max = Some(Risk::High))],
        ..Default::default()
    };
    let refused = house.engine.apply_policies(&house.admin, apply, None).await;
    assert!(
        matches!(refused, Err(EngineError::FeatureLevel(5))),
        "{:?}",
        refused.err()
    );
    house.engine.finish_upgrade(&house.admin).await.unwrap();
    house.approve_by(&token).await.unwrap();
}

//! Approvals that reach beyond the request as it is: changed, for a while, for ever.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use common::{House, policy, submit};
use futures_util::future::join_all;
use serde_json::{Map, Value, json};
use signoff_core::{
    action::Accepts,
    approval::Refusal,
    condition::Condition,
    event::{ApprovalStatus, Ballot, Event},
    id::ApprovalId,
    policy::{ApprovalTerms, EditTerms, Effect, PolicyDoc, PolicyEffect},
    requirement::Role,
    standing::{StandingState, StandingTerms},
    time::Micros,
};
use signoff_engine::{
    EngineError, EngineResult,
    request::{Always, Decide, Decision, Edit, Scope, Submit},
    view::{ApprovalView, Caller},
};

fn map(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

fn refund(amount: u64) -> Submit {
    let mut asked = submit("stripe.refund", json!({ "amount": amount, "to": "ACME" }));
    asked.action.accepts = Accepts {
        edits: true,
        ..Accepts::default()
    };
    asked
}

/// Asked for, with changes allowed; more than 1,000 is denied.
fn refunds(quorum: u32) -> Vec<PolicyDoc> {
    let schema =
        json!({"properties": {"context": {"properties": {"amount": {"type": "integer", "minimum": 1}}}}});
    let asks = PolicyDoc {
        approval: ApprovalTerms {
            quorum: Some(quorum),
            allow_edit: Some(EditTerms::Within(map(&schema))),
            ..ApprovalTerms::default()
        },
        ..policy("refunds", &["stripe.refund"], PolicyEffect::RequireApproval)
    };
    let denies = PolicyDoc {
        conditions: vec![Condition::Expression("context.amount > 1000".into())],
        ..policy("never-large", &["stripe.refund"], PolicyEffect::Deny)
    };
    vec![asks, denies]
}

async fn ask(house: &House, agent: &Caller, amount: u64) -> ApprovalId {
    let asked = house.engine.submit(agent, refund(amount), None).await.unwrap();
    asked.approval_id.expect("it asks")
}

async fn decide(house: &House, who: &Caller, id: ApprovalId, scope: Scope) -> EngineResult<ApprovalView> {
    let digest = house.engine.approval(who, id).await.unwrap().row.digest;
    let decision = Decision::Approve {
        digest,
        comment: None,
        scope,
    };
    let decide = Decide { decision, view: None };
    house.engine.decide(who, id, decide, None).await
}

fn amount(amount: u64) -> Scope {
    Scope::Edited(Edit {
        inputs: None,
        context: Some(map(&json!({ "amount": amount, "to": "ACME" }))),
        body: None,
    })
}

/// I2: an edit voids the votes before it, the editor's is the first for the new digest, and what runs is what was edited.
#[tokio::test]
async fn i2_an_edit_voids_votes_and_what_was_edited_runs() {
    let house = House::new().await;
    house.apply(refunds(2)).await;
    let agent = house.agent("a").await;
    let (dana, erin) = (
        house.operator("dana", Role::Member).await,
        house.operator("erin", Role::Member).await,
    );
    let id = ask(&house, &agent, 500).await;
    let asked = house.approve(&dana, id).await.unwrap();
    assert_eq!(asked.votes.len(), 1);
    let edited = decide(&house, &erin, id, amount(50)).await.unwrap();
    assert_eq!(
        edited.row.status,
        ApprovalStatus::Pending,
        "Dana saw another request"
    );
    assert_ne!(edited.row.digest, asked.row.digest);
    let voters: Vec<_> = edited
        .votes
        .iter()
        .map(|vote| vote.actor.name.clone().unwrap())
        .collect();
    assert_eq!(voters, ["erin"]);
    assert_eq!(edited.content.context["amount"], json!(50));
    // Dana's vote for what she saw is refused; for what stands now it is counted.
    let stale = Decide {
        decision: Decision::Approve {
            digest: asked.row.digest,
            comment: None,
            scope: Scope::Once,
        },
        view: None,
    };
    let refused = house.engine.decide(&dana, id, stale, None).await;
    assert!(matches!(
        refused,
        Err(EngineError::Decision(Refusal::DigestMismatch))
    ));
    let done = house.approve(&dana, id).await.unwrap();
    assert_eq!(done.row.status, ApprovalStatus::Approved);
    let taken = house
        .engine
        .consume(&agent, id.action().execution(), None)
        .await
        .unwrap();
    assert_eq!(taken.content.context["amount"], json!(50));
    assert_eq!(taken.row.digest, edited.row.digest);
    house.assert_verifies().await;
    let house = house.reopen().await;
    let kept = house.engine.approval(&house.admin, id).await.unwrap();
    assert_eq!(
        (kept.content.context["amount"].clone(), kept.row.edits.len()),
        (json!(50), 1)
    );
    house.assert_verifies().await;
}

/// I8: what policy would deny is refused, outside of what may be changed is refused, and nothing is written.
#[tokio::test]
async fn i8_an_edit_that_policy_denies_or_does_not_allow_changes_nothing() {
    let house = House::new().await;
    house.apply(refunds(1)).await;
    let agent = house.agent("a").await;
    let dana = house.operator("dana", Role::Member).await;
    let id = ask(&house, &agent, 500).await;
    let before = house.log().await.len();
    let too_much = decide(&house, &dana, id, amount(5_000)).await;
    assert!(matches!(
        too_much,
        Err(EngineError::Decision(Refusal::EditDenied(_)))
    ));
    for context in [
        json!({ "amount": 50, "to": "EVIL" }),
        json!({ "amount": 0, "to": "ACME" }),
        json!({ "amount": 50 }),
    ] {
        let scope = Scope::Edited(Edit {
            inputs: None,
            context: Some(map(&context)),
            body: None,
        });
        let refused = decide(&house, &dana, id, scope).await;
        assert!(
            matches!(refused, Err(EngineError::Invalid(_))),
            "{context}: {refused:?}"
        );
    }
    let same = decide(&house, &dana, id, amount(500)).await;
    assert!(matches!(same, Err(EngineError::Invalid(_))));
    assert_eq!(house.log().await.len(), before);
    // A client that can't take changes, and a policy that allows none.
    let mut plain = refund(500);
    plain.action.accepts = Accepts::default();
    let plain = house.engine.submit(&agent, plain, None).await.unwrap();
    let refused = decide(&house, &dana, plain.approval_id.unwrap(), amount(50)).await;
    assert!(matches!(
        refused,
        Err(EngineError::Decision(Refusal::NotEditable))
    ));
    let mut strict = refunds(1);
    strict[0].approval.allow_edit = None;
    house.apply(strict).await;
    let refused = decide(&house, &dana, id, amount(50)).await;
    assert!(matches!(
        refused,
        Err(EngineError::Decision(Refusal::EditForbidden))
    ));
    house.assert_verifies().await;
}

/// What policy lets through as changed needs nobody beside the editor; and a stranger to the requirement edits nothing.
#[tokio::test]
async fn an_edit_is_judged_like_a_new_request() {
    let house = House::new().await;
    let mut policies = refunds(2);
    policies.push(PolicyDoc {
        conditions: vec![Condition::Expression("context.amount <= 50".into())],
        actions: vec!["stripe.refund".into()],
        agents: vec!["a".into()],
        ..PolicyDoc::new("small", PolicyEffect::Allow)
    });
    policies[0].approval.approvers = vec!["email:dana@example.com", "email:erin@example.com"]
        .into_iter()
        .map(|text| signoff_core::policy::ApproverRule::Named(text.parse().unwrap()))
        .collect();
    house.apply(policies).await;
    let agent = house.agent("a").await;
    let (dana, max) = (
        house.operator("dana", Role::Member).await,
        house.operator("max", Role::Admin).await,
    );
    let id = ask(&house, &agent, 500).await;
    let refused = decide(&house, &max, id, amount(40)).await;
    assert!(matches!(refused, Err(EngineError::Decision(Refusal::NotNamed))));
    let done = decide(&house, &dana, id, amount(40)).await.unwrap();
    assert_eq!(done.row.status, ApprovalStatus::Approved);
    assert_eq!(done.votes.len(), 1);
    house.assert_verifies().await;
}

fn for_a_while(uses: Option<u32>, condition: Option<&str>) -> Scope {
    Scope::Standing(StandingTerms {
        valid_for: Micros::seconds(3600),
        uses,
        condition: condition.map(|source| Condition::Expression(source.into())),
    })
}

#[tokio::test]
async fn a_standing_approval_answers_for_its_kind_within_its_limits() {
    let house = House::new().await;
    house.apply(refunds(1)).await;
    let (agent, other) = (house.agent("a").await, house.agent("b").await);
    let dana = house.operator("dana", Role::Member).await;
    let id = ask(&house, &agent, 500).await;
    let scope = for_a_while(Some(2), Some("context.amount <= 100"));
    let view = decide(&house, &dana, id, scope).await.unwrap();
    assert_eq!(view.row.status, ApprovalStatus::Approved);
    let submit = async |agent: &Caller, asked: Submit| house.engine.submit(agent, asked, None).await.unwrap();
    // Not its condition, not its agent, not its action, asked for by the agent itself: a person is asked.
    assert_eq!(submit(&agent, refund(101)).await.effect, Effect::Ask);
    assert_eq!(submit(&other, refund(10)).await.effect, Effect::Ask);
    let mut explicit = refund(10);
    explicit.action.require_approval = true;
    assert_eq!(submit(&agent, explicit).await.effect, Effect::Ask);
    // Denied stays denied.
    assert_eq!(submit(&agent, refund(1_001)).await.effect, Effect::Deny);
    let first = submit(&agent, refund(100)).await;
    assert_eq!((first.effect, first.standing.is_some()), (Effect::Allow, true));
    let taken = house
        .engine
        .consume(&agent, first.execution_id.unwrap(), None)
        .await
        .unwrap();
    assert!(taken.row.standing.is_some());
    let second = submit(&agent, refund(1)).await;
    assert_eq!(second.effect, Effect::Allow);
    assert_eq!(
        submit(&agent, refund(1)).await.effect,
        Effect::Ask,
        "it is used up"
    );
    let listed = house.engine.standing_approvals(&dana).await.unwrap();
    assert_eq!((listed[0].row.uses, listed[0].state), (2, StandingState::UsedUp));
    // Taken back: what it let through and nobody took yet is not taken any more.
    house
        .engine
        .revoke_standing(&dana, listed[0].row.id, None)
        .await
        .unwrap();
    let refused = house
        .engine
        .consume(&agent, second.execution_id.unwrap(), None)
        .await;
    assert!(matches!(refused, Err(EngineError::Execution(_))), "{refused:?}");
    house.assert_verifies().await;
    let house = house.reopen().await;
    house.assert_verifies().await;
}

#[tokio::test]
async fn a_standing_approval_ends_with_its_time_and_with_its_policy() {
    let house = House::new().await;
    house.apply(refunds(1)).await;
    let agent = house.agent("a").await;
    let dana = house.operator("dana", Role::Member).await;
    let grant = async || {
        let id = ask(&house, &agent, 500).await;
        decide(&house, &dana, id, for_a_while(None, None)).await.unwrap();
    };
    let effect = async || house.engine.submit(&agent, refund(5), None).await.unwrap().effect;
    grant().await;
    assert_eq!(effect().await, Effect::Allow);
    house.clock.advance(Micros::seconds(3601));
    assert_eq!(effect().await, Effect::Ask, "its time is over");
    grant().await;
    assert_eq!(effect().await, Effect::Allow);
    // A new version of the policy is another question, also if it asks for the same.
    let mut changed = refunds(1);
    changed[0].description = Some("as before".into());
    house.apply(changed).await;
    assert_eq!(effect().await, Effect::Ask, "another version asks");
    // A policy may forbid it, and one person can't answer for two.
    let mut forbids = refunds(1);
    forbids[0].approval.allow_standing = Some(false);
    house.apply(forbids).await;
    let id = ask(&house, &agent, 500).await;
    let refused = decide(&house, &dana, id, for_a_while(None, None)).await;
    assert!(matches!(
        refused,
        Err(EngineError::Decision(Refusal::StandingForbidden))
    ));
    house.apply(refunds(2)).await;
    let refused = decide(&house, &dana, id, for_a_while(None, None)).await;
    assert!(matches!(
        refused,
        Err(EngineError::Decision(Refusal::StandingOfOne))
    ));
    let view = house.engine.approval(&dana, id).await.unwrap();
    assert!(view.votes.is_empty(), "nothing was done by halves");
    house.assert_verifies().await;
}

/// I8, I4: however many ask at once, a standing approval lets no more through than it has uses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_a_standing_approval_is_used_no_more_often_than_it_may_be() {
    let house = House::new().await;
    house.apply(refunds(1)).await;
    let agent = house.agent("a").await;
    let dana = house.operator("dana", Role::Member).await;
    let id = ask(&house, &agent, 500).await;
    decide(&house, &dana, id, for_a_while(Some(5), None))
        .await
        .unwrap();
    let submits = (0..40).map(|_| house.engine.submit(&agent, refund(5), None));
    let effects = join_all(submits)
        .await
        .into_iter()
        .map(|done| done.unwrap().effect);
    assert_eq!(effects.filter(|effect| *effect == Effect::Allow).count(), 5);
    let used = house.log().await;
    let used = used.iter().filter(
        |event| matches!(&event.record.event, Event::ActionAllowed(allowed) if allowed.standing.is_some()),
    );
    assert_eq!(used.count(), 5);
    house.assert_verifies().await;
}

/// An admin allows from now on: one step, a new version of policy, what is pending goes through by it.
#[tokio::test]
async fn always_is_a_new_version_of_policy_in_the_same_step() {
    let house = House::new().await;
    let mut policies = refunds(1);
    policies[0].approval.allow_edit = None;
    house.apply(policies.clone()).await;
    let (agent, other) = (house.agent("a").await, house.agent("b").await);
    let (dana, max) = (
        house.operator("dana", Role::Member).await,
        house.operator("max", Role::Admin).await,
    );
    let id = ask(&house, &agent, 500).await;
    let waiting = ask(&house, &agent, 70).await;
    let refused = decide(&house, &dana, id, Scope::Always(Always::Action)).await;
    assert!(matches!(refused, Err(EngineError::Forbidden(_))), "{refused:?}");
    let outlook = house.engine.always(&max, id, Always::Action).await.unwrap();
    assert_eq!(
        (outlook.replaces, outlook.pending, outlook.covered.other),
        (false, 2, 2)
    );
    let done = decide(&house, &max, id, Scope::Always(Always::Action))
        .await
        .unwrap();
    assert_eq!(done.row.status, ApprovalStatus::Approved);
    let effect = async |agent: &Caller, amount| {
        house
            .engine
            .submit(agent, refund(amount), None)
            .await
            .unwrap()
            .effect
    };
    assert_eq!(effect(&agent, 900).await, Effect::Allow);
    assert_eq!(effect(&agent, 1_001).await, Effect::Deny, "denials stand");
    assert_eq!(
        effect(&other, 900).await,
        Effect::Ask,
        "another agent is asked about"
    );
    for _ in 0..200 {
        if house
            .engine
            .approval(&max, waiting)
            .await
            .unwrap()
            .row
            .status
            .is_terminal()
        {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let waiting = house.engine.approval(&max, waiting).await.unwrap();
    assert_eq!(
        (waiting.row.status, waiting.row.note.as_deref()),
        (ApprovalStatus::Approved, Some("policy_changed"))
    );
    // For all that the policy asks for; unless something guards it.
    house.apply(policies.clone()).await;
    let id = ask(&house, &agent, 500).await;
    decide(&house, &max, id, Scope::Always(Always::Policy))
        .await
        .unwrap();
    assert_eq!(effect(&other, 900).await, Effect::Allow);
    let version = house.engine.policy(&max, "refunds").unwrap();
    assert_eq!((version.doc.effect, version.version), (PolicyEffect::Allow, 2));
    policies.push(PolicyDoc {
        guard: true,
        ..policy("guard", &["stripe.*"], PolicyEffect::RequireApproval)
    });
    house.apply(policies).await;
    let id = ask(&house, &agent, 500).await;
    let before = house.log().await.len();
    let refused = decide(&house, &max, id, Scope::Always(Always::Action)).await;
    assert!(matches!(refused, Err(EngineError::Invalid(_))), "{refused:?}");
    assert_eq!(house.log().await.len(), before, "neither vote nor policy");
    house.assert_verifies().await;
}

/// The clicks of two people at once on one request: an edit and a plain approval never mix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i2_an_edit_and_an_approval_at_once_do_not_mix() {
    let house = House::new().await;
    house.apply(refunds(1)).await;
    let agent = house.agent("a").await;
    let (dana, erin) = (
        house.operator("dana", Role::Member).await,
        house.operator("erin", Role::Member).await,
    );
    for _ in 0..20 {
        let id = ask(&house, &agent, 500).await;
        let (edited, plain) = tokio::join!(decide(&house, &dana, id, amount(50)), house.approve(&erin, id));
        assert!(
            edited.is_ok() != plain.is_ok(),
            "one of them decided: {edited:?} {plain:?}"
        );
        let view = house.engine.approval(&dana, id).await.unwrap();
        let wanted = if edited.is_ok() { json!(50) } else { json!(500) };
        assert_eq!(view.content.context["amount"], wanted);
        assert!(view.votes.iter().all(|vote| vote.ballot == Ballot::Approve));
        let taken = house
            .engine
            .consume(&agent, id.action().execution(), None)
            .await
            .unwrap();
        assert_eq!(taken.content.context["amount"], wanted);
    }
    house.assert_verifies().await;
}

/// Those that are used up don't stand in the way of those that are not.
#[tokio::test]
async fn used_up_standing_approvals_make_room() {
    let house = House::new().await;
    house.apply(refunds(1)).await;
    let agent = house.agent("a").await;
    let dana = house.operator("dana", Role::Member).await;
    for round in 0..60 {
        let id = ask(&house, &agent, 500).await;
        decide(&house, &dana, id, for_a_while(Some(1), None))
            .await
            .unwrap();
        let used = house.engine.submit(&agent, refund(5), None).await.unwrap();
        assert_eq!(used.effect, Effect::Allow, "round {round}");
    }
    house.assert_verifies().await;
}

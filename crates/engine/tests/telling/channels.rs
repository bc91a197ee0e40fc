//! Channels and contacts: what they allow, and what they keep to themselves.

use serde_json::json;
use signoff_core::{channel::ChannelKind, id::ApprovalId, requirement::Role, time::Micros};
use signoff_engine::{
    EngineError,
    request::{CreateChannel, UpdateContact},
};
use signoff_testkit::{Answer, Received, WebhookReceiver};

use crate::{
    common::{House, submit},
    told::{Told, asks, channel, make, standing},
};

/// A request may say where it is to be called back: within what a channel allows, with its context in AgentWarden's words.
#[tokio::test]
async fn a_request_is_called_back_where_a_channel_allows_it() {
    let told = Told::new().await;
    let receiver = WebhookReceiver::start().await;
    let ask = async |url: &str, amount: u64| -> Result<ApprovalId, EngineError> {
        let mut given = submit("stripe.refund", json!({"amount": amount}));
        given.callback_url = Some(url.to_owned().into());
        let submitted = told.house.engine.submit(&told.agent, given, None).await?;
        Ok(submitted.approval_id.unwrap())
    };
    let inside = receiver.url("/agents/42?key=canary-callback");
    assert!(
        matches!(ask(&inside, 1).await, Err(EngineError::Invalid(_))),
        "nothing allows it yet"
    );
    let settings = json!({"allow": [receiver.url("/agents/")], "template": "agentwarden"});
    let id = make(&told.house, channel("back", ChannelKind::Callback, settings)).await;
    for outside in [
        receiver.url("/elsewhere"),
        receiver.url("/agentsx"),
        "http://10.0.0.1/agents/".into(),
    ] {
        assert!(
            matches!(ask(&outside, 1).await, Err(EngineError::Invalid(_))),
            "{outside}"
        );
    }
    let asked = ask(&inside, 7).await.unwrap();
    told.house.approve(&told.dana, asked).await.unwrap();
    let messages = receiver.wait_for(1).await;
    assert_eq!(
        (messages[0].path.as_str(), messages[0].query.as_str()),
        ("/agents/42", "key=canary-callback")
    );
    let body = messages[0].json();
    assert_eq!(
        (
            &body["approval_id"],
            &body["decision"],
            &body["action"],
            &body["context"]
        ),
        (
            &json!(asked.to_string()),
            &json!("approved"),
            &json!("stripe.refund"),
            &json!({"amount": 7})
        )
    );
    told.until(id, &[("delivered", 1), ("skipped", 1)]).await;
    // The URL may carry a credential: it stands nowhere in the log.
    let log = format!("{:?}", told.house.log().await);
    assert!(!log.contains("canary-callback"));
    told.house.assert_verifies().await;
}

/// How somebody is reached is theirs to say; an admin may, others may not, and none of it stands in the log.
#[tokio::test]
async fn contacts_are_personal() {
    let told = Told::new().await;
    let engine = &told.house.engine;
    let eve = told.house.operator("eve", Role::Member).await;
    let dana = "dana@example.com";
    let phone = || UpdateContact {
        phone: Some(Some("+4915112345678".into())),
        ..UpdateContact::default()
    };
    for refused in [
        engine.contact(&eve, dana).map(drop),
        engine.update_contact(&eve, dana, phone()).await.map(drop),
    ] {
        assert!(
            matches!(refused, Err(EngineError::NotFound { .. })),
            "{refused:?}"
        );
    }
    assert!(engine.contact(&told.agent, dana).is_err());
    let (view, changed) = engine
        .update_contact(&told.house.admin, dana, phone())
        .await
        .unwrap();
    assert_eq!(
        (view.phone.as_deref(), changed.as_slice()),
        (Some("+4915112345678"), &["phone".to_owned()][..])
    );
    assert!(view.has_push_topic);
    let again = engine.update_contact(&told.dana, "me", phone()).await.unwrap();
    assert!(again.1.is_empty(), "what is so already leaves no event");
    for (update, pointer) in [
        (
            UpdateContact {
                phone: Some(Some("112".into())),
                ..UpdateContact::default()
            },
            "/phone",
        ),
        (
            UpdateContact {
                channels: Some(Some(vec!["nowhere".into()])),
                ..UpdateContact::default()
            },
            "/channels/0",
        ),
        (
            UpdateContact {
                push_topic: Some(Some("a/b".into())),
                ..UpdateContact::default()
            },
            "/push_topic",
        ),
    ] {
        let refused = engine.update_contact(&told.dana, "me", update).await;
        let Err(EngineError::Invalid(faults)) = refused else {
            panic!("{refused:?}")
        };
        assert!(format!("{faults:?}").contains(pointer), "{faults:?}");
    }
    let log = format!("{:?}", told.house.log().await);
    for secret in ["4915112345678", "dana-5hGk2"] {
        assert!(!log.contains(secret), "{secret}");
    }
    assert!(log.contains("ContactSet"));
    told.house.assert_verifies().await;
    // A stored contact that is not the one in the log reaches nobody.
    let told = Told {
        house: told.house.reopen().await,
        ..told
    };
    let view = told.house.engine.contact(&told.house.admin, dana).unwrap();
    assert_eq!(view.phone.as_deref(), Some("+4915112345678"));
}

/// A new secret signs beside the old one for a while.
#[tokio::test]
async fn a_rotated_secret_signs_beside_the_old_one() {
    let house = House::new().await;
    house
        .apply(vec![asks("refunds", "stripe.*", &["role:member"])])
        .await;
    let agent = house.agent("a").await;
    let receiver = WebhookReceiver::start().await;
    let create = CreateChannel::webhook("ops", &receiver.url("/"), vec!["approval.pending".into()], None);
    let made = house
        .engine
        .create_channel(&house.admin, create, None)
        .await
        .unwrap();
    let old = made.secret.unwrap();
    let rotated = house
        .engine
        .rotate_channel_secret(&house.admin, made.made.id, Micros::seconds(3_600))
        .await
        .unwrap();
    let new = rotated.secret.unwrap();
    house.ask(&agent, "stripe.refund").await;
    receiver.wait_for(1).await;
    house.pass(Micros::seconds(3_601), &agent, "stripe.refund").await;
    let messages = receiver.wait_for(2).await;
    let signed = |secret: &secrecy::SecretString, message: &Received| {
        let verifier = standardwebhooks::Webhook::new(secrecy::ExposeSecret::expose_secret(secret)).unwrap();
        let at = message.header("webhook-timestamp").parse().unwrap();
        let expected = verifier
            .sign(message.header("webhook-id"), at, &message.body)
            .unwrap();
        message
            .header("webhook-signature")
            .split(' ')
            .any(|one| one == expected)
    };
    assert!(signed(&new, &messages[0]) && signed(&old, &messages[0]));
    assert!(signed(&new, &messages[1]) && !signed(&old, &messages[1]));
}

/// A test message says what came of it.
#[tokio::test]
async fn a_channel_is_tried_out_before_it_is_needed() {
    let told = Told::new().await;
    let engine = &told.house.engine;
    let refused = engine.test_channel(&told.house.admin, told.push).await;
    assert!(
        matches!(refused, Err(EngineError::Invalid(_))),
        "an automation has no phone: {refused:?}"
    );
    let hook = WebhookReceiver::start().await;
    hook.answer_next([Answer::status(204), Answer::status(500)]);
    let id = make(
        &told.house,
        channel("chat", ChannelKind::Teams, json!({"url": hook.url("/h")})),
    )
    .await;
    let first = engine.test_channel(&told.house.admin, id).await.unwrap();
    assert!(first.delivered, "{first:?}");
    let second = engine.test_channel(&told.house.admin, id).await.unwrap();
    assert!(!second.delivered && second.status == Some(500), "{second:?}");
    assert!(
        engine.test_channel(&told.dana, id).await.is_err(),
        "only who governs"
    );
    assert!(
        standing(&told.house, id).await.is_empty(),
        "a test is no delivery"
    );
}

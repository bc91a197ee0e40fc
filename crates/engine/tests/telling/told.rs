//! A house in which somebody is told, and what came of it.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use signoff_core::{
    channel::ChannelKind,
    id::ChannelId,
    policy::{PolicyDoc, PolicyEffect},
    requirement::Role,
    time::Micros,
};
use signoff_engine::{
    request::{CreateChannel, UpdateContact},
    view::Caller,
};
use signoff_testkit::{Received, WebhookReceiver};

use crate::common::{House, policy};

pub(crate) fn asks(name: &str, action: &str, approvers: &[&str]) -> PolicyDoc {
    let mut doc = policy(name, &[action], PolicyEffect::RequireApproval);
    doc.approval.approvers = approvers
        .iter()
        .map(|text| serde_json::from_value(json!(text)).unwrap())
        .collect();
    doc
}

pub(crate) fn channel(name: &str, kind: ChannelKind, settings: Value) -> CreateChannel {
    let Value::Object(settings) = settings else {
        panic!("an object")
    };
    CreateChannel {
        name: name.into(),
        kind,
        settings,
        events: Vec::new(),
        named_only: false,
        window: None,
    }
}

pub(crate) async fn make(house: &House, create: CreateChannel) -> ChannelId {
    let made = house.engine.create_channel(&house.admin, create, None).await;
    made.unwrap().made.id
}

/// A house in which dana is told by push, and what is asked of zoe wakes the worker and tells nobody.
pub(crate) struct Told {
    pub(crate) house: House,
    pub(crate) phones: WebhookReceiver,
    pub(crate) push: ChannelId,
    pub(crate) agent: Caller,
    pub(crate) dana: Caller,
}

impl Told {
    pub(crate) async fn new() -> Self {
        let house = House::new().await;
        let phones = WebhookReceiver::start().await;
        house
            .apply(vec![
                asks("refunds", "stripe.*", &["email:dana@example.com"]),
                asks("nudges", "nudge", &["email:zoe@example.com"]),
            ])
            .await;
        let dana = house.operator("dana", Role::Member).await;
        house.operator("zoe", Role::Admin).await;
        let push = make(
            &house,
            channel("phones", ChannelKind::Push, json!({"url": phones.url("")})),
        )
        .await;
        let update = UpdateContact {
            push_topic: Some(Some("dana-5hGk2".into())),
            ..UpdateContact::default()
        };
        house.engine.update_contact(&dana, "me", update).await.unwrap();
        let agent = house.agent("support-bot").await;
        Self {
            house,
            phones,
            push,
            agent,
            dana,
        }
    }

    pub(crate) async fn pass(&self, seconds: i64) {
        self.house
            .pass(Micros::seconds(seconds), &self.agent, "nudge")
            .await;
    }

    pub(crate) async fn contact(&self, update: UpdateContact) {
        self.house
            .engine
            .update_contact(&self.dana, "me", update)
            .await
            .unwrap();
    }

    /// How many deliveries of a channel stand how.
    pub(crate) async fn standing(&self, channel: ChannelId) -> BTreeMap<&'static str, usize> {
        standing(&self.house, channel).await
    }

    pub(crate) async fn until(&self, channel: ChannelId, expected: &[(&'static str, usize)]) {
        let expected: BTreeMap<_, _> = expected.iter().copied().collect();
        for _ in 0..500 {
            if self.standing(channel).await == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(self.standing(channel).await, expected);
    }
}

pub(crate) async fn standing(house: &House, channel: ChannelId) -> BTreeMap<&'static str, usize> {
    let mut found = BTreeMap::new();
    let mut beyond = None;
    loop {
        let page = house
            .engine
            .deliveries(&house.admin, channel, beyond, 200)
            .await
            .unwrap();
        for item in page.items {
            *found.entry(item.state.as_str()).or_default() += 1;
        }
        match page.next {
            Some(next) => beyond = Some(next),
            None => return found,
        }
    }
}

pub(crate) fn text(message: &Received) -> String {
    String::from_utf8(message.body.clone()).unwrap()
}

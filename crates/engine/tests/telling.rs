//! Who is told, how often, in which order, and what happens when nobody listens.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use common::{House, policy, submit};
use serde_json::{Value, json};
use signoff_core::{
    action::{Action, Priority},
    channel::{ChannelKind, SwitchedOff},
    id::{ApprovalId, ChannelId},
    policy::{PolicyDoc, PolicyEffect},
    requirement::Role,
    time::Micros,
};
use signoff_engine::{
    EngineError,
    contact::QuietHours,
    request::{CreateChannel, Submit, UpdateContact},
    view::{Caller, DeliveryState, Reach},
};
use signoff_testkit::{Answer, Received, Recorder, WebhookReceiver};

fn asks(name: &str, action: &str, approvers: &[&str]) -> PolicyDoc {
    let mut doc = policy(name, &[action], PolicyEffect::RequireApproval);
    doc.approval.approvers = approvers
        .iter()
        .map(|text| serde_json::from_value(json!(text)).unwrap())
        .collect();
    doc
}

fn channel(name: &str, kind: ChannelKind, settings: Value) -> CreateChannel {
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

async fn make(house: &House, create: CreateChannel) -> ChannelId {
    let made = house.engine.create_channel(&house.admin, create, None).await;
    made.unwrap().made.id
}

/// A house in which dana is told by push, and what is asked of zoe wakes the worker and tells nobody.
struct Told {
    house: House,
    phones: WebhookReceiver,
    push: ChannelId,
    agent: Caller,
    dana: Caller,
}

impl Told {
    async fn new() -> Self {
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

    async fn pass(&self, seconds: i64) {
        self.house.clock.advance(Micros::seconds(seconds));
        self.house.ask(&self.agent, "nudge").await;
    }

    async fn contact(&self, update: UpdateContact) {
        self.house
            .engine
            .update_contact(&self.dana, "me", update)
            .await
            .unwrap();
    }

    /// How many deliveries of a channel stand how.
    async fn standing(&self, channel: ChannelId) -> BTreeMap<&'static str, usize> {
        standing(&self.house, channel).await
    }

    async fn until(&self, channel: ChannelId, expected: &[(&'static str, usize)]) {
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

async fn standing(house: &House, channel: ChannelId) -> BTreeMap<&'static str, usize> {
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

/// Waits until the three oldest deliveries of a channel were tried so often.
async fn oldest_tried(house: &House, channel: ChannelId, attempts: usize) {
    for _ in 0..1_000 {
        let page = house
            .engine
            .deliveries(&house.admin, channel, None, 200)
            .await
            .unwrap();
        let oldest = page
            .items
            .iter()
            .rev()
            .filter(|one| one.kind == "approval.pending")
            .take(3);
        if oldest.filter(|one| one.attempts as usize == attempts).count() == 3 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("they were not tried {attempts} times");
}

/// Waits until the latest delivery of a channel was tried so often.
async fn tried(house: &House, channel: ChannelId, attempts: u32) {
    for _ in 0..1_000 {
        let page = house
            .engine
            .deliveries(&house.admin, channel, None, 1)
            .await
            .unwrap();
        if page.items.first().is_some_and(|one| one.attempts == attempts) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it was not tried {attempts} times");
}

fn text(message: &Received) -> String {
    String::from_utf8(message.body.clone()).unwrap()
}

/// Who must decide is told where they want to be told, with a link of their own; the next message waits for the window,
/// and brings all that came in between.
#[tokio::test]
async fn who_must_decide_is_told_once_a_window() {
    let told = Told::new().await;
    let first = told.house.ask(&told.agent, "stripe.refund").await;
    let messages = told.phones.wait_for(1).await;
    told.until(told.push, &[("delivered", 1)]).await;
    let message = messages[0].json();
    assert_eq!(message["topic"], "dana-5hGk2");
    let click = message["click"].as_str().unwrap();
    assert!(click.starts_with("http://127.0.0.1:7070/d/"), "{message}");
    let opened = told
        .house
        .engine
        .open_link(click.rsplit('/').next().unwrap())
        .await
        .unwrap();
    assert_eq!(opened.approval.row.id, first);

    for _ in 0..5 {
        told.house.ask(&told.agent, "stripe.refund").await;
    }
    told.pass(30).await;
    told.until(told.push, &[("delivered", 1), ("waiting", 5)]).await;
    assert_eq!(told.phones.received().len(), 1, "the window is not over");
    told.pass(31).await;
    told.until(told.push, &[("delivered", 6)]).await;
    let messages = told.phones.received();
    assert_eq!(messages.len(), 2, "five in one message");
    assert!(text(&messages[1]).contains('5'), "{}", text(&messages[1]));
    let view = told.house.engine.approval(&told.dana, first).await.unwrap();
    assert_eq!(view.told.len(), 1);
    assert_eq!(view.told[0].recipient.as_ref().unwrap().name, "dana");
    told.house.assert_verifies().await;
}

/// 1,000 approvals in a minute: nobody gets more than one message per window, and nothing is forgotten.
#[tokio::test]
async fn a_flood_of_approvals_is_no_flood_of_messages() {
    let told = Told::new().await;
    let teams = WebhookReceiver::start().await;
    let chat = channel("chat", ChannelKind::Teams, json!({"url": teams.url("/hook")}));
    let chat = make(&told.house, chat).await;
    let mut agents = Vec::new();
    for number in 0..10 {
        agents.push(told.house.agent(&format!("bot-{number}")).await);
    }
    let began = told.house.clock.advance(Micros(0));
    for round in 0..100 {
        let all = agents.iter().map(|agent| told.house.ask(agent, "stripe.refund"));
        futures_util::future::join_all(all).await;
        if round < 99 {
            told.house.clock.advance(Micros(600_000));
        }
    }
    let minute = told.house.clock.advance(Micros(0)).0 - began.0;
    assert!(minute < 60_000_000, "a minute of virtual time");
    assert!(
        told.phones.received().len() <= 1,
        "{}",
        told.phones.received().len()
    );
    assert!(teams.received().len() <= 1, "{}", teams.received().len());
    told.pass(61).await;
    told.until(told.push, &[("delivered", 1_000)]).await;
    // The shared conversation hears of the nudge too, then or later.
    for _ in 0..500 {
        if told.standing(chat).await["delivered"] >= 1_000 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(told.standing(chat).await["delivered"] >= 1_000);
    assert_eq!(told.phones.received().len(), 2);
    assert_eq!(teams.received().len(), 2);
    let open = told.house.engine.stats(&told.house.admin, None).await.unwrap();
    assert_eq!(open.pending, 1_001, "the inbox is exact");
}

/// What is critical waits for nothing: neither for the window nor for the morning.
#[tokio::test]
async fn quiet_hours_hold_everything_but_what_is_critical() {
    let told = Told::new().await;
    let now = jiff::Timestamp::from_microsecond(told.house.clock.advance(Micros(0)).0).unwrap();
    let time = now.to_zoned(jiff::tz::TimeZone::UTC).time();
    let minute = u16::try_from(i32::from(time.hour()) * 60 + i32::from(time.minute())).unwrap();
    let quiet = QuietHours {
        from_minute: (minute + 1_439) % 1_440,
        to_minute: (minute + 20) % 1_440,
        time_zone: "UTC".into(),
    };
    let update = UpdateContact {
        quiet_hours: Some(Some(quiet)),
        ..UpdateContact::default()
    };
    told.contact(update).await;
    let submitted = told
        .house
        .engine
        .submit(&told.agent, submit("stripe.refund", json!({})), None)
        .await
        .unwrap();
    assert!(matches!(submitted.reach, Reach::Later(at) if at.0 > now.as_microsecond()));
    let mut critical = Action::named("stripe.refund");
    critical.priority = Priority::Critical;
    told.house
        .engine
        .submit(&told.agent, Submit::of(critical), None)
        .await
        .unwrap();
    let messages = told.phones.wait_for(1).await;
    assert_eq!(messages[0].json()["priority"], 5, "{}", text(&messages[0]));
    told.until(told.push, &[("delivered", 1), ("waiting", 1)]).await;
    told.pass(1_201).await;
    told.until(told.push, &[("delivered", 2)]).await;
}

/// What ended before anybody could be told of it is not told, and neither is its end.
#[tokio::test]
async fn what_is_over_is_not_told() {
    let told = Told::new().await;
    told.house.ask(&told.agent, "stripe.refund").await;
    told.until(told.push, &[("delivered", 1)]).await;
    let id = told.house.ask(&told.agent, "stripe.refund").await;
    told.until(told.push, &[("delivered", 1), ("waiting", 1)]).await;
    told.house.deny(&told.dana, id).await.unwrap();
    told.pass(61).await;
    told.until(told.push, &[("delivered", 1), ("skipped", 1)]).await;
    assert_eq!(told.phones.received().len(), 1);
}

/// Whom nobody can reach: the agent is told so.
#[tokio::test]
async fn an_answer_says_when_nobody_hears_of_it() {
    let told = Told::new().await;
    let ask = |action| {
        told.house
            .engine
            .submit(&told.agent, submit(action, json!({})), None)
    };
    assert_eq!(ask("stripe.refund").await.unwrap().reach, Reach::Somebody);
    assert_eq!(ask("nudge").await.unwrap().reach, Reach::Nobody);
    // A person may turn every channel off; then nobody is left for what only they may decide.
    let update = UpdateContact {
        channels: Some(Some(Vec::new())),
        ..UpdateContact::default()
    };
    told.contact(update).await;
    assert_eq!(ask("stripe.refund").await.unwrap().reach, Reach::Nobody);
}

/// Contacts of a policy, by name; further ones once the window for escalation is over; and those who were asked hear how it
/// ended.
#[tokio::test]
async fn a_policys_contacts_are_told_and_hear_the_end() {
    let told = Told::new().await;
    let (finance, pager) = (WebhookReceiver::start().await, WebhookReceiver::start().await);
    let mut create = channel(
        "finance",
        ChannelKind::Teams,
        json!({"url": finance.url("/hook")}),
    );
    create.named_only = true;
    let finance_id = make(&told.house, create).await;
    let key = "0123456789abcdef0123456789abcdef";
    let settings = json!({"routing_key": key, "url": pager.url("/v2/enqueue")});
    let mut create = channel("pager", ChannelKind::Pagerduty, settings);
    create.named_only = true;
    make(&told.house, create).await;
    pager.answer_next([Answer::status(202), Answer::status(202)]);
    let mut doc = asks("refunds", "stripe.*", &["email:dana@example.com"]);
    doc.approval.notify = vec!["channel:finance".into()];
    doc.approval.escalate =
        Some(serde_json::from_value(json!({"after": 600_000_000, "to": ["channel:pager"]})).unwrap());
    told.house
        .apply(vec![doc, asks("nudges", "nudge", &["email:zoe@example.com"])])
        .await;
    let id = told.house.ask(&told.agent, "stripe.refund").await;
    finance.wait_for(1).await;
    told.phones.wait_for(1).await;
    assert_eq!(pager.received().len(), 0);
    told.pass(601).await;
    let page = pager.wait_for(1).await[0].json();
    assert_eq!(
        (&page["event_action"], &page["routing_key"]),
        (&json!("trigger"), &json!(key))
    );
    assert!(
        page["dedup_key"].as_str().unwrap().contains(&id.to_string()),
        "{page}"
    );
    told.house.deny(&told.dana, id).await.unwrap();
    told.until(finance_id, &[("delivered", 2)]).await;
    let ended = finance.received();
    assert!(text(&ended[1]).contains("dana"), "{}", text(&ended[1]));
    told.pass(61).await;
    assert_eq!(pager.wait_for(2).await[1].json()["event_action"], "resolve");
    let view = told.house.engine.approval(&told.dana, id).await.unwrap();
    let by_finance = view.told.iter().filter(|told| told.channel.id == finance_id);
    assert_eq!(by_finance.count(), 2);
}

/// R12: a receiver that is away for 76 hours gets everything under the same ids, each request's messages in order; others
/// wait for nothing meanwhile.
#[tokio::test]
async fn r12_what_a_receiver_missed_arrives_in_order_and_delays_nobody() {
    let told = Told::new().await;
    let down = Arc::new(AtomicBool::new(true));
    let is_down = Arc::clone(&down);
    let away = Recorder::start(move |_| {
        let status = if is_down.load(Ordering::SeqCst) { 503 } else { 204 };
        Answer::status(status)
    })
    .await;
    let well = WebhookReceiver::start().await;
    let of = |name: &str, url: String| {
        let mut create = CreateChannel::webhook(name, &url, Vec::new(), None);
        create.events = vec!["approval.pending".into(), "approval.decided".into()];
        create
    };
    let away_id = make(&told.house, of("away", away.url("/hook"))).await;
    make(&told.house, of("well", well.url("/hook"))).await;
    let mut asked = Vec::new();
    for _ in 0..3 {
        asked.push(told.house.ask(&told.agent, "stripe.refund").await);
    }
    told.house.deny(&told.dana, asked[0]).await.unwrap();
    well.wait_for(4).await;
    // Hours pass; nudges wake the worker, which else would sleep by the real clock.
    for (attempt, hours) in [1, 2, 4, 6, 11, 15, 17].into_iter().enumerate() {
        oldest_tried(&told.house, away_id, attempt + 1).await;
        told.pass(hours * 3_600).await;
    }
    oldest_tried(&told.house, away_id, 8).await;
    assert!(!standing(&told.house, away_id).await.contains_key("delivered"));
    down.store(false, Ordering::SeqCst);
    told.pass(25 * 3_600).await;
    // What woke the worker is told there too, and never ends; these do.
    let missing = async || {
        let mut missing = 4;
        for id in &asked {
            let view = told.house.engine.approval(&told.dana, *id).await.unwrap();
            let there = view.told.iter().filter(|one| one.channel.id == away_id);
            missing -= there.filter(|one| one.state == DeliveryState::Delivered).count();
        }
        missing
    };
    for _ in 0..100 {
        if missing().await == 0 {
            break;
        }
        // Less than a lease lasts: what is under way is kept.
        told.pass(1).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(missing().await, 0);
    let mut ids: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut first_of: BTreeMap<String, usize> = BTreeMap::new();
    for (at, message) in away.received().iter().enumerate() {
        let body = message.json();
        let of = format!("{} {}", body["data"]["approval"]["id"], body["type"]);
        ids.entry(of.clone())
            .or_default()
            .push(message.header("webhook-id").to_owned());
        first_of.entry(of).or_insert(at);
    }
    for (of, ids) in &ids {
        assert!(
            ids.iter().all(|id| *id == ids[0]),
            "{of}: one id on every attempt"
        );
    }
    let (pending, decided) = (
        format!("\"{}\" \"approval.pending\"", asked[0]),
        format!("\"{}\" \"approval.decided\"", asked[0]),
    );
    assert!(ids[&pending].len() > 3, "it was tried again and again");
    let beginnings = away
        .received()
        .iter()
        .take(first_of[&decided])
        .filter(|message| {
            let body = message.json();
            body["type"] == "approval.pending" && body["data"]["approval"]["id"] == asked[0].to_string()
        })
        .count();
    assert_eq!(
        beginnings,
        ids[&pending].len(),
        "the end is not told before the beginning arrived"
    );
}

/// 410 ends it at once, three days in vain end it too; admins hear of it by another way.
#[tokio::test]
async fn a_channel_that_is_gone_or_fails_is_switched_off_and_admins_are_told() {
    let told = Told::new().await;
    let update = UpdateContact {
        push_topic: Some(Some("zoe-9Xa1".into())),
        ..UpdateContact::default()
    };
    let engine = &told.house.engine;
    engine
        .update_contact(&told.house.admin, "zoe@example.com", update)
        .await
        .unwrap();
    let gone = WebhookReceiver::start().await;
    gone.answer_next([Answer::status(410)]);
    let gone_id = make(
        &told.house,
        CreateChannel::webhook("gone", &gone.url("/"), Vec::new(), None),
    )
    .await;
    told.house.ask(&told.agent, "stripe.refund").await;
    let off = async |id| {
        for _ in 0..200 {
            let view = engine.channel(&told.house.admin, id).unwrap();
            if view.disabled {
                return view.switched_off;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("it is still on");
    };
    assert_eq!(off(gone_id).await, Some(SwitchedOff::Gone));
    let is_notice = |message: &Received| {
        let message = text(message);
        message.contains("zoe-9Xa1") && message.contains("switched off") && message.contains("gone")
    };
    for _ in 0..200 {
        if told.phones.received().iter().any(is_notice) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(told.phones.received().iter().any(is_notice));

    let failing = Recorder::start(|_| Answer::status(500)).await;
    let create = CreateChannel::webhook(
        "failing",
        &failing.url("/"),
        vec!["approval.decided".into()],
        None,
    );
    let failing_id = make(&told.house, create).await;
    let id = told.house.ask(&told.agent, "stripe.refund").await;
    told.house.deny(&told.dana, id).await.unwrap();
    for attempt in 1..=10 {
        // A clock that jumps while a message is under way ends its lease: it would be sent once more.
        tried(&told.house, failing_id, attempt).await;
        told.pass(27 * 3_600).await;
    }
    assert_eq!(off(failing_id).await, Some(SwitchedOff::Failing));
    assert_eq!(failing.received().len(), 10, "the schedule of Standard Webhooks");
    told.house.assert_verifies().await;

    // What failed can be sent again once the channel is on.
    let page = engine
        .deliveries(&told.house.admin, failing_id, None, 10)
        .await
        .unwrap();
    let seq = page.items[0].seq;
    let refused = engine.redeliver(&told.house.admin, failing_id, seq).await;
    assert!(matches!(refused, Err(EngineError::Invalid(_))), "{refused:?}");
}

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
    house.clock.advance(Micros::seconds(3_601));
    house.ask(&agent, "stripe.refund").await;
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

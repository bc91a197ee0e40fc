//! Who is told, how often, and when.

use std::time::Duration;

use serde_json::json;
use signoff_core::{
    action::{Action, Priority},
    channel::ChannelKind,
    time::Micros,
};
use signoff_engine::{
    contact::QuietHours,
    request::{Submit, UpdateContact},
    view::Reach,
};
use signoff_testkit::{Answer, WebhookReceiver};

use crate::{
    common::submit,
    told::{Told, asks, channel, make, text},
};

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
    for replayed in [false, true] {
        let asked = submit("nudge", json!({}));
        let answer = told.house.engine.submit(&told.agent, asked, Some("once")).await;
        let answer = answer.unwrap();
        assert_eq!((answer.reach, answer.replayed), (Reach::Nobody, replayed));
    }
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

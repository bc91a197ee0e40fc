//! Channels in the console: admins alone, by forms of our own pages; what is secret stands on no page.

use serde_json::json;
use signoff_testkit::{Answer, Recorder};

use crate::links::browser::{Browser, ORIGIN};
use crate::world::{CANARY, Reply, Who, World};

const VIEWER: usize = 0;
const MEMBER: usize = 1;
const ADMIN: usize = 2;

async fn as_person(world: &World, operator: usize) -> Browser<'_> {
    let mut person = Browser::new(world);
    person.session = Some(world.signed_in(operator).await);
    person
}

async fn send(person: &Browser<'_>, path: &str, fields: &[(&str, &str)]) -> Reply {
    let fields: Vec<(String, String)> = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    person.post(path, &fields, Some(ORIGIN)).await
}

fn place(reply: &Reply) -> String {
    let place = reply.headers.get("location").expect(&reply.text);
    place.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_admin_adds_a_channel_tries_it_and_switches_it_and_i7_its_secrets_stand_nowhere() {
    let world = World::new().await;
    let receiver = Recorder::start(|_| Answer::status(200)).await;
    let mut admin = as_person(&world, ADMIN).await;
    assert!(
        admin
            .open("/channels")
            .await
            .ok()
            .text
            .contains("Nobody is told yet")
    );
    let form = admin.open("/channels/new?kind=webhook").await.ok().text;
    assert!(form.contains(r#"<input type="password" name="url""#), "{form}");
    let url = receiver.url(&format!("/hook/{CANARY}"));
    // What can't be kept comes back with what was typed, and without what is secret.
    let wrong = [
        ("kind", "webhook"),
        ("name", "hook"),
        ("url", url.as_str()),
        ("events", "approval.pendign"),
    ];
    let refused = send(&admin, "/channels/new", &wrong).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    assert!(
        refused.text.contains("approval.pendign") && refused.text.contains("once more"),
        "{}",
        refused.text
    );
    assert!(!refused.text.contains(CANARY));
    let right = [
        ("kind", "webhook"),
        ("name", "hook"),
        ("url", url.as_str()),
        ("template", "standard"),
    ];
    let made = send(&admin, "/channels/new", &right).await.ok().text;
    assert!(
        made.contains("whsec_") && !made.contains(CANARY),
        "shown once: {made}"
    );
    let listed = world.get(Who::Admin, "/v1/channels").await.ok().json();
    let path = format!("/channels/{}", listed["items"][0]["id"].as_str().unwrap());
    let again = admin.open(&path).await.ok().text;
    assert!(!again.contains("whsec_") && !again.contains(CANARY), "{again}");
    // A test is one message, now.
    let tested = send(&admin, &format!("{path}/test"), &[]).await.ok().text;
    assert!(tested.contains("The test arrived"), "{tested}");
    assert_eq!(receiver.received().len(), 1);
    let off = send(&admin, &format!("{path}/switch"), &[("to", "off")]).await;
    assert_eq!(place(&off), format!("{path}?done=off"));
    assert!(admin.open(&path).await.ok().text.contains("switched off by hand"));
    send(&admin, &format!("{path}/switch"), &[("to", "on")]).await;
    let one = world.get(Who::Admin, &format!("/v1{path}")).await.ok().json();
    assert_eq!(one["status"], "active", "{one}");
    let odd = send(&admin, &format!("{path}/switch"), &[("to", "sideways")]).await;
    assert_eq!(odd.status, 422);
    let none = send(&admin, &format!("{path}/redeliver"), &[("seq", "99999")]).await;
    assert_eq!(none.status, 404, "{}", none.text);
}

#[tokio::test]
async fn nobody_but_admins_sees_channels_and_only_our_own_pages_change_them() {
    let world = World::new().await;
    let channel =
        json!({"name": "hook", "settings": {"webhook": {"url": format!("http://127.0.0.1:9/{CANARY}")}}});
    let made = world
        .post(Who::Admin, "/v1/channels", channel)
        .await
        .ok()
        .text_of("id");
    let one = format!("/channels/{made}");
    let viewer = as_person(&world, VIEWER).await;
    let member = as_person(&world, MEMBER).await;
    let admin = as_person(&world, ADMIN).await;
    let head = world.head().await;
    for mut person in [viewer, member] {
        for path in ["/channels", "/channels/new?kind=email", &one] {
            let reply = person.open(path).await;
            assert_eq!(reply.status, 403, "{path}: {}", reply.text);
            assert!(!reply.text.contains("hook"), "{path}: {}", reply.text);
        }
        assert!(!person.open("/").await.ok().text.contains(r#"href="/channels""#));
        for path in ["test", "switch", "redeliver"] {
            let reply = send(&person, &format!("{one}/{path}"), &[("to", "off"), ("seq", "1")]).await;
            assert_eq!(reply.status, 403, "{path}: {}", reply.text);
        }
        let form = [("kind", "teams"), ("name", "t"), ("url", "https://example.com/x")];
        assert_eq!(send(&person, "/channels/new", &form).await.status, 403);
    }
    for path in [
        "/channels/new",
        "/account/contact",
        &format!("{one}/test"),
        &format!("{one}/switch"),
    ] {
        for origin in [None, Some("https://evil.example")] {
            let fields = [("to".to_owned(), "off".to_owned())];
            let reply = admin.post(path, &fields, origin).await;
            assert_eq!(reply.status, 403, "{path} from {origin:?}: {}", reply.text);
        }
        let opened = admin.send("GET", path).await;
        assert!(
            opened.status.is_redirection() || opened.status.is_success(),
            "{path}"
        );
    }
    assert_eq!(world.head().await, head, "nothing was changed by any of it");
}

#[tokio::test]
async fn a_person_says_how_they_are_reached_and_i7_their_topic_stands_nowhere() {
    let world = World::new().await;
    let push = json!({"name": "phone", "settings": {"push": {"url": "http://127.0.0.1:9"}}});
    let channel = world
        .post(Who::Admin, "/v1/channels", push)
        .await
        .ok()
        .text_of("id");
    let mut member = as_person(&world, MEMBER).await;
    assert!(
        member
            .open("/account/contact")
            .await
            .ok()
            .text
            .contains("Nothing reaches you")
    );
    let ticked = format!("channel_{channel}");
    let mut form = vec![
        ("choose", "chosen"),
        (ticked.as_str(), "yes"),
        ("push_topic", CANARY),
        ("quiet_from", "22:00"),
        ("quiet_to", "07:00"),
        ("time_zone", "Nowhere/Land"),
        ("window", "10m"),
    ];
    let refused = send(&member, "/account/contact", &form).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    assert!(
        refused.text.contains("Quiet hours") && !refused.text.contains(CANARY),
        "{}",
        refused.text
    );
    form[5].1 = "Europe/Berlin";
    let kept = send(&member, "/account/contact", &form).await;
    assert_eq!(place(&kept), "/account/contact?done=kept");
    let page = member.open("/account/contact").await.ok().text;
    assert!(
        !page.contains(CANARY) && page.contains("you are told by it now"),
        "{page}"
    );
    let path = format!("/v1/operators/{}/contact", world.operators[MEMBER]);
    let contact = world.get(Who::Admin, &path).await.ok().json();
    assert_eq!(contact["quiet_hours"]["time_zone"], "Europe/Berlin", "{contact}");
    assert_eq!(contact["window"], "10m", "{contact}");
    // An empty field for the topic keeps it; the tick takes it away.
    send(&member, "/account/contact", &[("choose", "auto")]).await;
    let contact = world.get(Who::Admin, &path).await.ok().json();
    assert_eq!(
        (&contact["has_push_topic"], &contact["quiet_hours"]),
        (&json!(true), &json!(null))
    );
    send(
        &member,
        "/account/contact",
        &[("choose", "auto"), ("no_topic", "yes")],
    )
    .await;
    let contact = world.get(Who::Admin, &path).await.ok().json();
    assert_eq!(contact["has_push_topic"], false, "{contact}");
}

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const APPROVAL: &str = "apr_0192f0c1a2b37c4d8e5f60718293a4b5";

fn digest() -> String {
    "ab".repeat(32)
}

fn encoded(fields: &[(&str, &str)]) -> Vec<u8> {
    let encode = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
                b' ' => "+".into(),
                other => format!("%{other:02X}"),
            })
            .collect()
    };
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    pairs.join("&").into_bytes()
}

fn body(payload: &Value) -> Vec<u8> {
    encoded(&[("payload", &payload.to_string())])
}

/// A press as Slack sends it, with much that we pass over.
fn press() -> Value {
    json!({
        "type": "block_actions",
        "user": {"id": "U01", "username": "dana", "name": "dana", "team_id": "T01"},
        "api_app_id": "A01", "token": "x",
        "container": {"type": "message", "message_ts": "1712345678.000100", "channel_id": "C01", "is_ephemeral": false},
        "trigger_id": "12.34.abc",
        "team": {"id": "T01", "domain": "acme"}, "enterprise": null, "is_enterprise_install": false,
        "channel": {"id": "C01", "name": "ops"},
        "message": {"type": "message", "ts": "1712345678.000100", "blocks": [{"type": "section"}]},
        "state": {"values": {}},
        "response_url": "https://hooks.slack.com/actions/T01/1/x",
        "actions": [{"action_id": "signoff_approve", "block_id": "signoff", "value": format!("{APPROVAL}:{}", digest()), "type": "button", "action_ts": "1712345680.1"}]
    })
}

fn form() -> Value {
    let kept = json!({
        "approval": APPROVAL, "digest": digest(),
        "place": {"conversation": "C01", "message": "1712345678.000100", "response_url": "https://hooks.slack.com/x"}
    });
    json!({
        "type": "view_submission", "team": {"id": "T01", "domain": "acme"}, "user": {"id": "U01", "team_id": "T01"},
        "trigger_id": "56.78.def",
        "view": {
            "id": "V01", "hash": "1712345690.x", "type": "modal", "callback_id": "signoff_deny",
            "private_metadata": kept.to_string(),
            "state": {"values": {"signoff_words": {"signoff_words": {"type": "plain_text_input", "value": " not today \n"}}}}
        },
        "response_urls": []
    })
}

#[track_caller]
fn read(payload: &Value) -> Interaction {
    match parse_interaction(&body(payload)) {
        Ok(Inbound::Interaction(interaction)) => *interaction,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_press_and_a_form_are_read() {
    let pressed = read(&press());
    assert_eq!(pressed.choice, Choice::Approve);
    assert_eq!(pressed.approval.to_string(), APPROVAL);
    assert_eq!(pressed.digest.to_string(), digest());
    assert!(pressed.presser.is_of("T01") && !pressed.presser.is_of("T02"));
    assert_eq!(pressed.presser.user, "U01");
    assert!(pressed.shown.is_some());
    assert_eq!(
        pressed.step,
        Step::Pressed {
            trigger: "12.34.abc".into()
        }
    );
    assert_eq!(pressed.place.message.as_deref(), Some("1712345678.000100"));
    let sent = read(&form());
    assert_eq!(sent.choice, Choice::Deny);
    assert_eq!(
        sent.step,
        Step::Submitted {
            words: "not today".into()
        }
    );
    assert_eq!(sent.place, pressed_place());
    // What is kept for later comes back whole.
    let again: Interaction = serde_json::from_str(&serde_json::to_string(&sent).unwrap()).unwrap();
    assert_eq!(again, sent);
}

fn pressed_place() -> Place {
    Place::new(
        Some("C01".into()),
        Some("1712345678.000100".into()),
        Some("https://hooks.slack.com/x".into()),
    )
}

/// The key is that of the interaction, whatever else differs in a copy.
#[test]
fn a_copy_has_the_same_key_and_another_press_another() {
    let first = read(&press()).key;
    let mut copy = press();
    copy["token"] = "y".into();
    copy["response_url"] = "https://hooks.slack.com/other".into();
    assert_eq!(read(&copy).key, first);
    for (pointer, value) in [
        ("/trigger_id", "12.34.abd"),
        ("/user/id", "U02"),
        ("/user/team_id", "T02"),
        ("/actions/0/action_ts", "1712345680.2"),
    ] {
        let mut other = press();
        *other.pointer_mut(pointer).unwrap() = value.into();
        assert_ne!(read(&other).key, first, "{pointer}");
    }
    let sent = read(&form()).key;
    assert_ne!(sent, first);
    let mut twice = form();
    twice["trigger_id"] = "other".into();
    twice["view"]["state"]["values"]["signoff_words"]["signoff_words"]["value"] = "other words".into();
    assert_eq!(read(&twice).key, sent);
}

/// Guests of another Slack workspace, and the app installed in another one, are told apart.
#[test]
fn strangers_are_known_as_such() {
    let mut guest = press();
    guest["user"]["team_id"] = "T02".into();
    assert!(!read(&guest).presser.is_of("T01"));
    assert!(!read(&guest).presser.is_of("T02"));
    let mut elsewhere = press();
    elsewhere["team"]["id"] = "T02".into();
    assert!(!read(&elsewhere).presser.is_of("T01"));
    let mut bare = press();
    bare["user"].as_object_mut().unwrap().remove("team_id");
    assert!(read(&bare).presser.is_of("T01"));
}

#[test]
fn what_asks_nothing_of_us_is_nothing() {
    for (pointer, value) in [
        ("/actions/0/action_id", "signoff_open"),
        ("/actions/0/action_id", "signoff_open_3"),
        ("/actions/0/action_id", "theirs"),
        ("/type", "shortcut"),
        ("/type", "view_closed"),
    ] {
        let mut other = press();
        *other.pointer_mut(pointer).unwrap() = value.into();
        assert_eq!(parse_interaction(&body(&other)), Ok(Inbound::Nothing), "{value}");
    }
    let mut other = form();
    other["view"]["callback_id"] = "theirs".into();
    assert_eq!(parse_interaction(&body(&other)), Ok(Inbound::Nothing));
}

#[test]
fn what_is_not_as_ours_is_refused() {
    let with = |base: fn() -> Value, pointer: &str, value: Value| {
        let mut changed = base();
        *changed.pointer_mut(pointer).unwrap() = value;
        body(&changed)
    };
    let twice = json!([press()["actions"][0], press()["actions"][0]]);
    let long = "x".repeat(WORDS_CHARS_MAX + 1);
    let words = "/view/state/values/signoff_words/signoff_words/value";
    for (case, given) in [
        ("no actions", with(press, "/actions", json!([]))),
        ("two actions", with(press, "/actions", twice)),
        ("no value", with(press, "/actions/0/value", Value::Null)),
        (
            "another value",
            with(press, "/actions/0/value", "apr_1:00".into()),
        ),
        ("a number", with(press, "/actions/0/value", 7.into())),
        (
            "upper case",
            with(
                press,
                "/actions/0/value",
                format!("{APPROVAL}:{}", "AB".repeat(32)).into(),
            ),
        ),
        ("no team", with(press, "/team", Value::Null)),
        ("a strange team", with(press, "/team/id", "T01 ".into())),
        ("a strange user", with(press, "/user/id", "<@U01>".into())),
        ("a strange guest", with(press, "/user/team_id", "t01".into())),
        (
            "a long trigger",
            with(press, "/trigger_id", "1".repeat(201).into()),
        ),
        (
            "a trigger with a null",
            with(press, "/trigger_id", "1\u{0}2".into()),
        ),
        ("long words", with(form, words, long.into())),
        ("other words", with(form, words, json!({}))),
        ("nothing kept", with(form, "/view/private_metadata", "".into())),
        (
            "more kept",
            with(
                form,
                "/view/private_metadata",
                json!({"more": 1}).to_string().into(),
            ),
        ),
        (
            "too much kept",
            with(form, "/view/private_metadata", " ".repeat(3_001).into()),
        ),
        ("two payloads", [body(&press()), body(&press())].join(&b'&')),
        (
            "something beside",
            [body(&press()), b"token=x".to_vec()].join(&b'&'),
        ),
        ("another name", encoded(&[("Payload", &press().to_string())])),
        ("no JSON", encoded(&[("payload", "{")])),
        ("broken encoding", b"payload=%7".to_vec()),
        ("no text", b"payload=%ff".to_vec()),
        ("empty", Vec::new()),
        ("JSON as body", press().to_string().into_bytes()),
        ("too long", vec![b'a'; INBOUND_BYTES_MAX + 1]),
        (
            "a key twice",
            encoded(&[(
                "payload",
                &press()
                    .to_string()
                    .replacen("\"team\"", "\"team\":{\"id\":\"T09\"},\"team\"", 1),
            )]),
        ),
        ("deep", encoded(&[("payload", &"[".repeat(10_000))])),
    ] {
        assert!(parse_interaction(&given).is_err(), "{case}");
    }
}

#[test]
fn a_command_is_read() {
    let fields = [
        ("token", "x"),
        ("team_id", "T01"),
        ("user_id", "U01"),
        ("user_name", "dana"),
        ("command", "/signoff"),
        ("text", " link ABCDE 12345 "),
        ("trigger_id", "1.2.x"),
    ];
    let command = parse_command(&encoded(&fields)).unwrap();
    assert_eq!(command.text, "link ABCDE 12345");
    assert!(command.presser.is_of("T01"));
    for at in [1, 2, 5, 6] {
        let mut without = fields.to_vec();
        without.remove(at);
        assert!(parse_command(&encoded(&without)).is_err(), "{at}");
        let mut doubled = fields.to_vec();
        doubled.push(fields[at]);
        assert!(parse_command(&encoded(&doubled)).is_err(), "{at}");
    }
}

proptest! {
    /// Whatever is changed of what Slack sends, it is read as bounded or refused, and never taken for another approval than
    /// it names.
    #[test]
    fn mutations_are_read_within_bounds_or_refused(
        is_form in any::<bool>(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3usize), 1..6),
    ) {
        let mut given = body(&if is_form { form() } else { press() });
        for (at, byte, how) in edits {
            if given.is_empty() { break }
            let at = at.index(given.len());
            match how {
                0 => given[at] = byte,
                1 => given.insert(at, byte),
                _ => drop(given.remove(at)),
            }
        }
        if let Ok(Inbound::Interaction(read)) = parse_interaction(&given) {
            prop_assert!(is_slack_id(&read.presser.user) && is_slack_id(&read.presser.team));
            if let Step::Submitted { words } = &read.step {
                prop_assert!(words.chars().count() <= WORDS_CHARS_MAX);
            }
        }
        let _ = parse_command(&given);
    }

    #[test]
    fn no_bytes_break_it(given in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = (parse_interaction(&given), parse_command(&given));
    }
}

//! Channels: the list, one of them, the form of each kind; and how a person is reached.

use askama::Template;
use serde_json::{Value, json};
use signoff_core::channel::{ChannelKind, SwitchedOff};
use signoff_core::id::{ActionId, ChannelId, OperatorId, RawId};
use signoff_core::time::Micros;
use signoff_engine::Tested;
use signoff_engine::contact::QuietHours;
use signoff_engine::view::{ChannelView, ContactView, DeliveryState, DeliveryView, Named, ReachedBy};

use super::pages::shell;
use super::requests::{NOW, ago};
use crate::console::inert::Inert;
use crate::console::shown;
use crate::console::view::channel::{ChannelEditPage, ChannelPage, ChannelRemovePage, ChannelsPage};
use crate::console::view::contact::ContactPage;

const HOSTILE: &str = "<script>alert(1)</script>\u{202e}<img src=x>";

fn view(number: u8, name: &str, kind: ChannelKind, settings: Value) -> ChannelView {
    ChannelView {
        id: ChannelId(RawId([number; 16])),
        name: name.to_owned(),
        kind,
        origin: "https://hooks.example.com".to_owned(),
        events: vec![],
        named_only: number == 2,
        window: Micros::seconds(60),
        disabled: number > 2,
        switched_off: (number == 4).then_some(SwitchedOff::Failing),
        settings,
        public_key: None,
        created_at: ago(864_000),
        public_url: "https://signoff.example.com".to_owned(),
    }
}

fn views() -> Vec<ChannelView> {
    let slack =
        json!({"bot_token": "set", "signing_secret": "set", "team": "T0ACME", "conversation": "C0OPS"});
    vec![
        view(
            1,
            "mail",
            ChannelKind::Email,
            json!({"host": "smtp.example.com", "port": 587, "to": [HOSTILE]}),
        ),
        view(2, "ops", ChannelKind::Slack, slack),
        view(
            3,
            &"a-very-long-name-of-a-channel-".repeat(6),
            ChannelKind::Sms,
            json!({"auth_token": "set"}),
        ),
        view(4, "pager", ChannelKind::Pagerduty, json!({"routing_key": "set"})),
        view(
            5,
            "builds",
            ChannelKind::Callback,
            json!({"allow": ["https://ci.example.com/hooks"]}),
        ),
    ]
}

fn deliveries() -> Vec<DeliveryView> {
    let delivery = |seq: u8, kind: &str, state| DeliveryView {
        id: format!("evt_{seq}"),
        seq: u64::from(seq),
        kind: kind.to_owned(),
        subject: ActionId(RawId([seq; 16])).to_string(),
        recipient: (seq != 41).then(|| Named {
            id: OperatorId(RawId([seq; 16])),
            name: if seq == 40 {
                HOSTILE.to_owned()
            } else {
                "Dana Okafor".to_owned()
            },
        }),
        together: seq == 42,
        state,
        attempts: u32::from(seq - 39),
        last_status: (state != DeliveryState::Waiting).then_some(503),
        last_error: (seq < 42).then(|| "the mail server answered 451: try later".to_owned()),
        next_at: (state == DeliveryState::Waiting).then(|| ago(-300)),
        ended_at: (state != DeliveryState::Waiting).then(|| ago(60)),
        created_at: ago(180),
    };
    vec![
        delivery(43, "approval.decided", DeliveryState::Waiting),
        delivery(42, "approval.pending", DeliveryState::Delivered),
        delivery(41, "approval.pending", DeliveryState::Failed),
        delivery(40, "execution.reported", DeliveryState::Skipped),
    ]
}

fn list(views: &[ChannelView]) -> String {
    let page = ChannelsPage {
        shell: shell("Channels", "channels"),
        notice: views
            .is_empty()
            .then_some("The channel is gone. Nothing is sent by it any more."),
        rows: views.iter().map(shown::channel::line).collect(),
        kinds: shown::channel::kinds(),
    };
    page.render().expect("renders")
}

fn one(view: &ChannelView, sent: &[DeliveryView], secret: bool, tested: Option<&Tested>) -> String {
    let line = |delivery| shown::channel::delivery(delivery, view.disabled, NOW);
    let page = ChannelPage {
        shell: shell("Channel", "channels"),
        id: view.id.to_string(),
        line: shown::channel::line(view),
        notice: secret.then_some("The channel is kept."),
        secret: secret.then(|| format!("whsec_{}", "MfKQ9r8GKYqrTwjU".repeat(3))),
        tested: tested.map(shown::channel::tested),
        pairs: shown::channel::pairs(view),
        signs: view.kind.is_for_programs(),
        created: shown::moment(view.created_at, NOW),
        deliveries: sent.iter().map(line).collect(),
        next_href: (!sent.is_empty()).then(|| "/channels/chn_1?beyond=40".to_owned()),
        first_href: None,
    };
    page.render().expect("renders")
}

fn new(kind: ChannelKind, problems: &[(&str, &str)]) -> String {
    let mut fields = shown::channel::fields(kind);
    if !problems.is_empty() {
        // What was typed comes back as it was typed, escaped.
        "<script>alert(1)</script>\"><img src=x>".clone_into(&mut fields[0].value);
    }
    let page = ChannelEditPage {
        shell: shell("New channel", "channels"),
        present: None,
        action: "/channels/new".to_owned(),
        back: "/channels".to_owned(),
        kind: kind.as_str(),
        kind_words: shown::channel::kind_words(kind),
        what_for: shown::channel::what_for(kind),
        docs: shown::channel::docs(kind),
        name: String::new(),
        events: String::new(),
        window: String::new(),
        named_only: false,
        is_for_programs: kind.is_for_programs(),
        fields,
        problems: problems
            .iter()
            .map(|(at, why)| shown::channel::fault(kind, at, why))
            .collect(),
    };
    page.render().expect("renders")
}

/// A form gives back what an admin typed, letter by letter: what an agent writes is never in it.
fn edit() -> String {
    let typed = "<script>alert(1)</script>\"><img src=x>";
    let settings = json!({"host": typed, "port": 587, "to": [typed], "password": "set"});
    let view = &view(1, "mail", ChannelKind::Email, settings);
    let page = ChannelEditPage {
        shell: shell("Channel", "channels"),
        present: Some(Inert::all(&view.name)),
        action: "/channels/chn_1/edit".to_owned(),
        back: "/channels/chn_1".to_owned(),
        kind: view.kind.as_str(),
        kind_words: shown::channel::kind_words(view.kind),
        what_for: shown::channel::what_for(view.kind),
        docs: shown::channel::docs(view.kind),
        name: view.name.clone(),
        events: "approval.*".to_owned(),
        window: view.window.to_string(),
        named_only: view.named_only,
        is_for_programs: view.kind.is_for_programs(),
        fields: shown::channel::present_fields(view),
        problems: Vec::new(),
    };
    page.render().expect("renders")
}

fn remove(view: &ChannelView) -> String {
    let page = ChannelRemovePage {
        shell: shell("Channel", "channels"),
        line: shown::channel::line(view),
    };
    page.render().expect("renders")
}

fn contact(is_reached: bool) -> String {
    let way = |number: u8, name: &str, kind, has_address, used| ReachedBy {
        channel: Named {
            id: ChannelId(RawId([number; 16])),
            name: name.to_owned(),
        },
        kind,
        has_address,
        used,
    };
    let view = ContactView {
        operator: OperatorId(RawId([1; 16])),
        channels: is_reached.then(Vec::new),
        reached_by: if is_reached {
            vec![
                way(1, "mail", ChannelKind::Email, true, true),
                way(2, "ops", ChannelKind::Slack, false, false),
                way(3, "phone", ChannelKind::Push, true, false),
            ]
        } else {
            vec![]
        },
        phone: is_reached.then(|| "+491701234567".to_owned()),
        has_push_topic: is_reached,
        quiet_hours: is_reached.then(|| QuietHours {
            from_minute: 22 * 60,
            to_minute: 7 * 60,
            time_zone: "Europe/Berlin".to_owned(),
        }),
        window: None,
    };
    let page = ContactPage {
        shell: shell("How you are reached", ""),
        form: shown::contact::fields(&view),
        ways: shown::contact::ways(&view),
        has_push_topic: view.has_push_topic,
        notice: None,
        problems: if is_reached {
            vec![]
        } else {
            vec![Inert::all(HOSTILE)]
        },
    };
    page.render().expect("renders")
}

pub(super) fn all() -> Vec<(&'static str, String)> {
    let views = views();
    let failed = Tested {
        delivered: false,
        status: None,
        detail: HOSTILE.to_owned(),
        to: "Ada Lovelace".to_owned(),
    };
    let sent = deliveries();
    vec![
        ("channels", list(&views)),
        ("channels-none", list(&[])),
        ("channel", one(&views[0], &sent, false, None)),
        ("channel-slack", one(&views[1], &[], false, Some(&failed))),
        ("channel-off", one(&views[3], &sent, false, None)),
        ("channel-made", one(&views[4], &[], true, None)),
        (
            "channel-new-email",
            new(ChannelKind::Email, &[("/email/host", "it is needed")]),
        ),
        ("channel-new-webhook", new(ChannelKind::Webhook, &[])),
        ("channel-edit", edit()),
        ("channel-remove", remove(&views[2])),
        ("contact", contact(true)),
        ("contact-none", contact(false)),
    ]
}

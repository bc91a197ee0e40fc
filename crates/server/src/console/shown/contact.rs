//! How a person is reached, as their page shows it.

use signoff_core::channel::ChannelKind;
use signoff_engine::view::{ContactView, ReachedBy};

use super::channel::kind_words;
use crate::console::inert::Inert;
use crate::console::view::contact::{ContactFields, Way};

/// What stands in the form at first.
pub fn fields(view: &ContactView) -> ContactFields {
    let quiet = view.quiet_hours.as_ref();
    let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    ContactFields {
        chosen: view.channels.is_some(),
        phone: view.phone.clone().unwrap_or_default(),
        quiet_from: quiet.map(|quiet| time(quiet.from_minute)).unwrap_or_default(),
        quiet_to: quiet.map(|quiet| time(quiet.to_minute)).unwrap_or_default(),
        time_zone: quiet.map(|quiet| quiet.time_zone.clone()).unwrap_or_default(),
        window: view.window.map(|window| window.to_string()).unwrap_or_default(),
    }
}

/// The channels that can reach people.
pub fn ways(view: &ContactView) -> Vec<Way> {
    let chosen = view.channels.as_deref().unwrap_or_default();
    let way = |way: &ReachedBy| Way {
        id: way.channel.id.to_string(),
        name: Inert::all(&way.channel.name),
        kind: kind_words(way.kind),
        lacks: (!way.has_address).then_some(match way.kind {
            ChannelKind::Slack => "link yourself to Slack first",
            ChannelKind::Sms => "give a number below",
            ChannelKind::Push => "give a topic below",
            _ => "it has no address of yours",
        }),
        is_chosen: chosen.iter().any(|channel| channel.id == way.channel.id),
        used: way.used,
    };
    view.reached_by.iter().map(way).collect()
}

/// A fault in words: what it is about, and why.
pub fn fault(pointer: &str, why: &str) -> Inert {
    let label = match pointer.split('/').nth(1) {
        Some("channels") => "Channels",
        Some("phone") => "Telephone number",
        Some("push_topic") => "Push topic",
        Some("quiet_hours") => "Quiet hours",
        Some("window") => "Time between messages",
        _ => return Inert::all(why),
    };
    Inert::all(&format!("{label}: {why}"))
}

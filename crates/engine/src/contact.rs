//! How a person is reached: by which channels, at which addresses, and when they want quiet. Personal, so kept beside the
//! log; the log has a digest of it, because whoever could change an address could have links sent elsewhere.

use jiff::{civil::Time, tz::TimeZone};
use serde::{Deserialize, Serialize};
use signoff_core::{
    channel::ChannelKind,
    id::ChannelId,
    rows::ChannelRow,
    time::{Micros, Timestamp},
};
use signoff_store::PersonRow;

/// What a person said of how to reach them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Contact {
    /// The channels to be told by; none said: by every channel that has an address of theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<Vec<ChannelId>>,
    /// For text messages, `+` and digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// For push messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push_topic: Option<String>,
    /// Who they are at Slack, proved by a command sent from there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slack: Vec<SlackIdentity>,
    /// When only what is critical reaches them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<QuietHours>,
    /// The least time between two messages, where they want another than the channel has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Micros>,
}

/// A user of a Slack workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlackIdentity {
    /// The channel whose app vouched for it.
    pub channel: ChannelId,
    /// The Slack workspace, `T…`.
    pub team: String,
    /// The user, `U…` or `W…`.
    pub user: String,
}

/// A part of each day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuietHours {
    /// When it begins, in minutes after midnight.
    pub from_minute: u16,
    /// When it ends, in minutes after midnight; not after the beginning: on the next day.
    pub to_minute: u16,
    /// Where they live, `Europe/Berlin`.
    pub time_zone: String,
}

impl QuietHours {
    /// When they end, if this time is within them. A zone that is not known any more means no quiet.
    pub(crate) fn until(&self, now: Timestamp) -> Option<Timestamp> {
        let zone = TimeZone::get(&self.time_zone).ok()?;
        let local = jiff::Timestamp::from_microsecond(now.0)
            .ok()?
            .to_zoned(zone.clone());
        let time = local.time();
        let (from, to) = (minute_of_day(self.from_minute)?, minute_of_day(self.to_minute)?);
        let overnight = to <= from;
        let quiet = if overnight {
            time >= from || time < to
        } else {
            (from..to).contains(&time)
        };
        if !quiet {
            return None;
        }
        let day = if overnight && time >= from {
            local.date().tomorrow().ok()?
        } else {
            local.date()
        };
        let end = day.to_datetime(to).to_zoned(zone).ok()?;
        Some(Timestamp(end.timestamp().as_microsecond()))
    }
}

fn minute_of_day(minute: u16) -> Option<Time> {
    let (hour, minute) = (minute / 60, minute % 60);
    Time::new(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0).ok()
}

impl Contact {
    /// Where a channel of this kind reaches them; none where it can't.
    pub(crate) fn address(&self, person: &PersonRow, channel: &ChannelRow) -> Option<String> {
        match channel.kind {
            ChannelKind::Email => Some(person.email.clone()),
            ChannelKind::Slack => {
                let mut identities = self.slack.iter();
                let identity = identities.find(|identity| identity.channel == channel.id)?;
                Some(identity.user.clone())
            }
            ChannelKind::Sms => self.phone.clone(),
            ChannelKind::Push => self.push_topic.clone(),
            _ => None,
        }
    }

    /// Whether they want to be told by this channel.
    pub(crate) fn wants(&self, channel: ChannelId) -> bool {
        self.channels
            .as_ref()
            .is_none_or(|wanted| wanted.contains(&channel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        let time: jiff::Timestamp = text.parse().expect("a time");
        Timestamp(time.as_microsecond())
    }

    #[test]
    fn quiet_hours_end_in_the_persons_own_morning() {
        let quiet = QuietHours {
            from_minute: 22 * 60,
            to_minute: 7 * 60,
            time_zone: "Europe/Berlin".into(),
        };
        let until = |now: &str| quiet.until(at(now));
        // Summer: two hours ahead of UTC.
        assert_eq!(until("2026-07-01T19:59:59Z"), None);
        assert_eq!(until("2026-07-01T20:00:00Z"), Some(at("2026-07-02T05:00:00Z")));
        assert_eq!(until("2026-07-02T04:59:59Z"), Some(at("2026-07-02T05:00:00Z")));
        assert_eq!(until("2026-07-02T05:00:00Z"), None);
        // The night in which the clock is put back is an hour longer.
        assert_eq!(until("2026-10-24T21:00:00Z"), Some(at("2026-10-25T06:00:00Z")));
        let noon = QuietHours {
            from_minute: 12 * 60,
            to_minute: 13 * 60,
            time_zone: "UTC".into(),
        };
        assert_eq!(
            noon.until(at("2026-07-01T12:30:00Z")),
            Some(at("2026-07-01T13:00:00Z"))
        );
        assert_eq!(noon.until(at("2026-07-01T13:00:00Z")), None);
        let nowhere = QuietHours {
            time_zone: "Nowhere/Land".into(),
            ..noon
        };
        assert_eq!(nowhere.until(at("2026-07-01T12:30:00Z")), None);
    }
}

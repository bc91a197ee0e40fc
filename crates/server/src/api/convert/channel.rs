//! Channels, their deliveries, and how a person is reached.

use serde_json::{Map, Value};
use signoff_api::channel as wire;
use signoff_api::duration::Duration;
use signoff_api::{Code, webhook};
use signoff_core::channel::ChannelKind;
use signoff_core::time::Micros;
use signoff_engine::contact::QuietHours;
use signoff_engine::request::{CreateChannel, UpdateChannel, UpdateContact};
use signoff_engine::view::{ChannelView, ContactView, DeliveryView, ReachedBy};
use signoff_engine::{OLD_SECRET_LASTS, Tested};

use super::super::problem::Refused;
use super::action::span;
use super::principal::{given_secret, standing};
use super::{Faults, ToWire, seconds_left};

/// Longest setting of a channel, in characters.
const SETTING_CHARS_MAX: usize = 4_000;
/// Longest URL of a webhook, in characters.
const URL_CHARS_MAX: usize = 2_000;

/// The one kind that is given, with its settings by name.
fn settings(faults: &mut Faults, given: wire::Settings) -> Option<(ChannelKind, Map<String, Value>)> {
    let Ok(Value::Object(given)) = serde_json::to_value(given) else {
        return None;
    };
    let mut given = given.into_iter();
    let (Some((kind, fields)), None) = (given.next(), given.next()) else {
        faults.add(
            "/settings",
            "name exactly one kind: webhook, callback, email, slack, slack_webhook, teams, pagerduty, sms or push",
        );
        return None;
    };
    let kind = ChannelKind::parse(&kind)?;
    let Value::Object(fields) = fields else {
        return None;
    };
    for (name, value) in &fields {
        let pointer = format!("/settings/{kind}/{name}");
        faults.check_chars(&pointer, value.as_str(), SETTING_CHARS_MAX);
    }
    Some((kind, fields))
}

/// A new channel.
pub(crate) fn channel_create(given: wire::ChannelCreate) -> Result<CreateChannel, Refused> {
    let mut faults = Faults::default();
    let settings = settings(&mut faults, given.settings);
    let window = given
        .window
        .and_then(|window| span(&mut faults, "/window", window));
    faults.done(Code::InvalidRequest)?;
    let (kind, settings) = settings.unwrap_or_default();
    Ok(CreateChannel {
        name: given.name,
        kind,
        settings,
        events: given.events.unwrap_or_default(),
        named_only: given.named_only.unwrap_or_default(),
        window,
    })
}

/// A change of a channel of this kind.
pub(crate) fn channel_update(
    given: wire::ChannelUpdate,
    kind: ChannelKind,
) -> Result<UpdateChannel, Refused> {
    let mut faults = Faults::default();
    let changes = given.settings.and_then(|given| settings(&mut faults, given));
    let mut settings = match changes {
        Some((given, _)) if given != kind => {
            faults.add(
                "/settings",
                format!("the channel is of kind {kind}, and stays so; make another for {given}"),
            );
            Map::new()
        }
        Some((_, settings)) => settings,
        None => Map::new(),
    };
    let mut window = given
        .window
        .and_then(|window| span(&mut faults, "/window", window))
        .map(Some);
    for name in given.clear.unwrap_or_default() {
        if name == "window" {
            window = Some(None);
        } else {
            settings.insert(name, Value::Null);
        }
    }
    faults.done(Code::InvalidRequest)?;
    Ok(UpdateChannel {
        name: given.name,
        settings,
        events: given.events,
        named_only: given.named_only,
        window,
        disabled: given.disabled,
        dry_run: given.dry_run.unwrap_or_default(),
    })
}

/// How long an old secret is to sign.
pub(crate) fn old_secret_lasts(given: &wire::SecretRotate) -> Result<Micros, Refused> {
    let mut faults = Faults::default();
    let given = given.old_secret_lasts;
    let lasts = given.and_then(|lasts| span(&mut faults, "/old_secret_lasts", lasts));
    faults.done(Code::InvalidRequest)?;
    Ok(lasts.unwrap_or(OLD_SECRET_LASTS))
}

/// A new webhook.
pub(crate) fn webhook_create(given: webhook::WebhookCreate) -> Result<CreateChannel, Refused> {
    let mut faults = Faults::default();
    faults.check_chars("/url", Some(&given.url), URL_CHARS_MAX);
    faults.done(Code::InvalidRequest)?;
    let secret = given_secret(given.secret);
    let events = given.events.unwrap_or_default();
    Ok(CreateChannel::webhook(
        &given.name,
        &given.url,
        events,
        secret.as_ref(),
    ))
}

/// A change of a webhook.
pub(crate) fn webhook_update(given: webhook::WebhookUpdate) -> Result<UpdateChannel, Refused> {
    let mut faults = Faults::default();
    let url = given.url.map(|url| url.expose().to_owned());
    faults.check_chars("/url", url.as_deref(), URL_CHARS_MAX);
    faults.done(Code::InvalidRequest)?;
    let mut settings = Map::new();
    settings.extend(url.map(|url| ("url".to_owned(), Value::from(url))));
    let secret = given.secret.map(|secret| secret.expose().to_owned());
    settings.extend(secret.map(|secret| ("secret".to_owned(), Value::from(secret))));
    Ok(UpdateChannel {
        settings,
        events: given.events,
        dry_run: given.dry_run.unwrap_or_default(),
        ..UpdateChannel::default()
    })
}

/// A change of how a person is reached.
pub(crate) fn contact_update(given: wire::ContactUpdate) -> Result<UpdateContact, Refused> {
    let mut faults = Faults::default();
    let quiet = given
        .quiet_hours
        .and_then(|quiet| quiet_hours(&mut faults, quiet));
    let window = given
        .window
        .and_then(|window| span(&mut faults, "/window", window));
    let mut update = UpdateContact {
        channels: given.channels.map(Some),
        phone: given.phone.map(Some),
        push_topic: given.push_topic.map(|topic| Some(topic.expose().to_owned())),
        quiet_hours: quiet.map(Some),
        window: window.map(Some),
    };
    for (at, name) in given.clear.unwrap_or_default().iter().enumerate() {
        match name.as_str() {
            "channels" => update.channels = Some(None),
            "phone" => update.phone = Some(None),
            "push_topic" => update.push_topic = Some(None),
            "quiet_hours" => update.quiet_hours = Some(None),
            "window" => update.window = Some(None),
            _ => faults.add(
                format!("/clear/{at}"),
                "one of channels, phone, push_topic, quiet_hours and window",
            ),
        }
    }
    faults.done(Code::InvalidRequest)?;
    Ok(update)
}

fn quiet_hours(faults: &mut Faults, given: wire::QuietHours) -> Option<QuietHours> {
    let mut minute = |pointer: &str, text: &str| {
        let minute = minute_of_day(text);
        if minute.is_none() {
            faults.add(pointer, "a time of day such as 22:00");
        }
        minute
    };
    let from = minute("/quiet_hours/from", &given.from);
    let to = minute("/quiet_hours/to", &given.to);
    Some(QuietHours {
        from_minute: from?,
        to_minute: to?,
        time_zone: given.time_zone,
    })
}

/// A time of day such as `22:00`, in minutes after midnight.
pub(crate) fn minute_of_day(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str, below: u16| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>()
            .ok()
            .filter(|number| digits && *number < below)
    };
    Some(number(hour, 24)? * 60 + number(minute, 60)?)
}

fn text_of_minute(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

fn duration(span: Micros) -> Duration {
    Duration::Seconds(seconds_left(span))
}

impl ToWire for ChannelView {
    type Wire = wire::Channel;

    fn to_wire(&self) -> wire::Channel {
        let is_slack = self.kind == ChannelKind::Slack;
        let slack = |what: &str| is_slack.then(|| format!("{}/slack/{}/{what}", self.public_url, self.id));
        wire::Channel {
            id: self.id.to_string(),
            name: self.name.clone(),
            kind: self.kind.to_wire(),
            origin: self.origin.clone(),
            settings: self.settings.clone(),
            events: self.events.clone(),
            named_only: self.named_only,
            window: duration(self.window),
            status: standing(self.disabled),
            switched_off: self.switched_off.map(|why| why.to_string()),
            public_key: self.public_key.clone(),
            interactions_url: slack("interactions"),
            commands_url: slack("commands"),
            created_at: self.created_at.to_wire(),
        }
    }
}

/// A channel as `/v1/webhooks` says it.
pub(crate) fn webhook(view: &ChannelView) -> webhook::Webhook {
    webhook::Webhook {
        id: view.id.to_string(),
        name: view.name.clone(),
        origin: view.origin.clone(),
        events: view.events.clone(),
        status: standing(view.disabled),
        created_at: view.created_at.to_wire(),
    }
}

impl ToWire for DeliveryView {
    type Wire = webhook::Delivery;

    fn to_wire(&self) -> webhook::Delivery {
        let status = self.state.to_wire();
        let delivered = status == webhook::DeliveryStatus::Delivered;
        webhook::Delivery {
            id: self.id.clone(),
            seq: self.seq,
            event: self.kind.clone(),
            subject: self.subject.clone(),
            recipient: self.recipient.to_wire(),
            together: self.together,
            status,
            attempts: self.attempts,
            last_status: self.last_status,
            last_error: self.last_error.clone(),
            next_attempt_at: self.next_at.to_wire(),
            delivered_at: self.ended_at.filter(|_| delivered).to_wire(),
            created_at: self.created_at.to_wire(),
        }
    }
}

impl ToWire for Tested {
    type Wire = wire::ChannelTested;

    fn to_wire(&self) -> wire::ChannelTested {
        wire::ChannelTested {
            delivered: self.delivered,
            status: self.status,
            detail: self.detail.clone(),
            to: self.to.clone(),
        }
    }
}

impl ToWire for ReachedBy {
    type Wire = wire::ReachedBy;

    fn to_wire(&self) -> wire::ReachedBy {
        wire::ReachedBy {
            channel: self.channel.to_wire(),
            kind: self.kind.to_wire(),
            has_address: self.has_address,
            used: self.used,
        }
    }
}

impl ToWire for ContactView {
    type Wire = wire::Contact;

    fn to_wire(&self) -> wire::Contact {
        let quiet = self.quiet_hours.as_ref().map(|quiet| wire::QuietHours {
            from: text_of_minute(quiet.from_minute),
            to: text_of_minute(quiet.to_minute),
            time_zone: quiet.time_zone.clone(),
        });
        wire::Contact {
            operator: self.operator.to_string(),
            channels: self
                .channels
                .as_ref()
                .map(|channels| channels.iter().map(ToWire::to_wire).collect()),
            reached_by: self.reached_by.to_wire(),
            phone: self.phone.clone(),
            has_push_topic: self.has_push_topic,
            quiet_hours: quiet,
            window: self.window.map(duration),
        }
    }
}

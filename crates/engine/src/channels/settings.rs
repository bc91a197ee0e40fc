//! What a channel's settings come to: merged with what is there, secrets drawn, and kept sealed.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use signoff_core::{channel::ChannelKind, id::ChannelId, time::Timestamp};
use signoff_notify::{Signing, Template, Transport, Webhook, WebhookSecret, new_private_key};

use super::Settings;
use crate::{
    EngineError, EngineResult,
    seal::{WorkspaceKey, random},
    snapshot::Snapshot,
    tenant::Tenant,
};

/// What was kept of a webhook before there were other kinds of channels.
#[derive(Serialize, Deserialize)]
struct Sealed {
    url: String,
    secret: String,
}

/// How a channel reaches somebody.
pub(crate) fn transport(tenant: &Tenant, snapshot: &Snapshot, id: ChannelId) -> Option<Transport> {
    opened(&tenant.key, id, snapshot.channel_secret(id)?)
}

/// Whether it tells anybody beside single people.
pub(crate) fn has_own_destination(transport: &Transport) -> bool {
    match transport {
        Transport::Email(email) => !email.to.is_empty(),
        Transport::Slack(app) => app.conversation.is_some(),
        Transport::Sms(sms) => !sms.to.is_empty(),
        Transport::Push(push) => push.topic.is_some(),
        Transport::Callback(_) => false,
        Transport::Webhook(_)
        | Transport::SlackWebhook(_)
        | Transport::Teams(_)
        | Transport::Pagerduty(_) => true,
    }
}

/// What is kept of a channel, opened.
pub(crate) fn opened(key: &WorkspaceKey, id: ChannelId, sealed: &[u8]) -> Option<Transport> {
    let opened = key.open_channel(id.0, sealed)?;
    if let Ok(transport) = serde_json::from_slice(&opened) {
        return Some(transport);
    }
    let sealed: Sealed = serde_json::from_slice(&opened).ok()?;
    Some(Transport::Webhook(Webhook {
        url: sealed.url,
        signing: Signing {
            secrets: vec![sealed.secret],
            ..Signing::default()
        },
        template: Template::Standard,
    }))
}

fn object(transport: &Transport) -> EngineResult<Map<String, Value>> {
    match serde_json::to_value(transport) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(EngineError::Internal),
    }
}

/// The settings given over those that are there: what is left out stays, null takes away.
pub(super) fn merged(
    kind: ChannelKind,
    present: Option<&Transport>,
    given: &Settings,
) -> EngineResult<Transport> {
    let mut all = present.map(object).transpose()?.unwrap_or_default();
    all.insert("kind".into(), Value::from(kind.as_str()));
    let mut given = given.clone();
    if kind.is_for_programs() {
        let signing = sign_with(all.get("signing"), &mut given)?;
        all.insert("signing".into(), signing);
    }
    for (name, value) in given {
        if value.is_null() {
            all.remove(&name);
        } else {
            all.insert(name, value);
        }
    }
    serde_json::from_value(Value::Object(all)).map_err(|error| {
        // Only what is missing can be wrong here, and its name is no secret.
        let missing = error.to_string();
        let field = missing
            .strip_prefix("missing field `")
            .and_then(|rest| rest.split('`').next());
        match field {
            Some(field) => EngineError::invalid(
                format!("/{kind}/{field}"),
                format!("a channel of kind {kind} needs `{field}`"),
            ),
            None => EngineError::invalid(
                format!("/{kind}"),
                "the settings do not read as those of this kind",
            ),
        }
    })
}

/// How messages to programs are signed: with what is given, with what is there, or with a new secret.
fn sign_with(present: Option<&Value>, given: &mut Settings) -> EngineResult<Value> {
    let present = present.cloned().map(serde_json::from_value).transpose();
    let mut signing: Signing = present.map_err(|_| EngineError::Internal)?.unwrap_or_default();
    if let Some(Value::String(secret)) = given.remove("secret") {
        let secret = WebhookSecret::parse(&secret);
        let secret = secret.map_err(|why| EngineError::invalid("/secret", why.to_string()))?;
        let text = secret.to_text().to_string();
        if signing.secrets.first() != Some(&text) {
            signing.secrets = vec![text];
            signing.old_until = None;
        }
    }
    match given.remove("asymmetric") {
        Some(Value::Bool(true)) if signing.private_key.is_none() => {
            signing.private_key = Some(new_private_key(random::<32>()));
        }
        Some(Value::Bool(false)) => signing.private_key = None,
        _ => {}
    }
    if signing.secrets.is_empty() {
        signing.secrets.push(new_secret()?);
    }
    serde_json::to_value(signing).map_err(|_| EngineError::Internal)
}

fn new_secret() -> EngineResult<String> {
    let secret = WebhookSecret::from_bytes(&random::<32>()).map_err(|_| EngineError::Internal)?;
    Ok(secret.to_text().to_string())
}

/// Which settings differ, by their names on the wire.
pub(super) fn differences(before: &Transport, after: &Transport) -> EngineResult<Vec<String>> {
    let (before, after) = (object(before)?, object(after)?);
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differing = names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name));
    Ok(differing
        .map(|name| match name.as_str() {
            "signing" => "secret".to_owned(),
            name => name.to_owned(),
        })
        .collect())
}

fn signing(transport: &Transport) -> Option<&Signing> {
    match transport {
        Transport::Webhook(webhook) => Some(&webhook.signing),
        Transport::Callback(callback) => Some(&callback.signing),
        _ => None,
    }
}

/// The secret that receivers verify with.
pub(super) fn secret(transport: &Transport) -> Option<SecretString> {
    let secret = signing(transport)?.secrets.first()?;
    Some(SecretString::from(secret.clone()))
}

/// A new secret in front of the present one, which signs until then.
pub(super) fn rotate(transport: &mut Transport, until: Timestamp) -> EngineResult<()> {
    let signing = match transport {
        Transport::Webhook(webhook) => &mut webhook.signing,
        Transport::Callback(callback) => &mut callback.signing,
        _ => {
            return Err(EngineError::invalid(
                "",
                "only webhooks and callbacks have a signing secret; change the settings of this channel instead",
            ));
        }
    };
    signing.secrets.truncate(1);
    signing.secrets.insert(0, new_secret()?);
    signing.old_until = Some(until.0);
    Ok(())
}

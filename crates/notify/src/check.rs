//! What can be known of a channel before it is stored, and what of it everybody who governs may read.

use serde_json::{Value, json};
use signoff_egress::Guard;
use url::Url;

use crate::email::parse_mailbox;
use crate::push::is_topic;
use crate::sign::{SigningKey, WebhookSecret};
use crate::sms::is_number;
use crate::transport::{
    Callback, Email, PagerDuty, Push, Signing, SlackApp, Sms, SmtpSecurity, Transport, public_key,
};

/// Most addresses of a channel's own, and most URLs that requests may name.
pub const CHANNEL_ADDRESSES_MAX: usize = 20;

/// What a secret stands as where it is not shown.
const SET: &str = "set";

/// Where a fault is, as a JSON pointer, and what it is. It shows nothing of a secret.
pub type Fault = (String, String);

type Checked = Result<(), Fault>;

impl Transport {
    /// Vets URLs, hosts and addresses, and whether secrets look like ones.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self, guard: &Guard) -> Checked {
        match self {
            Self::Webhook(webhook) => {
                check_url(guard, "/url", &webhook.url)?;
                check_signing(&webhook.signing)
            }
            Self::Callback(callback) => check_callback(guard, callback),
            Self::Email(email) => check_email(guard, email),
            Self::Slack(app) => check_slack(guard, app),
            Self::SlackWebhook(hook) | Self::Teams(hook) => check_url(guard, "/url", &hook.url),
            Self::Pagerduty(pagerduty) => check_pagerduty(guard, pagerduty),
            Self::Sms(sms) => check_sms(guard, sms),
            Self::Push(push) => check_push(guard, push),
        }
    }

    /// Scheme, host and port of where it sends: no secret. What is no URL is left out; [`Transport::check`] refuses it.
    pub fn origin(&self) -> String {
        match self {
            Self::Webhook(webhook) => origin(&webhook.url),
            Self::Callback(callback) => {
                let mut origins: Vec<String> = callback.allow.iter().map(|url| origin(url)).collect();
                origins.dedup();
                origins.join(" ")
            }
            Self::Email(email) => {
                let scheme = if email.security == SmtpSecurity::Tls {
                    "smtps"
                } else {
                    "smtp"
                };
                let host = if email.host.contains(':') {
                    format!("[{}]", email.host)
                } else {
                    email.host.clone()
                };
                format!("{scheme}://{host}:{}", email.port)
            }
            Self::Slack(app) => origin(&app.api_url),
            Self::SlackWebhook(hook) | Self::Teams(hook) => origin(&hook.url),
            Self::Pagerduty(pagerduty) => origin(&pagerduty.url),
            Self::Sms(sms) => origin(&sms.api_url),
            Self::Push(push) => origin(&push.url),
        }
    }

    /// All of it but the secrets, of which it says only that they are set. URLs that are secrets themselves are among those.
    pub fn masked(&self) -> Value {
        let mut shown = match self {
            Self::Webhook(webhook) => {
                let mut shown = masked_signing(&webhook.signing);
                shown["url"] = SET.into();
                shown["template"] = json!(webhook.template);
                shown
            }
            Self::Callback(callback) => {
                let mut shown = masked_signing(&callback.signing);
                shown["allow"] = json!(callback.allow);
                shown["template"] = json!(callback.template);
                shown
            }
            Self::Email(email) => json!({
                "host": email.host, "port": email.port, "security": email.security, "username": email.username,
                "password": email.password.as_ref().map(|_| SET), "from": email.from, "to": email.to,
            }),
            Self::Slack(app) => json!({
                "bot_token": SET, "signing_secret": SET, "team": app.team, "conversation": app.conversation,
                "api_url": app.api_url,
            }),
            Self::SlackWebhook(_) | Self::Teams(_) => json!({"url": SET}),
            Self::Pagerduty(pagerduty) => json!({"routing_key": SET, "url": pagerduty.url}),
            Self::Sms(sms) => json!({
                "account_sid": sms.account_sid, "auth_token": SET, "from": sms.from, "to": sms.to, "api_url": sms.api_url,
            }),
            // Whoever knows a topic can read it, and write to it.
            Self::Push(push) => json!({
                "url": push.url, "topic": push.topic.as_ref().map(|_| SET), "token": push.token.as_ref().map(|_| SET),
            }),
        };
        if let Some(fields) = shown.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        shown
    }
}

fn origin(url: &str) -> String {
    Url::parse(url)
        .map(|url| url.origin().ascii_serialization())
        .unwrap_or_default()
}

fn masked_signing(signing: &Signing) -> Value {
    json!({
        "secret": signing.secrets.first().map(|_| SET),
        "old_secret": signing.secrets.get(1).map(|_| SET),
        "private_key": signing.private_key.as_ref().map(|_| SET),
        "public_key": public_key(signing),
    })
}

fn fault(pointer: impl Into<String>, why: impl Into<String>) -> Checked {
    Err((pointer.into(), why.into()))
}

fn check_url(guard: &Guard, pointer: &str, url: &str) -> Checked {
    match guard.vet_url(url) {
        Ok(_) => Ok(()),
        Err(refusal) => fault(pointer, refusal.to_string()),
    }
}

/// A URL to which paths are added.
fn check_base(guard: &Guard, pointer: &str, url: &str) -> Checked {
    check_url(guard, pointer, url)?;
    if url.contains('?') {
        return fault(pointer, "the address of an API has no query");
    }
    Ok(())
}

fn check_signing(signing: &Signing) -> Checked {
    if signing.secrets.is_empty() && signing.private_key.is_none() {
        return fault(
            "/secret",
            "a message to a program is signed: give a secret or a private key",
        );
    }
    if signing.secrets.len() > 2 {
        return fault(
            "/secret",
            "two secrets sign at most, the present one and the one before",
        );
    }
    for text in &signing.secrets {
        if let Err(error) = WebhookSecret::parse(text) {
            return fault("/secret", error.to_string());
        }
    }
    match signing.private_key.as_deref().map(SigningKey::parse) {
        Some(Err(error)) => fault("/private_key", error.to_string()),
        _ => Ok(()),
    }
}

fn check_callback(guard: &Guard, callback: &Callback) -> Checked {
    if callback.allow.is_empty() {
        return fault("/allow", "name the URLs that a request may have called back");
    }
    check_count("/allow", callback.allow.len())?;
    for (at, url) in callback.allow.iter().enumerate() {
        check_base(guard, &format!("/allow/{at}"), url)?;
    }
    check_signing(&callback.signing)
}

fn check_count(pointer: &str, count: usize) -> Checked {
    if count > CHANNEL_ADDRESSES_MAX {
        return fault(
            pointer,
            format!("a channel has at most {CHANNEL_ADDRESSES_MAX} of them"),
        );
    }
    Ok(())
}

/// A secret of somebody else's making: its form may change, so it is only kept from being something else altogether.
fn check_secret(pointer: &str, text: &str, bytes: std::ops::RangeInclusive<usize>) -> Checked {
    if !bytes.contains(&text.len()) {
        let (min, max) = bytes.into_inner();
        return fault(pointer, format!("it has {min} to {max} characters"));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return fault(pointer, "it has visible ASCII characters only, and no spaces");
    }
    Ok(())
}

fn check_word(pointer: &str, text: &str, what: &str) -> Checked {
    let fits = (2..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if fits {
        Ok(())
    } else {
        fault(pointer, format!("{what} has 2 to 64 letters and digits"))
    }
}

fn check_email(guard: &Guard, email: &Email) -> Checked {
    if let Err(refusal) = guard.vet_host(&email.host) {
        let why = format!("it is no host that mail is sent through: {refusal}");
        return fault("/host", why);
    }
    if email.port == 0 {
        return fault("/port", "a port is 1 to 65535");
    }
    match (&email.username, &email.password) {
        (None, None) => {}
        (Some(name), Some(password)) => check_sign_in(email, name, password)?,
        (Some(_), None) => return fault("/password", "a user name needs a password"),
        (None, Some(_)) => return fault("/username", "a password needs a user name"),
    }
    if let Err(why) = parse_mailbox(&email.from) {
        return fault("/from", why);
    }
    check_count("/to", email.to.len())?;
    for (at, to) in email.to.iter().enumerate() {
        if let Err(why) = parse_mailbox(to) {
            return fault(format!("/to/{at}"), why);
        }
    }
    Ok(())
}

fn check_sign_in(email: &Email, name: &str, password: &str) -> Checked {
    if email.security == SmtpSecurity::None {
        let why = "a password is not sent in the clear: use security `starttls` or `tls`, or leave it out";
        return fault("/password", why);
    }
    for (pointer, text) in [("/username", name), ("/password", password)] {
        if !(1..=512).contains(&text.len()) || text.chars().any(char::is_control) {
            return fault(
                pointer,
                "it has 1 to 512 characters, none of them a control character",
            );
        }
    }
    Ok(())
}

fn check_slack(guard: &Guard, app: &SlackApp) -> Checked {
    if !app.bot_token.starts_with("xoxb-") {
        return fault("/bot_token", "the token of a bot starts with `xoxb-`");
    }
    check_secret("/bot_token", &app.bot_token, 16..=512)?;
    check_secret("/signing_secret", &app.signing_secret, 16..=128)?;
    check_word("/team", &app.team, "the id of a Slack workspace (`T…`)")?;
    if let Some(conversation) = &app.conversation {
        check_word(
            "/conversation",
            conversation,
            "the id of a conversation (`C…`), not its name,",
        )?;
    }
    check_base(guard, "/api_url", &app.api_url)
}

fn check_pagerduty(guard: &Guard, pagerduty: &PagerDuty) -> Checked {
    check_secret("/routing_key", &pagerduty.routing_key, 16..=64)?;
    check_url(guard, "/url", &pagerduty.url)
}

fn check_sms(guard: &Guard, sms: &Sms) -> Checked {
    check_word("/account_sid", &sms.account_sid, "an account (`AC…`)")?;
    check_secret("/auth_token", &sms.auth_token, 8..=256)?;
    // A number, a short code, a messaging service, or a name of eleven letters.
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b' ' | b'-');
    if !(3..=64).contains(&sms.from.len()) || !sms.from.bytes().all(fits) {
        return fault(
            "/from",
            "it is a number such as +15551234567, or a messaging service (`MG…`)",
        );
    }
    check_count("/to", sms.to.len())?;
    for (at, number) in sms.to.iter().enumerate() {
        if !is_number(number) {
            return fault(
                format!("/to/{at}"),
                "a number is written +15551234567: a plus, 7 to 15 digits",
            );
        }
    }
    check_base(guard, "/api_url", &sms.api_url)
}

fn check_push(guard: &Guard, push: &Push) -> Checked {
    check_base(guard, "/url", &push.url)?;
    if push.topic.as_deref().is_some_and(|topic| !is_topic(topic)) {
        return fault("/topic", "a topic has 1 to 64 letters, digits, `_` and `-`");
    }
    push.token
        .as_deref()
        .map_or(Ok(()), |token| check_secret("/token", token, 1..=512))
}

#[cfg(test)]
mod tests;

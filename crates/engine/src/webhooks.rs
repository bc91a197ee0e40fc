//! Webhook channels: where signed messages go, and what became of them.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use signoff_core::{
    authority::Operation,
    channel::ChannelKind,
    event::{ChannelPut, Event, Nothing},
    fold::RowKey,
    id::ChannelId,
    name::check_name,
    payload::Hash32,
    record::Record,
    rows::ChannelRow,
};
use signoff_notify::{
    EVENT_TYPES, Signing, Template, Transport, Webhook, WebhookSecret, is_subscribed, is_subscription,
};
use signoff_store::{SecretKind, Wants};
use zeroize::Zeroizing;

use crate::{
    Engine, EngineError, EngineResult,
    approvals::check_limit,
    idempotency::{Once, want},
    keys::page,
    request::{CreateWebhook, UpdateWebhook},
    seal::random,
    snapshot::Snapshot,
    tenant::Tenant,
    turn::{Draft, Turn, mint_id},
    view::{Caller, Created, DeliveryView, Page, WebhookView},
};

/// How many webhooks a workspace has.
const WEBHOOKS_MAX: usize = 100;
/// How many event types one names.
const EVENTS_MAX: usize = 50;

/// What was kept encrypted of a webhook before there were other kinds of channels.
#[derive(Serialize, Deserialize)]
struct Sealed {
    url: String,
    secret: String,
}

/// How a channel reaches somebody.
pub(crate) fn transport(tenant: &Tenant, snapshot: &Snapshot, id: ChannelId) -> Option<Transport> {
    let opened = tenant.key.open_channel(id.0, snapshot.channel_secret(id)?)?;
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

/// The kinds that a channel wants, each by its full name.
pub(crate) fn kinds(row: &ChannelRow) -> Vec<String> {
    EVENT_TYPES
        .iter()
        .filter(|kind| is_subscribed(&row.events, kind))
        .map(|kind| (*kind).to_owned())
        .collect()
}

/// The whole of a channel, switched on or off.
pub(crate) fn channel_put(row: &ChannelRow, disabled: bool) -> ChannelPut {
    ChannelPut {
        name: row.name.clone(),
        origin: row.origin.clone(),
        kind: row.kind,
        events: row.events.clone(),
        named_only: row.named_only,
        window: row.window,
        disabled,
        switched_off: row.switched_off.filter(|_| disabled),
        digest: row.digest,
    }
}

fn webhook_view(row: &ChannelRow) -> WebhookView {
    WebhookView {
        id: row.id,
        name: row.name.clone(),
        origin: row.origin.clone(),
        events: row.events.clone(),
        disabled: row.disabled,
        created_at: row.created_at,
    }
}

fn check_events(events: &[String]) -> EngineResult<()> {
    if events.len() > EVENTS_MAX {
        return Err(EngineError::invalid(
            "/events",
            format!("a webhook names at most {EVENTS_MAX} event types"),
        ));
    }
    for (at, event) in events.iter().enumerate() {
        if !is_subscription(event) {
            let why = format!(
                "`{event}` is no event type; there are {}, and groups such as approval.*",
                EVENT_TYPES.join(", ")
            );
            return Err(EngineError::invalid(format!("/events/{at}"), why));
        }
    }
    Ok(())
}

fn given_secret(given: Option<&SecretString>) -> EngineResult<Option<String>> {
    let parsed = given.map(|given| WebhookSecret::parse(given.expose_secret()));
    let parsed = parsed.transpose();
    let parsed = parsed.map_err(|why| EngineError::invalid("/secret", why.to_string()))?;
    Ok(parsed.map(|secret| secret.to_text().to_string()))
}

fn new_secret() -> EngineResult<String> {
    let secret = WebhookSecret::from_bytes(&random::<32>()).map_err(|_| EngineError::Internal)?;
    Ok(secret.to_text().to_string())
}

/// Encrypts what is kept of a channel, and gives the digest that its event carries.
fn seal(turn: &mut Turn<'_>, id: ChannelId, sealed: &Sealed) -> EngineResult<Hash32> {
    let plain = Zeroizing::new(serde_json::to_vec(sealed).map_err(|_| EngineError::Internal)?);
    let sealed = turn.ledger.tenant.key.seal_channel(id.0, &plain);
    let (row, digest) = turn.ledger.tenant.key.secret(SecretKind::Channel, id.0, sealed);
    turn.ledger.changes.secrets.push(row);
    Ok(digest)
}

/// What an update makes of a channel.
struct Change {
    put: ChannelPut,
    sealed: Sealed,
    /// The fields that differ.
    changed: Vec<&'static str>,
}

impl Change {
    fn of(
        tenant: &Tenant,
        snapshot: &Snapshot,
        id: ChannelId,
        update: &UpdateWebhook,
        secret: Option<&str>,
        origin: Option<&str>,
    ) -> EngineResult<Self> {
        let row = snapshot.rows.channels.get(&id).filter(|row| !row.removed);
        let row = row.ok_or_else(|| EngineError::not_found("webhook", id))?;
        let opened = snapshot
            .channel_secret(id)
            .and_then(|stored| tenant.key.open_channel(id.0, stored));
        let mut sealed: Sealed = opened
            .and_then(|opened| serde_json::from_slice(&opened).ok())
            .ok_or(EngineError::Internal)?;
        let mut put = channel_put(row, row.disabled);
        let mut changed = Vec::new();
        if let Some(url) = &update.url
            && *url != sealed.url
        {
            sealed.url.clone_from(url);
            origin.unwrap_or_default().clone_into(&mut put.origin);
            changed.push("url");
        }
        if let Some(events) = &update.events
            && *events != put.events
        {
            put.events.clone_from(events);
            changed.push("events");
        }
        if let Some(secret) = secret
            && secret != sealed.secret
        {
            secret.clone_into(&mut sealed.secret);
            changed.push("secret");
        }
        Ok(Self { put, sealed, changed })
    }
}

#[derive(Serialize, Deserialize)]
struct Made {
    id: ChannelId,
}

impl Engine {
    /// Webhooks by name.
    ///
    /// # Errors
    /// If the caller may not see them.
    pub fn webhooks(
        &self,
        caller: &Caller,
        beyond: Option<u64>,
        limit: u32,
    ) -> EngineResult<Page<WebhookView>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        let snapshot = tenant.snapshot();
        let mut views: Vec<_> = snapshot
            .rows
            .channels
            .values()
            .filter(|row| !row.removed)
            .map(webhook_view)
            .collect();
        views.sort_by_key(|view| view.name.to_ascii_lowercase());
        page(views, beyond, limit)
    }

    /// One webhook.
    ///
    /// # Errors
    /// If there is none.
    pub fn webhook(&self, caller: &Caller, id: ChannelId) -> EngineResult<WebhookView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        let snapshot = tenant.snapshot();
        let row = snapshot.rows.channels.get(&id).filter(|row| !row.removed);
        row.map(webhook_view)
            .ok_or_else(|| EngineError::not_found("webhook", id))
    }

    /// Makes a webhook with its signing secret, which is shown once.
    ///
    /// # Errors
    /// If the address is refused by the guard or an event type is unknown.
    pub async fn create_webhook(
        &self,
        caller: &Caller,
        create: CreateWebhook,
        key: Option<&str>,
    ) -> EngineResult<Created<WebhookView>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        check_name(&create.name).map_err(|why| EngineError::invalid("/name", why))?;
        let origin = self.vetted_origin(&create.url)?;
        check_events(&create.events)?;
        let secret = given_secret(create.secret.as_ref())?;
        let once = Once::of(
            &tenant,
            caller,
            "create_webhook",
            key,
            &(&create.name, &create.url, &create.events, &secret),
        )?;
        let mut wants = Wants::default();
        want(&mut wants, once.as_ref());
        let caller_then = caller.clone();
        let (id, secret) = self
            .write(&tenant, wants, move |turn| {
                let actor = turn.principal(&caller_then, Operation::Govern)?.0.actor();
                if let Some(made) = turn.before::<Made>(once.as_ref())? {
                    return Ok((made.id, None));
                }
                let snapshot = turn.snapshot();
                let present = || snapshot.rows.channels.values().filter(|row| !row.removed);
                if present().any(|row| row.name.eq_ignore_ascii_case(&create.name)) {
                    return Err(EngineError::NameTaken {
                        kind: "a webhook",
                        name: create.name.clone(),
                    });
                }
                if present().count() >= WEBHOOKS_MAX {
                    return Err(EngineError::invalid(
                        "",
                        format!("a workspace has at most {WEBHOOKS_MAX} webhooks"),
                    ));
                }
                let id = ChannelId(mint_id(turn.now()));
                let secret = match &secret {
                    Some(given) => given.clone(),
                    None => new_secret()?,
                };
                let sealed = Sealed {
                    url: create.url.clone(),
                    secret: secret.clone(),
                };
                let put = ChannelPut {
                    name: create.name.clone(),
                    origin: origin.clone(),
                    kind: ChannelKind::Webhook,
                    events: create.events.clone(),
                    named_only: false,
                    window: None,
                    disabled: false,
                    switched_off: None,
                    digest: seal(turn, id, &sealed)?,
                };
                turn.emit(Draft::new(Event::ChannelPut(put), actor, id))?;
                turn.remember(once.as_ref(), &Made { id })?;
                Ok((id, Some(SecretString::from(secret))))
            })
            .await?;
        Ok(Created {
            made: self.webhook(caller, id)?,
            secret,
        })
    }

    /// Changes a webhook, and says what of it changed. What is the same already leaves no event.
    ///
    /// # Errors
    /// If there is none, the address is refused by the guard, or an event type is unknown.
    pub async fn update_webhook(
        &self,
        caller: &Caller,
        id: ChannelId,
        update: UpdateWebhook,
    ) -> EngineResult<(WebhookView, Vec<&'static str>)> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        let origin = match &update.url {
            Some(url) => Some(self.vetted_origin(url)?),
            None => None,
        };
        check_events(update.events.as_deref().unwrap_or_default())?;
        let secret = given_secret(update.secret.as_ref())?;
        let caller_then = caller.clone();
        let present = tenant.snapshot();
        let looked = Change::of(
            &tenant,
            &present,
            id,
            &update,
            secret.as_deref(),
            origin.as_deref(),
        )?;
        if update.dry_run || looked.changed.is_empty() {
            return Ok((self.webhook(caller, id)?, looked.changed));
        }
        let changed = self
            .write(&tenant, Wants::default(), move |turn| {
                let actor = turn.principal(&caller_then, Operation::Govern)?.0.actor();
                let snapshot = turn.snapshot();
                let tenant = turn.ledger.tenant.clone();
                let change = Change::of(
                    &tenant,
                    &snapshot,
                    id,
                    &update,
                    secret.as_deref(),
                    origin.as_deref(),
                )?;
                if change.changed.is_empty() {
                    return Ok(change.changed);
                }
                turn.bring(RowKey::Channel(id));
                let digest = seal(turn, id, &change.sealed)?;
                let put = ChannelPut { digest, ..change.put };
                turn.emit(Draft::new(Event::ChannelPut(put), actor, id))?;
                Ok(change.changed)
            })
            .await?;
        Ok((self.webhook(caller, id)?, changed))
    }

    fn vetted_origin(&self, url: &str) -> EngineResult<String> {
        let guard = self.inner.egress.guard();
        let url = guard.vet_url(url);
        let url = url.map_err(|refusal| EngineError::invalid("/url", refusal.to_string()))?;
        Ok(url.origin().ascii_serialization())
    }

    /// Takes a webhook away; what waits for it is not sent any more.
    ///
    /// # Errors
    /// If there is none.
    pub async fn remove_webhook(&self, caller: &Caller, id: ChannelId) -> EngineResult<()> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        let caller = caller.clone();
        self.write(&tenant, Wants::default(), move |turn| {
            let actor = turn.principal(&caller, Operation::Govern)?.0.actor();
            let snapshot = turn.snapshot();
            snapshot
                .rows
                .channels
                .get(&id)
                .filter(|row| !row.removed)
                .ok_or_else(|| EngineError::not_found("webhook", id))?;
            turn.bring(RowKey::Channel(id));
            turn.emit(Draft::new(Event::ChannelRemoved(Nothing {}), actor, id))
                .map(drop)
        })
        .await
    }

    /// Messages to a webhook, newest first.
    ///
    /// # Errors
    /// If there is no such webhook.
    pub async fn deliveries(
        &self,
        caller: &Caller,
        id: ChannelId,
        beyond: Option<u64>,
        limit: u32,
    ) -> EngineResult<Page<DeliveryView>> {
        let tenant = self.tenant(caller)?;
        self.webhook(caller, id)?;
        let limit = check_limit(limit)?;
        let mut rows = self.store().deliveries(tenant.id, id, beyond, limit + 1).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = rows.last().filter(|_| more).map(|row| row.seq);
        let sequences: Vec<u64> = rows.iter().map(|row| row.seq).collect();
        let mut records = std::collections::HashMap::new();
        for stored in self.store().records_at(tenant.id, &sequences).await? {
            let record: Record = serde_json::from_slice(&stored.bytes).map_err(|_| EngineError::Internal)?;
            records.insert(stored.seq, (record.id.to_string(), record.subject));
        }
        let items = rows.into_iter().map(|row| {
            let (event, subject) = records.get(&row.seq).cloned().unwrap_or_default();
            DeliveryView {
                id: event,
                seq: row.seq,
                kind: row.kind,
                subject,
                state: row.state,
                attempts: row.attempts,
                last_status: row.last_status,
                last_error: row.last_error,
                next_at: row.next_at,
                ended_at: row.ended_at,
                created_at: row.created_at,
            }
        });
        Ok(Page {
            items: items.collect(),
            next,
        })
    }
}

//! Channels: how people and programs are told. What is secret of one is kept sealed and never shown again.

mod deliveries;
mod settings;
mod test;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use signoff_core::{
    authority::Operation,
    channel::ChannelKind,
    event::{ChannelPut, Event, Nothing},
    fold::RowKey,
    id::ChannelId,
    name::check_name,
    payload::Hash32,
    rows::ChannelRow,
    time::Micros,
};
use signoff_notify::{EVENT_TYPES, Transport, is_subscription, public_key};
use signoff_store::{SecretKind, Wants};
use zeroize::Zeroizing;

pub(crate) use settings::{has_own_destination, opened, transport};
pub use test::Tested;

use crate::{
    Engine, EngineError, EngineResult,
    idempotency::{Once, want},
    keys::page,
    request::{CreateChannel, UpdateChannel},
    snapshot::Snapshot,
    tenant::Tenant,
    turn::{Draft, Turn, mint_id},
    view::{Caller, ChannelView, Created, Page},
};

/// How many channels a workspace has.
const CHANNELS_MAX: usize = 100;
/// How many event types one names.
const EVENTS_MAX: usize = 50;
/// The longest window.
pub(crate) const WINDOW_MAX: Micros = Micros::seconds(24 * 3600);
/// How long an old secret signs beside a new one, unless said.
pub const OLD_SECRET_LASTS: Micros = Micros::seconds(24 * 3600);

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

fn check_events(events: &[String]) -> EngineResult<()> {
    if events.len() > EVENTS_MAX {
        return Err(EngineError::invalid(
            "/events",
            format!("a channel names at most {EVENTS_MAX} event types"),
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

fn check_window(window: Option<Micros>) -> EngineResult<()> {
    match window {
        Some(window) if window.0 < 0 || window > WINDOW_MAX => {
            Err(EngineError::invalid("/window", "from 0 seconds to 24 hours"))
        }
        _ => Ok(()),
    }
}

/// Encrypts what is kept of a channel, and gives the digest that its event carries.
fn seal(turn: &mut Turn<'_>, id: ChannelId, transport: &Transport) -> EngineResult<Hash32> {
    let plain = Zeroizing::new(serde_json::to_vec(transport).map_err(|_| EngineError::Internal)?);
    let sealed = turn.ledger.tenant.key.seal_channel(id.0, &plain);
    let (row, digest) = turn.ledger.tenant.key.secret(SecretKind::Channel, id.0, sealed);
    turn.ledger.changes.secrets.push(row);
    Ok(digest)
}

fn present(snapshot: &Snapshot, id: ChannelId) -> EngineResult<&ChannelRow> {
    let row = snapshot.rows.channels.get(&id).filter(|row| !row.removed);
    row.ok_or_else(|| EngineError::not_found("channel", id))
}

/// Whether somebody else has the name.
fn name_free(snapshot: &Snapshot, name: &str, but: Option<ChannelId>) -> EngineResult<()> {
    let mut others = snapshot.rows.channels.values();
    let taken = others.any(|row| !row.removed && Some(row.id) != but && row.name.eq_ignore_ascii_case(name));
    if taken {
        return Err(EngineError::NameTaken {
            kind: "a channel",
            name: name.to_owned(),
        });
    }
    Ok(())
}

/// What an update makes of a channel.
struct Change {
    put: ChannelPut,
    transport: Transport,
    /// The fields that differ.
    changed: Vec<String>,
}

impl Change {
    fn of(tenant: &Tenant, snapshot: &Snapshot, id: ChannelId, update: &UpdateChannel) -> EngineResult<Self> {
        let row = present(snapshot, id)?;
        let before = transport(tenant, snapshot, id).ok_or(EngineError::Internal)?;
        let mut put = channel_put(row, row.disabled);
        let mut changed = Vec::new();
        let transport = settings::merged(row.kind, Some(&before), &update.settings)?;
        changed.extend(settings::differences(&before, &transport)?);
        if let Some(name) = update.name.as_ref().filter(|name| **name != put.name) {
            check_name(name).map_err(|why| EngineError::invalid("/name", why))?;
            name_free(snapshot, name, Some(id))?;
            put.name.clone_from(name);
            changed.push("name".into());
        }
        if let Some(events) = update.events.as_ref().filter(|events| **events != put.events) {
            put.events.clone_from(events);
            changed.push("events".into());
        }
        if let Some(named_only) = update
            .named_only
            .filter(|named_only| *named_only != put.named_only)
        {
            put.named_only = named_only;
            changed.push("named_only".into());
        }
        if let Some(window) = update.window.filter(|window| *window != put.window) {
            put.window = window;
            changed.push("window".into());
        }
        if let Some(disabled) = update.disabled.filter(|disabled| *disabled != put.disabled) {
            put.disabled = disabled;
            put.switched_off = None;
            changed.push("status".into());
        }
        put.origin = transport.origin();
        Ok(Self {
            put,
            transport,
            changed,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct Made {
    id: ChannelId,
}

impl Engine {
    fn channel_view(&self, tenant: &Tenant, snapshot: &Snapshot, row: &ChannelRow) -> ChannelView {
        let transport = transport(tenant, snapshot, row.id);
        let signing = match &transport {
            Some(Transport::Webhook(webhook)) => Some(&webhook.signing),
            Some(Transport::Callback(callback)) => Some(&callback.signing),
            _ => None,
        };
        ChannelView {
            id: row.id,
            name: row.name.clone(),
            kind: row.kind,
            origin: row.origin.clone(),
            events: row.events.clone(),
            named_only: row.named_only,
            window: row.window.unwrap_or(crate::workers::WINDOW),
            disabled: row.disabled,
            switched_off: row.switched_off,
            settings: transport.as_ref().map(Transport::masked).unwrap_or_default(),
            public_key: signing.and_then(public_key),
            created_at: row.created_at,
            public_url: self.public_url().to_owned(),
        }
    }

    /// Channels by name, of one kind or of all.
    ///
    /// # Errors
    /// If the caller may not see them.
    pub fn channels(
        &self,
        caller: &Caller,
        kind: Option<ChannelKind>,
        beyond: Option<u64>,
        limit: u32,
    ) -> EngineResult<Page<ChannelView>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        let snapshot = tenant.snapshot();
        let rows = snapshot.rows.channels.values();
        let rows = rows.filter(|row| !row.removed && kind.is_none_or(|kind| row.kind == kind));
        let mut views: Vec<_> = rows
            .map(|row| self.channel_view(&tenant, &snapshot, row))
            .collect();
        views.sort_by_key(|view| view.name.to_ascii_lowercase());
        page(views, beyond, limit)
    }

    /// One channel.
    ///
    /// # Errors
    /// If there is none.
    pub fn channel(&self, caller: &Caller, id: ChannelId) -> EngineResult<ChannelView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        let snapshot = tenant.snapshot();
        let row = present(&snapshot, id)?;
        Ok(self.channel_view(&tenant, &snapshot, row))
    }

    /// Makes a channel. The signing secret of one for programs is in the answer, this once.
    ///
    /// # Errors
    /// If the guard refuses an address, something is missing, or an event type is unknown.
    pub async fn create_channel(
        &self,
        caller: &Caller,
        create: CreateChannel,
        key: Option<&str>,
    ) -> EngineResult<Created<ChannelView>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        check_name(&create.name).map_err(|why| EngineError::invalid("/name", why))?;
        check_events(&create.events)?;
        check_window(create.window)?;
        // Drawn secrets are no part of what was asked for.
        let asked = (
            (&create.name, create.kind.as_str(), &create.settings),
            (
                &create.events,
                create.named_only,
                create.window.map(|window| window.0),
            ),
        );
        let once = Once::of(&tenant, caller, "create_channel", key, &asked)?;
        let transport = settings::merged(create.kind, None, &create.settings)?;
        self.vet(&transport)?;
        let secret = settings::secret(&transport);
        let mut wants = Wants::default();
        want(&mut wants, once.as_ref());
        let caller_then = caller.clone();
        let (id, fresh) = self
            .write(&tenant, wants, move |turn| {
                let actor = turn.principal(&caller_then, Operation::Govern)?.0.actor();
                if let Some(made) = turn.before::<Made>(once.as_ref())? {
                    return Ok((made.id, false));
                }
                let snapshot = turn.snapshot();
                name_free(&snapshot, &create.name, None)?;
                if snapshot.rows.channels.values().filter(|row| !row.removed).count() >= CHANNELS_MAX {
                    return Err(EngineError::invalid(
                        "",
                        format!("a workspace has at most {CHANNELS_MAX} channels"),
                    ));
                }
                let id = ChannelId(mint_id(turn.now()));
                let put = ChannelPut {
                    name: create.name.clone(),
                    origin: transport.origin(),
                    kind: create.kind,
                    events: create.events.clone(),
                    named_only: create.named_only,
                    window: create.window,
                    disabled: false,
                    switched_off: None,
                    digest: seal(turn, id, &transport)?,
                };
                turn.emit(Draft::new(Event::ChannelPut(put), actor, id))?;
                turn.remember(once.as_ref(), &Made { id })?;
                Ok((id, true))
            })
            .await?;
        Ok(Created {
            made: self.channel(caller, id)?,
            secret: secret.filter(|_| fresh),
        })
    }

    /// Changes a channel, and says what of it changed. What is the same already leaves no event.
    ///
    /// # Errors
    /// If there is none, the guard refuses an address, or an event type is unknown.
    pub async fn update_channel(
        &self,
        caller: &Caller,
        id: ChannelId,
        update: UpdateChannel,
    ) -> EngineResult<(ChannelView, Vec<String>)> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        check_events(update.events.as_deref().unwrap_or_default())?;
        check_window(update.window.flatten())?;
        let caller_then = caller.clone();
        let looked = Change::of(&tenant, &tenant.snapshot(), id, &update)?;
        self.vet(&looked.transport)?;
        if update.dry_run || looked.changed.is_empty() {
            return Ok((self.channel(caller, id)?, looked.changed));
        }
        let changed = self
            .write(&tenant, Wants::default(), move |turn| {
                let actor = turn.principal(&caller_then, Operation::Govern)?.0.actor();
                let tenant = turn.ledger.tenant.clone();
                let change = Change::of(&tenant, &turn.snapshot(), id, &update)?;
                if change.changed.is_empty() {
                    return Ok(change.changed);
                }
                turn.bring(RowKey::Channel(id));
                let digest = seal(turn, id, &change.transport)?;
                let put = ChannelPut { digest, ..change.put };
                turn.emit(Draft::new(Event::ChannelPut(put), actor, id))?;
                Ok(change.changed)
            })
            .await?;
        Ok((self.channel(caller, id)?, changed))
    }

    /// Puts a new signing secret in the place of the present one, which signs beside it for a while. Answers the new one,
    /// this once.
    ///
    /// # Errors
    /// If there is no such channel, or it signs nothing.
    pub async fn rotate_channel_secret(
        &self,
        caller: &Caller,
        id: ChannelId,
        old_lasts: Micros,
    ) -> EngineResult<Created<ChannelView>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        if old_lasts.0 < 0 || old_lasts > Micros::seconds(30 * 24 * 3600) {
            return Err(EngineError::invalid(
                "/old_secret_lasts",
                "from 0 seconds to 30 days",
            ));
        }
        let caller_then = caller.clone();
        let secret = self
            .write(&tenant, Wants::default(), move |turn| {
                let actor = turn.principal(&caller_then, Operation::Govern)?.0.actor();
                let tenant = turn.ledger.tenant.clone();
                let snapshot = turn.snapshot();
                let row = present(&snapshot, id)?;
                let mut sends = transport(&tenant, &snapshot, id).ok_or(EngineError::Internal)?;
                settings::rotate(&mut sends, turn.now().plus(old_lasts))?;
                turn.bring(RowKey::Channel(id));
                let digest = seal(turn, id, &sends)?;
                let put = ChannelPut {
                    digest,
                    ..channel_put(row, row.disabled)
                };
                turn.emit(Draft::new(Event::ChannelPut(put), actor, id))?;
                Ok(settings::secret(&sends))
            })
            .await?;
        Ok(Created {
            made: self.channel(caller, id)?,
            secret,
        })
    }

    fn vet(&self, transport: &Transport) -> EngineResult<()> {
        transport
            .check(self.inner.egress.guard())
            .map_err(|(pointer, why)| EngineError::invalid(pointer, why))
    }

    /// Takes a channel away; what waits for it is not sent any more.
    ///
    /// # Errors
    /// If there is none.
    pub async fn remove_channel(&self, caller: &Caller, id: ChannelId) -> EngineResult<()> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        let caller = caller.clone();
        self.write(&tenant, Wants::default(), move |turn| {
            let actor = turn.principal(&caller, Operation::Govern)?.0.actor();
            present(&turn.snapshot(), id)?;
            turn.bring(RowKey::Channel(id));
            turn.emit(Draft::new(Event::ChannelRemoved(Nothing {}), actor, id))
                .map(drop)
        })
        .await
    }
}

/// What names settings that a caller gives, by their names on the wire.
pub(crate) type Settings = Map<String, Value>;

impl CreateChannel {
    /// A webhook with its address and, if wished, its secret.
    pub fn webhook(name: &str, url: &str, events: Vec<String>, secret: Option<&SecretString>) -> Self {
        use secrecy::ExposeSecret as _;
        let mut settings = Map::new();
        settings.insert("url".into(), Value::from(url));
        if let Some(secret) = secret {
            settings.insert("secret".into(), Value::from(secret.expose_secret()));
        }
        Self {
            name: name.to_owned(),
            kind: ChannelKind::Webhook,
            settings,
            events,
            named_only: false,
            window: None,
        }
    }
}

//! Reading and changing how a person is reached: by themselves, or by an admin.

use signoff_core::{
    actor::Principal,
    authority::{Operation, Permit},
    event::{ContactSet, Event},
    fold::RowKey,
    id::{ChannelId, OperatorId},
    payload::Hash32,
};
use signoff_notify::{is_number, is_topic};
use signoff_store::{SecretKind, Wants};
use zeroize::Zeroizing;

use crate::{
    Engine, EngineError, EngineResult,
    channels::WINDOW_MAX,
    contact::{Contact, QuietHours},
    operators::find_operator,
    request::UpdateContact,
    snapshot::Snapshot,
    tell::ways,
    turn::{Draft, Turn},
    view::{Caller, ContactView, Named, ReachedBy},
};

/// How many channels one names.
const CHANNELS_MAX: usize = 20;

/// Encrypts how somebody is reached, and gives the digest that its event carries.
pub(crate) fn seal(turn: &mut Turn<'_>, id: OperatorId, contact: &Contact) -> EngineResult<Hash32> {
    let plain = Zeroizing::new(serde_json::to_vec(contact).map_err(|_| EngineError::Internal)?);
    let sealed = turn.ledger.tenant.key.seal_contact(id.0, &plain);
    let (row, digest) = turn.ledger.tenant.key.secret(SecretKind::Contact, id.0, sealed);
    turn.ledger.changes.secrets.push(row);
    Ok(digest)
}

fn channel_of(snapshot: &Snapshot, text: &str) -> Option<ChannelId> {
    let mut present = snapshot.rows.channels.values().filter(|row| !row.removed);
    let found = present.find(|row| row.name.eq_ignore_ascii_case(text) || row.id.to_string() == text);
    found.filter(|row| row.kind.reaches_people()).map(|row| row.id)
}

fn check_quiet(quiet: &QuietHours) -> EngineResult<()> {
    let wrong = |why: &str| Err(EngineError::invalid("/quiet_hours", why));
    if quiet.from_minute >= 24 * 60 || quiet.to_minute >= 24 * 60 || quiet.from_minute == quiet.to_minute {
        return wrong("`from` and `to` are two times of day such as 22:00 and 07:00");
    }
    if jiff::tz::TimeZone::get(&quiet.time_zone).is_err() {
        return wrong("`time_zone` is a name such as Europe/Berlin or UTC");
    }
    Ok(())
}

/// What an update makes of it, and which fields differ.
fn changed(
    snapshot: &Snapshot,
    id: OperatorId,
    update: &UpdateContact,
) -> EngineResult<(Contact, Vec<String>)> {
    let before = snapshot.contact(id);
    let mut after = before.clone();
    if let Some(channels) = &update.channels {
        after.channels = match channels {
            None => None,
            Some(names) if names.len() > CHANNELS_MAX => {
                let why = format!("at most {CHANNELS_MAX} channels");
                return Err(EngineError::invalid("/channels", why));
            }
            Some(names) => Some(named(snapshot, names)?),
        };
    }
    if let Some(phone) = &update.phone {
        if phone.as_deref().is_some_and(|phone| !is_number(phone)) {
            let why = "a number in international form: + and 7 to 15 digits";
            return Err(EngineError::invalid("/phone", why));
        }
        after.phone.clone_from(phone);
    }
    if let Some(topic) = &update.push_topic {
        if topic.as_deref().is_some_and(|topic| !is_topic(topic)) {
            let why =
                "1 to 64 letters, digits, - and _; long and random, because whoever knows it can read it";
            return Err(EngineError::invalid("/push_topic", why));
        }
        after.push_topic.clone_from(topic);
    }
    if let Some(quiet) = &update.quiet_hours {
        quiet.as_ref().map(check_quiet).transpose()?;
        after.quiet_hours.clone_from(quiet);
    }
    if let Some(window) = update.window {
        if window.is_some_and(|window| window.0 < 0 || window > WINDOW_MAX) {
            return Err(EngineError::invalid("/window", "from 0 seconds to 24 hours"));
        }
        after.window = window;
    }
    let fields = [
        ("channels", before.channels != after.channels),
        ("phone", before.phone != after.phone),
        ("push_topic", before.push_topic != after.push_topic),
        ("quiet_hours", before.quiet_hours != after.quiet_hours),
        ("window", before.window != after.window),
    ];
    let fields = fields.into_iter().filter(|(_, differs)| *differs);
    Ok((after, fields.map(|(name, _)| name.to_owned()).collect()))
}

fn named(snapshot: &Snapshot, names: &[String]) -> EngineResult<Vec<ChannelId>> {
    let channel = |(at, name): (usize, &String)| {
        channel_of(snapshot, name).ok_or_else(|| {
            let why = format!(
                "there is no channel `{name}` that reaches people (kinds email, slack, sms and push do)"
            );
            EngineError::invalid(format!("/channels/{at}"), why)
        })
    };
    names.iter().enumerate().map(channel).collect()
}

impl Engine {
    /// Who may read and change it: the person, and admins.
    pub(crate) fn contact_of(&self, caller: &Caller, operator: &str) -> EngineResult<OperatorId> {
        let tenant = self.tenant(caller)?;
        let id = find_operator(&tenant.snapshot(), caller, operator)?;
        match (self.permit(caller, Operation::OwnContact)?, &caller.principal) {
            (Permit::All, _) => Ok(id),
            (_, Principal::Operator { id: own, .. }) if *own == id => Ok(id),
            // Somebody else's is nobody's business.
            _ => Err(EngineError::not_found("operator", operator)),
        }
    }

    /// How a person is reached.
    ///
    /// # Errors
    /// If there is no such operator, or the caller is neither that person nor an admin.
    pub fn contact(&self, caller: &Caller, operator: &str) -> EngineResult<ContactView> {
        let tenant = self.tenant(caller)?;
        let id = self.contact_of(caller, operator)?;
        let snapshot = tenant.snapshot();
        let contact = snapshot.contact(id);
        let channel_named = |id: &ChannelId| Named {
            id: *id,
            name: snapshot
                .rows
                .channels
                .get(id)
                .map_or_else(|| id.to_string(), |row| row.name.clone()),
        };
        let used = ways(&snapshot, id, self.now());
        let person = snapshot.person(id);
        let mut reached_by: Vec<ReachedBy> = snapshot
            .live_channels()
            .filter(|row| row.kind.reaches_people())
            .map(|row| ReachedBy {
                channel: channel_named(&row.id),
                kind: row.kind,
                has_address: person.is_some_and(|person| contact.address(person, row).is_some()),
                used: used.contains(&row.id),
            })
            .collect();
        reached_by.sort_by(|a, b| a.channel.name.cmp(&b.channel.name));
        Ok(ContactView {
            operator: id,
            channels: contact
                .channels
                .as_ref()
                .map(|ids| ids.iter().map(channel_named).collect()),
            reached_by,
            phone: contact.phone,
            has_push_topic: contact.push_topic.is_some(),
            quiet_hours: contact.quiet_hours,
            window: contact.window,
        })
    }

    /// Changes how a person is reached, and says what of it changed.
    ///
    /// # Errors
    /// As [`Engine::contact`]; and for what is no number, topic, time or channel.
    pub async fn update_contact(
        &self,
        caller: &Caller,
        operator: &str,
        update: UpdateContact,
    ) -> EngineResult<(ContactView, Vec<String>)> {
        let tenant = self.tenant(caller)?;
        let id = self.contact_of(caller, operator)?;
        let looked = changed(&tenant.snapshot(), id, &update)?;
        if looked.1.is_empty() {
            return Ok((self.contact(caller, operator)?, looked.1));
        }
        let caller_then = caller.clone();
        let fields = self
            .write(&tenant, Wants::default(), move |turn| {
                let (principal, permit) = turn.principal(&caller_then, Operation::OwnContact)?;
                let is_own = matches!(&principal, Principal::Operator { id: own, .. } if *own == id);
                if permit != Permit::All && !is_own {
                    return Err(EngineError::not_found("operator", id));
                }
                let actor = principal.actor();
                let (contact, fields) = changed(&turn.snapshot(), id, &update)?;
                if fields.is_empty() {
                    return Ok(fields);
                }
                turn.bring(RowKey::Operator(id));
                let set = ContactSet {
                    digest: seal(turn, id, &contact)?,
                    changed: fields.clone(),
                };
                turn.emit(Draft::new(Event::ContactSet(set), actor, id))?;
                Ok(fields)
            })
            .await?;
        Ok((self.contact(caller, operator)?, fields))
    }
}

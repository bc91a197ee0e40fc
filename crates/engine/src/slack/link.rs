//! Who somebody at Slack is here: proved by a code that the operator was shown here and typed there, never by a name or an
//! address.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use secrecy::SecretString;
use sha2::{Digest, Sha256};
use signoff_core::{
    actor::{Actor, ActorKind, Auth, Principal},
    authority::Operation,
    event::{ContactSet, Event},
    fold::RowKey,
    id::{ChannelId, OperatorId},
    time::{Micros, Timestamp},
};
use signoff_notify::slack::{Command, Reply};
use signoff_store::{LinkCodeRow, Wants};
use zeroize::Zeroizing;

use super::{At, answer, operator_at};
use crate::{
    Engine, EngineError, EngineResult,
    contact::{Contact, SlackIdentity},
    contacts::seal,
    seal::random,
    turn::{Draft, Turn},
    view::Caller,
};

/// How long a code is good.
pub const LINK_CODE_LIFETIME: Micros = Micros::seconds(600);
/// How many characters a code has, of 32: fifty bits.
pub const LINK_CODE_CHARS: usize = 10;
/// Crockford's letters: none that is read as another one.
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Wrong codes of one user in the time below, before the next must wait.
const TRIES_MAX: usize = 5;
const TRIES_WINDOW: Micros = Micros::seconds(600);
/// How many users are counted at once.
const TRIERS_MAX: usize = 10_000;

const HELP: &str = "/signoff link CODE: prove who you are, with a code from Signoff (your name, then Slack)\n\
                    /signoff whoami: who you are in Signoff\n\
                    /signoff unlink: decide nothing here any more\n\
                    /signoff help: this";

/// A code, to be shown once.
#[derive(Debug)]
pub struct LinkCode {
    /// As it is typed.
    pub code: SecretString,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

/// Codes that were tried; in memory, gone with a restart.
#[derive(Default)]
pub(crate) struct LinkTries(Mutex<HashMap<(ChannelId, String), Vec<Timestamp>>>);

impl LinkTries {
    /// Counts a try before it is looked at, so that those at the same time count too; else how many seconds to wait.
    fn count(&self, channel: ChannelId, user: &str, now: Timestamp) -> Result<(), i64> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, tries| tries.last().is_some_and(|at| at.until(now) < TRIES_WINDOW));
        let is_crowded = all.len() >= TRIERS_MAX;
        let tries = all.entry((channel, user.to_owned())).or_default();
        tries.retain(|at| at.until(now) < TRIES_WINDOW);
        if tries.len() >= TRIES_MAX || (is_crowded && tries.is_empty()) {
            let oldest = tries.first().copied().unwrap_or(now);
            return Err(oldest.plus(TRIES_WINDOW).0.saturating_sub(now.0) / 1_000_000 + 1);
        }
        tries.push(now);
        Ok(())
    }

    fn succeeded(&self, channel: ChannelId, user: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&(channel, user.to_owned()));
    }
}

/// A code as it was meant: without hyphens and spaces, whatever its case, look-alikes read as what they look like.
fn read_code(typed: &str) -> Option<String> {
    let letters = typed.chars().filter(|letter| !matches!(letter, '-' | ' '));
    let code: String = letters
        .map(|letter| match letter.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .collect();
    let known = code.bytes().all(|byte| LETTERS.contains(&byte));
    (known && code.len() == LINK_CODE_CHARS).then_some(code)
}

fn new_code() -> String {
    let bytes: [u8; LINK_CODE_CHARS] = random();
    let letters = bytes
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
    letters.collect()
}

fn hash(code: &str) -> [u8; 32] {
    Sha256::digest(code.as_bytes()).into()
}

/// Keeps how a person is reached from now on, with the record that says so.
fn set_contact(
    turn: &mut Turn<'_>,
    operator: OperatorId,
    contact: &Contact,
    actor: Actor,
) -> EngineResult<()> {
    turn.bring(RowKey::Operator(operator));
    let set = ContactSet {
        digest: seal(turn, operator, contact)?,
        changed: vec!["slack".to_owned()],
    };
    turn.emit(Draft::new(Event::ContactSet(set), actor, operator))
        .map(drop)
}

/// What became of an attempt to link.
enum Linked {
    Now,
    Before,
    /// Somebody else is this user.
    Taken,
}

impl Engine {
    /// A code by which the caller proves at Slack who they are; an earlier one is not good any more.
    ///
    /// # Errors
    /// If the caller is no person.
    pub async fn create_link_code(&self, caller: &Caller) -> EngineResult<LinkCode> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::LinkSelf)?;
        let Principal::Operator { id, .. } = tenant.present(&tenant.snapshot(), caller, self.now())? else {
            return Err(EngineError::Internal);
        };
        let code = Zeroizing::new(new_code());
        let expires_at = self.now().plus(LINK_CODE_LIFETIME);
        let row = LinkCodeRow {
            workspace: tenant.id,
            operator: id,
            hash: hash(&code),
            expires_at,
        };
        self.store().keep_link_code(&row).await?;
        let (first, second) = code.split_at(LINK_CODE_CHARS / 2);
        Ok(LinkCode {
            code: SecretString::from(format!("{first}-{second}")),
            expires_at,
        })
    }

    /// Takes back who an operator, `me` being the caller, is at a channel's Slack. Nothing happens where they are nobody.
    ///
    /// # Errors
    /// If it is somebody else's, and the caller no admin.
    pub async fn unlink_slack(
        &self,
        caller: &Caller,
        operator: &str,
        channel: ChannelId,
    ) -> EngineResult<()> {
        let tenant = self.tenant(caller)?;
        let id = self.contact_of(caller, operator)?;
        let caller = caller.clone();
        self.write(&tenant, Wants::default(), move |turn| {
            let actor = turn.principal(&caller, Operation::OwnContact)?.0.actor();
            unlink(turn, id, channel, actor).map(drop)
        })
        .await
    }

    pub(super) async fn run_command(&self, at: &At, command: &Command) -> EngineResult<Reply> {
        let Some(identity) = at.identity(&command.presser) else {
            return Ok(answer::of_elsewhere());
        };
        let (verb, rest) = command.text.split_once(' ').unwrap_or((&command.text, ""));
        let done = match verb.to_ascii_lowercase().as_str() {
            "link" => self.link_command(at, identity, rest).await,
            "unlink" => self.unlink_command(at, identity).await,
            "whoami" => self.whoami_command(at, &identity).await,
            _ => return Ok(answer::said(HELP)),
        };
        Ok(done.unwrap_or_else(|error| {
            tracing::warn!(channel = %at.channel, %error, "a command of Slack could not be carried out");
            match error {
                EngineError::Unauthorized => {
                    answer::said("Nothing was changed: your operator is switched off.")
                }
                EngineError::FeatureLevel(_) => answer::said(format!("Nothing was changed: {error}.")),
                _ => answer::said(
                    "Signoff can't do this right now; nothing was changed. Try again in a minute.",
                ),
            }
        }))
    }

    async fn link_command(&self, at: &At, identity: SlackIdentity, typed: &str) -> EngineResult<Reply> {
        let now = self.now();
        if let Err(seconds) = self.inner.link_tries.count(at.channel, &identity.user, now) {
            let minutes = seconds.div_euclid(60) + 1;
            let text = format!("Too many wrong codes. Wait {minutes} minutes, then try again.");
            return Ok(answer::said(text));
        }
        let wrong = || {
            answer::said(
                "This code is wrong, was used already, or is older than 10 minutes. Make another one in Signoff (your \
                 name, then Slack).",
            )
        };
        let Some(code) = read_code(typed) else {
            return Ok(wrong());
        };
        let hash = hash(&code);
        let taken = self.store().take_link_code(at.tenant.id, &hash, now).await?;
        let Some(operator) = taken else {
            return Ok(wrong());
        };
        self.inner.link_tries.succeeded(at.channel, &identity.user);
        let bound = identity.clone();
        let linked = self
            .write(&at.tenant, Wants::default(), move |turn| {
                link(turn, operator, &bound)
            })
            .await?;
        Ok(match linked {
            Linked::Now | Linked::Before => {
                let name = person_name(at, operator);
                answer::said(format!(
                    "You are {name} in Signoff. Buttons that you press here count as yours."
                ))
            }
            Linked::Taken => answer::said(
                "Nothing was changed: this Slack account is somebody else in Signoff. They, or an admin, must unlink it \
                 first (/signoff unlink).",
            ),
        })
    }

    async fn unlink_command(&self, at: &At, identity: SlackIdentity) -> EngineResult<Reply> {
        let Some(operator) = self.slack_operator(at, &identity).await? else {
            return Ok(answer::said(
                "You are nobody in Signoff; there was nothing to unlink.",
            ));
        };
        let channel = at.channel;
        self.write(&at.tenant, Wants::default(), move |turn| {
            // Somebody else by now: there is nothing of theirs to take back.
            if operator_at(&turn.snapshot(), &identity) != Some(operator) {
                return Ok(false);
            }
            unlink(turn, operator, channel, channel_actor(operator))
        })
        .await?;
        Ok(answer::said(
            "Unlinked: buttons that you press here count for nothing any more.",
        ))
    }

    async fn whoami_command(&self, at: &At, identity: &SlackIdentity) -> EngineResult<Reply> {
        Ok(match self.slack_operator(at, identity).await? {
            Some(operator) => answer::said(format!("You are {} in Signoff.", person_name(at, operator))),
            None => answer::not_linked(self),
        })
    }
}

fn person_name(at: &At, operator: OperatorId) -> String {
    let snapshot = at.tenant.snapshot();
    let person = snapshot.person(operator);
    person.map_or_else(|| operator.to_string(), |person| person.name.clone())
}

/// The operator, as a message of a channel vouches for them.
fn channel_actor(operator: OperatorId) -> Actor {
    Actor {
        kind: ActorKind::Operator,
        id: Some(operator.to_string()),
        auth: Some(Auth::Channel),
    }
}

fn link(turn: &mut Turn<'_>, operator: OperatorId, identity: &SlackIdentity) -> EngineResult<Linked> {
    let snapshot = turn.snapshot();
    snapshot
        .active_operator(operator)
        .ok_or(EngineError::Unauthorized)?;
    match operator_at(&snapshot, identity) {
        Some(known) if known == operator => return Ok(Linked::Before),
        Some(_) => return Ok(Linked::Taken),
        None => {}
    }
    let mut contact = snapshot.contact(operator);
    // One person is one user of a channel's Slack: the last that they proved.
    contact.slack.retain(|known| known.channel != identity.channel);
    contact.slack.push(identity.clone());
    set_contact(turn, operator, &contact, channel_actor(operator))?;
    Ok(Linked::Now)
}

fn unlink(turn: &mut Turn<'_>, operator: OperatorId, channel: ChannelId, actor: Actor) -> EngineResult<bool> {
    let mut contact = turn.snapshot().contact(operator);
    let before = contact.slack.len();
    contact.slack.retain(|known| known.channel != channel);
    if contact.slack.len() == before {
        return Ok(false);
    }
    set_contact(turn, operator, &contact, actor)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use signoff_core::id::RawId;

    use super::*;

    #[test]
    fn codes_are_read_as_they_are_meant() {
        assert_eq!(read_code("abcde-fghjk").as_deref(), Some("ABCDEFGHJK"));
        assert_eq!(read_code(" 0O1Il 23456 ").as_deref(), Some("0011123456"));
        for wrong in [
            "",
            "ABCDE",
            "ABCDEFGHJKM",
            "ABCDEFGHJU",
            "ABCDEFGHJ!",
            "ABCDEFGHJé",
        ] {
            assert_eq!(read_code(wrong), None, "{wrong}");
        }
        let made: std::collections::HashSet<String> = (0..100).map(|_| new_code()).collect();
        assert_eq!(made.len(), 100);
        assert!(made.iter().all(|code| read_code(code).as_ref() == Some(code)));
    }

    /// I12: wrong codes of one user are bounded, and nobody else waits for it.
    #[test]
    fn five_wrong_codes_and_then_a_wait() {
        let tries = LinkTries::default();
        let (here, there) = (ChannelId(RawId([1; 16])), ChannelId(RawId([2; 16])));
        let at = |seconds: i64| Timestamp(seconds * 1_000_000);
        for second in 0..5 {
            assert_eq!(tries.count(here, "U1", at(second)), Ok(()));
        }
        assert!(tries.count(here, "U1", at(5)).is_err());
        assert_eq!(tries.count(here, "U2", at(5)), Ok(()));
        assert_eq!(tries.count(there, "U1", at(5)), Ok(()));
        assert!(tries.count(here, "U1", at(599)).is_err());
        assert_eq!(tries.count(here, "U1", at(600)), Ok(()));
        tries.succeeded(there, "U1");
        for _ in 0..5 {
            assert_eq!(tries.count(there, "U1", at(600)), Ok(()));
        }
    }
}

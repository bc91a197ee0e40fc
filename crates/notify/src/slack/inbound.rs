//! What Slack sends: a button pressed, a form sent, a command typed. Read strictly where we rely on it; what else Slack says,
//! and it says more with time, is passed over. Nothing here is believed before [`verify`](super::verify) said so.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use signoff_core::{id::ApprovalId, payload::Hash32};

use super::modal::WORDS_ID;
use super::reply::Place;
use super::{Choice, is_slack_id};

/// The longest body that is read: Slack repeats the whole message with each press.
pub const INBOUND_BYTES_MAX: usize = 256 * 1024;
/// The longest words that a form takes.
pub const WORDS_CHARS_MAX: usize = 3_000;
/// How many fields a command has at most.
const FIELDS_MAX: usize = 64;
/// The longest trigger, time of a press, and id of a form.
const WORD_BYTES_MAX: usize = 200;
/// The longest text behind a command.
const COMMAND_CHARS_MAX: usize = 200;
/// What Slack keeps with a form, at most.
const KEPT_BYTES_MAX: usize = 3_000;

/// Why it can't be read. It says nothing of what was in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseFault(&'static str);

/// Who did something, as Slack says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presser {
    /// The Slack workspace that the app was used in, `T…`.
    pub installed: String,
    /// The Slack workspace that they are of; another one for guests from elsewhere.
    pub team: String,
    /// `U…` or `W…`.
    pub user: String,
}

impl Presser {
    /// Whether they are of this Slack workspace, and used the app there.
    pub fn is_of(&self, team: &str) -> bool {
        self.installed == team && self.team == team
    }
}

/// A button or a form of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interaction {
    /// The same however often Slack, or somebody else, sends it.
    pub key: Hash32,
    /// Who.
    pub presser: Presser,
    /// What for.
    pub choice: Choice,
    /// About which approval.
    pub approval: ApprovalId,
    /// The digest of what the message was about.
    pub digest: Hash32,
    /// The digest of the message as Slack shows it.
    pub shown: Option<Hash32>,
    /// A press, or the form that came of one.
    pub step: Step,
    /// Where, for the answer.
    pub place: Place,
}

/// How far somebody is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A button was pressed.
    Pressed {
        /// Opens a form, for three seconds.
        trigger: String,
    },
    /// A form was sent.
    Submitted {
        /// What was written in it, without spaces around; may be empty.
        words: String,
    },
}

/// A command, `/signoff …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The same however often it is sent.
    pub key: Hash32,
    /// Who.
    pub presser: Presser,
    /// What was typed behind the command's name.
    pub text: String,
}

/// What is read of an interaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inbound {
    /// Ours.
    Interaction(Box<Interaction>),
    /// Nothing to do: a button that leads elsewhere, something that Slack tells of its own accord.
    Nothing,
}

/// What Slack keeps with a form, and gives back with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    pub(super) approval: ApprovalId,
    pub(super) digest: Hash32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) shown: Option<Hash32>,
    pub(super) place: Place,
}

impl Kept {
    pub(super) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The value of a button.
pub(super) fn button_value(approval: &str, digest: &str) -> String {
    format!("{approval}:{digest}")
}

fn read_value(value: &str) -> Option<(ApprovalId, Hash32)> {
    let (approval, digest) = value.split_once(':')?;
    Some((approval.parse().ok()?, digest.parse().ok()?))
}

#[derive(Deserialize)]
struct Typed {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

#[derive(Deserialize)]
struct User {
    id: String,
    #[serde(default)]
    team_id: Option<String>,
}

#[derive(Deserialize)]
struct Action {
    #[serde(rename = "action_id")]
    id: String,
    #[serde(default)]
    value: Option<String>,
    #[serde(default, rename = "action_ts")]
    at: Option<String>,
}

#[derive(Deserialize)]
struct Shown<'a> {
    #[serde(default)]
    ts: Option<String>,
    #[serde(default, borrow)]
    blocks: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Pressed<'a> {
    team: Option<Id>,
    user: User,
    trigger_id: String,
    #[serde(default)]
    response_url: Option<String>,
    #[serde(default)]
    channel: Option<Id>,
    #[serde(default, borrow)]
    message: Option<Shown<'a>>,
    actions: Vec<Action>,
}

#[derive(Deserialize)]
struct Field {
    #[serde(default)]
    value: Option<String>,
}

#[derive(Deserialize)]
struct State {
    values: BTreeMap<String, BTreeMap<String, Field>>,
}

#[derive(Deserialize)]
struct Form {
    id: String,
    #[serde(default)]
    hash: Option<String>,
    callback_id: String,
    private_metadata: String,
    state: State,
}

#[derive(Deserialize)]
struct Sent {
    team: Option<Id>,
    user: User,
    view: Form,
}

/// Reads the body of an interaction: one form field `payload`, whose value is JSON.
///
/// # Errors
/// If it is none of Slack's, or one of our buttons does not say what ours say.
pub fn parse_interaction(body: &[u8]) -> Result<Inbound, ParseFault> {
    let fields = read_form(body)?;
    let [(name, payload)] = fields.as_slice() else {
        return Err(ParseFault("an interaction has one field"));
    };
    if name != "payload" {
        return Err(ParseFault("an interaction has the field `payload`"));
    }
    let typed: Typed = json(payload)?;
    match typed.kind.as_str() {
        "block_actions" => pressed(json(payload)?),
        "view_submission" => sent(json(payload)?),
        _ => Ok(Inbound::Nothing),
    }
}

fn json<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, ParseFault> {
    serde_json::from_str(text).map_err(|_| ParseFault("the payload can't be read"))
}

fn pressed(press: Pressed<'_>) -> Result<Inbound, ParseFault> {
    let [action] = press.actions.as_slice() else {
        return Err(ParseFault("one button is pressed at a time"));
    };
    let Some(choice) = Choice::parse(&action.id) else {
        return Ok(Inbound::Nothing);
    };
    let by = presser(press.team, press.user)?;
    let trigger = word(press.trigger_id)?;
    let pressed_at = word(action.at.clone().unwrap_or_default())?;
    let value = action.value.as_deref().and_then(read_value);
    let (approval, digest) = value.ok_or(ParseFault("the button says nothing of ours"))?;
    let shown = press.message.as_ref().and_then(|message| message.blocks);
    Ok(Inbound::Interaction(Box::new(Interaction {
        key: key("pressed", &[&by.team, &by.user, &trigger, &pressed_at]),
        presser: by,
        choice,
        approval,
        digest,
        shown: shown.map(|blocks| Hash32(Sha256::digest(blocks.get()).into())),
        step: Step::Pressed { trigger },
        place: Place::new(
            press.channel.map(|channel| channel.id),
            press.message.and_then(|message| message.ts),
            press.response_url,
        ),
    })))
}

fn sent(sent: Sent) -> Result<Inbound, ParseFault> {
    let form = sent.view;
    let Some(choice) = Choice::parse(&form.callback_id) else {
        return Ok(Inbound::Nothing);
    };
    let presser = presser(sent.team, sent.user)?;
    let (id, hash) = (word(form.id)?, word(form.hash.unwrap_or_default())?);
    if form.private_metadata.len() > KEPT_BYTES_MAX {
        return Err(ParseFault("the form carries more than ours do"));
    }
    let kept: Kept = json(&form.private_metadata)?;
    let fields = form.state.values.get(WORDS_ID);
    let words = fields
        .and_then(|fields| fields.get(WORDS_ID)?.value.as_deref())
        .unwrap_or_default()
        .trim();
    if words.chars().count() > WORDS_CHARS_MAX {
        return Err(ParseFault("the words are longer than the form takes"));
    }
    Ok(Inbound::Interaction(Box::new(Interaction {
        // A form is sent once: what is sent again after a lost answer is the same, whatever else differs.
        key: key("sent", &[&presser.team, &presser.user, &id, &hash]),
        presser,
        choice,
        approval: kept.approval,
        digest: kept.digest,
        shown: kept.shown,
        step: Step::Submitted {
            words: words.to_owned(),
        },
        place: Place::new(
            kept.place.conversation,
            kept.place.message,
            kept.place.response_url,
        ),
    })))
}

/// Reads the body of a command.
///
/// # Errors
/// If it is none of Slack's.
pub fn parse_command(body: &[u8]) -> Result<Command, ParseFault> {
    let fields = read_form(body)?;
    let one = |wanted: &str| {
        let mut found = fields.iter().filter(|(name, _)| name == wanted);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Ok(value.clone()),
            _ => Err(ParseFault("a command has each of its fields once")),
        }
    };
    let team = slack_id(one("team_id")?)?;
    let user = slack_id(one("user_id")?)?;
    let trigger = word(one("trigger_id")?)?;
    let text = one("text")?;
    if text.chars().count() > COMMAND_CHARS_MAX {
        return Err(ParseFault("the command is too long"));
    }
    Ok(Command {
        key: key("command", &[&team, &user, &trigger]),
        presser: Presser {
            installed: team.clone(),
            team,
            user,
        },
        text: text.trim().to_owned(),
    })
}

fn presser(team: Option<Id>, user: User) -> Result<Presser, ParseFault> {
    let team = team.ok_or(ParseFault("it came from no single Slack workspace"))?;
    let installed = slack_id(team.id)?;
    let team = user.team_id.map(slack_id).transpose()?;
    Ok(Presser {
        team: team.unwrap_or_else(|| installed.clone()),
        installed,
        user: slack_id(user.id)?,
    })
}

fn slack_id(text: String) -> Result<String, ParseFault> {
    if is_slack_id(&text) {
        Ok(text)
    } else {
        Err(ParseFault("a team or user is not named as Slack names them"))
    }
}

fn word(text: String) -> Result<String, ParseFault> {
    if text.len() <= WORD_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text)
    } else {
        Err(ParseFault("something is longer than Slack writes it"))
    }
}

fn key(kind: &str, parts: &[&str]) -> Hash32 {
    let mut hash = Sha256::new();
    hash.update(format!("signoff.slack.{kind}.v1"));
    for part in parts {
        // No part has a null, so that no two lists read the same.
        hash.update(b"\0");
        hash.update(part.as_bytes());
    }
    Hash32(hash.finalize().into())
}

/// Names and values of a form, as browsers encode them. What is no text is refused.
fn read_form(body: &[u8]) -> Result<Vec<(String, String)>, ParseFault> {
    if body.is_empty() || body.len() > INBOUND_BYTES_MAX {
        return Err(ParseFault("the body is empty or too long"));
    }
    let mut fields = Vec::new();
    for pair in body.split(|byte| *byte == b'&') {
        if fields.len() == FIELDS_MAX {
            return Err(ParseFault("there are too many fields"));
        }
        let at = pair.iter().position(|byte| *byte == b'=');
        let (name, value) = match at {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &[][..]),
        };
        fields.push((decode(name)?, decode(value)?));
    }
    Ok(fields)
}

fn decode(text: &[u8]) -> Result<String, ParseFault> {
    let broken = ParseFault("the form is not encoded as Slack encodes it");
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (bytes.next().ok_or(broken)?, bytes.next().ok_or(broken)?);
                let digit = |byte: &u8| char::from(*byte).to_digit(16).ok_or(broken);
                u8::try_from(digit(high)? * 16 + digit(low)?).map_err(|_| broken)?
            }
            other => *other,
        });
    }
    String::from_utf8(out).map_err(|_| broken)
}

#[cfg(test)]
mod tests;

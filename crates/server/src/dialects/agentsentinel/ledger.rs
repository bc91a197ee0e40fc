//! What the client did, as it says: entries of its ledger, interventions of its own policy engine, results of replays. Each is
//! written down once, however often it is sent.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use signoff_engine::request::Note;
use signoff_engine::view::Caller;
use signoff_engine::{Engine, EngineError, NOTES_MAX};

use super::fault::Fault;
use crate::Doors;
use crate::api::Refused;
use crate::api::path::At;
use crate::dialects::vendor::{Known, Sent, shown};

/// The longest name of an action, in bytes.
const NAME_BYTES_MAX: usize = 200;
/// The longest word for how it went, in characters.
const OUTCOME_CHARS_MAX: usize = 64;

/// Entries of one run.
#[derive(Debug, Deserialize)]
pub(super) struct Batch {
    #[serde(default)]
    entries: Vec<Map<String, Value>>,
    #[serde(default)]
    run_id: Option<String>,
    #[serde(default)]
    agent_id: Option<String>,
    #[serde(default)]
    mission_id: Option<String>,
}

/// What became of a batch.
#[derive(Debug, Default, Serialize)]
pub(super) struct Ingested {
    accepted: usize,
    duplicates: usize,
}

pub(super) async fn ingest(
    known: Known<Fault>,
    State(doors): State<Doors>,
    headers: HeaderMap,
    Sent { body: batch, .. }: Sent<Batch, Fault>,
) -> Result<(StatusCode, Json<Ingested>), Fault> {
    let (engine, caller) = (doors.engine(), &known.caller);
    let mut by_agent: BTreeMap<Option<String>, Vec<Note>> = BTreeMap::new();
    for mut entry in batch.entries {
        let own = text(&entry, "agent_id").or(batch.agent_id.as_deref());
        let agent = super::agent(engine, caller, &headers, own.map(str::to_owned))?;
        // The client says it beside the entries where all are of one run.
        for (name, value) in [("run_id", &batch.run_id), ("mission_id", &batch.mission_id)] {
            if let (Some(value), None | Some(Value::Null)) = (value, entry.get(name)) {
                entry.insert(name.to_owned(), Value::String(value.clone()));
            }
        }
        // An entry without an id is known by what it says.
        let key = text(&entry, "id").map_or_else(|| hashed(&entry), |id| hash("entry", id.as_bytes()));
        let note = note(&entry, ("action", "outcome"), key);
        by_agent.entry(agent).or_default().push(note);
    }
    let mut ingested = Ingested::default();
    for (agent, mut notes) in by_agent {
        while !notes.is_empty() {
            let rest = notes.split_off(notes.len().min(NOTES_MAX));
            for noted in engine.note(caller, agent.as_deref(), notes).await? {
                if noted.replayed {
                    ingested.duplicates += 1;
                } else {
                    ingested.accepted += 1;
                }
            }
            notes = rest;
        }
    }
    Ok((StatusCode::ACCEPTED, Json(ingested)))
}

/// One thing that was written down.
#[derive(Debug, Serialize)]
pub(super) struct Kept {
    id: String,
}

pub(super) async fn intervention(
    known: Known<Fault>,
    State(doors): State<Doors>,
    headers: HeaderMap,
    Sent { body, .. }: Sent<Map<String, Value>, Fault>,
) -> Result<(StatusCode, Json<Kept>), Fault> {
    // It has no id, and a batch that broke off is sent again whole.
    let key = hashed(&body);
    let agent = text(&body, "agent_id").map(str::to_owned);
    let note = note(&body, ("action_name", "outcome"), key);
    keep(doors.engine(), &known.caller, &headers, agent, note).await
}

pub(super) async fn replayed(
    known: Known<Fault>,
    State(doors): State<Doors>,
    headers: HeaderMap,
    run: Result<At<String>, Refused>,
    Sent { mut body, .. }: Sent<Map<String, Value>, Fault>,
) -> Result<(StatusCode, Json<Kept>), Fault> {
    let At(run) = run?;
    body.insert("run_id".into(), Value::String(run));
    let key = hashed(&body);
    let agent = text(&body, "agent_id").map(str::to_owned);
    let note = Note {
        action: "agentsentinel.replay".into(),
        ..note(&body, ("action", "status"), key)
    };
    keep(doors.engine(), &known.caller, &headers, agent, note).await
}

async fn keep(
    engine: &Engine,
    caller: &Caller,
    headers: &HeaderMap,
    agent: Option<String>,
    note: Note,
) -> Result<(StatusCode, Json<Kept>), Fault> {
    let agent = super::agent(engine, caller, headers, agent)?;
    let noted = engine.note(caller, agent.as_deref(), vec![note]).await?;
    let noted = noted.first().ok_or(EngineError::Internal)?;
    let id = noted.action_id.to_string();
    Ok((StatusCode::CREATED, Json(Kept { id })))
}

/// What was sent, as it is written down: the name and the outcome in the form that Signoff has for them, all of it as text.
fn note(sent: &Map<String, Value>, (action, outcome): (&str, &str), key: String) -> Note {
    Note {
        action: plain(text(sent, action).unwrap_or_default()),
        outcome: word(text(sent, outcome).unwrap_or_default()),
        text: Some(shown(sent)),
        key: Some(key),
    }
}

fn text<'a>(sent: &'a Map<String, Value>, field: &str) -> Option<&'a str> {
    sent.get(field)?.as_str().filter(|text| !text.is_empty())
}

/// The client's actions may be called anything; whatever a name of Signoff's can't have becomes `_`.
fn plain(name: &str) -> String {
    let plain = |c: char| match c {
        '*' | '?' | '[' | ']' | '{' | '}' | '\\' => '_',
        c if c.is_ascii_graphic() => c,
        _ => '_',
    };
    let name: String = name.chars().map(plain).take(NAME_BYTES_MAX).collect();
    if name.is_empty() { "unnamed".into() } else { name }
}

fn word(outcome: &str) -> String {
    let shown = outcome.chars().filter(|c| !c.is_control());
    let word: String = shown.take(OUTCOME_CHARS_MAX).collect();
    if word.is_empty() { "unknown".into() } else { word }
}

fn hashed(sent: &Map<String, Value>) -> String {
    // Bodies that readers understand alike have one form; what has none did not get here.
    let canonical = signoff_core::json::canonical(sent).unwrap_or_default();
    hash("content", &canonical)
}

fn hash(kind: &str, bytes: &[u8]) -> String {
    format!("agentsentinel-{kind}-{}", hex::encode(Sha256::digest(bytes)))
}

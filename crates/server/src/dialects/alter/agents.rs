//! `/sdk/agents`: who asks. An operator sets agents up; an agent sees itself.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use signoff_core::actor::Principal;
use signoff_core::id::AgentId;
use signoff_engine::KeyShape;
use signoff_engine::request::{CreateAgent, UpdateAgent};
use signoff_engine::view::{AgentView, Caller};
use url::form_urlencoded;

use super::constraints::{Scope, insufficient};
use super::fault::Fault;
use super::grants::page;
use super::ids::{either, uuid};
use super::signed::{Known, Signed, refusal};
use crate::Doors;

/// Labels under which is kept what Alter has fields of its own for.
const DISPLAY_NAME: &str = "display_name";
const TYPE: &str = "type";
/// What every agent is unless its type says otherwise.
const TYPE_AGENT: &str = "agent";
/// How many agents are read at once.
const PAGE: u32 = 200;

/// Refuses who may not set up agents, in the words that the client has for it.
pub(super) fn governs(signed: &Signed, scope: Scope) -> Result<(), Fault> {
    match &signed.caller.principal {
        Principal::Agent(_) => Err(Fault::new(
            StatusCode::FORBIDDEN,
            "agent_cannot_mint_subagents",
            "an agent's key sets nothing up; that takes the token of an operator (`alter_pk_…`)",
        )),
        Principal::Application(_) => {
            let why = "an application's key asks and sets nothing up; that takes the token of an operator (`alter_pk_…`)";
            Err(insufficient(scope, &Scope::of(&signed.caller.principal), why))
        }
        Principal::Operator { .. } | Principal::Automation(_) => signed.within(scope),
    }
}

/// The id of the agent in the path, as the engine takes it.
pub(super) fn named(signed: &Signed) -> Result<String, Fault> {
    let id = either(signed.request.part(0), AgentId);
    id.map(|id| id.to_string()).ok_or_else(missing)
}

pub(super) fn missing() -> Fault {
    Fault::new(StatusCode::NOT_FOUND, "agent_not_found", "there is no such agent")
}

/// `GET /sdk/agents/me`: also for one that is switched off.
pub(super) async fn me(State(doors): State<Doors>, known: Known) -> Result<Json<Value>, Fault> {
    let engine = doors.engine();
    let caller = match known.who {
        Ok(caller) => caller,
        Err(closed) => {
            let fault = refusal(&closed);
            return match closed.agent.filter(|_| !closed.revoked) {
                Some(agent) => Ok(Json(info(&agent, closed.changed_seq))),
                None => Err(fault),
            };
        }
    };
    known.request.constraints.narrow(&caller.principal)?;
    let Principal::Agent(id) = caller.principal else {
        return Err(Fault::new(
            StatusCode::FORBIDDEN,
            "me_requires_agent_key",
            "this is for agents; the key is none of an agent",
        ));
    };
    let agent = engine.spoken_for(&caller, None)?.ok_or_else(missing)?;
    let version = engine.agent_changed_seq(&caller, id).await?;
    Ok(Json(info(&agent, version)))
}

/// A new agent as the client describes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Created {
    name: String,
    #[serde(rename = "type")]
    kind: Option<Kind>,
    scopes: Option<Map<String, Value>>,
    metadata: Option<Map<String, Value>>,
    display_name: Option<String>,
    policy: Option<Map<String, Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Agent,
    Service,
}

/// `POST /sdk/agents`
pub(super) async fn create(
    State(doors): State<Doors>,
    signed: Signed,
) -> Result<(StatusCode, Json<Value>), Fault> {
    governs(&signed, Scope::AgentsWrite)?;
    let given: Created = signed.request.json()?;
    nothing_governed(given.scopes.as_ref(), given.policy.as_ref())?;
    let mut labels = labels(given.metadata.unwrap_or_default())?;
    labels.extend(given.display_name.map(|name| (DISPLAY_NAME.to_owned(), name)));
    if matches!(given.kind, Some(Kind::Service)) {
        labels.insert(TYPE.to_owned(), "service".to_owned());
    }
    let create = CreateAgent {
        name: given.name,
        labels,
        owner: None,
        key: KeyShape::Alter,
    };
    let key = crate::api::idempotency::read(&signed.request.headers)?;
    let (engine, caller) = (doors.engine(), &signed.caller);
    let made = engine.create_agent(caller, create, key.as_deref()).await?;
    let agent = made.made;
    if made.secret.is_none() && agent.row.disabled {
        let why = "the agent that was made under this key is switched off by now";
        return Err(Fault::new(
            StatusCode::CONFLICT,
            "idempotency_key_agent_inactive",
            why,
        ));
    }
    let keys = engine.agent_keys(caller, &agent.row.id.to_string()).await?;
    let key_id = keys.first().map(|key| uuid(key.id.0));
    let mut body = whole(&doors, caller, &agent).await?;
    if let Value::Object(body) = &mut body {
        let secret = made.secret.map(|secret| secret.expose_secret().to_owned());
        body.insert("api_key".into(), Value::from(secret));
        body.insert("key_id".into(), Value::from(key_id));
    }
    Ok((StatusCode::CREATED, Json(body)))
}

/// `GET /sdk/agents`
pub(super) async fn list(State(doors): State<Doors>, signed: Signed) -> Result<Json<Value>, Fault> {
    governs(&signed, Scope::AgentsRead)?;
    let query = signed.request.uri.query().unwrap_or_default();
    let (mut limit, mut offset, mut name, mut revoked) = (None, None, None, false);
    for (field, value) in form_urlencoded::parse(query.as_bytes()) {
        let number = || {
            value
                .parse()
                .map_err(|_| Fault::invalid(format!("`{field}` is no whole number")))
        };
        match &*field {
            "limit" => limit = Some(number()?),
            "offset" => offset = Some(number()?),
            "name" => name = Some(value.into_owned()),
            "include_revoked" => revoked = value == "true",
            _ => {
                return Err(Fault::invalid(
                    "known are `limit`, `offset`, `name` and `include_revoked`",
                ));
            }
        }
    }
    let (limit, offset) = page(limit, offset)?;
    let mut found = Vec::new();
    let mut beyond = None;
    loop {
        let page = doors.engine().agents(&signed.caller, beyond, PAGE)?;
        found.extend(page.items);
        beyond = page.next;
        if beyond.is_none() {
            break;
        }
    }
    found.retain(|agent| {
        let is_named = name
            .as_ref()
            .is_none_or(|name| agent.row.name.eq_ignore_ascii_case(name));
        is_named && (revoked || status(agent) != REVOKED)
    });
    let total = found.len();
    let mut items = Vec::new();
    for agent in found.iter().skip(offset).take(limit) {
        items.push(whole(&doors, &signed.caller, agent).await?);
    }
    let has_more = offset.saturating_add(items.len()) < total;
    Ok(Json(json!({
        "items": items, "total": total, "limit": limit, "offset": offset, "has_more": has_more,
    })))
}

/// `GET /sdk/agents/{id}`
pub(super) async fn view(State(doors): State<Doors>, signed: Signed) -> Result<Json<Value>, Fault> {
    governs(&signed, Scope::AgentsRead)?;
    let agent = doors.engine().agent(&signed.caller, &named(&signed)?)?;
    whole(&doors, &signed.caller, &agent).await.map(Json)
}

/// A change of an agent as the client describes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Changed {
    display_name: Option<String>,
    metadata: Option<Map<String, Value>>,
    scopes: Option<Map<String, Value>>,
    policy: Option<Map<String, Value>>,
    status: Option<Status>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Active,
    Inactive,
}

/// `PATCH /sdk/agents/{id}`
pub(super) async fn update(State(doors): State<Doors>, signed: Signed) -> Result<Json<Value>, Fault> {
    governs(&signed, Scope::AgentsWrite)?;
    let given: Changed = signed.request.json()?;
    nothing_governed(given.scopes.as_ref(), given.policy.as_ref())?;
    let (engine, caller, name) = (doors.engine(), &signed.caller, named(&signed)?);
    let present = engine.agent(caller, &name)?;
    if status(&present) == REVOKED {
        let why = "the agent was switched off and its keys were taken away; make a new one";
        return Err(Fault::new(StatusCode::CONFLICT, "agent_revoked", why));
    }
    as_expected(&signed, engine.agent_changed_seq(caller, present.row.id).await?)?;
    let changes_labels = given.metadata.is_some() || given.display_name.is_some();
    let mut kept = present.row.labels.clone();
    if let Some(metadata) = given.metadata {
        kept.retain(|label, _| label == DISPLAY_NAME || label == TYPE);
        kept.extend(labels(metadata)?);
    }
    kept.extend(given.display_name.map(|name| (DISPLAY_NAME.to_owned(), name)));
    let update = UpdateAgent {
        labels: changes_labels.then_some(kept),
        owner: None,
        disabled: given.status.map(|status| matches!(status, Status::Inactive)),
    };
    let agent = engine.update_agent(caller, &name, update).await?;
    whole(&doors, caller, &agent).await.map(Json)
}

/// `DELETE /sdk/agents/{id}`: for ever, as far as its keys go. Its name and its history stay.
pub(super) async fn retire(State(doors): State<Doors>, signed: Signed) -> Result<Json<Value>, Fault> {
    governs(&signed, Scope::AgentsWrite)?;
    let agent = doors
        .engine()
        .retire_agent(&signed.caller, &named(&signed)?)
        .await?;
    whole(&doors, &signed.caller, &agent).await.map(Json)
}

/// Refuses a change of something that changed since the client looked.
fn as_expected(signed: &Signed, present: u64) -> Result<(), Fault> {
    let query = signed.request.uri.query().unwrap_or_default();
    for (field, value) in form_urlencoded::parse(query.as_bytes()) {
        let is_present = value.parse() == Ok(present.max(1));
        match &*field {
            "expected_version" if is_present => {}
            "expected_version" => {
                let why = "the agent changed meanwhile; read it again";
                return Err(Fault::new(StatusCode::CONFLICT, "agent_concurrent_update", why));
            }
            _ => return Err(Fault::invalid("known is `expected_version`")),
        }
    }
    Ok(())
}

/// Refuses to set up here what is set up elsewhere: left out silently, an agent could do more, or less, than was meant.
fn nothing_governed(
    scopes: Option<&Map<String, Value>>,
    policy: Option<&Map<String, Value>>,
) -> Result<(), Fault> {
    let given = |field: Option<&Map<String, Value>>| field.is_some_and(|field| !field.is_empty());
    let refused = |why: &str| Fault::new(StatusCode::UNPROCESSABLE_ENTITY, "not_supported", why);
    if given(scopes) {
        let why = "which grants an agent holds is said by the grant (`signoff grants update NAME --agent …`), not by `scopes`";
        return Err(refused(why));
    }
    if given(policy) {
        return Err(refused(
            "what an agent may do is said by the workspace's policies, not by `policy`",
        ));
    }
    Ok(())
}

fn labels(metadata: Map<String, Value>) -> Result<BTreeMap<String, String>, Fault> {
    let label = |(name, value): (String, Value)| match value {
        Value::String(_) if name == DISPLAY_NAME || name == TYPE => Err(Fault::invalid(format!(
            "`metadata`: `{name}` is a field of its own"
        ))),
        Value::String(text) => Ok((name, text)),
        _ => Err(Fault::invalid("`metadata` is kept as labels, which are text")),
    };
    metadata.into_iter().map(label).collect()
}

const REVOKED: &str = "revoked";

/// Off and without any key: the client knows that from what is only off for a while.
fn status(agent: &AgentView) -> &'static str {
    match (agent.row.disabled, agent.key_created_at) {
        (false, _) => "active",
        (true, Some(_)) => "inactive",
        (true, None) => REVOKED,
    }
}

async fn whole(doors: &Doors, caller: &Caller, agent: &AgentView) -> Result<Value, Fault> {
    let version = doors.engine().agent_changed_seq(caller, agent.row.id).await?;
    Ok(info(agent, version))
}

/// An agent in Alter's words. Its version is the record of the log that it is as it is since.
fn info(agent: &AgentView, version: u64) -> Value {
    let row = &agent.row;
    let label = |name: &str| row.labels.get(name).map(String::as_str);
    let kept = row
        .labels
        .iter()
        .filter(|(name, _)| *name != DISPLAY_NAME && *name != TYPE);
    let metadata: Map<String, Value> = kept
        .map(|(name, text)| (name.clone(), Value::from(text.as_str())))
        .collect();
    json!({
        "id": uuid(row.id.0),
        "name": row.name,
        "type": label(TYPE).filter(|kind| *kind == "service").unwrap_or(TYPE_AGENT),
        "status": status(agent),
        "version": version.max(1),
        "created_at": row.created_at.to_string(),
        "display_name": label(DISPLAY_NAME),
        "scopes": {},
        "policy": {},
        "metadata": metadata,
    })
}

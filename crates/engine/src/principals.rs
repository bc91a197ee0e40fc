//! Agents and applications: who asks, and with which keys.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use signoff_core::{
    actor::Actor,
    authority::Operation,
    event::{AgentPut, ApplicationPut, Event, KeyOwner, KeySet, Nothing},
    fold::RowKey,
    id::{AgentId, ApplicationId, KeyId, OperatorId},
    name::{check_glob, check_name},
    payload::PayloadName,
    rows::{AgentRow, ApplicationRow},
};
use signoff_store::{SecretKind, Wants};

use crate::{
    Engine, EngineError, EngineResult,
    approvals::check_limit,
    credential::{hash_key, hint, mint},
    idempotency::{Once, want},
    request::{CreateAgent, CreateApplication, UpdateAgent, UpdateApplication},
    snapshot::Snapshot,
    turn::{Draft, Turn, mint_id},
    view::{AgentView, ApplicationView, Caller, Created, Named, Page},
};

/// How many labels an agent has.
const LABELS_MAX: usize = 50;
/// How many names and globs an application lists.
const AGENTS_MAX: usize = 200;

/// A page out of a list in memory; `beyond` counts items.
pub(crate) fn page<T>(items: Vec<T>, beyond: Option<u64>, limit: u32) -> EngineResult<Page<T>> {
    let limit = check_limit(limit)? as usize;
    let start = usize::try_from(beyond.unwrap_or(0)).unwrap_or(usize::MAX);
    let more = items.len() > start.saturating_add(limit);
    let items: Vec<T> = items.into_iter().skip(start).take(limit).collect();
    let next = more.then(|| (start + limit) as u64);
    Ok(Page { items, next })
}

/// Makes a key and takes the owner's other keys away. The key itself leaves only through the return value.
pub(crate) fn rotate_key(turn: &mut Turn<'_>, owner: KeyOwner, actor: &Actor) -> EngineResult<SecretString> {
    let snapshot = turn.snapshot();
    let old: Vec<KeyId> = snapshot
        .rows
        .keys
        .values()
        .filter(|row| row.owner == owner && !row.revoked)
        .map(|row| row.id)
        .collect();
    for id in old {
        turn.bring(RowKey::Key(id));
        turn.emit(Draft::new(Event::KeyRevoked(Nothing {}), actor.clone(), id))?;
    }
    issue_key(turn, owner, actor, None).map(|(_, key)| key)
}

/// Makes a key beside those that exist.
pub(crate) fn issue_key(
    turn: &mut Turn<'_>,
    owner: KeyOwner,
    actor: &Actor,
    name: Option<&str>,
) -> EngineResult<(KeyId, SecretString)> {
    let key = mint(&owner);
    let id = KeyId(mint_id(turn.now()));
    let hash = hash_key(key.expose_secret()).ok_or(EngineError::Internal)?;
    let (secret, digest) = turn
        .ledger
        .tenant
        .key
        .secret(SecretKind::Key, id.0, hash.to_vec());
    let set = KeySet {
        owner,
        hint: hint(&key),
        digest,
    };
    let name = name.map(|name| {
        turn.ledger
            .tenant
            .key
            .seal(id.0, PayloadName::Text, name.as_bytes())
    });
    turn.emit(Draft::new(Event::KeySet(set), actor.clone(), id).with(name))?;
    turn.ledger.changes.secrets.push(secret);
    Ok((id, key))
}

fn check_labels(labels: &BTreeMap<String, String>) -> EngineResult<()> {
    let fits =
        |text: &str| !text.is_empty() && text.chars().count() <= 200 && !text.chars().any(char::is_control);
    if labels.len() > LABELS_MAX || !labels.iter().all(|(key, value)| fits(key) && fits(value)) {
        let why = format!("at most {LABELS_MAX} labels, keys and values of 1 to 200 characters");
        return Err(EngineError::invalid("/labels", why));
    }
    Ok(())
}

fn check_globs(agents: &[String]) -> EngineResult<()> {
    if agents.is_empty() || agents.len() > AGENTS_MAX {
        return Err(EngineError::invalid(
            "/agents",
            format!("1 to {AGENTS_MAX} names or globs; `*` is every agent"),
        ));
    }
    for (at, glob) in agents.iter().enumerate() {
        check_glob(glob).map_err(|why| EngineError::invalid(format!("/agents/{at}"), why))?;
    }
    Ok(())
}

fn owner(snapshot: &Snapshot, text: Option<&str>) -> EngineResult<Option<OperatorId>> {
    match text {
        None | Some("") => Ok(None),
        Some(text) => {
            let row = snapshot.find_operator(text);
            row.map(|row| Some(row.id)).ok_or_else(|| {
                EngineError::invalid("/owner", "there is no operator with this id or e-mail address")
            })
        }
    }
}

fn agent_put(row: &AgentRow) -> AgentPut {
    AgentPut {
        name: row.name.clone(),
        labels: row.labels.clone(),
        owner: row.owner,
        disabled: row.disabled,
        registered_by: row.registered_by,
    }
}

fn agent_view(snapshot: &Snapshot, row: &AgentRow) -> AgentView {
    let person = |id: OperatorId| Named {
        id,
        name: snapshot
            .person(id)
            .map_or_else(|| id.to_string(), |person| person.name.clone()),
    };
    let application = |id: ApplicationId| Named {
        id,
        name: snapshot
            .rows
            .applications
            .get(&id)
            .map_or_else(|| id.to_string(), |row| row.name.clone()),
    };
    AgentView {
        owner: row.owner.map(person),
        application: row.registered_by.map(application),
        key_created_at: snapshot.key_created_at(KeyOwner::Agent(row.id)),
        row: row.clone(),
    }
}

fn application_view(snapshot: &Snapshot, row: &ApplicationRow) -> ApplicationView {
    ApplicationView {
        key_created_at: snapshot.key_created_at(KeyOwner::Application(row.id)),
        row: row.clone(),
    }
}

/// What a creation is remembered by; the secret is not.
#[derive(Serialize, Deserialize)]
struct Made<Id> {
    id: Id,
}

impl Engine {
    /// Agents by name.
    ///
    /// # Errors
    /// If the caller may not see them.
    pub fn agents(&self, caller: &Caller, beyond: Option<u64>, limit: u32) -> EngineResult<Page<AgentView>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        let snapshot = tenant.snapshot();
        let mut rows: Vec<&AgentRow> = snapshot.rows.agents.values().collect();
        rows.sort_by_key(|row| row.name.to_ascii_lowercase());
        let found = page(rows, beyond, limit)?;
        Ok(Page {
            items: found
                .items
                .into_iter()
                .map(|row| agent_view(&snapshot, row))
                .collect(),
            next: found.next,
        })
    }

    /// One agent by id or name.
    ///
    /// # Errors
    /// If there is none.
    pub fn agent(&self, caller: &Caller, agent: &str) -> EngineResult<AgentView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        let snapshot = tenant.snapshot();
        let row = snapshot
            .find_agent(agent)
            .ok_or_else(|| EngineError::not_found("agent", agent))?;
        Ok(agent_view(&snapshot, row))
    }

    /// Makes an agent with its key.
    ///
    /// # Errors
    /// If the name is taken or not a name.
    pub async fn create_agent(
        &self,
        caller: &Caller,
        create: CreateAgent,
        key: Option<&str>,
    ) -> EngineResult<Created<AgentView>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        check_name(&create.name).map_err(|why| EngineError::invalid("/name", why))?;
        check_labels(&create.labels)?;
        let same = (&create.name, &create.labels, &create.owner);
        let once = Once::of(&tenant, caller, "create_agent", key, &same)?;
        let mut wants = Wants::default();
        want(&mut wants, once.as_ref());
        let caller_then = caller.clone();
        let (id, secret) = self
            .write(&tenant, wants, move |turn| {
                let actor = turn.principal(&caller_then, Operation::Govern)?.0.actor();
                if let Some(made) = turn.before::<Made<AgentId>>(once.as_ref())? {
                    return Ok((made.id, None));
                }
                let snapshot = turn.snapshot();
                if snapshot.agent_by_name(&create.name).is_some() {
                    return Err(EngineError::NameTaken {
                        kind: "an agent",
                        name: create.name.clone(),
                    });
                }
                let owner = owner(&snapshot, create.owner.as_deref())?;
                let id = AgentId(mint_id(turn.now()));
                let put = AgentPut {
                    name: create.name.clone(),
                    labels: create.labels.clone(),
                    owner,
                    disabled: false,
                    registered_by: None,
                };
                turn.emit(Draft::new(Event::AgentPut(put), actor.clone(), id))?;
                let (_, secret) = issue_key(turn, KeyOwner::Agent(id), &actor, None)?;
                turn.remember(once.as_ref(), &Made { id })?;
                Ok((id, Some(secret)))
            })
            .await?;
        Ok(Created {
            made: self.agent(caller, &id.to_string())?,
            secret,
        })
    }

    /// Changes an agent. Switched off, its keys open nothing and its pending approvals are withdrawn.
    ///
    /// # Errors
    /// If there is none.
    pub async fn update_agent(
        &self,
        caller: &Caller,
        agent: &str,
        update: UpdateAgent,
    ) -> EngineResult<AgentView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        if let Some(labels) = &update.labels {
            check_labels(labels)?;
        }
        let (caller_then, name) = (caller.clone(), agent.to_owned());
        self.write(&tenant, Wants::default(), move |turn| {
            let actor = turn.principal(&caller_then, Operation::Govern)?.0.actor();
            let snapshot = turn.snapshot();
            let row = snapshot
                .find_agent(&name)
                .ok_or_else(|| EngineError::not_found("agent", &name))?;
            let mut put = agent_put(row);
            if let Some(labels) = &update.labels {
                put.labels.clone_from(labels);
            }
            if let Some(text) = &update.owner {
                put.owner = owner(&snapshot, Some(text))?;
            }
            put.disabled = update.disabled.unwrap_or(put.disabled);
            if put != agent_put(row) {
                turn.bring(RowKey::Agent(row.id));
                turn.emit(Draft::new(Event::AgentPut(put), actor, row.id))?;
            }
            Ok(())
        })
        .await?;
        self.agent(caller, agent)
    }

    /// A new key for an agent; the old ones open nothing from then on.
    ///
    /// # Errors
    /// If there is no such agent.
    pub async fn rotate_agent_key(
        &self,
        caller: &Caller,
        agent: &str,
        key: Option<&str>,
    ) -> EngineResult<Created<AgentView>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        let id = self.agent(caller, agent)?.row.id;
        let secret = self.rotate(&tenant, caller, KeyOwner::Agent(id), key).await?;
        Ok(Created {
            made: self.agent(caller, agent)?,
            secret,
        })
    }

    async fn rotate(
        &self,
        tenant: &crate::tenant::Tenant,
        caller: &Caller,
        owner: KeyOwner,
        key: Option<&str>,
    ) -> EngineResult<Option<SecretString>> {
        let once = Once::of(tenant, caller, "rotate_key", key, &owner)?;
        let mut wants = Wants::default();
        want(&mut wants, once.as_ref());
        let caller = caller.clone();
        self.write(tenant, wants, move |turn| {
            let actor = turn.principal(&caller, Operation::Govern)?.0.actor();
            if turn.before::<()>(once.as_ref())?.is_some() {
                return Ok(None);
            }
            let secret = rotate_key(turn, owner, &actor)?;
            turn.remember(once.as_ref(), &())?;
            Ok(Some(secret))
        })
        .await
    }

    /// Applications by name.
    ///
    /// # Errors
    /// If the caller may not see them.
    pub fn applications(
        &self,
        caller: &Caller,
        beyond: Option<u64>,
        limit: u32,
    ) -> EngineResult<Page<ApplicationView>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        let snapshot = tenant.snapshot();
        let mut rows: Vec<&ApplicationRow> = snapshot.rows.applications.values().collect();
        rows.sort_by_key(|row| row.name.to_ascii_lowercase());
        let found = page(rows, beyond, limit)?;
        Ok(Page {
            items: found
                .items
                .into_iter()
                .map(|row| application_view(&snapshot, row))
                .collect(),
            next: found.next,
        })
    }

    /// One application by id or name.
    ///
    /// # Errors
    /// If there is none.
    pub fn application(&self, caller: &Caller, application: &str) -> EngineResult<ApplicationView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        let snapshot = tenant.snapshot();
        let row = snapshot
            .find_application(application)
            .ok_or_else(|| EngineError::not_found("application", application))?;
        Ok(application_view(&snapshot, row))
    }

    /// Makes an application with its key.
    ///
    /// # Errors
    /// If the name is taken or not a name.
    pub async fn create_application(
        &self,
        caller: &Caller,
        create: CreateApplication,
        key: Option<&str>,
    ) -> EngineResult<Created<ApplicationView>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        check_name(&create.name).map_err(|why| EngineError::invalid("/name", why))?;
        check_globs(&create.agents)?;
        let once = Once::of(
            &tenant,
            caller,
            "create_application",
            key,
            &(&create.name, &create.agents, create.register_new),
        )?;
        let mut wants = Wants::default();
        want(&mut wants, once.as_ref());
        let caller_then = caller.clone();
        let (id, secret) = self
            .write(&tenant, wants, move |turn| {
                let actor = turn.principal(&caller_then, Operation::Govern)?.0.actor();
                if let Some(made) = turn.before::<Made<ApplicationId>>(once.as_ref())? {
                    return Ok((made.id, None));
                }
                if turn.snapshot().find_application(&create.name).is_some() {
                    return Err(EngineError::NameTaken {
                        kind: "an application",
                        name: create.name.clone(),
                    });
                }
                let id = ApplicationId(mint_id(turn.now()));
                let put = ApplicationPut {
                    name: create.name.clone(),
                    agents: create.agents.clone(),
                    register_new: create.register_new,
                    disabled: false,
                };
                turn.emit(Draft::new(Event::ApplicationPut(put), actor.clone(), id))?;
                let (_, secret) = issue_key(turn, KeyOwner::Application(id), &actor, None)?;
                turn.remember(once.as_ref(), &Made { id })?;
                Ok((id, Some(secret)))
            })
            .await?;
        Ok(Created {
            made: self.application(caller, &id.to_string())?,
            secret,
        })
    }

    /// Changes an application.
    ///
    /// # Errors
    /// If there is none.
    pub async fn update_application(
        &self,
        caller: &Caller,
        application: &str,
        update: UpdateApplication,
    ) -> EngineResult<ApplicationView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        if let Some(agents) = &update.agents {
            check_globs(agents)?;
        }
        let (caller_then, name) = (caller.clone(), application.to_owned());
        self.write(&tenant, Wants::default(), move |turn| {
            let actor = turn.principal(&caller_then, Operation::Govern)?.0.actor();
            let snapshot = turn.snapshot();
            let row = snapshot
                .find_application(&name)
                .ok_or_else(|| EngineError::not_found("application", &name))?;
            let put = ApplicationPut {
                name: row.name.clone(),
                agents: update.agents.clone().unwrap_or_else(|| row.agents.clone()),
                register_new: update.register_new.unwrap_or(row.register_new),
                disabled: update.disabled.unwrap_or(row.disabled),
            };
            turn.bring(RowKey::Application(row.id));
            turn.emit(Draft::new(Event::ApplicationPut(put), actor, row.id))
                .map(drop)
        })
        .await?;
        self.application(caller, application)
    }

    /// A new key for an application; the old ones open nothing from then on.
    ///
    /// # Errors
    /// If there is no such application.
    pub async fn rotate_application_key(
        &self,
        caller: &Caller,
        application: &str,
        key: Option<&str>,
    ) -> EngineResult<Created<ApplicationView>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        let id = self.application(caller, application)?.row.id;
        let secret = self
            .rotate(&tenant, caller, KeyOwner::Application(id), key)
            .await?;
        Ok(Created {
            made: self.application(caller, application)?,
            secret,
        })
    }
}

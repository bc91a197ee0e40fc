//! Agents: who asks.

use std::collections::BTreeMap;

use signoff_core::{
    authority::Operation,
    event::{AgentPut, Event, KeyOwner},
    fold::RowKey,
    id::{AgentId, ApplicationId, OperatorId},
    name::check_name,
    rows::AgentRow,
};
use signoff_store::Wants;

use crate::{
    Engine, EngineError, EngineResult, KeyShape,
    idempotency::{Once, want},
    request::{CreateAgent, UpdateAgent},
    snapshot::Snapshot,
    turn::{Draft, mint_id},
    view::{AgentView, Caller, Created, Named, Page},
};

use crate::keys::{Made, issue_key, page};

/// How many labels an agent has.
const LABELS_MAX: usize = 50;
/// How many bytes all of them have: an agent stands whole in one record.
const LABELS_BYTES_MAX: usize = 16 * 1024;

fn check_labels(labels: &BTreeMap<String, String>) -> EngineResult<()> {
    let bytes: usize = labels.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > LABELS_BYTES_MAX {
        return Err(EngineError::invalid(
            "/labels",
            format!("all labels together have at most {LABELS_BYTES_MAX} bytes"),
        ));
    }
    let fits =
        |text: &str| !text.is_empty() && text.chars().count() <= 200 && !text.chars().any(char::is_control);
    if labels.len() > LABELS_MAX || !labels.iter().all(|(key, value)| fits(key) && fits(value)) {
        let why = format!("at most {LABELS_MAX} labels, keys and values of 1 to 200 characters");
        return Err(EngineError::invalid("/labels", why));
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

pub(crate) fn agent_put(row: &AgentRow) -> AgentPut {
    AgentPut {
        name: row.name.clone(),
        labels: row.labels.clone(),
        owner: row.owner,
        disabled: row.disabled,
        registered_by: row.registered_by,
    }
}

pub(crate) fn agent_view(snapshot: &Snapshot, row: &AgentRow) -> AgentView {
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
        let same = (&create.name, &create.labels, &create.owner, create.key);
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
                let (_, secret) = issue_key(turn, KeyOwner::Agent(id), create.key, &actor, None, None)?;
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
        shape: KeyShape,
        key: Option<&str>,
    ) -> EngineResult<Created<AgentView>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        let id = self.agent(caller, agent)?.row.id;
        let owner = KeyOwner::Agent(id);
        let secret = self.rotate(&tenant, caller, owner, shape, key).await?;
        Ok(Created {
            made: self.agent(caller, agent)?,
            secret,
        })
    }
}

//! The keys of one agent: a further one beside those it has, one taken away, all taken away with the agent.

use signoff_core::{
    actor::Actor,
    authority::Operation,
    event::{Event, KeyOwner, Nothing},
    fold::RowKey,
    id::{AgentId, KeyId},
    record::Record,
    rows::KeyRow,
};
use signoff_store::{RecordQuery, Wants};

use crate::{
    Engine, EngineError, EngineResult, KeyShape,
    agents::agent_put,
    delegations::delegations,
    idempotency::{Once, want},
    keys::{Made, issue_key},
    snapshot::Snapshot,
    tenant::Tenant,
    turn::{Draft, Turn},
    view::{AgentView, Caller, Created, KeyView},
};

/// How many keys of an agent may work at the same time.
pub const AGENT_KEYS_MAX: usize = 10;

/// The keys that were given to an agent, oldest first.
fn keys_of(snapshot: &Snapshot, agent: AgentId) -> Vec<&KeyRow> {
    let keys = snapshot.rows.keys.values();
    let own = keys.filter(|row| row.owner == KeyOwner::Agent(agent) && row.delegation.is_none());
    let mut rows: Vec<&KeyRow> = own.collect();
    rows.sort_by_key(|row| row.set_seq);
    rows
}

fn revoke(turn: &mut Turn<'_>, actor: &Actor, key: KeyId) -> EngineResult<()> {
    turn.bring(RowKey::Key(key));
    turn.emit(Draft::new(Event::KeyRevoked(Nothing {}), actor.clone(), key))
        .map(drop)
}

fn live(rows: &[&KeyRow]) -> usize {
    rows.iter().filter(|row| !row.revoked).count()
}

impl Engine {
    /// The keys that an agent has and had, oldest first.
    ///
    /// # Errors
    /// If there is no such agent.
    pub async fn agent_keys(&self, caller: &Caller, agent: &str) -> EngineResult<Vec<KeyView>> {
        let tenant = self.tenant(caller)?;
        let id = self.agent(caller, agent)?.row.id;
        let snapshot = tenant.snapshot();
        let mut views = Vec::new();
        for row in keys_of(&snapshot, id) {
            views.push(self.key_view(&tenant, row).await?);
        }
        Ok(views)
    }

    async fn key_view(&self, tenant: &Tenant, row: &KeyRow) -> EngineResult<KeyView> {
        let revoked_at = if row.revoked {
            let query = RecordQuery {
                limit: 1,
                newest_first: true,
                subject: Some(row.id.0),
                event_type: Some("key.revoked.".to_owned()),
                ..RecordQuery::default()
            };
            let records = self.store().records(tenant.id, &query).await?;
            // Where the log does not reach back so far, it was before everything that it tells.
            let record = records
                .first()
                .map(|stored| serde_json::from_slice::<Record>(&stored.bytes));
            let record = record.transpose().map_err(|_| EngineError::Internal)?;
            Some(record.map_or(row.created_at, |record| record.time))
        } else {
            None
        };
        Ok(KeyView {
            id: row.id,
            hint: row.hint.clone(),
            created_at: row.created_at,
            revoked_at,
        })
    }

    /// A further key for an agent; the others go on working.
    ///
    /// # Errors
    /// If there is no such agent, or it has as many as it may.
    pub async fn create_agent_key(
        &self,
        caller: &Caller,
        agent: &str,
        shape: KeyShape,
        key: Option<&str>,
    ) -> EngineResult<Created<KeyView>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        let agent = self.agent(caller, agent)?.row.id;
        let once = Once::of(&tenant, caller, "create_agent_key", key, &(agent, shape))?;
        let mut wants = Wants::default();
        want(&mut wants, once.as_ref());
        let caller = caller.clone();
        let (id, secret) = self
            .write(&tenant, wants, move |turn| {
                let actor = turn.principal(&caller, Operation::Govern)?.0.actor();
                if let Some(made) = turn.before::<Made<KeyId>>(once.as_ref())? {
                    return Ok((made.id, None));
                }
                if live(&keys_of(&turn.snapshot(), agent)) >= AGENT_KEYS_MAX {
                    let why = format!(
                        "the agent has {AGENT_KEYS_MAX} keys, which is the limit; take one away first"
                    );
                    return Err(EngineError::StillNeeded(why));
                }
                let (id, secret) = issue_key(turn, KeyOwner::Agent(agent), shape, &actor, None, None)?;
                turn.remember(once.as_ref(), &Made { id })?;
                Ok((id, Some(secret)))
            })
            .await?;
        let snapshot = tenant.snapshot();
        let row = snapshot.rows.keys.get(&id).ok_or(EngineError::Internal)?;
        Ok(Created {
            made: self.key_view(&tenant, row).await?,
            secret,
        })
    }

    /// Takes one key of an agent away, and with it all that the agent handed on: nobody knows with which key.
    ///
    /// # Errors
    /// If there is none; if it is the last one that works, unless `also_last`.
    pub async fn revoke_agent_key(
        &self,
        caller: &Caller,
        agent: &str,
        key: KeyId,
        also_last: bool,
    ) -> EngineResult<KeyView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        let agent = self.agent(caller, agent)?.row.id;
        let caller = caller.clone();
        self.write(&tenant, Wants::default(), move |turn| {
            let actor = turn.principal(&caller, Operation::Govern)?.0.actor();
            let snapshot = turn.snapshot();
            let rows = keys_of(&snapshot, agent);
            let row = rows.iter().find(|row| row.id == key);
            let row = row.ok_or_else(|| EngineError::not_found("key", key))?;
            if row.revoked {
                return Ok(());
            }
            if !also_last && live(&rows) == 1 {
                let why = "it is the agent's last key; give the agent another one first";
                return Err(EngineError::StillNeeded(why.to_owned()));
            }
            revoke(turn, &actor, key)?;
            for handed_on in delegations(&snapshot, agent).filter(|row| !row.revoked) {
                revoke(turn, &actor, handed_on.id)?;
            }
            Ok(())
        })
        .await?;
        let snapshot = tenant.snapshot();
        let row = snapshot.rows.keys.get(&key).ok_or(EngineError::Internal)?;
        self.key_view(&tenant, row).await
    }

    /// Switches an agent off and takes all its keys away, in one. What it has pending is withdrawn.
    ///
    /// # Errors
    /// If there is none.
    pub async fn retire_agent(&self, caller: &Caller, agent: &str) -> EngineResult<AgentView> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        let id = self.agent(caller, agent)?.row.id;
        let caller_then = caller.clone();
        self.write(&tenant, Wants::default(), move |turn| {
            let actor = turn.principal(&caller_then, Operation::Govern)?.0.actor();
            let snapshot = turn.snapshot();
            let keys = keys_of(&snapshot, id)
                .into_iter()
                .chain(delegations(&snapshot, id));
            for row in keys.filter(|row| !row.revoked) {
                revoke(turn, &actor, row.id)?;
            }
            let row = snapshot.rows.agents.get(&id);
            let row = row.ok_or_else(|| EngineError::not_found("agent", id))?;
            if !row.disabled {
                let mut put = agent_put(row);
                put.disabled = true;
                turn.bring(RowKey::Agent(id));
                turn.emit(Draft::new(Event::AgentPut(put), actor, id))?;
            }
            Ok(())
        })
        .await?;
        self.agent(caller, &id.to_string())
    }
}

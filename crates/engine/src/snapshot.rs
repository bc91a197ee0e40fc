//! What judging and authenticating read: policies, people, keys of one workspace in one immutable value. No database, no
//! lock. A new one takes over the prepared policies that did not change.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, OnceLock},
};

use signoff_core::{
    action::Action,
    event::KeyOwner,
    fold::Rows,
    grant::{GrantRow, PreparedGrant},
    id::{AgentId, ChannelId, GrantId, KeyId, OperatorId, PolicyId, StandingId, WorkspaceId},
    judge::{AgentFacts, PolicySet, Prepared, Verdict},
    policy::{Effect, People, PolicyRef, Settings},
    record::Epochs,
    requirement::{Approver, Role, Roster},
    rows::{AgentRow, ApplicationRow, ChannelRow, GroupRow, KeyRow, LogEpoch, OperatorRow, PolicyRow},
    stop::Stops,
    time::Timestamp,
};
use signoff_egress::Credential;
use signoff_notify::Transport;
use signoff_store::{Authority, PersonRow, SecretKind, StoreError};

use crate::{
    channels::{has_own_destination, opened},
    contact::Contact,
    seal::WorkspaceKey,
    standing::Standing,
};

/// The value of a grant: as it is stored, and opened once a call needs it. Opening it, and making what looks for it in
/// answers, costs as much as the rest of a call's preparation.
struct HeldValue {
    sealed: Vec<u8>,
    opened: OnceLock<Option<Credential>>,
}

/// One workspace as of some epochs.
pub(crate) struct Snapshot {
    pub(crate) epochs: Epochs,
    pub(crate) policies: PolicySet,
    /// All folded rows but approvals, executions and counters.
    pub(crate) rows: Rows,
    prepared: HashMap<(PolicyId, u64), Arc<Prepared>>,
    keys: HashMap<[u8; 32], KeyId>,
    passwords: HashMap<OperatorId, Vec<u8>>,
    channels: HashMap<ChannelId, Vec<u8>>,
    contacts: HashMap<OperatorId, Contact>,
    /// Channels for people that have a destination of their own beside the people whom they reach.
    own_destinations: HashSet<ChannelId>,
    /// Callback channels with the URLs that requests may name.
    callbacks: Vec<(ChannelId, Vec<String>)>,
    credentials: HashMap<GrantId, HeldValue>,
    grants: HashMap<GrantId, (u64, Arc<PreparedGrant>)>,
    people: HashMap<OperatorId, PersonRow>,
    by_email: HashMap<String, OperatorId>,
    agents_by_name: HashMap<String, AgentId>,
    facts: HashMap<AgentId, AgentFacts>,
    standing: Standing,
}

impl Snapshot {
    /// Builds one from what the store holds.
    ///
    /// A stored secret whose digest is not the one in the log opens nothing: it was changed behind the log's back.
    pub(crate) fn build(
        workspace: WorkspaceId,
        authority: Authority,
        key: &WorkspaceKey,
        previous: Option<&Self>,
    ) -> Result<Self, StoreError> {
        let head = authority
            .head
            .ok_or_else(|| StoreError::Damaged(format!("{workspace} has no log")))?;
        let rows = authority.rows;
        let (policies, prepared) = prepare(&rows, previous)?;
        let policies = policies.among(Arc::new(active_people(&rows, &authority.people)));
        let mut snapshot = Self {
            epochs: head.epochs,
            policies,
            prepared,
            keys: HashMap::new(),
            passwords: HashMap::new(),
            channels: HashMap::new(),
            contacts: HashMap::new(),
            own_destinations: HashSet::new(),
            callbacks: Vec::new(),
            credentials: HashMap::new(),
            grants: prepare_grants(&rows, previous)?,
            people: HashMap::new(),
            by_email: HashMap::new(),
            agents_by_name: rows
                .agents
                .values()
                .map(|row| (row.name.to_ascii_lowercase(), row.id))
                .collect(),
            facts: rows.agents.values().map(|row| (row.id, facts(row))).collect(),
            standing: Standing::of(&rows),
            rows,
        };
        for secret in authority.secrets {
            let digest = key.secret_digest(secret.kind, secret.id, &secret.value);
            let genuine = snapshot.digest_in_log(secret.kind, secret.id) == Some(digest);
            match (secret.kind, genuine) {
                (_, false) => {
                    tracing::error!(kind = secret.kind.as_str(), id = %secret.id, "a stored secret is not the one in the log; it is ignored");
                }
                (SecretKind::Key, true) => {
                    if let Ok(hash) = <[u8; 32]>::try_from(secret.value.as_slice()) {
                        snapshot.keys.insert(hash, KeyId(secret.id));
                    }
                }
                (SecretKind::Password, true) => {
                    drop(snapshot.passwords.insert(OperatorId(secret.id), secret.value));
                }
                (SecretKind::Channel, true) => snapshot.take_channel(ChannelId(secret.id), secret.value, key),
                (SecretKind::Contact, true) => {
                    let id = OperatorId(secret.id);
                    let opened = key.open_contact(secret.id, &secret.value);
                    if let Some(contact) = opened.and_then(|opened| serde_json::from_slice(&opened).ok()) {
                        snapshot.contacts.insert(id, contact);
                    }
                }
                (SecretKind::Grant, true) => {
                    let value = HeldValue {
                        sealed: secret.value,
                        opened: OnceLock::new(),
                    };
                    drop(snapshot.credentials.insert(GrantId(secret.id), value));
                }
            }
        }
        for person in authority.people {
            snapshot.by_email.insert(person.email.to_lowercase(), person.id);
            snapshot.people.insert(person.id, person);
        }
        Ok(snapshot)
    }

    fn digest_in_log(
        &self,
        kind: SecretKind,
        id: signoff_core::id::RawId,
    ) -> Option<signoff_core::payload::Hash32> {
        match kind {
            SecretKind::Key => self.rows.keys.get(&KeyId(id)).map(|row| row.digest),
            SecretKind::Password => self
                .rows
                .operators
                .get(&OperatorId(id))
                .and_then(|row| row.password_digest),
            SecretKind::Contact => self
                .rows
                .operators
                .get(&OperatorId(id))
                .and_then(|row| row.contact_digest),
            SecretKind::Channel => self.rows.channels.get(&ChannelId(id)).map(|row| row.digest),
            SecretKind::Grant => self.rows.grants.get(&GrantId(id)).map(|row| row.digest),
        }
    }

    /// Since when what was approved is held, if the log ever went on in another place.
    pub(crate) fn log_epoch(&self) -> Option<LogEpoch> {
        self.rows.workspace.as_ref().and_then(|row| row.log_epoch)
    }

    pub(crate) fn settings(&self) -> &Settings {
        self.policies.settings()
    }

    /// Who a key belongs to, while it opens anything.
    pub(crate) fn key(&self, hash: &[u8; 32], now: Timestamp) -> Option<&KeyRow> {
        self.live_key(*self.keys.get(hash)?, now)
    }

    /// A key, whether or not it opens anything.
    pub(crate) fn key_row(&self, hash: &[u8; 32]) -> Option<&KeyRow> {
        self.keys.get(hash).and_then(|id| self.rows.keys.get(id))
    }

    /// A key that is not revoked, whose time has not passed, and whose owner is not switched off.
    pub(crate) fn live_key(&self, id: KeyId, now: Timestamp) -> Option<&KeyRow> {
        let row = self.rows.keys.get(&id).filter(|row| !row.revoked)?;
        if row.delegation.as_ref().is_some_and(|part| now >= part.expires_at) {
            return None;
        }
        let alive = match row.owner {
            KeyOwner::Agent(id) => self.rows.agents.get(&id).is_some_and(|row| !row.disabled),
            KeyOwner::Application(id) => self.rows.applications.get(&id).is_some_and(|row| !row.disabled),
            KeyOwner::Operator(id) => self.active_operator(id).is_some(),
        };
        alive.then_some(row)
    }

    pub(crate) fn active_operator(&self, id: OperatorId) -> Option<&OperatorRow> {
        self.rows.operators.get(&id).filter(|row| !row.disabled)
    }

    pub(crate) fn password(&self, id: OperatorId) -> Option<&[u8]> {
        self.passwords.get(&id).map(Vec::as_slice)
    }

    /// How a person is reached.
    pub(crate) fn contact(&self, id: OperatorId) -> Contact {
        self.contacts.get(&id).cloned().unwrap_or_default()
    }

    fn take_channel(&mut self, id: ChannelId, sealed: Vec<u8>, key: &WorkspaceKey) {
        let opened = opened(key, id, &sealed);
        if opened.as_ref().is_some_and(has_own_destination) {
            self.own_destinations.insert(id);
        }
        if let Some(Transport::Callback(callback)) = opened {
            self.callbacks.push((id, callback.allow));
        }
        self.channels.insert(id, sealed);
    }

    /// Whether a channel tells anybody beside single people.
    pub(crate) fn has_own_destination(&self, id: ChannelId) -> bool {
        self.own_destinations.contains(&id)
    }

    /// The callback channel that lets requests name this URL.
    pub(crate) fn callback_channel(&self, url: &url::Url) -> Option<ChannelId> {
        let live = self.callbacks.iter().filter(|(id, _)| {
            let row = self.rows.channels.get(id);
            row.is_some_and(|row| !row.removed && !row.disabled)
        });
        let mut allowing = live.filter(|(_, allow)| {
            allow
                .iter()
                .any(|allowed| crate::callback::is_below(url, allowed))
        });
        allowing.next().map(|(id, _)| *id)
    }

    /// Whoever is this user of this Slack workspace, as that channel's app vouched.
    pub(crate) fn operator_at_slack(&self, channel: ChannelId, team: &str, user: &str) -> Option<OperatorId> {
        let mut contacts = self.contacts.iter();
        let found = contacts.find(|(_, contact)| {
            let mut identities = contact.slack.iter();
            identities.any(|one| one.channel == channel && one.team == team && one.user == user)
        });
        found.map(|(id, _)| *id)
    }

    pub(crate) fn channel_secret(&self, id: ChannelId) -> Option<&[u8]> {
        self.channels.get(&id).map(Vec::as_slice)
    }

    /// The sealed value of a grant.
    pub(crate) fn credential(&self, id: GrantId) -> Option<&[u8]> {
        Some(&self.credentials.get(&id)?.sealed)
    }

    /// What goes into calls with a grant of this snapshot; none if its value does not open, or can't stand where it goes.
    pub(crate) fn opened_credential(&self, row: &GrantRow, key: &WorkspaceKey) -> Option<&Credential> {
        let held = self.credentials.get(&row.id)?;
        let open = || {
            let value = key.grant_value(row, &held.sealed)?;
            Credential::new(row.grant.credential.clone(), value).ok()
        };
        held.opened.get_or_init(open).as_ref()
    }

    /// A grant that was not taken away.
    pub(crate) fn grant(&self, id: GrantId) -> Option<(&GrantRow, &Arc<PreparedGrant>)> {
        let row = self.rows.grants.get(&id).filter(|row| !row.removed)?;
        Some((row, &self.grants.get(&id)?.1))
    }

    /// A grant that was not taken away, by id or name.
    pub(crate) fn find_grant(&self, text: &str) -> Option<&GrantRow> {
        let by_id = text.parse().ok().and_then(|id| self.rows.grants.get(&id));
        let by_name = || {
            let mut rows = self.rows.grants.values();
            rows.find(|row| !row.removed && row.grant.name.eq_ignore_ascii_case(text))
        };
        by_id.filter(|row| !row.removed).or_else(by_name)
    }

    /// What a grant is called, gone or not.
    pub(crate) fn grant_name(&self, id: GrantId) -> String {
        let row = self.rows.grants.get(&id);
        row.map_or_else(|| id.to_string(), |row| row.grant.name.clone())
    }

    /// Channels that tell something.
    pub(crate) fn live_channels(&self) -> impl Iterator<Item = &ChannelRow> {
        self.rows
            .channels
            .values()
            .filter(|row| !row.removed && !row.disabled)
    }

    pub(crate) fn person(&self, id: OperatorId) -> Option<&PersonRow> {
        self.people.get(&id)
    }

    pub(crate) fn operator_by_email(&self, email: &str) -> Option<OperatorId> {
        self.by_email.get(&email.trim().to_lowercase()).copied()
    }

    /// An operator by id or e-mail address.
    pub(crate) fn find_operator(&self, text: &str) -> Option<&OperatorRow> {
        let id = text.parse().ok().or_else(|| self.operator_by_email(text))?;
        self.rows.operators.get(&id)
    }

    pub(crate) fn agent_by_name(&self, name: &str) -> Option<&AgentRow> {
        self.agents_by_name
            .get(&name.to_ascii_lowercase())
            .and_then(|id| self.rows.agents.get(id))
    }

    /// An agent by id or name.
    pub(crate) fn find_agent(&self, text: &str) -> Option<&AgentRow> {
        text.parse()
            .ok()
            .and_then(|id| self.rows.agents.get(&id))
            .or_else(|| self.agent_by_name(text))
    }

    /// An application by id or name.
    pub(crate) fn find_application(&self, text: &str) -> Option<&ApplicationRow> {
        let by_id = text.parse().ok().and_then(|id| self.rows.applications.get(&id));
        by_id.or_else(|| {
            self.rows
                .applications
                .values()
                .find(|row| row.name.eq_ignore_ascii_case(text))
        })
    }

    pub(crate) fn find_group(&self, name: &str) -> Option<&GroupRow> {
        self.rows
            .groups
            .values()
            .find(|row| !row.removed && row.name.eq_ignore_ascii_case(name))
    }

    /// A policy in force by id or name.
    pub(crate) fn find_policy(&self, text: &str) -> Option<&PolicyRow> {
        let by_id = text.parse().ok().and_then(|id| self.rows.policies.get(&id));
        let found = by_id.or_else(|| {
            self.rows
                .policies
                .values()
                .find(|row| !row.removed && row.doc.name.eq_ignore_ascii_case(text))
        });
        found.filter(|row| !row.removed)
    }

    /// Standing approvals that a batch must read before this is asked.
    pub(crate) fn standing_of_kind(
        &self,
        action: &Action,
        agent: &AgentFacts,
        now: Timestamp,
    ) -> Vec<StandingId> {
        self.standing.of_kind(action, agent, now)
    }

    /// Those of them that may answer in place of a person, soonest to expire first. Whether they still do is known in the
    /// batch alone.
    pub(crate) fn standing(
        &self,
        action: &Action,
        agent: &AgentFacts,
        verdict: &Verdict,
        now: Timestamp,
    ) -> Vec<StandingId> {
        match &verdict.policy {
            Some(policy) if verdict.effect == Effect::Ask && !action.require_approval => {
                self.standing.for_request(action, agent, policy, now)
            }
            _ => Vec::new(),
        }
    }

    /// This very version of a policy, ready to judge, while it is in force.
    pub(crate) fn prepared(&self, policy: &PolicyRef) -> Option<&Arc<Prepared>> {
        self.prepared.get(&(policy.id, policy.version))
    }

    /// What policies see of an agent.
    pub(crate) fn facts(&self, agent: AgentId) -> Option<&AgentFacts> {
        self.facts.get(&agent)
    }

    pub(crate) fn agent_name(&self, agent: AgentId) -> String {
        self.rows
            .agents
            .get(&agent)
            .map_or_else(|| agent.to_string(), |row| row.name.clone())
    }

    /// When the live key of an owner was made.
    pub(crate) fn key_created_at(&self, owner: KeyOwner) -> Option<Timestamp> {
        self.rows
            .keys
            .values()
            .filter(|row| row.owner == owner && !row.revoked && row.delegation.is_none())
            .map(|row| row.created_at)
            .max()
    }
}

/// What policies see of an agent.
pub(crate) fn facts(row: &AgentRow) -> AgentFacts {
    AgentFacts::new(row.id, &row.name, &row.labels, row.owner)
}

/// Whom an address of the context may name.
fn active_people(rows: &Rows, people: &[PersonRow]) -> People {
    let is_active = |id| rows.operators.get(&id).is_some_and(|row| !row.disabled);
    let active = people.iter().filter(|person| is_active(person.id));
    active
        .map(|person| (person.email.to_lowercase(), person.id))
        .collect()
}

type GrantsById = HashMap<GrantId, (u64, Arc<PreparedGrant>)>;

/// Grants whose patterns are compiled; those that did not change are taken over.
fn prepare_grants(rows: &Rows, previous: Option<&Snapshot>) -> Result<GrantsById, StoreError> {
    let mut grants = HashMap::with_capacity(rows.grants.len());
    for row in rows.grants.values().filter(|row| !row.removed) {
        let known = previous.and_then(|previous| previous.grants.get(&row.id));
        let prepared = if let Some((_, prepared)) = known.filter(|(version, _)| *version == row.version) {
            Arc::clone(prepared)
        } else {
            let prepared = PreparedGrant::new(row.grant.clone());
            let damaged = |_| StoreError::Damaged(format!("the grant {} can't be read", row.id));
            Arc::new(prepared.map_err(damaged)?)
        };
        grants.insert(row.id, (row.version, prepared));
    }
    Ok(grants)
}

type PreparedById = HashMap<(PolicyId, u64), Arc<Prepared>>;

fn prepare(rows: &Rows, previous: Option<&Snapshot>) -> Result<(PolicySet, PreparedById), StoreError> {
    let settings = rows
        .workspace
        .as_ref()
        .map(|row| row.settings.clone())
        .unwrap_or_default();
    let in_force: BTreeMap<(u64, PolicyId), &PolicyRow> = rows
        .policies
        .values()
        .filter(|row| !row.removed)
        .map(|row| ((row.age, row.id), row))
        .collect();
    let (mut list, mut prepared) = (
        Vec::with_capacity(in_force.len()),
        HashMap::with_capacity(in_force.len()),
    );
    for row in in_force.into_values() {
        let known = previous.and_then(|previous| previous.prepared.get(&(row.id, row.version)));
        let policy = if let Some(policy) = known {
            Arc::clone(policy)
        } else {
            let reference = PolicyRef {
                id: row.id,
                name: row.doc.name.clone(),
                version: row.version,
            };
            Arc::new(Prepared::new(reference, row.doc.clone()).map_err(StoreError::Damaged)?)
        };
        prepared.insert((row.id, row.version), Arc::clone(&policy));
        list.push(policy);
    }
    Ok((
        PolicySet::new(list, settings, Stops::of(rows)).map_err(StoreError::Damaged)?,
        prepared,
    ))
}

impl Roster for Snapshot {
    fn is_named(&self, operator: OperatorId, approver: &Approver) -> bool {
        let Some(row) = self
            .active_operator(operator)
            .filter(|row| row.role >= Role::Member)
        else {
            return false;
        };
        match approver {
            Approver::Role(role) => row.role >= *role,
            Approver::Group(name) => self
                .find_group(name)
                .is_some_and(|group| group.members.contains(&operator)),
            Approver::Operator(id) => *id == operator,
            Approver::Email(address) => self
                .person(operator)
                .is_some_and(|person| person.email.eq_ignore_ascii_case(address)),
            // The machine knows which agent is meant.
            Approver::AgentOwner => false,
        }
    }
}

//! What is kept encrypted beside the log: reading it back, and judging anew from it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde::{Serialize, de::DeserializeOwned};
use signoff_core::{
    action::Action,
    actor::Actor,
    approval::Selves,
    http::{Call, GivenCall},
    id::{OperatorId, RawId},
    json,
    payload::PayloadName,
    rows::ApprovalRow,
};
use signoff_store::{Store, StoredPayload};

use crate::{
    EngineError, EngineResult,
    seal::{SealedPayload, WorkspaceKey},
    snapshot::Snapshot,
    tenant::Tenant,
    view::{ActorView, Content},
};

/// The payloads of some records, opened.
#[derive(Default)]
pub(crate) struct Opened {
    by_record: HashMap<u64, BTreeMap<PayloadName, Vec<u8>>>,
}

impl Opened {
    /// Reads and opens the payloads of these records in one statement. What was erased is simply not there.
    ///
    /// # Errors
    /// [`EngineError::Internal`] where a payload was changed behind the log's back.
    pub(crate) async fn read(store: &dyn Store, tenant: &Tenant, sequences: &[u64]) -> EngineResult<Self> {
        Self::open(tenant, store.payloads(tenant.id, sequences).await?)
    }

    /// Opens payloads that were read.
    ///
    /// # Errors
    /// As [`Opened::read`].
    pub(crate) fn open(tenant: &Tenant, payloads: Vec<StoredPayload>) -> EngineResult<Self> {
        let mut opened = Self::default();
        for stored in payloads {
            if !opened.add(tenant, &stored) {
                return Err(EngineError::Internal);
            }
        }
        Ok(opened)
    }

    /// Reads and opens those payloads of these records that can be: what was changed is not there either.
    pub(crate) async fn read_intact(
        store: &dyn Store,
        tenant: &Tenant,
        sequences: &[u64],
    ) -> EngineResult<Self> {
        let mut opened = Self::default();
        for stored in store.payloads(tenant.id, sequences).await? {
            opened.add(tenant, &stored);
        }
        Ok(opened)
    }

    /// Whether it opened; where it was changed behind the log's back, it does not.
    fn add(&mut self, tenant: &Tenant, stored: &StoredPayload) -> bool {
        let (seq, name) = (stored.seq, stored.name);
        let Some(plain) = tenant.key.open(stored) else {
            tracing::error!(
                seq,
                name = name.as_str(),
                "a payload does not open: it was changed"
            );
            return false;
        };
        self.by_record
            .entry(seq)
            .or_default()
            .insert(name, plain.to_vec());
        true
    }

    fn bytes(&self, seq: u64, name: PayloadName) -> Option<&[u8]> {
        self.by_record.get(&seq)?.get(&name).map(Vec::as_slice)
    }

    /// Whether it is there.
    pub(crate) fn has(&self, seq: u64, name: PayloadName) -> bool {
        self.bytes(seq, name).is_some()
    }

    pub(crate) fn text(&self, seq: u64) -> Option<String> {
        self.bytes(seq, PayloadName::Text)
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    pub(crate) fn json<T: DeserializeOwned>(&self, seq: u64, name: PayloadName) -> Option<T> {
        serde_json::from_slice(self.bytes(seq, name)?).ok()
    }

    /// What an approval asks for as it stands: as it was submitted, or as approvers changed it.
    pub(crate) fn asked_content(&self, row: &ApprovalRow) -> Content {
        self.changed_content(row.submitted_seq, row.edits.last().map(|edit| edit.seq))
    }

    /// What a submission carried, with what an edit put in its place.
    pub(crate) fn changed_content(&self, submitted_seq: u64, edited_seq: Option<u64>) -> Content {
        let submitted = self.content(submitted_seq);
        match edited_seq {
            None => submitted,
            Some(seq) => Content {
                claims: submitted.claims,
                ..self.content(seq)
            },
        }
    }

    /// The call of a submission, as it was judged. None where there is none, or it was erased.
    fn call(&self, seq: u64) -> Option<Arc<Call>> {
        let stored: GivenCall = self.json(seq, PayloadName::Call)?;
        let body = self.bytes(seq, PayloadName::Body).map(<[u8]>::to_vec);
        let call = Call::restored(&stored, body);
        if call.is_none() {
            tracing::error!(seq, "a stored call does not read as it was judged");
        }
        call.map(Arc::new)
    }

    /// Bytes of a payload that is not read any further.
    pub(crate) fn raw(&self, seq: u64, name: PayloadName) -> Option<Vec<u8>> {
        self.bytes(seq, name).map(<[u8]>::to_vec)
    }

    /// What a submission carried. Inputs are always kept, so their absence means erasure.
    pub(crate) fn content(&self, submitted_seq: u64) -> Content {
        Content {
            erased: self.bytes(submitted_seq, PayloadName::Inputs).is_none(),
            inputs: self.json(submitted_seq, PayloadName::Inputs).unwrap_or_default(),
            context: self.json(submitted_seq, PayloadName::Context).unwrap_or_default(),
            claims: self.json(submitted_seq, PayloadName::Claims).unwrap_or_default(),
            conditions: self
                .json(submitted_seq, PayloadName::Judgement)
                .unwrap_or_default(),
            call: self.call(submitted_seq),
        }
    }
}

/// Seals a value as canonical JSON.
pub(crate) fn seal_json<T: Serialize>(
    key: &WorkspaceKey,
    subject: RawId,
    name: PayloadName,
    value: &T,
) -> EngineResult<SealedPayload> {
    let bytes = json::canonical(value).map_err(|error| {
        tracing::error!(%error, "a value can't be written as canonical JSON");
        EngineError::Internal
    })?;
    Ok(key.seal(subject, name, &bytes))
}

/// Seals free text, if there is any.
pub(crate) fn seal_text(key: &WorkspaceKey, subject: RawId, text: Option<&str>) -> Option<SealedPayload> {
    let text = text.map(str::trim).filter(|text| !text.is_empty())?;
    Some(key.seal(subject, PayloadName::Text, text.as_bytes()))
}

/// The action behind an approval, to judge it again.
pub(crate) fn asked(row: &ApprovalRow, content: &Content) -> EngineResult<Action> {
    if content.erased {
        tracing::error!(approval = %row.id, "what was asked is gone, so it can't be judged");
        return Err(EngineError::Internal);
    }
    if row.call.is_some() && content.call.is_none() {
        tracing::error!(approval = %row.id, "the call that was asked for can't be read, so it can't be judged");
        return Err(EngineError::Internal);
    }
    let claims = row.claims();
    Ok(Action {
        name: row.action.clone(),
        inputs: content.inputs.clone(),
        context: content.context.clone(),
        claims: content.claims.clone(),
        priority: claims.priority,
        risk: claims.risk,
        cost: claims.cost,
        timeout: row.timeout,
        require_approval: row.require_approval,
        accepts: row.accepts,
        http: content.call.clone(),
        grant: row.call.as_ref().and_then(|call| call.grant),
    })
}

impl Snapshot {
    /// Somebody with the name people know them by.
    pub(crate) fn named(&self, actor: &Actor) -> ActorView {
        use signoff_core::actor::ActorKind as K;
        let id = actor.id.as_deref();
        let name = match actor.kind {
            K::Operator => actor
                .operator()
                .and_then(|id| self.person(id))
                .map(|person| person.name.clone()),
            K::Agent => id.and_then(|id| self.find_agent(id)).map(|row| row.name.clone()),
            K::Application => id
                .and_then(|id| self.find_application(id))
                .map(|row| row.name.clone()),
            K::Automation => id.map(str::to_owned),
            K::System => Some(format!("Signoff ({})", id.unwrap_or("system"))),
            K::Stranger => None,
        };
        ActorView {
            kind: actor.kind,
            id: actor.id.clone(),
            auth: actor.auth,
            name,
        }
    }

    /// A person by name.
    pub(crate) fn person_view(&self, id: OperatorId) -> ActorView {
        let actor = Actor {
            kind: signoff_core::actor::ActorKind::Operator,
            id: Some(id.to_string()),
            auth: None,
        };
        self.named(&actor)
    }

    /// The people behind a request of this agent.
    pub(crate) fn selves(&self, agent: signoff_core::id::AgentId, requested_by: Option<&str>) -> Selves {
        let named = |claim: &str, id: &OperatorId| {
            let email = self.person(*id).map(|person| person.email.as_str());
            signoff_core::action::names_operator(claim, *id, email)
        };
        Selves {
            owner: self.rows.agents.get(&agent).and_then(|row| row.owner),
            requested_by: requested_by
                .and_then(|claim| self.rows.operators.keys().copied().find(|id| named(claim, id))),
        }
    }
}

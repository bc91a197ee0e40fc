//! The digest of an action and the commitments of payloads: bytes that every language must agree on, made once by an
//! implementation that shares no code with this one. Vectors: `spec/action_digest.json`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use signoff_core::{
    action::{Accepts, Cost, Priority, Risk},
    digest::{DigestFields, action_digest},
    id::{ActionId, AgentId, GrantId, WorkspaceId},
    json,
    payload::{Hash32, commitment},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    payloads: Vec<PayloadCase>,
    actions: Vec<ActionCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PayloadCase {
    name: String,
    salt: Hash32,
    content: String,
    commitment: Hash32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActionCase {
    name: String,
    fields: Value,
    canonical: String,
    digest: Hash32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    workspace: WorkspaceId,
    action_id: ActionId,
    agent: AgentId,
    action: String,
    inputs: Option<Hash32>,
    context: Option<Hash32>,
    claims: Option<Hash32>,
    priority: Priority,
    risk: Risk,
    estimated_cost: Option<Cost>,
    accepts: Accepts,
    call: Option<Hash32>,
    body: Option<Hash32>,
    grant: Option<GrantId>,
}

impl Fields {
    fn digested(&self) -> DigestFields<'_> {
        DigestFields {
            workspace: self.workspace,
            action_id: self.action_id,
            agent: self.agent,
            action: &self.action,
            inputs: self.inputs,
            context: self.context,
            claims: self.claims,
            priority: self.priority,
            risk: self.risk,
            estimated_cost: self.estimated_cost.as_ref(),
            accepts: self.accepts,
            call: self.call,
            body: self.body,
            grant: self.grant,
        }
    }
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../spec/action_digest.json")).expect("the vectors are readable")
}

#[test]
fn payload_commitments() {
    for case in vectors().payloads {
        assert_eq!(
            commitment(&case.salt.0, case.content.as_bytes()),
            case.commitment,
            "{}",
            case.name
        );
    }
}

#[test]
fn action_digests() {
    for case in vectors().actions {
        let fields: Fields = serde_json::from_value(case.fields.clone()).expect(&case.name);
        let canonical = json::canonical(&fields.digested()).expect(&case.name);
        assert_eq!(
            String::from_utf8(canonical).as_deref(),
            Ok(case.canonical.as_str()),
            "{}",
            case.name
        );
        assert_eq!(
            action_digest(&fields.digested()).expect(&case.name),
            case.digest,
            "{}",
            case.name
        );
    }
}

/// I2: whatever an approver could have seen differently has another digest.
#[test]
fn i2_one_change_anywhere_is_another_digest() {
    let vectors = vectors();
    let mut seen = BTreeMap::new();
    for case in &vectors.actions {
        if let Some(other) = seen.insert(case.digest, &case.name) {
            panic!("`{}` and `{other}` share a digest", case.name);
        }
    }
    for case in &vectors.payloads {
        if let Some(other) = seen.insert(case.commitment, &case.name) {
            panic!("`{}` and `{other}` share a commitment", case.name);
        }
    }
    // Every field that is digested is changed by some vector, so none can be left out of the digest unseen.
    let whole = vectors.actions.first().expect("the first vector says everything");
    let fields = whole.fields.as_object().expect("an object");
    for (key, value) in fields {
        let changed = |case: &&ActionCase| {
            let other = case.fields.as_object().expect("an object");
            let differing = fields
                .iter()
                .filter(|(key, value)| other.get(*key) != Some(*value))
                .count();
            differing == 1 && other.get(key) != Some(value)
        };
        assert!(
            vectors.actions.iter().any(|case| changed(&case)),
            "no vector changes `{key}` alone"
        );
    }
}

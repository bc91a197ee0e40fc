//! What has to change for a workspace to be as its file says. Pure: what is there and what is wanted come in.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};
use signoff_api::agent::{AgentCreate, AgentUpdate};
use signoff_api::file::{AgentEntry, GroupEntry, OperatorEntry, SignoffFile};
use signoff_api::grant::{GrantCreate, GrantUpdate};
use signoff_api::group::GroupPut;
use signoff_api::operator::{OperatorCreate, OperatorUpdate, Role};
use signoff_api::policy::{PendingChange, PolicyApplied, PolicyApply, PolicyBody};
use signoff_api::webhook::{WebhookCreate, WebhookUpdate};

use super::present::Present;

/// All that has to change, in the order in which it is done.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) changes: Vec<Change>,
    /// The whole set that makes the changes of policies and settings.
    pub(crate) policies: Option<PolicyApply>,
    pub(crate) pending: PendingChange,
    /// Pending approvals of agents that are switched off, which are cancelled.
    pub(crate) withdrawn: usize,
    /// Values of grants that nobody gave, without which nothing is done.
    pub(crate) missing: Vec<String>,
    /// Values of grants that nobody gave and that stay.
    pub(crate) kept: Vec<String>,
}

/// What happens to one thing.
#[derive(Debug, Serialize)]
pub(crate) struct Change {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    #[serde(rename = "change")]
    pub(crate) what: What,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) fields: Vec<Field>,
    /// How; nothing for what the policy set as a whole brings.
    #[serde(skip)]
    pub(crate) step: Option<Step>,
}

/// What kind of thing; their order is that of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Operator,
    Group,
    Agent,
    Grant,
    Channel,
    Setting,
    Policy,
}

impl Kind {
    pub(crate) fn heading(self) -> &'static str {
        match self {
            Self::Operator => "operators",
            Self::Group => "groups",
            Self::Agent => "agents",
            Self::Grant => "grants",
            Self::Channel => "channels",
            Self::Setting => "settings",
            Self::Policy => "policies",
        }
    }
}

/// Which change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    Create,
    Update,
    Remove,
    Disable,
}

impl What {
    pub(crate) fn sign(self) -> char {
        match self {
            Self::Create => '+',
            Self::Update => '~',
            Self::Remove | Self::Disable => '-',
        }
    }
}

/// One field, before and after.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Field {
    #[serde(rename = "field")]
    pub(crate) path: String,
    pub(crate) old: Value,
    pub(crate) new: Value,
}

/// One call to the server.
#[derive(Debug)]
pub(crate) enum Step {
    OperatorCreate(OperatorCreate),
    OperatorUpdate(String, OperatorUpdate),
    GroupPut(String, GroupPut),
    GroupRemove(String),
    AgentCreate(AgentCreate, bool),
    AgentUpdate(String, AgentUpdate),
    GrantCreate(Box<GrantCreate>),
    GrantUpdate(String, Box<GrantUpdate>),
    GrantRemove(String),
    ChannelCreate(WebhookCreate),
    ChannelUpdate(String, WebhookUpdate),
    ChannelRemove(String),
}

impl Change {
    pub(super) fn new(kind: Kind, name: &str, change: What, fields: Vec<Field>, step: Option<Step>) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            what: change,
            fields,
            step,
        }
    }
}

/// Fields whose parts are compared one by one.
const TAKEN_APART: [&str; 7] = [
    "approval",
    "labels",
    "http",
    "floor",
    "credential",
    "idempotent",
    "redact",
];

/// Fields that differ; the parts of `approval` one by one.
pub(crate) fn differences(old: &Value, new: &Value) -> Vec<Field> {
    let (old, new) = (flat(old), flat(new));
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    let value = |object: &Map<String, Value>, name: &String| object.get(name).cloned().unwrap_or(Value::Null);
    names
        .into_iter()
        .map(|name| Field {
            path: name.clone(),
            old: value(&old, name),
            new: value(&new, name),
        })
        .filter(|field| field.old != field.new)
        .collect()
}

fn flat(value: &Value) -> Map<String, Value> {
    let mut flat = Map::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        match value {
            Value::Object(parts) if TAKEN_APART.contains(&name.as_str()) => {
                flat.extend(
                    parts
                        .iter()
                        .map(|(part, value)| (format!("{name}.{part}"), value.clone())),
                );
            }
            _ => drop(flat.insert(name.clone(), value.clone())),
        }
    }
    flat
}

/// Everything but grants, channels (whose secrets the server compares) and policies, which it plans itself.
pub(crate) fn changes(file: &SignoffFile, present: &Present) -> Vec<Change> {
    let mut changes = Vec::new();
    if let Some(wanted) = &file.operators {
        changes.extend(operators(wanted, present));
    }
    if let Some(wanted) = &file.groups {
        changes.extend(groups(wanted, present));
    }
    if let Some(wanted) = &file.agents {
        changes.extend(agents(wanted, present));
    }
    changes
}

fn operators(wanted: &[OperatorEntry], present: &Present) -> Vec<Change> {
    let said =
        |name: &str, role: Role, disabled: bool| json!({"name": name, "role": role, "disabled": disabled});
    let mut changes = Vec::new();
    for entry in wanted {
        let new = said(&entry.name, entry.role, false);
        let found = present
            .operators
            .iter()
            .find(|one| one.email.eq_ignore_ascii_case(&entry.email));
        let Some(found) = found else {
            let create = OperatorCreate {
                name: entry.name.clone(),
                email: entry.email.clone(),
                role: entry.role,
                groups: None,
                password: None,
            };
            let fields = differences(&json!({"disabled": false}), &new);
            let step = Some(Step::OperatorCreate(create));
            changes.push(Change::new(
                Kind::Operator,
                &entry.email,
                What::Create,
                fields,
                step,
            ));
            continue;
        };
        let fields = differences(&said(&found.name, found.role, found.disabled), &new);
        if !fields.is_empty() {
            let update = OperatorUpdate {
                name: (found.name != entry.name).then(|| entry.name.clone()),
                role: (found.role != entry.role).then_some(entry.role),
                disabled: found.disabled.then_some(false),
                ..OperatorUpdate::default()
            };
            let step = Some(Step::OperatorUpdate(found.id.clone(), update));
            changes.push(Change::new(
                Kind::Operator,
                &found.email,
                What::Update,
                fields,
                step,
            ));
        }
    }
    let gone = present.operators.iter().filter(|one| {
        !one.disabled
            && !wanted
                .iter()
                .any(|entry| entry.email.eq_ignore_ascii_case(&one.email))
    });
    changes.extend(gone.map(|one| {
        let update = OperatorUpdate {
            disabled: Some(true),
            ..OperatorUpdate::default()
        };
        let step = Some(Step::OperatorUpdate(one.id.clone(), update));
        Change::new(Kind::Operator, &one.email, What::Disable, Vec::new(), step)
    }));
    changes
}

fn groups(wanted: &[GroupEntry], present: &Present) -> Vec<Change> {
    let said = |members: &[String]| {
        let mut members: Vec<String> = members
            .iter()
            .map(|one| present.email(one).to_ascii_lowercase())
            .collect();
        members.sort();
        members.dedup();
        json!({ "members": members })
    };
    let mut changes = Vec::new();
    for entry in wanted {
        let found = present
            .groups
            .iter()
            .find(|one| one.name.eq_ignore_ascii_case(&entry.name));
        let old = found.map_or(Value::Null, |one| {
            said(
                &one.members
                    .iter()
                    .map(|member| member.id.clone())
                    .collect::<Vec<_>>(),
            )
        });
        let fields = differences(&old, &said(&entry.members));
        if found.is_none() || !fields.is_empty() {
            let change = if found.is_some() {
                What::Update
            } else {
                What::Create
            };
            let put = GroupPut {
                members: entry.members.clone(),
            };
            let step = Some(Step::GroupPut(entry.name.clone(), put));
            changes.push(Change::new(Kind::Group, &entry.name, change, fields, step));
        }
    }
    let gone = present.groups.iter().filter(|one| {
        !wanted
            .iter()
            .any(|entry| entry.name.eq_ignore_ascii_case(&one.name))
    });
    changes.extend(gone.map(|one| {
        let step = Some(Step::GroupRemove(one.name.clone()));
        Change::new(Kind::Group, &one.name, What::Remove, Vec::new(), step)
    }));
    changes
}

fn agents(wanted: &[AgentEntry], present: &Present) -> Vec<Change> {
    let said = |labels: &BTreeMap<String, String>, owner: Option<&str>, disabled: bool| {
        let owner = owner.map(|owner| present.email(owner).to_ascii_lowercase());
        json!({"labels": labels, "owner": owner, "disabled": disabled})
    };
    let mut changes = Vec::new();
    for entry in wanted {
        let labels = entry.labels.clone().unwrap_or_default();
        let disabled = entry.disabled.unwrap_or_default();
        let new = said(&labels, entry.owner.as_deref(), disabled);
        let found = present
            .agents
            .iter()
            .find(|one| one.name.eq_ignore_ascii_case(&entry.name));
        let Some(found) = found else {
            let create = AgentCreate {
                name: entry.name.clone(),
                labels: (!labels.is_empty()).then_some(labels),
                owner: entry.owner.clone(),
                dialect: None,
            };
            let fields = differences(&json!({"disabled": false, "owner": null}), &new);
            let step = Some(Step::AgentCreate(create, disabled));
            changes.push(Change::new(Kind::Agent, &entry.name, What::Create, fields, step));
            continue;
        };
        let owner = found.owner.as_ref().map(|owner| owner.id.as_str());
        let fields = differences(&said(&found.labels, owner, found.disabled), &new);
        if !fields.is_empty() {
            let differs = |name: &str| {
                fields
                    .iter()
                    .any(|field| field.path.split('.').next() == Some(name))
            };
            let update = AgentUpdate {
                labels: differs("labels").then_some(labels),
                owner: differs("owner").then(|| entry.owner.clone().unwrap_or_default()),
                disabled: differs("disabled").then_some(disabled),
            };
            let step = Some(Step::AgentUpdate(found.id.clone(), update));
            changes.push(Change::new(Kind::Agent, &found.name, What::Update, fields, step));
        }
    }
    let gone = present.agents.iter().filter(|one| {
        !one.disabled
            && !wanted
                .iter()
                .any(|entry| entry.name.eq_ignore_ascii_case(&one.name))
    });
    changes.extend(gone.map(|one| {
        let update = AgentUpdate {
            disabled: Some(true),
            ..AgentUpdate::default()
        };
        let step = Some(Step::AgentUpdate(one.id.clone(), update));
        Change::new(Kind::Agent, &one.name, What::Disable, Vec::new(), step)
    }));
    changes
}

/// What the server says that a set would change, field by field.
pub(crate) fn policy_changes(
    applied: &PolicyApplied,
    wanted: &PolicyApply,
    normal: &[PolicyBody],
    present: &Present,
) -> Vec<Change> {
    let mut changes = Vec::new();
    let settings = |settings| serde_json::to_value(settings).unwrap_or_default();
    if let Some(new) = &wanted.settings {
        let fields = differences(&settings(&present.set.settings), &settings(new));
        let fields = fields.into_iter().filter(|field| !field.new.is_null());
        changes.extend(fields.map(|field| {
            let name = field.path.clone();
            Change::new(Kind::Setting, &name, What::Update, vec![field], None)
        }));
    }
    let body = |body: Option<&PolicyBody>| {
        let mut value = serde_json::to_value(body).unwrap_or_default();
        if let Some(object) = value.as_object_mut() {
            object.remove("name");
        }
        value
    };
    let new = |name: &str| body(normal.iter().find(|one| one.name == name));
    let old = |name: &str| {
        let found = present.set.items.iter();
        body(
            found
                .map(|one| &one.body)
                .find(|one| one.name.eq_ignore_ascii_case(name)),
        )
    };
    for (names, change) in [
        (&applied.added, What::Create),
        (&applied.changed, What::Update),
        (&applied.removed, What::Remove),
    ] {
        changes.extend(names.iter().map(|name| {
            let fields = match change {
                What::Create => differences(&Value::Null, &new(name)),
                What::Update => differences(&old(name), &new(name)),
                _ => Vec::new(),
            };
            Change::new(Kind::Policy, name, change, fields, None)
        }));
    }
    changes
}

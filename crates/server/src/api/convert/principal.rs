//! Agents, applications, operators, tokens, groups, the workspace, and who one is.

use secrecy::{ExposeSecret, SecretString};
use signoff_api::status::PrincipalStatus;
use signoff_api::{Code, KeyDialect, Secret, agent, application, group, operator, status, workspace};
use signoff_engine::KeyShape;
use signoff_engine::request::{CreateOperator, UpdateOperator};
use signoff_engine::view::{
    AgentView, ApplicationView, GroupView, Me, OperatorView, TokenView, WorkspaceView,
};

use super::super::problem::Refused;
use super::{Faults, ToCore, ToWire};

/// Longest name of a person, in characters.
const PERSON_CHARS_MAX: usize = 200;

/// A secret that is shown once.
pub(crate) fn secret(given: Option<SecretString>) -> Option<Secret> {
    given.map(|secret| Secret::new(secret.expose_secret()))
}

/// How a key is to look.
pub(crate) fn key_shape(dialect: Option<KeyDialect>) -> KeyShape {
    match dialect {
        None => KeyShape::Native,
        Some(KeyDialect::Alter) => KeyShape::Alter,
    }
}

/// A secret on its way in.
pub(super) fn given_secret(given: Option<Secret>) -> Option<SecretString> {
    given.map(|secret| SecretString::from(secret.expose()))
}

/// A new operator.
pub(crate) fn operator_create(given: operator::OperatorCreate) -> Result<CreateOperator, Refused> {
    let mut faults = Faults::default();
    faults.check_chars("/name", Some(&given.name), PERSON_CHARS_MAX);
    faults.done(Code::InvalidRequest)?;
    Ok(CreateOperator {
        name: given.name,
        email: given.email,
        role: given.role.to_core(),
        groups: given.groups.unwrap_or_default(),
        password: given_secret(given.password),
    })
}

/// A change of an operator.
pub(crate) fn operator_update(given: operator::OperatorUpdate) -> Result<UpdateOperator, Refused> {
    let mut faults = Faults::default();
    faults.check_chars("/name", given.name.as_deref(), PERSON_CHARS_MAX);
    faults.done(Code::InvalidRequest)?;
    Ok(UpdateOperator {
        name: given.name,
        email: given.email,
        role: given.role.map(ToCore::to_core),
        disabled: given.disabled,
        password: given_secret(given.password),
    })
}

pub(super) fn standing(disabled: bool) -> PrincipalStatus {
    if disabled {
        PrincipalStatus::Disabled
    } else {
        PrincipalStatus::Active
    }
}

impl ToWire for AgentView {
    type Wire = agent::Agent;

    fn to_wire(&self) -> agent::Agent {
        agent::Agent {
            id: self.row.id.to_string(),
            name: self.row.name.clone(),
            labels: self.row.labels.clone(),
            owner: self.owner.to_wire(),
            disabled: self.row.disabled,
            status: standing(self.row.disabled),
            stopped: self.row.stop.is_some(),
            application: self.application.to_wire(),
            created_at: self.row.created_at.to_wire(),
            key_created_at: self.key_created_at.to_wire(),
        }
    }
}

impl ToWire for ApplicationView {
    type Wire = application::Application;

    fn to_wire(&self) -> application::Application {
        application::Application {
            id: self.row.id.to_string(),
            name: self.row.name.clone(),
            agents: self.row.agents.clone(),
            register_new: self.row.register_new,
            disabled: self.row.disabled,
            status: standing(self.row.disabled),
            created_at: self.row.created_at.to_wire(),
            key_created_at: self.key_created_at.to_wire(),
        }
    }
}

impl ToWire for OperatorView {
    type Wire = operator::Operator;

    fn to_wire(&self) -> operator::Operator {
        operator::Operator {
            id: self.row.id.to_string(),
            name: self.name.clone(),
            email: self.email.clone(),
            role: self.row.role.to_wire(),
            groups: self.groups.clone(),
            disabled: self.row.disabled,
            status: standing(self.row.disabled),
            has_password: self.row.password_digest.is_some(),
            created_at: self.row.created_at.to_wire(),
        }
    }
}

impl ToWire for TokenView {
    type Wire = operator::Token;

    fn to_wire(&self) -> operator::Token {
        operator::Token {
            id: self.id.to_string(),
            name: self.name.clone(),
            hint: self.hint.clone(),
            created_at: self.created_at.to_wire(),
            status: standing(self.revoked),
        }
    }
}

impl ToWire for GroupView {
    type Wire = group::Group;

    fn to_wire(&self) -> group::Group {
        group::Group {
            id: self.id.to_string(),
            name: self.name.clone(),
            members: self.members.to_wire(),
        }
    }
}

impl ToWire for WorkspaceView {
    type Wire = workspace::Workspace;

    fn to_wire(&self) -> workspace::Workspace {
        workspace::Workspace {
            id: self.id.to_string(),
            name: self.settings.name.clone(),
            unmatched: self.settings.unmatched.to_wire(),
            unmatched_calls: self.settings.unmatched_calls.to_wire(),
            default_approvers: self
                .settings
                .default_approvers
                .iter()
                .map(ToString::to_string)
                .collect(),
            orphaned: self.settings.orphaned.to_wire(),
            retention_days: self.settings.retention_days,
            policy_version: self.policy_set,
            created_at: self.created_at.to_wire(),
        }
    }
}

impl ToWire for Me {
    type Wire = status::Me;

    fn to_wire(&self) -> status::Me {
        let actor = self.actor.to_wire();
        status::Me {
            kind: actor.kind,
            name: actor.name.unwrap_or_else(|| actor.id.clone()),
            id: actor.id,
            role: self.role.to_wire(),
            workspace: self.workspace.to_wire(),
            now: self.now.to_wire(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

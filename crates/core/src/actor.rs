//! Who did something, as records name them: by id only.

use serde::{Deserialize, Serialize};

use crate::{
    id::{AgentId, ApplicationId, OperatorId},
    requirement::Role,
};

/// What kind of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A principal that asks.
    Agent,
    /// A key that asks for several agents.
    Application,
    /// A person.
    Operator,
    /// A machine identity with operator rights.
    Automation,
    /// Signoff itself: the clock, policy, first run.
    System,
    /// Somebody unknown, as in a failed sign-in.
    Stranger,
}

/// How somebody proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// An agent's or application's key.
    Key,
    /// An operator's personal token.
    Token,
    /// A signed-in browser.
    Session,
    /// A password, at sign-in.
    Password,
    /// The key from the server's own environment.
    AdminKey,
    /// The one-time link of the first run.
    SetupLink,
    /// A personal link of a message: good for one approval, and nothing else.
    Link,
    /// A message of a channel whose vendor vouches for the user: the one whom the operator proved to be.
    Channel,
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Actor {
    /// What kind of somebody.
    pub kind: ActorKind,
    /// Their id; for the system the part that acted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// How they proved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
}

impl Actor {
    /// A part of Signoff itself.
    pub fn system(part: &str) -> Self {
        Self {
            kind: ActorKind::System,
            id: Some(part.to_owned()),
            auth: None,
        }
    }

    /// The feature level whose nodes can read it.
    pub fn feature_level(&self) -> u32 {
        match self.auth {
            Some(Auth::Link | Auth::Channel) => 5,
            _ => 1,
        }
    }

    /// Whether it is the same somebody, by whatever way in.
    pub fn is_same(&self, other: &Self) -> bool {
        self.kind == other.kind && self.id == other.id
    }

    /// The operator behind the actor, if it is a person.
    pub fn operator(&self) -> Option<OperatorId> {
        if self.kind == ActorKind::Operator {
            self.id.as_deref()?.parse().ok()
        } else {
            None
        }
    }
}

/// Somebody whose identity was established, with what they may do at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// An agent with its own key.
    Agent(AgentId),
    /// An application that speaks for agents.
    Application(ApplicationId),
    /// A person.
    Operator {
        /// Who.
        id: OperatorId,
        /// What they may do at all.
        role: Role,
        /// By token or session.
        auth: Auth,
    },
    /// A machine identity with admin rights.
    Automation(String),
}

impl Principal {
    /// As records name them.
    pub fn actor(&self) -> Actor {
        let (kind, id, auth) = match self {
            Self::Agent(id) => (ActorKind::Agent, id.to_string(), Auth::Key),
            Self::Application(id) => (ActorKind::Application, id.to_string(), Auth::Key),
            Self::Operator { id, auth, .. } => (ActorKind::Operator, id.to_string(), *auth),
            Self::Automation(name) => (ActorKind::Automation, name.clone(), Auth::AdminKey),
        };
        Actor {
            kind,
            id: Some(id),
            auth: Some(auth),
        }
    }

    /// The role an operator or automation has.
    pub fn role(&self) -> Option<Role> {
        match self {
            Self::Operator { role, .. } => Some(*role),
            Self::Automation(_) => Some(Role::Admin),
            Self::Agent(_) | Self::Application(_) => None,
        }
    }
}

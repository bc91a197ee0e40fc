//! What the engine answers: rows of core with names, contents and people put to them. Doors turn it into wire or pages.

mod governance;
mod log;
mod requests;
mod simulation;
mod stops;

use std::sync::Arc;

use crate::contact::SlackIdentity;
use secrecy::SecretString;
use signoff_core::{
    actor::{ActorKind, Auth, Principal},
    event::Delegation,
    id::{KeyId, OperatorId, WorkspaceId},
    requirement::Role,
    time::Timestamp,
};
pub use signoff_store::DeliveryState;

pub use governance::*;
pub use log::*;
pub use requests::*;
pub use simulation::*;
pub use stops::*;

/// Who calls, and where: established by `Engine::authenticate` or `Engine::session`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The only workspace this caller can see.
    pub workspace: WorkspaceId,
    /// Who.
    pub principal: Principal,
    /// The key they came with, so that it can be looked at again when something is recorded.
    pub(crate) key: Option<KeyId>,
    /// What the key is for, where it was handed on for a part of what its owner may do.
    pub(crate) part: Option<Arc<Delegation>>,
    /// Who they are at Slack, if they pressed a button there: looked at again when something is recorded.
    pub(crate) slack: Option<Arc<SlackIdentity>>,
}

impl Caller {
    /// Signoff itself, looking at what belongs to a workspace. It asks for nothing and may change nothing.
    pub(crate) fn nobody(workspace: WorkspaceId) -> Self {
        Self {
            workspace,
            principal: Principal::Automation(String::new()),
            key: None,
            part: None,
            slack: None,
        }
    }
}

/// Somebody who did something, with a name for people where one is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActorView {
    /// What kind of somebody.
    pub kind: ActorKind,
    /// Their id; for the system the part that acted.
    pub id: Option<String>,
    /// How they proved it.
    pub auth: Option<Auth>,
    /// For people.
    pub name: Option<String>,
}

/// An id with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named<Id> {
    /// Which.
    pub id: Id,
    /// For people.
    pub name: String,
}

/// A page of something, with the cursor of the next.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// In order.
    pub items: Vec<T>,
    /// What to give as `beyond` for the next page.
    pub next: Option<u64>,
}

/// Something new with the secret that is shown once; none where an idempotency key is repeated.
#[derive(Debug, Clone)]
pub struct Created<T> {
    /// What was made.
    pub made: T,
    /// Shown once.
    pub secret: Option<SecretString>,
}

/// Who a caller is.
#[derive(Debug, Clone)]
pub struct Me {
    /// Kind, id and name.
    pub actor: ActorView,
    /// For operators and automations.
    pub role: Option<Role>,
    /// For operators.
    pub email: Option<String>,
    /// Where.
    pub workspace: Named<WorkspaceId>,
    /// The server's time.
    pub now: Timestamp,
}

/// A browser that is signed in.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// For the cookie; 64 hexadecimal digits.
    pub cookie: SecretString,
    /// Who.
    pub operator: OperatorId,
    /// Until when.
    pub expires_at: Timestamp,
}

/// One part of being ready.
#[derive(Debug, Clone)]
pub struct ReadyCheck {
    /// `store`, `writer`, …
    pub name: &'static str,
    /// It works.
    pub ok: bool,
    /// What is wrong.
    pub detail: Option<String>,
}

/// Numbers for metrics; counters since start.
#[derive(Debug, Clone, Copy, Default)]
pub struct Numbers {
    /// Submits that were allowed.
    pub allowed: u64,
    /// Submits that were denied.
    pub denied: u64,
    /// Submits that ask.
    pub asked: u64,
    /// Votes and info requests.
    pub decisions: u64,
    /// Committed batches.
    pub batches: u64,
    /// Commands in them.
    pub commands: u64,
    /// Waiting callers.
    pub waiters: u64,
    /// Deliveries that arrived.
    pub delivered: u64,
    /// Attempts that failed.
    pub delivery_failures: u64,
}

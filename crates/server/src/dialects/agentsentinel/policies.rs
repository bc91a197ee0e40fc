//! `GET /api/v1/policies/sync`: what of the policy set the client can hold to by itself. It knows exact names without any
//! circumstances; only what comes out the same under every circumstance is told it. The rest is decided here when it asks.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use signoff_core::action::{Action, TIMEOUT_MAX};
use signoff_core::name::{GlobIndex, check_name};
use signoff_core::policy::{Effect, PolicyDoc, PolicyEffect};
use signoff_core::rows::PolicyRow;
use signoff_core::time::Micros;
use signoff_engine::request::Submit;
use signoff_engine::view::Caller;
use signoff_engine::{Engine, EngineError};

use super::fault::Fault;
use crate::Doors;
use crate::api::Refused;
use crate::dialects::vendor::Known;

/// Whose policies.
#[derive(Debug, Deserialize)]
pub(super) struct Whose {
    #[serde(default)]
    agent_id: Option<String>,
}

/// What the client merges into its own.
#[derive(Debug, Serialize)]
pub(super) struct Synced {
    /// Never empty: a client that knows no policy refuses everything.
    policies: [Policy; 1],
    conflicts: [(); 0],
}

/// The policy set in the client's fields. What is absent is not set.
#[derive(Debug, Default, Serialize)]
pub(super) struct Policy {
    id: String,
    name: &'static str,
    enabled: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    denied_actions: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    require_approval: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    approval_actions: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approval_timeout_seconds: Option<i64>,
}

pub(super) async fn sync(
    known: Known<Fault>,
    State(doors): State<Doors>,
    headers: HeaderMap,
    query: Result<Query<Whose>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Synced>, Fault> {
    let (engine, caller) = (doors.engine(), &known.caller);
    let Query(whose) = query.map_err(|error| Refused::parameter(error.body_text()))?;
    let agent = match super::agent(engine, caller, &headers, whose.agent_id)? {
        Some(agent) => Some(agent),
        None => engine.me(caller)?.actor.name,
    };
    let policy = told(engine, caller, agent).await?;
    Ok(Json(Synced {
        policies: [policy],
        conflicts: [],
    }))
}

async fn told(engine: &Engine, caller: &Caller, agent: Option<String>) -> Result<Policy, Fault> {
    let in_force = engine.policies_to_explain(caller)?;
    let mut policy = Policy {
        id: caller.workspace.to_string(),
        name: "signoff",
        enabled: true,
        ..Policy::default()
    };
    let mut longest = None;
    for (name, settled) in names(&in_force, agent.as_deref())? {
        let action = Submit {
            agent: agent.clone(),
            ..Submit::of(Action::named(&name))
        };
        let verdict = engine.explain(caller, &action).await?.judged.verdict;
        match verdict.effect {
            // Nothing makes a denial undone, whatever else there may be.
            Effect::Deny if settled.denies => policy.denied_actions.push(name),
            Effect::Ask if settled.is_whole => {
                policy.approval_actions.push(name);
                longest = longest.max(Some(verdict.decide_within.unwrap_or(TIMEOUT_MAX)));
            }
            Effect::Allow | Effect::Ask | Effect::Deny => {}
        }
    }
    policy.require_approval = !policy.approval_actions.is_empty();
    policy.approval_timeout_seconds = longest.map(Micros::as_seconds);
    Ok(policy)
}

/// What can be said of an action by its name alone.
#[derive(Clone, Copy)]
struct Settled {
    /// A policy without further terms denies it.
    denies: bool,
    /// No policy that could govern it has further terms.
    is_whole: bool,
}

/// Every action that a policy about this agent names exactly.
fn names(in_force: &[PolicyRow], agent: Option<&str>) -> Result<BTreeMap<String, Settled>, Fault> {
    let all: Vec<&PolicyDoc> = in_force.iter().map(|row| &row.doc).collect();
    let agents = Lists::new(all.iter().map(|doc| &doc.agents[..]))?;
    let theirs = agent.map(|agent| agents.covering(agent));
    let is_theirs = |at: usize| theirs.as_ref().is_none_or(|covering| covering.contains(&at));
    let docs: Vec<&PolicyDoc> = (0..)
        .zip(&all)
        .filter(|(at, doc)| !doc.disabled && (doc.agents.is_empty() || is_theirs(*at)))
        .map(|(_, doc)| *doc)
        .collect();
    let mut about_everything = Settled {
        denies: false,
        is_whole: true,
    };
    for doc in docs.iter().filter(|doc| doc.actions.is_empty()) {
        about_everything.heed(doc);
    }
    let actions = Lists::new(docs.iter().map(|doc| &doc.actions[..]))?;
    let listed = docs.iter().flat_map(|doc| &doc.actions);
    let mut names = BTreeMap::new();
    for name in listed.filter(|name| check_name(name).is_ok()) {
        let mut settled = about_everything;
        for at in actions.covering(name) {
            settled.heed(docs[at]);
        }
        names.insert(name.clone(), settled);
    }
    Ok(names)
}

impl Settled {
    /// Takes another policy into account that is about the action.
    fn heed(&mut self, doc: &PolicyDoc) {
        self.denies |= doc.effect == PolicyEffect::Deny && is_plain(doc);
        self.is_whole &= is_plain(doc);
    }
}

/// Lists of globs of many policies, compiled together: a set may have thousands.
struct Lists {
    index: GlobIndex,
    /// To which list each glob belongs.
    owners: Vec<usize>,
}

impl Lists {
    fn new<'a>(lists: impl Iterator<Item = &'a [String]>) -> Result<Self, Fault> {
        let (mut globs, mut owners) = (Vec::new(), Vec::new());
        for (owner, list) in lists.enumerate() {
            globs.extend(list.iter().map(String::as_str));
            owners.resize(globs.len(), owner);
        }
        let index = GlobIndex::new(globs).map_err(|_| EngineError::Internal)?;
        Ok(Self { index, owners })
    }

    /// The lists that have this name.
    fn covering(&self, name: &str) -> BTreeSet<usize> {
        let matching = self.index.matches(name).into_iter();
        matching.map(|at| self.owners[at]).collect()
    }
}

/// Whether a policy depends on nothing but who asks for what.
fn is_plain(doc: &PolicyDoc) -> bool {
    doc.labels.is_empty()
        && doc.http.is_none()
        && doc.grant.is_empty()
        && doc.risk.is_none()
        && doc.cost_over.is_none()
        && doc.conditions.is_empty()
}

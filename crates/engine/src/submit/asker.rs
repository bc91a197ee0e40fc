//! Whom a submit speaks for.

use signoff_core::{
    actor::Principal,
    id::{AgentId, ApplicationId, RawId},
    judge::{AgentFacts, ReasonCode, Verdict},
    name::{GlobIndex, check_name},
    policy::Effect,
};

use crate::{
    EngineError, EngineResult,
    request::Submit,
    snapshot::{Snapshot, facts},
    view::Caller,
};

/// The agent a request speaks for.
#[derive(Clone)]
pub(crate) struct Asker {
    pub(crate) facts: AgentFacts,
    /// The application that speaks for it.
    pub(crate) application: Option<ApplicationId>,
    /// Not registered yet.
    pub(crate) is_new: bool,
}

/// Whom a caller speaks for. `fresh` is the id that a new agent would get; none: a dry run, which registers nobody.
pub(crate) fn asker(
    snapshot: &Snapshot,
    caller: &Caller,
    name: Option<&str>,
    fresh: Option<RawId>,
) -> EngineResult<Asker> {
    match &caller.principal {
        Principal::Agent(id) => {
            let facts = snapshot.facts(*id).ok_or(EngineError::Unauthorized)?;
            match name {
                Some(name) if !name.eq_ignore_ascii_case(&facts.name) && name != id.to_string() => {
                    Err(EngineError::invalid(
                        "/agent",
                        format!(
                            "the key belongs to `{}`; leave `agent` out, or use an application's key to speak for others",
                            facts.name
                        ),
                    ))
                }
                _ => Ok(Asker {
                    facts: facts.clone(),
                    application: None,
                    is_new: false,
                }),
            }
        }
        Principal::Application(id) => spoken_for(snapshot, *id, name, fresh),
        _ => Err(EngineError::Forbidden(
            "only agents and applications submit actions".into(),
        )),
    }
}

fn spoken_for(
    snapshot: &Snapshot,
    id: ApplicationId,
    name: Option<&str>,
    fresh: Option<RawId>,
) -> EngineResult<Asker> {
    let name =
        name.ok_or_else(|| EngineError::invalid("/agent", "an application names the agent it speaks for"))?;
    let application = snapshot
        .rows
        .applications
        .get(&id)
        .ok_or(EngineError::Unauthorized)?;
    let known = snapshot.find_agent(name);
    let called = known.map_or(name, |row| row.name.as_str());
    check_name(called).map_err(|why| EngineError::invalid("/agent", why))?;
    let allowed = GlobIndex::new(application.agents.iter().map(String::as_str))
        .is_ok_and(|globs| !globs.matches(called).is_empty());
    if !allowed {
        return Err(EngineError::Forbidden(format!(
            "the application `{}` may not speak for `{called}`",
            application.name
        )));
    }
    match known {
        Some(row) if row.disabled => Err(EngineError::Forbidden(format!(
            "the agent `{}` is switched off",
            row.name
        ))),
        Some(row) => Ok(Asker {
            facts: facts(row),
            application: Some(id),
            is_new: false,
        }),
        None if application.register_new => {
            let agent = AgentId(fresh.unwrap_or(RawId([0; 16])));
            let facts = AgentFacts::new(agent, called, &std::collections::BTreeMap::new(), None);
            Ok(Asker {
                facts,
                application: Some(id),
                is_new: true,
            })
        }
        None => Err(EngineError::not_found("agent", called)),
    }
}

pub(super) fn named_or_unknown(snapshot: &Snapshot, name: Option<&str>) -> AgentFacts {
    name.and_then(|name| snapshot.find_agent(name)).map_or_else(
        || {
            AgentFacts::new(
                AgentId(RawId([0; 16])),
                name.unwrap_or_default(),
                &std::collections::BTreeMap::new(),
                None,
            )
        },
        facts,
    )
}

/// What policy says, unless the caller's key was handed on for other actions: then no, whatever policy says.
pub(super) fn within(caller: &Caller, submit: &Submit, verdict: Verdict) -> EngineResult<Verdict> {
    let Some(part) = &caller.part else {
        return Ok(verdict);
    };
    if submit.replaces.is_some() {
        let why = "a key that was handed on for some actions takes no request back";
        return Err(EngineError::invalid("/replaces", why));
    }
    if part.covers(&submit.action.name) {
        return Ok(verdict);
    }
    Ok(Verdict {
        effect: Effect::Deny,
        code: Some(ReasonCode::OutOfScope),
        policy: None,
        conditions: Vec::new(),
        lacks: Vec::new(),
        ..verdict
    })
}

//! `GET /api/v1/whoami`, `/policies` and `/posture`: what an agent may know of itself and of the rules it works under.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use signoff_core::event::ApprovalStatus;
use signoff_core::policy::{Otherwise, PolicyEffect, Unmatched};
use signoff_core::rows::PolicyRow;
use signoff_engine::request::ApprovalFilter;
use signoff_engine::view::{DelegationView, Place};

use super::delegate;
use super::fault::Fault;
use crate::Doors;
use crate::api::Refused;
use crate::api::query::Query;
use crate::dialects::vendor::Known;

/// How many of the last approvals a posture looks at.
const LAST_APPROVALS: u32 = 200;

pub(super) async fn whoami(known: Known<Fault>, State(doors): State<Doors>) -> Result<Json<Value>, Fault> {
    let engine = doors.engine();
    let place = engine.place(&known.caller)?;
    let (as_parent, as_child) = match &place.agent {
        Some(_) => engine.delegations(&known.caller)?,
        None => (Vec::new(), None),
    };
    let (id, name) = if let Some(agent) = &place.agent {
        (agent.id.to_string(), agent.name.clone())
    } else {
        let actor = engine.me(&known.caller)?.actor;
        let id = actor.id.unwrap_or_default();
        (id.clone(), actor.name.unwrap_or(id))
    };
    let shown =
        |views: &mut dyn Iterator<Item = &DelegationView>| views.map(delegate::shown).collect::<Vec<_>>();
    Ok(Json(json!({
        "config_id": id, "name": name, "org_id": place.workspace.id.to_string(), "is_active": !place.stopped,
        "cb_state": if place.stopped { "open" } else { "closed" }, "calibration": {},
        "policies": summaries(&place),
        "delegations": {
            "as_parent": shown(&mut as_parent.iter()), "as_child": shown(&mut as_child.iter()),
        },
    })))
}

/// `own` is what may be about the agent. Of policies about others alone an agent learns nothing, so `org` is the same to
/// it; to an operator both are all there are.
#[derive(Debug, Deserialize)]
pub(super) struct Scope {
    #[serde(default)]
    scope: Option<String>,
}

pub(super) async fn policies(
    known: Known<Fault>,
    State(doors): State<Doors>,
    query: Result<Query<Scope>, Refused>,
) -> Result<Json<Value>, Fault> {
    let scope = query?.0.scope.unwrap_or_else(|| "own".to_owned());
    if !matches!(scope.as_str(), "own" | "org") {
        return Err(Fault::invalid("/scope", "`scope` is own or org"));
    }
    let place = doors.engine().place(&known.caller)?;
    Ok(Json(json!({"scope": scope, "policies": summaries(&place)})))
}

/// One line for each kind of action that a policy is about.
fn summaries(place: &Place) -> Vec<Value> {
    let live = place.policies.iter().filter(|row| !row.doc.disabled);
    let lines = live.flat_map(|row| {
        let everything = [String::from("*")];
        let actions: Vec<String> = match row.doc.actions.as_slice() {
            [] => everything.to_vec(),
            actions => actions.to_vec(),
        };
        actions.into_iter().map(move |action| summary(row, &action))
    });
    lines.collect()
}

fn summary(row: &PolicyRow, action: &str) -> Value {
    json!({
        "id": row.id.to_string(), "name": row.doc.name, "action_type": action, "approval_required": asks(row),
        "has_conditions": !row.doc.conditions.is_empty(), "version": row.version,
        "created_at": row.created_at.to_string(), "effect": row.doc.effect.as_str(),
    })
}

fn asks(row: &PolicyRow) -> bool {
    match row.doc.effect {
        PolicyEffect::RequireApproval => true,
        PolicyEffect::Conditional => row.doc.otherwise != Some(Otherwise::Deny),
        PolicyEffect::Allow | PolicyEffect::Deny => false,
    }
}

/// Three facts about the rules that the caller works under, weighed: what happens where there is no rule, how many rules
/// have a person or a condition in them, and whether people decide in time.
pub(super) async fn posture(known: Known<Fault>, State(doors): State<Doors>) -> Result<Json<Value>, Fault> {
    let place = doors.engine().place(&known.caller)?;
    let filter = ApprovalFilter {
        limit: LAST_APPROVALS,
        ..ApprovalFilter::default()
    };
    let last = doors.engine().approvals(&known.caller, &filter).await?;
    let ended = last.items.iter().filter(|view| view.row.status.is_terminal());
    let (ended, expired) = ended.fold((0_u32, 0_u32), |(ended, expired), view| {
        (
            ended + 1,
            expired + u32::from(view.row.status == ApprovalStatus::Expired),
        )
    });
    let live: Vec<_> = place.policies.iter().filter(|row| !row.doc.disabled).collect();
    let watched = live
        .iter()
        .filter(|row| row.doc.effect != PolicyEffect::Allow || !row.doc.conditions.is_empty());
    let by_default = match place.unmatched {
        Unmatched::Deny => 40.0,
        Unmatched::RequireApproval => 35.0,
        Unmatched::Allow => 0.0,
    };
    let oversight = part(watched.count(), live.len(), 0.0);
    let in_time = part((ended - expired) as usize, ended as usize, 30.0);
    let of = |score: f64, max: f64, more: Value| {
        let mut component = json!({"score": score, "max": max});
        if let (Some(component), Value::Object(more)) = (component.as_object_mut(), more) {
            component.extend::<Map<String, Value>>(more);
        }
        component
    };
    Ok(Json(json!({
        "score": (by_default + oversight + in_time).round(),
        "components": {
            "default": of(by_default, 40.0, json!({"unmatched": place.unmatched.as_str()})),
            "oversight": of(oversight, 30.0, json!({"policies": live.len()})),
            "decided_in_time": of(in_time, 30.0, json!({"approvals": ended, "expired": expired})),
        },
    })))
}

/// 30 for all of them, in proportion for some, and what stands there where there are none.
fn part(some: usize, all: usize, none: f64) -> f64 {
    let count = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    if all == 0 {
        return none;
    }
    (30.0 * count(some) / count(all)).round()
}

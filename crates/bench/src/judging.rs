//! What judging costs in the process, beside the bare condition: evaluated behind a hash look-up, as the least that any judge
//! would do.

use std::{collections::HashMap, hint::black_box, sync::Arc, time::Instant};

use serde_json::json;
use signoff_core::{
    action::Action,
    condition::{Compiled, Condition, Sight},
    id::{AgentId, PolicyId, RawId},
    judge::{AgentFacts, PolicySet, Prepared},
    policy::{PolicyDoc, PolicyEffect, PolicyRef, Settings},
    stop::Stops,
    time::Timestamp,
};

use crate::{
    Pace,
    numbers::{aim, as_f64, median, median_ratio},
};

/// How many policies there are beside the one that matches.
const SIZES: [usize; 3] = [10, 1_000, 10_000];
/// How many policies are about the same action, in the second part.
const SAME: usize = 1_000;
const CONDITION: &str = "context.amount <= 50";

fn prepared(number: usize, action: String) -> anyhow::Result<Arc<Prepared>> {
    let mut raw = [0; 16];
    raw[..8].copy_from_slice(&(number as u64).to_be_bytes());
    let doc = PolicyDoc {
        actions: vec![action],
        conditions: vec![Condition::Expression(CONDITION.into())],
        ..PolicyDoc::new(format!("policy-{number}"), PolicyEffect::Conditional)
    };
    let reference = PolicyRef {
        id: PolicyId(RawId(raw)),
        name: doc.name.clone(),
        version: 1,
    };
    Prepared::new(reference, doc)
        .map(Arc::new)
        .map_err(anyhow::Error::msg)
}

fn set(count: usize, action: impl Fn(usize) -> String) -> anyhow::Result<PolicySet> {
    let policies = (0..count).map(|number| prepared(number, action(number)));
    let policies = policies.collect::<anyhow::Result<Vec<_>>>()?;
    PolicySet::new(policies, Settings::default(), Stops::default()).map_err(anyhow::Error::msg)
}

/// Nanoseconds for one call, over a round.
fn nanos(pace: &Pace, mut call: impl FnMut()) -> f64 {
    let (began, mut calls) = (Instant::now(), 0_u64);
    while began.elapsed() < pace.round / 4 {
        for _ in 0..16 {
            call();
        }
        calls += 16;
    }
    as_f64(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX)) / as_f64(calls)
}

/// Prints what judging costs beside the bare condition.
pub(crate) fn measure(pace: &Pace) -> anyhow::Result<()> {
    let agent = AgentFacts::new(
        AgentId(RawId([1; 16])),
        "agent",
        &std::collections::BTreeMap::default(),
        None,
    );
    let mut action = Action::named("deploy.7");
    action.context = json!({ "amount": 12, "ticket": "SUP-1" })
        .as_object()
        .cloned()
        .unwrap_or_default();
    let now = Timestamp(1_795_165_200_000_000);
    let bare: HashMap<String, Compiled> = (0..10)
        .map(|number| {
            Ok((
                format!("deploy.{number}"),
                Condition::Expression(CONDITION.into()).compile()?,
            ))
        })
        .collect::<Result<_, signoff_core::condition::Unusable>>()?;
    let seen_agent = json!({ "id": agent.id, "name": "agent", "labels": {} });
    let floor = || {
        let sight = Sight {
            action: &action.name,
            context: &action.context,
            inputs: &action.inputs,
            agent: &seen_agent,
            http: None,
            cost: "0",
            risk: action.risk,
            priority: action.priority,
            now,
            past: None,
        };
        if let Some(condition) = bare.get(black_box(action.name.as_str())) {
            black_box(condition.evaluate(&sight));
        }
    };
    let sets = SIZES.map(|size| set(size, |number| format!("deploy.{number}")));
    let same = set(SAME, |_| "deploy.7".to_owned())?;
    let mut floors = Vec::new();
    let mut judged: [Vec<f64>; 3] = Default::default();
    let mut each = Vec::new();
    for _ in 0..=pace.rounds {
        floors.push(nanos(pace, floor));
        for (set, figures) in sets.iter().zip(&mut judged) {
            let set = set.as_ref().map_err(|error| anyhow::anyhow!("{error}"))?;
            figures.push(nanos(pace, || {
                black_box(set.judge(black_box(&action), &agent, now));
            }));
        }
        let whole = nanos(pace, || {
            black_box(same.judge(black_box(&action), &agent, now));
        });
        each.push(whole / as_f64(SAME as u64));
    }
    print(&floors, &judged, &each);
    Ok(())
}

fn print(floors: &[f64], judged: &[Vec<f64>; 3], each: &[f64]) {
    println!("\nJudging in the process, one matching policy with `{CONDITION}`");
    println!(
        "  {:<34}{:>7.2} µs",
        "the bare condition behind a hash",
        median(floors) / 1_000.0
    );
    for (size, figures) in SIZES.iter().zip(judged) {
        let ratio = median_ratio(figures, floors);
        println!(
            "  {:<34}{:>7.2} µs   {ratio:.2} times the floor ({})",
            format!("Signoff, {size} policies"),
            median(figures) / 1_000.0,
            aim(ratio <= 2.0, "2 times")
        );
    }
    let flat = median_ratio(&judged[2], &judged[0]);
    println!(
        "  10,000 policies beside 10: {flat:.2} times ({})",
        aim(flat <= 1.25, "1.25 times")
    );
    let ratio = median_ratio(each, floors);
    println!(
        "  {:<34}{:>7.2} µs for each, {ratio:.2} times the bare condition ({})",
        format!("Signoff, {SAME} on the same action"),
        median(each) / 1_000.0,
        aim(ratio <= 1.0, "1 time")
    );
}

//! `GET /api/v1/approvals/stats`: how approvals went, over the last 30 days. Askers see their own.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use signoff_core::actor::Principal;
use signoff_engine::view::Counts;

use super::fault::Fault;
use crate::Doors;
use crate::dialects::vendor::Known;

/// What the documents say there is, in our names.
#[derive(Debug, Serialize)]
pub(super) struct Stats {
    total_pending: u64,
    avg_decision_seconds: Option<f64>,
    approval_rate: Option<f64>,
    rejection_rate: Option<f64>,
    by_priority: BTreeMap<&'static str, u64>,
    by_risk_level: BTreeMap<&'static str, u64>,
}

pub(super) async fn stats(known: Known<Fault>, State(doors): State<Doors>) -> Result<Json<Stats>, Fault> {
    let (engine, caller) = (doors.engine(), &known.caller);
    let stats = match caller.principal {
        Principal::Agent(_) | Principal::Application(_) => engine.own_stats(caller, None).await?,
        _ => engine.stats(caller, None).await?,
    };
    let approved = stats.approved + stats.system_approved;
    let denied = stats.denied + stats.system_denied;
    let rate = |part: u64| (approved + denied > 0).then(|| ratio(part, approved + denied));
    let total = |counts: &Counts| counts.total;
    Ok(Json(Stats {
        total_pending: stats.pending,
        avg_decision_seconds: stats.decision_seconds_average,
        approval_rate: rate(approved),
        rejection_rate: rate(denied),
        by_priority: stats
            .by_priority
            .iter()
            .map(|(word, counts)| (word.as_str(), total(counts)))
            .collect(),
        by_risk_level: stats
            .by_risk
            .iter()
            .map(|(word, counts)| (word.as_str(), total(counts)))
            .collect(),
    }))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a count of decisions is far below 2^52"
)]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

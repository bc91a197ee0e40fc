//! Statistics over approvals.

use signoff_api::stats as wire;
use signoff_core::action::{Priority, Risk};
use signoff_engine::view::{Counts, Stats};

use super::ToWire;

impl ToWire for Counts {
    type Wire = wire::Counts;

    fn to_wire(&self) -> wire::Counts {
        wire::Counts {
            total: self.total,
            pending: self.pending,
            approved: self.approved,
            denied: self.denied,
        }
    }
}

impl ToWire for Stats {
    type Wire = wire::Stats;

    fn to_wire(&self) -> wire::Stats {
        let of = |counts: Option<&Counts>| counts.copied().unwrap_or_default().to_wire();
        wire::Stats {
            since: self.since.to_wire(),
            until: self.until.to_wire(),
            total: self.total,
            pending: self.pending,
            human: wire::HumanEnds {
                approved: self.approved,
                denied: self.denied,
                approval_rate: rate(self.approved, self.denied),
                rejection_rate: rate(self.denied, self.approved),
                decision_seconds_average: self.decision_seconds_average,
                decision_seconds_p90: self.decision_seconds_p90,
            },
            other: wire::OtherEnds {
                expired: self.expired,
                cancelled: self.cancelled,
                superseded: self.superseded,
                system_approved: self.system_approved,
                system_denied: self.system_denied,
            },
            by_priority: Priority::ALL
                .iter()
                .map(|priority| wire::PriorityStats {
                    priority: priority.to_wire(),
                    counts: of(self.by_priority.get(priority)),
                })
                .collect(),
            by_risk: Risk::ALL
                .iter()
                .map(|risk| wire::RiskStats {
                    risk: risk.to_wire(),
                    counts: of(self.by_risk.get(risk)),
                })
                .collect(),
            top_actions: self
                .top_actions
                .iter()
                .map(|(action, counts)| wire::ActionStats {
                    action: action.clone(),
                    counts: counts.to_wire(),
                })
                .collect(),
        }
    }
}

/// One count of two together, 0 to 1; nothing where both are none.
#[expect(
    clippy::cast_precision_loss,
    reason = "a rate of more than 2^53 decisions may be off in the 16th digit"
)]
fn rate(of: u64, other: u64) -> Option<f64> {
    let all = of.checked_add(other)?;
    (all > 0).then(|| of as f64 / all as f64)
}

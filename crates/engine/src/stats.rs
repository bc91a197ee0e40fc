//! Statistics over approvals: people apart from the system, ends apart from decisions.

use std::collections::HashMap;

use signoff_core::rows::ApprovalRow;
use signoff_core::{
    actor::ActorKind,
    authority::Operation,
    event::ApprovalStatus,
    time::{Micros, Timestamp},
};
use signoff_store::{ApprovalFact, ApprovalQuery};

use crate::{
    Engine, EngineResult,
    approvals::{PAGE_MAX, agents, owns},
    view::{Caller, Counts, Stats},
};

/// How far back statistics reach where nobody says.
const DEFAULT_WINDOW: Micros = Micros::seconds(30 * 86_400);
/// How many pages of approvals are looked through for an asker's own: 10,000.
const OWN_PAGES_MAX: usize = 50;
/// How many of the most frequent actions are listed.
const TOP_ACTIONS: usize = 10;

impl Engine {
    /// Counts approvals submitted since then; the last 30 days unless said.
    ///
    /// # Errors
    /// If the caller may not see them.
    pub async fn stats(&self, caller: &Caller, since: Option<Timestamp>) -> EngineResult<Stats> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        let until = self.now();
        let since = since.unwrap_or(until.plus(Micros(-DEFAULT_WINDOW.0)));
        let facts = self.store().approval_facts(tenant.id, Some(since)).await?;
        Ok(count(&facts, since, until))
    }

    /// The same over what the caller itself asked for: the last of it, as many as are looked through at once.
    ///
    /// # Errors
    /// If the caller sees nothing at all.
    pub async fn own_stats(&self, caller: &Caller, since: Option<Timestamp>) -> EngineResult<Stats> {
        let tenant = self.tenant(caller)?;
        let permit = self.permit(caller, Operation::SeeActions)?;
        let until = self.now();
        let since = since.unwrap_or(until.plus(Micros(-DEFAULT_WINDOW.0)));
        let mut query = ApprovalQuery {
            agents: agents(&tenant.snapshot(), caller, permit, None).unwrap_or_default(),
            limit: PAGE_MAX,
            ..ApprovalQuery::default()
        };
        let mut facts = Vec::new();
        for _ in 0..OWN_PAGES_MAX {
            let rows = self.store().approvals(tenant.id, &query).await?;
            query.beyond = rows.last().map(|row| row.submitted_seq);
            let is_last =
                rows.len() < PAGE_MAX as usize || rows.last().is_some_and(|row| row.created_at < since);
            let own = rows.iter().filter(|row| {
                row.created_at >= since && owns(caller, row.agent, row.application, &row.action)
            });
            facts.extend(own.map(fact));
            if is_last {
                break;
            }
        }
        Ok(count(&facts, since, until))
    }
}

fn fact(row: &ApprovalRow) -> ApprovalFact {
    ApprovalFact {
        status: row.status,
        priority: row.priority,
        risk: row.risk,
        action: row.action.clone(),
        created_at: row.created_at,
        decided_at: row.decided_at,
        decider: row.decided_by.as_ref().map(|actor| actor.kind),
    }
}

/// Whether a person brought the end. An automation has an operator's rights and never counts as a person.
fn is_human(fact: &ApprovalFact) -> bool {
    fact.decider == Some(ActorKind::Operator)
}

fn count(facts: &[ApprovalFact], since: Timestamp, until: Timestamp) -> Stats {
    let mut stats = Stats {
        since,
        until,
        ..Stats::default()
    };
    let mut seconds = Vec::new();
    let mut by_action: HashMap<String, (String, Counts)> = HashMap::new();
    for fact in facts {
        let slices = [
            stats.by_priority.entry(fact.priority).or_default(),
            stats.by_risk.entry(fact.risk).or_default(),
            &mut by_action
                .entry(fact.action.to_ascii_lowercase())
                .or_insert_with(|| (fact.action.clone(), Counts::default()))
                .1,
        ];
        for slice in slices {
            slice.add(fact);
        }
        stats.total += 1;
        match (fact.status, is_human(fact)) {
            (ApprovalStatus::Pending | ApprovalStatus::InfoRequested, _) => stats.pending += 1,
            (ApprovalStatus::Approved | ApprovalStatus::Answered, true) => stats.approved += 1,
            (ApprovalStatus::Approved | ApprovalStatus::Answered, false) => stats.system_approved += 1,
            (ApprovalStatus::Denied, true) => stats.denied += 1,
            (ApprovalStatus::Denied, false) => stats.system_denied += 1,
            (ApprovalStatus::Expired, _) => stats.expired += 1,
            (ApprovalStatus::Cancelled, _) => stats.cancelled += 1,
            (ApprovalStatus::Superseded, _) => stats.superseded += 1,
        }
        let decided = matches!(
            fact.status,
            ApprovalStatus::Approved | ApprovalStatus::Answered | ApprovalStatus::Denied
        );
        if let (true, true, Some(at)) = (decided, is_human(fact), fact.decided_at) {
            #[expect(
                clippy::cast_precision_loss,
                reason = "a span of at most 30 days in microseconds is exact in a double"
            )]
            seconds.push(fact.created_at.until(at).0 as f64 / 1e6);
        }
    }
    (stats.decision_seconds_average, stats.decision_seconds_p90) = spread(seconds);
    let mut top: Vec<(String, Counts)> = by_action.into_values().collect();
    top.sort_by(|left, right| {
        right
            .1
            .total
            .cmp(&left.1.total)
            .then_with(|| left.0.cmp(&right.0))
    });
    top.truncate(TOP_ACTIONS);
    stats.top_actions = top;
    stats
}

/// Average, and the value that nine of ten do not exceed (nearest rank).
fn spread(mut seconds: Vec<f64>) -> (Option<f64>, Option<f64>) {
    if seconds.is_empty() {
        return (None, None);
    }
    seconds.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_precision_loss,
        reason = "a count of decisions is far below 2^52"
    )]
    let average = seconds.iter().sum::<f64>() / seconds.len() as f64;
    let rank = (seconds.len() * 9).div_ceil(10).max(1);
    (Some(average), Some(seconds[rank - 1]))
}

impl Counts {
    fn add(&mut self, fact: &ApprovalFact) {
        self.total += 1;
        match fact.status {
            ApprovalStatus::Pending | ApprovalStatus::InfoRequested => self.pending += 1,
            ApprovalStatus::Approved | ApprovalStatus::Answered if is_human(fact) => self.approved += 1,
            ApprovalStatus::Denied if is_human(fact) => self.denied += 1,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use signoff_core::action::{Priority, Risk};

    use super::*;

    fn fact(status: ApprovalStatus, decider: Option<ActorKind>, seconds: i64) -> ApprovalFact {
        ApprovalFact {
            status,
            priority: Priority::High,
            risk: Risk::Low,
            action: "Stripe.Refund".into(),
            created_at: Timestamp(0),
            decided_at: decider.map(|_| Timestamp(0).plus(Micros::seconds(seconds))),
            decider,
        }
    }

    #[test]
    fn rates_and_times_count_people_only() {
        let mut facts: Vec<_> = (1..=10)
            .map(|at| fact(ApprovalStatus::Approved, Some(ActorKind::Operator), at))
            .collect();
        facts.push(fact(ApprovalStatus::Denied, Some(ActorKind::Automation), 100));
        facts.push(fact(ApprovalStatus::Approved, Some(ActorKind::System), 5_000));
        facts.push(fact(ApprovalStatus::Expired, Some(ActorKind::System), 1_800));
        facts.push(fact(ApprovalStatus::Pending, None, 0));
        let stats = count(&facts, Timestamp(0), Timestamp(1));
        assert_eq!(
            (stats.total, stats.pending, stats.approved, stats.denied),
            (14, 1, 10, 0)
        );
        assert_eq!(
            (stats.system_approved, stats.system_denied, stats.expired),
            (1, 1, 1)
        );
        assert_eq!(stats.decision_seconds_p90, Some(9.0));
        assert_eq!(stats.decision_seconds_average, Some(5.5));
        assert_eq!(
            stats.by_priority.get(&Priority::High).map(|counts| counts.total),
            Some(14)
        );
        assert_eq!(
            stats.top_actions[0].1,
            Counts {
                total: 14,
                pending: 1,
                approved: 10,
                denied: 0
            }
        );
    }

    #[test]
    fn nothing_decided_has_no_average() {
        assert_eq!(spread(Vec::new()), (None, None));
        assert_eq!(spread(vec![3.0]), (Some(3.0), Some(3.0)));
        assert!(count(&[], Timestamp(0), Timestamp(1)).by_priority.is_empty());
    }
}

//! The figures from the engine's counts.

use signoff_engine::view::{Counts, Stats};

use crate::console::inert::Inert;
use crate::console::view::stats::{Chart, Figure};
use crate::console::view::{grouped, span};

/// The single figures. Rates are over decisions of people; expiry and the system's ends stand apart.
pub fn figures(stats: &Stats) -> Vec<Figure> {
    let decided = stats.approved + stats.denied;
    let figure = |label, value: String, note: String| Figure { label, value, note };
    vec![
        figure(
            "Asked",
            grouped(stats.total),
            format!("{} still open", grouped(stats.pending)),
        ),
        figure(
            "Approved",
            percent(stats.approved, decided),
            format!("{} of {} decided", grouped(stats.approved), grouped(decided)),
        ),
        figure(
            "Denied",
            percent(stats.denied, decided),
            format!("{} of {} decided", grouped(stats.denied), grouped(decided)),
        ),
        figure(
            "Time to decide",
            seconds(stats.decision_seconds_average),
            format!(
                "on average; nine of ten within {}",
                seconds(stats.decision_seconds_p90)
            ),
        ),
        figure(
            "Ran out of time",
            grouped(stats.expired),
            "nobody decided".to_owned(),
        ),
        figure(
            "Ended otherwise",
            grouped(stats.cancelled + stats.superseded + stats.system_approved + stats.system_denied),
            format!(
                "{} cancelled, {} replaced, {} approved and {} denied by policy or automatically",
                grouped(stats.cancelled),
                grouped(stats.superseded),
                grouped(stats.system_approved),
                grouped(stats.system_denied)
            ),
        ),
    ]
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let permille = (u128::from(part) * 1000 + u128::from(whole) / 2) / u128::from(whole);
    format!("{}.{} %", permille / 10, permille % 10)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a float saturates, and seconds of centuries are shown as they come"
)]
fn seconds(seconds: Option<f64>) -> String {
    match seconds {
        None => "–".to_owned(),
        Some(short) if short < 10.0 => format!("{short:.1} s"),
        Some(long) => span(long.round() as i64),
    }
}

/// The tables with bars.
pub fn charts(stats: &Stats) -> Vec<Chart> {
    let total = |counts: &Counts| counts.total;
    let actions = stats
        .top_actions
        .iter()
        .map(|(name, counts)| (Inert::all(name), total(counts)))
        .collect();
    let risks = stats
        .by_risk
        .iter()
        .map(|(risk, counts)| (Inert::all(risk.as_str()), total(counts)))
        .collect();
    let priorities = stats
        .by_priority
        .iter()
        .map(|(priority, counts)| (Inert::all(priority.as_str()), total(counts)))
        .collect();
    vec![
        Chart::new("Most asked actions", "Action", actions),
        Chart::new("By risk", "Risk", risks),
        Chart::new("By priority", "Priority", priorities),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_times_read_as_people_say_them() {
        assert_eq!(percent(0, 0), "–");
        assert_eq!(percent(1, 3), "33.3 %");
        assert_eq!(percent(2, 2), "100.0 %");
        assert_eq!(seconds(Some(4.25)), "4.2 s");
        assert_eq!(seconds(Some(90.4)), "1 min");
        assert_eq!(seconds(None), "–");
    }
}

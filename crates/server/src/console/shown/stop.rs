//! Stops in plain words.

use signoff_core::id::ExecutionId;
use signoff_core::time::Timestamp;
use signoff_engine::view::{AgentView, GrantView, InFlight, StopTargetView, StopView};

use super::{moment, who};
use crate::console::inert::Inert;
use crate::console::view::grouped;
use crate::console::view::stop::{BeyondReach, Stoppable, Stopped, StoppedNote};

/// The word for everything in an address or a form.
pub const EVERYTHING: &str = "workspace";

/// Where a target is, and how a form names it.
pub fn target(target: &StopTargetView) -> String {
    match target {
        StopTargetView::Workspace => EVERYTHING.to_owned(),
        StopTargetView::Agent(agent) => agent.id.to_string(),
        StopTargetView::Grant(grant) => grant.id.to_string(),
    }
}

/// The page of a target.
pub fn href(target: &str) -> String {
    let query: String = url::form_urlencoded::byte_serialize(target.as_bytes()).collect();
    format!("/stop?target={query}")
}

/// The name of the agent or grant; none for everything.
pub fn name(target: &StopTargetView) -> Option<Inert> {
    match target {
        StopTargetView::Workspace => None,
        StopTargetView::Agent(agent) => Some(Inert::all(&agent.name)),
        StopTargetView::Grant(grant) => Some(Inert::all(&format!("the grant {}", grant.name))),
    }
}

/// One stop.
pub fn stopped(stop: &StopView, now: Timestamp) -> Stopped {
    Stopped {
        name: name(&stop.target).unwrap_or_else(|| Inert::all("Everything")),
        by: who(&stop.by),
        at: moment(stop.at, now),
        reason: stop.reason.as_deref().map(Inert::all),
        href: href(&target(&stop.target)),
    }
}

/// One agent of the list.
pub fn stoppable(view: &AgentView) -> Stoppable {
    Stoppable {
        name: Inert::all(&view.row.name),
        href: href(&view.row.id.to_string()),
        is_stopped: view.row.stop.is_some(),
        is_off: view.row.disabled,
    }
}

/// One grant of the list.
pub fn stoppable_grant(view: &GrantView) -> Stoppable {
    Stoppable {
        name: Inert::all(&view.row.grant.name),
        href: href(&view.row.id.to_string()),
        is_stopped: view.is_stopped,
        is_off: view.row.grant.disabled,
    }
}

/// What stands on every page while anything is stopped: the widest stop, else the only one, else how many.
pub fn note(stops: &[StopView], now: Timestamp) -> Option<StoppedNote> {
    let latest = stops.iter().map(|stop| stop.at).max()?;
    let (what, one) = match stops {
        [first, ..] if first.target == StopTargetView::Workspace => {
            ("Everything is stopped".to_owned(), Some(first))
        }
        [only] => match &only.target {
            StopTargetView::Workspace => return None,
            StopTargetView::Agent(agent) => (format!("{} is stopped", agent.name), Some(only)),
            StopTargetView::Grant(grant) => (format!("The grant {} is stopped", grant.name), Some(only)),
        },
        several => (several_text(several), None),
    };
    Some(StoppedNote {
        what: Inert::all(&what),
        by: one.map(|stop| who(&stop.by)),
        at: moment(one.map_or(latest, |stop| stop.at), now),
    })
}

/// "2 agents and 1 grant are stopped".
fn several_text(stops: &[StopView]) -> String {
    let is_grant = |stop: &&StopView| matches!(stop.target, StopTargetView::Grant(_));
    let grants = stops.iter().filter(is_grant).count() as u64;
    let agents = stops.len() as u64 - grants;
    let named = [(agents, "agent", "agents"), (grants, "grant", "grants")];
    let said: Vec<String> = named
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, several)| many(count, one, several))
        .collect();
    format!("{} are stopped", said.join(" and "))
}

fn many(count: u64, one: &str, several: &str) -> String {
    if count == 1 {
        format!("1 {one}")
    } else {
        format!("{} {several}", grouped(count))
    }
}

/// What Signoff ends itself, before it is stopped or right after.
pub fn ends(met: &InFlight, is_stopped: bool) -> Vec<String> {
    let mut said = Vec::new();
    if met.pending > 0 {
        let waits = many(met.pending, "request waits", "requests wait");
        said.push(format!("{waits} for a decision and will be denied."));
    }
    if met.ready > 0 {
        let permissions = many(met.ready, "permission was", "permissions were");
        said.push(format!(
            "{permissions} given and not taken yet, and will be taken back."
        ));
    }
    if said.is_empty() {
        let rest = if is_stopped { "any more" } else { "right now" };
        said.push(format!("Nothing waits or is ready {rest}."));
    }
    said
}

/// What is on its way and out of reach: permissions in the hands of agents, and calls that are being made.
pub fn beyond_reach(met: &InFlight) -> Vec<BeyondReach> {
    let more = if met.more { "More than " } else { "" };
    let mut groups = Vec::new();
    if !met.consumed.is_empty() {
        let text = many(
            met.consumed.len() as u64,
            "permission was taken and not reported",
            "permissions were taken and not reported",
        );
        groups.push(BeyondReach {
            text: format!(
                "{more}{text}: in the hands of the agent, and nobody can recall that. Look after it where it happens."
            ),
            links: links(&met.consumed, "/audit?subject="),
        });
    }
    if !met.executing.is_empty() {
        let text = many(
            met.executing.len() as u64,
            "call is being made",
            "calls are being made",
        );
        groups.push(BeyondReach {
            text: format!(
                "{more}{text} right now, and can’t be recalled. How each ended will stand on its page."
            ),
            links: links(&met.executing, "/executions/"),
        });
    }
    groups
}

fn links(ids: &[ExecutionId], place: &str) -> Vec<(String, String)> {
    ids.iter()
        .map(|id| (id.to_string(), format!("{place}{id}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use signoff_core::id::{AgentId, RawId};
    use signoff_engine::view::{ActorView, Named};

    use super::*;

    fn stop(target: StopTargetView, at: i64) -> StopView {
        StopView {
            target,
            at: Timestamp(at),
            by: ActorView {
                kind: signoff_core::actor::ActorKind::Operator,
                id: None,
                auth: None,
                name: Some("Dana".to_owned()),
            },
            reason: None,
        }
    }

    fn bot(number: u8) -> StopTargetView {
        StopTargetView::Agent(Named {
            id: AgentId(RawId([number; 16])),
            name: format!("bot-{number}"),
        })
    }

    fn grant(number: u8) -> StopTargetView {
        StopTargetView::Grant(Named {
            id: signoff_core::id::GrantId(RawId([number; 16])),
            name: format!("grant-{number}"),
        })
    }

    #[test]
    fn the_note_says_the_widest_or_the_only_stop_or_how_many() {
        let now = Timestamp(100_000_000);
        assert!(note(&[], now).is_none());
        let cases = [
            (vec![stop(bot(1), 1)], "bot-1 is stopped", true),
            (
                vec![stop(bot(1), 1), stop(bot(2), 2)],
                "2 agents are stopped",
                false,
            ),
            (vec![stop(grant(1), 1)], "The grant grant-1 is stopped", true),
            (
                vec![stop(bot(1), 1), stop(grant(2), 2)],
                "1 agent and 1 grant are stopped",
                false,
            ),
            (
                vec![stop(StopTargetView::Workspace, 1), stop(bot(2), 2)],
                "Everything is stopped",
                true,
            ),
        ];
        for (stops, what, has_one) in cases {
            let note = note(&stops, now).expect("something is stopped");
            assert_eq!(note.what.to_string(), Inert::all(what).to_string());
            assert_eq!(note.by.is_some(), has_one, "{what}");
        }
    }

    #[test]
    fn what_a_stop_meets_is_counted_in_words() {
        let met = InFlight {
            pending: 1,
            ready: 1_200,
            ..InFlight::default()
        };
        assert_eq!(
            ends(&met, false),
            [
                "1 request waits for a decision and will be denied.",
                "1,200 permissions were given and not taken yet, and will be taken back."
            ]
        );
        assert_eq!(
            ends(&InFlight::default(), true),
            ["Nothing waits or is ready any more."]
        );
    }
}

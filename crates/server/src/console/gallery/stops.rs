//! The kill switch in every state.

use askama::Template;
use signoff_core::id::{AgentId, ExecutionId, GrantId, RawId};
use signoff_engine::view::{InFlight, Named, StopTargetView, StopView};

use super::pages::{list, shell};
use super::requests::{NOW, ago, person};
use crate::console::inert::Inert;
use crate::console::shown;
use crate::console::view::Shell;
use crate::console::view::inbox::InboxPage;
use crate::console::view::stop::{StopPage, Stoppable, StopsPage};

fn agent(name: &str) -> StopTargetView {
    StopTargetView::Agent(Named {
        id: AgentId(RawId([7; 16])),
        name: name.to_owned(),
    })
}

fn stop(target: StopTargetView, reason: Option<&str>) -> StopView {
    StopView {
        target,
        at: ago(190),
        by: person("Dana\u{202e} Scully"),
        reason: reason.map(str::to_owned),
    }
}

fn under(stops: &[StopView], part: &'static str) -> Shell {
    Shell {
        stopped: shown::stop::note(stops, NOW),
        ..shell("Stop", part)
    }
}

fn met() -> InFlight {
    let taken = |number| ExecutionId(RawId([number; 16]));
    InFlight {
        pending: 4,
        ready: 1,
        consumed: vec![taken(1), taken(2)],
        executing: vec![taken(3)],
        more: false,
    }
}

fn page(stops: &[StopView]) -> String {
    let line = |name: &str, is_stopped, is_off| Stoppable {
        name: Inert::all(name),
        href: "/stop?target=agt_1".to_owned(),
        is_stopped,
        is_off,
    };
    StopsPage {
        shell: under(stops, "stop"),
        stops: stops.iter().map(|stop| shown::stop::stopped(stop, NOW)).collect(),
        grants: vec![
            line("stripe-live", !stops.is_empty(), false),
            line("old-<b>Harmless</b>-key", false, true),
        ],
        agents: vec![
            line("migration-agent", false, true),
            line("payments-bot", !stops.is_empty(), false),
            line(&"a-very-long-name-of-an-agent-".repeat(6), false, false),
        ],
        next_href: Some("/stop?beyond=100".to_owned()),
        is_everything: stops.len() > 1,
        may_stop: true,
    }
    .render()
    .expect("renders")
}

struct Seen {
    may_stop: bool,
    may_lift: bool,
}

fn one(
    target: &StopTargetView,
    is_stopped: bool,
    met: &InFlight,
    seen: &Seen,
    problem: Option<&str>,
) -> String {
    let stops = [stop(
        target.clone(),
        Some("It refunds the wrong people <b>Harmless</b>."),
    )];
    let stop = is_stopped.then(|| shown::stop::stopped(&stops[0], NOW));
    StopPage {
        shell: under(if is_stopped { &stops } else { &[] }, "stop"),
        target: shown::stop::target(target),
        name: shown::stop::name(target),
        is_grant: matches!(target, StopTargetView::Grant(_)),
        ends: shown::stop::ends(met, is_stopped),
        beyond: shown::stop::beyond_reach(met),
        may_stop: seen.may_stop,
        may_lift: seen.may_lift,
        is_covered: problem.is_some(),
        problem: problem.map(str::to_owned),
        typed: problem.map(|_| "Too long".to_owned()).unwrap_or_default(),
        stop,
    }
    .render()
    .expect("renders")
}

pub(super) fn all() -> Vec<(&'static str, String)> {
    let (everything, bot) = (StopTargetView::Workspace, agent("payments-bot"));
    let grant = StopTargetView::Grant(Named {
        id: GrantId(RawId([9; 16])),
        name: "stripe-live".to_owned(),
    });
    let both = [
        stop(everything.clone(), Some("Refunds go to the wrong people.")),
        stop(bot.clone(), None),
    ];
    let (viewer, member, admin) = (
        Seen {
            may_stop: false,
            may_lift: false,
        },
        Seen {
            may_stop: true,
            may_lift: false,
        },
        Seen {
            may_stop: true,
            may_lift: true,
        },
    );
    let nothing = InFlight::default();
    let inbox = InboxPage {
        shell: under(&both, "inbox"),
        list: list(None),
    };
    vec![
        ("stop", page(&[])),
        ("stop-in-force", page(&both)),
        ("stop-everything", one(&everything, false, &met(), &member, None)),
        (
            "stop-everything-viewer",
            one(&everything, false, &met(), &viewer, None),
        ),
        (
            "stop-everything-stopped",
            one(&everything, true, &met(), &admin, None),
        ),
        (
            "stop-agent",
            one(&bot, false, &nothing, &admin, Some("At most 4,000 characters.")),
        ),
        ("stop-agent-stopped", one(&bot, true, &nothing, &member, None)),
        ("stop-grant", one(&grant, false, &nothing, &member, None)),
        ("stop-grant-stopped", one(&grant, true, &met(), &admin, None)),
        ("inbox-stopped", inbox.render().expect("renders")),
    ]
}

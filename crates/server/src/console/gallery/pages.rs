//! Pages of the gallery by name.

use askama::Template;
use signoff_core::id::{EventId, RawId, WorkspaceId};
use signoff_core::payload::Hash32;
use signoff_core::record::{Epochs, Record};
use signoff_engine::view::{ApprovalView, Counts, EventView, Stats};

use super::people::asked;
use super::requests::{Ask, NOW, ago, critical, hostile, long, person};
use crate::console::inert::Inert;
use crate::console::shown;
use crate::console::view::audit::{AuditFilter, AuditPage, RecordPage};
use crate::console::view::inbox::{EmptyInbox, InboxFilter, InboxList, InboxPage, InboxTab};
use crate::console::view::problem::{KeysPage, ProblemPage};
use crate::console::view::session::{EnterPage, SetupPage, SignInPage};
use crate::console::view::slack::{CodeShown, SlackCodePage};
use crate::console::view::stats::StatsPage;
use crate::console::view::{Shell, Viewer};

/// Every page: name and HTML.
pub(super) fn all() -> Vec<(&'static str, String)> {
    let mut pages = super::approvals::all();
    pages.extend(lists());
    pages.extend(gates());
    pages.extend(super::calls::all());
    pages.extend(super::channels::all());
    pages.extend(super::grants::all());
    pages.extend(super::links::all());
    pages.extend(super::stops::all());
    pages.extend(super::policies::all());
    pages
}

pub(super) fn shell(title: &str, part: &'static str) -> Shell {
    Shell {
        title: title.to_owned(),
        part,
        viewer: Some(Viewer {
            name: Inert::all("Ada Lovelace"),
            email: Inert::all("ada@example.com"),
            role: "admin",
        }),
        workspace: "default".to_owned(),
        waiting: 4,
        banner: None,
        stopped: None,
        now: shown::moment(NOW, NOW).iso,
    }
}

pub(super) fn stranger(title: &str) -> Shell {
    Shell {
        viewer: None,
        waiting: 0,
        ..shell(title, "")
    }
}

pub(super) fn list(current: Option<&ApprovalView>) -> InboxList {
    let id = current.map(|view| view.row.id.to_string());
    let views = [
        Ask::default().view(),
        hostile().view(),
        long().view(),
        critical().view(),
        asked(),
    ];
    let tab = |label, href: &str, count, is_current| InboxTab {
        label,
        href: href.to_owned(),
        count,
        is_current,
    };
    InboxList {
        needs: None,
        silent: vec![Inert::all("pager")],
        tabs: vec![
            tab("Waiting", "/", Some(4), true),
            tab("Decided", "/?show=decided", None, false),
            tab("All", "/?show=all", None, false),
        ],
        rows: views
            .iter()
            .map(|view| shown::inbox::row(view, "", id.as_deref()))
            .collect(),
        filter: InboxFilter {
            show: "waiting".to_owned(),
            order: "newest".to_owned(),
            clear_href: "/".to_owned(),
            ..InboxFilter::default()
        },
        here_href: "/".to_owned(),
        next_href: None,
        first_href: None,
        empty: EmptyInbox::NothingYet,
    }
}

fn lists() -> Vec<(&'static str, String)> {
    let empty = |empty| InboxList {
        rows: vec![],
        empty,
        ..list(None)
    };
    let inbox = |list| {
        InboxPage {
            shell: shell("Inbox", "inbox"),
            list,
        }
        .render()
        .expect("renders")
    };
    let mut banner = shell("Inbox", "inbox");
    banner.banner =
        Some("Approvals are given automatically: this server was started with --auto-approve.".to_owned());
    let filtered = InboxList {
        filter: InboxFilter {
            action: "stripe".to_owned(),
            clear_href: "/".to_owned(),
            ..InboxFilter::default()
        },
        ..empty(EmptyInbox::NoMatch)
    };
    vec![
        ("inbox", inbox(list(None))),
        (
            "inbox-needs",
            inbox(InboxList {
                needs: shown::inbox::needs(1, true),
                ..list(None)
            }),
        ),
        ("inbox-empty", inbox(empty(EmptyInbox::NothingYet))),
        (
            "inbox-done",
            InboxPage {
                shell: banner,
                list: empty(EmptyInbox::AllDone),
            }
            .render()
            .expect("renders"),
        ),
        ("inbox-filtered", inbox(filtered)),
        ("log", log(&events())),
        ("log-empty", log(&[])),
        ("record", record()),
        ("figures", figures(&counts())),
        ("figures-empty", figures(&Stats::default())),
        (
            "keys",
            KeysPage {
                shell: shell("Keyboard", ""),
            }
            .render()
            .expect("renders"),
        ),
        ("slack", slack(None)),
        ("slack-code", slack(Some("7K3QX-M9ZD2"))),
    ]
}

fn slack(code: Option<&str>) -> String {
    let code = code.map(|code| CodeShown {
        text: code.to_owned(),
        until: shown::moment(ago(-600), NOW),
    });
    let page = SlackCodePage {
        shell: shell("Slack", ""),
        code,
    };
    page.render().expect("renders")
}

fn events() -> Vec<EventView> {
    let event = |seq: u8, name: &str, subject: &str, summary: &str, text: Option<&str>| {
        let value = serde_json::json!({"type": name, "data": {}});
        EventView {
            record: Record {
                v: 1,
                workspace: WorkspaceId(RawId([1; 16])),
                seq: u64::from(seq),
                id: EventId(RawId([seq; 16])),
                time: ago(i64::from(60 - seq) * 97),
                event: serde_json::from_value(value).expect("an event"),
                actor: serde_json::from_value(serde_json::json!({"kind": "system", "id": "clock"}))
                    .expect("an actor"),
                subject: subject.to_owned(),
                policy: None,
                epochs: Epochs::default(),
                payloads: std::collections::BTreeMap::default(),
                mode: None,
                prev: Hash32([seq; 32]),
            },
            hash: Hash32([seq + 1; 32]),
            actor: person("Ada Lovelace"),
            summary: summary.to_owned(),
            action: None,
            agent: None,
            text: text.map(str::to_owned),
        }
    };
    let approval = format!("apr_{}", "01".repeat(16));
    vec![
        event(
            44,
            "approval.info_answered.v1",
            &approval,
            "support-bot answered a question",
            Some("Yes, on 19 November."),
        ),
        event(
            43,
            "approval.info_requested.v1",
            &approval,
            "Ada Lovelace asked support-bot a question",
            Some("Was the label sent?"),
        ),
        event(
            42,
            "operator.sign_in_failed.v1",
            "usr_x",
            "a sign-in failed",
            None,
        ),
        event(
            41,
            "operator.signed_in.v1",
            "usr_x",
            "Ada Lovelace signed in\u{202e}",
            None,
        ),
        event(
            40,
            "key.revoked.v1",
            "key_1",
            "a key of support-bot was revoked",
            None,
        ),
    ]
}

fn log(events: &[EventView]) -> String {
    let rows = events
        .iter()
        .map(|event| shown::record::row(event, NOW))
        .collect();
    let filter = AuditFilter {
        agent: "support-bot".to_owned(),
        ..AuditFilter::default()
    };
    AuditPage {
        shell: shell("Audit", "log"),
        filter,
        rows,
        next_href: Some("/audit?beyond=40".to_owned()),
        first_href: None,
    }
    .render()
    .expect("renders")
}

fn record() -> String {
    let event = &events()[1];
    RecordPage {
        shell: shell("Record 43", "log"),
        row: shown::record::row(event, NOW),
        words: event.text.as_deref().map(Inert::all),
        record: shown::record::tree(event),
        hash: event.hash.to_string(),
        previous_hash: event.record.prev.to_string(),
        previous_href: Some("/audit/42".to_owned()),
        next_href: Some("/audit/44".to_owned()),
    }
    .render()
    .expect("renders")
}

fn counts() -> Stats {
    use signoff_core::action::{Priority, Risk};
    let of = |total| Counts {
        total,
        pending: 0,
        approved: total / 2,
        denied: total / 3,
    };
    Stats {
        since: ago(2_592_000),
        until: NOW,
        total: 1_284,
        pending: 4,
        approved: 1_013,
        denied: 187,
        decision_seconds_average: Some(141.0),
        decision_seconds_p90: Some(420.0),
        expired: 61,
        cancelled: 12,
        superseded: 3,
        system_approved: 4,
        system_denied: 0,
        by_priority: Priority::ALL
            .iter()
            .zip([201, 902, 160, 21])
            .map(|(level, count)| (*level, of(count)))
            .collect(),
        by_risk: Risk::ALL
            .iter()
            .zip([88, 310, 700, 171, 15])
            .map(|(level, count)| (*level, of(count)))
            .collect(),
        top_actions: [
            ("stripe.refund", 611),
            ("email.send", 288),
            ("deploy.production", 140),
            ("db.drop_table", 12),
        ]
        .into_iter()
        .map(|(name, count)| (name.to_owned(), of(count)))
        .collect(),
    }
}

fn figures(stats: &Stats) -> String {
    let span = |label, href: &str, is_current| (label, href.to_owned(), is_current);
    StatsPage {
        shell: shell("Stats", "stats"),
        spans: vec![
            span("24 hours", "/stats?since=24h", false),
            span("7 days", "/stats?since=7d", false),
            span("30 days", "/stats", true),
        ],
        figures: shown::stats::figures(stats),
        charts: shown::stats::charts(stats),
    }
    .render()
    .expect("renders")
}

fn gates() -> Vec<(&'static str, String)> {
    let setup = SetupPage {
        shell: stranger("First run"),
        token: "t".repeat(64),
        name: "Ada".to_owned(),
        email: String::new(),
        problems: vec![("password", "At least 12 characters.".to_owned())],
    };
    let sign_in = SignInPage {
        shell: stranger("Sign in"),
        next: "/approvals/apr_1".to_owned(),
        email: "ada@example.com".to_owned(),
        problem: Some("The address or the password is wrong.".to_owned()),
        notice: Some("Sign in to see the request.".to_owned()),
    };
    let enter = EnterPage {
        shell: stranger("Enter"),
        token: "t".repeat(64),
        name: Some(Inert::all("Demo Operator")),
        next: "/".to_owned(),
    };
    let problem = ProblemPage {
        shell: shell("Not found", ""),
        status: 404,
        title: "There is no such request".to_owned(),
        detail: Inert::all("No approval `apr_\u{202e}1` exists here."),
        kept: "Nothing was changed.".to_owned(),
        typed: Some("The customer is right.".to_owned()),
        links: vec![("To the inbox".to_owned(), "/".to_owned())],
    };
    vec![
        ("setup", setup.render().expect("renders")),
        ("sign-in", sign_in.render().expect("renders")),
        ("enter", enter.render().expect("renders")),
        ("problem", problem.render().expect("renders")),
    ]
}

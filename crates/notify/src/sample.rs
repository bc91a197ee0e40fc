//! Messages for tests: ordinary ones, and those of somebody who means harm.

use crate::message::{Content, Destination, Digest, DigestItem, Message, Notice, Recipient};
use crate::told::{Fact, Shown, Told, ToldAgent, ToldApproval, ToldPerson, ToldWorkspace};

pub(crate) const DECIDE_URL: &str = "https://signoff.example/d/canary-personal";
pub(crate) const CONSOLE_URL: &str = "https://signoff.example/approvals/apr_01";
pub(crate) const INBOX_URL: &str = "https://signoff.example/inbox";

/// What an attacker writes into every field there is.
pub(crate) const HOSTILE: &str = concat!(
    "\r\nBcc: eve@evil.com\r\n\r\n<script>alert(1)</script> <!channel> <@U1> *b* [x](https://evil.com) ",
    "&amp; \"quoted\" </div> \u{202e}fdp\u{200b} ${jndi} {{7*7}} www.evil.com evil.com/login \u{0}\u{7}",
);

pub(crate) fn approval() -> ToldApproval {
    ToldApproval {
        id: "apr_01".into(),
        action_id: "act_01".into(),
        action: "stripe.refund".into(),
        agent: ToldAgent {
            id: "agt_01".into(),
            name: "support".into(),
        },
        status: "pending".into(),
        priority: "medium".into(),
        risk: "high".into(),
        summary: "support wants to refund $500.00 to cus_1".into(),
        url: CONSOLE_URL.into(),
        created_at: "2026-11-21T01:02:03.000000Z".into(),
        decide_by: Some("2026-11-21T01:32:03.000000Z".into()),
        decided_at: None,
        decided_by: None,
        decision_reason: None,
        code: None,
        question: None,
    }
}

pub(crate) fn told() -> Told {
    Told {
        event_id: "evt_01".into(),
        event_type: "approval.pending".into(),
        occurred_at: "2026-11-21T01:02:03.000000Z".into(),
        workspace: ToldWorkspace {
            id: "ws_01".into(),
            name: "default".into(),
        },
        approval: Some(approval()),
        execution: None,
        shown: Shown {
            cost: Some("$500.00".into()),
            facts: vec![Fact {
                label: "inputs.amount".into(),
                value: "500.00".into(),
            }],
            facts_hidden: 2,
            reason: Some("The parcel was lost.".into()),
            decide_url: Some(DECIDE_URL.into()),
            may_decide: true,
            digest: "sha256:0".into(),
            context: Some(r#"{"ticket":"T-1"}"#.into()),
        },
    }
}

fn person(name: &str) -> Destination {
    Destination::Person(Recipient {
        name: name.into(),
        address: "dana@example.org".into(),
    })
}

pub(crate) fn message(content: Content) -> Message {
    Message {
        id: "evt_01".into(),
        to: Destination::Channel,
        content,
        thread: None,
    }
}

pub(crate) fn pending() -> Message {
    message(Content::Event(Box::new(told())))
}

pub(crate) fn pending_for(name: &str) -> Message {
    Message {
        to: person(name),
        ..pending()
    }
}

pub(crate) fn ended(status: &str, reason: &str) -> Message {
    let mut told = told();
    told.event_type = "approval.decided".into();
    if let Some(approval) = &mut told.approval {
        approval.status = status.into();
        approval.decided_at = Some("2026-11-21T01:10:00.000000Z".into());
        approval.decision_reason = Some(reason.into());
        approval.decided_by = Some(ToldPerson {
            kind: "operator".into(),
            id: Some("usr_01".into()),
            name: Some("Ada".into()),
        });
    }
    message(Content::Event(Box::new(told)))
}

pub(crate) fn ended_for(name: &str, status: &str, reason: &str) -> Message {
    Message {
        to: person(name),
        thread: Some("<evt_00@example.org>".into()),
        ..ended(status, reason)
    }
}

pub(crate) fn digest(count: usize, pending: usize) -> Message {
    let item = |at: usize| DigestItem {
        summary: format!("support wants to refund ${at}.00"),
        status: if at < pending { "pending" } else { "approved" }.into(),
        priority: "medium".into(),
        risk: "high".into(),
        decide_by: Some("2026-11-21T01:32:03.000000Z".into()),
        decided_by: (at >= pending).then(|| "Ada".into()),
        url: CONSOLE_URL.into(),
    };
    message(Content::Digest(Digest {
        workspace: told().workspace,
        inbox_url: INBOX_URL.into(),
        items: (0..count.min(20)).map(item).collect(),
        count,
        pending,
        waiting: pending,
        over: (pending..count.min(20)).map(|at| format!("apr_{at}")).collect(),
    }))
}

pub(crate) fn notice() -> Message {
    message(Content::Notice(Notice {
        title: "This is a test".into(),
        text: "Dana asked for it.".into(),
        url: INBOX_URL.into(),
        event_type: "channel.test".into(),
        occurred_at: "2026-11-21T01:02:03.000000Z".into(),
    }))
}

/// One message of each kind with [`HOSTILE`] in every text, and 10,000 lines where there is room for more than one.
pub(crate) fn hostile() -> Vec<Message> {
    let long = format!("{HOSTILE}{}", "\nwww.evil.com".repeat(10_000));
    let mut asked = told();
    let mut approval = approval();
    for text in [
        &mut approval.action,
        &mut approval.agent.name,
        &mut approval.priority,
        &mut approval.risk,
    ] {
        *text = HOSTILE.into();
    }
    approval.summary.clone_from(&long);
    approval.question = Some(long.clone());
    approval.decision_reason = Some(long.clone());
    approval.code = Some(HOSTILE.into());
    approval.decided_at = Some(HOSTILE.into());
    approval.decided_by = Some(ToldPerson {
        kind: HOSTILE.into(),
        id: None,
        name: Some(HOSTILE.into()),
    });
    asked.workspace.name = HOSTILE.into();
    asked.approval = Some(approval);
    asked.shown.cost = Some(HOSTILE.into());
    asked.shown.reason = Some(long.clone());
    let fact = |value: &str| Fact {
        label: HOSTILE.into(),
        value: value.into(),
    };
    asked.shown.facts = vec![fact(HOSTILE); 200];
    asked.shown.facts[0] = fact(&long);
    let mut over = asked.clone();
    over.event_type = "approval.decided".into();
    let mut listed = digest(500, 500);
    if let Content::Digest(digest) = &mut listed.content {
        digest.workspace.name = HOSTILE.into();
        for item in &mut digest.items {
            item.summary.clone_from(&long);
            item.status = HOSTILE.into();
            item.risk = HOSTILE.into();
            item.priority = HOSTILE.into();
            item.decided_by = Some(HOSTILE.into());
        }
    }
    let mut said = notice();
    if let Content::Notice(notice) = &mut said.content {
        notice.title = HOSTILE.into();
        notice.text = long;
    }
    let events = [asked, over].map(|told| message(Content::Event(Box::new(told))));
    let mut all: Vec<Message> = events.into_iter().chain([listed, said]).collect();
    let addressed: Vec<Message> = all
        .iter()
        .map(|message| Message {
            to: person(HOSTILE),
            ..message.clone()
        })
        .collect();
    all.extend(addressed);
    all
}

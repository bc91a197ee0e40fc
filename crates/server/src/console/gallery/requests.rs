//! Requests as the engine would answer them.

use std::sync::Arc;

use serde_json::{Value, json};
use signoff_core::action::{Accepts, Claims, Cost, Priority, Risk};
use signoff_core::actor::ActorKind;
use signoff_core::condition::{Outcome, Report};
use signoff_core::event::{ApprovalStatus, ExecutionSource, ExecutionState};
use signoff_core::id::{ApprovalId, RawId};
use signoff_core::payload::Hash32;
use signoff_core::policy::PolicyRef;
use signoff_core::requirement::{Approver, Requirement, Role};
use signoff_core::rows::{ApprovalRow, ExecutionRow};
use signoff_core::sentence::compose;
use signoff_core::time::{Micros, Timestamp};
use signoff_engine::view::{ActorView, ApprovalView, Content, Named};

/// When the gallery was made, as all its pages see it.
pub(super) const NOW: Timestamp = Timestamp(1_795_000_000_000_000);

/// So many seconds before [`NOW`], or after it.
pub(super) fn ago(seconds: i64) -> Timestamp {
    NOW.plus(Micros::seconds(-seconds))
}

/// A person by name.
pub(super) fn person(name: &str) -> ActorView {
    let id = format!("usr_{}", "5".repeat(32));
    ActorView {
        kind: ActorKind::Operator,
        id: Some(id),
        auth: None,
        name: Some(name.to_owned()),
    }
}

/// A request and how it is told apart from the others.
pub(super) struct Ask {
    pub(super) number: u8,
    pub(super) agent: &'static str,
    pub(super) action: &'static str,
    pub(super) inputs: Value,
    pub(super) context: Value,
    pub(super) claims: Claims,
    pub(super) risk: Risk,
    pub(super) priority: Priority,
    pub(super) cost: Option<&'static str>,
    pub(super) policy: Option<&'static str>,
    pub(super) age: i64,
    pub(super) time: i64,
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            number: 1,
            agent: "support-bot",
            action: "stripe.refund",
            inputs: json!({"amount": "500.00", "currency": "usd", "customer": "cus_ABC123", "charge": "ch_3PqLz2eZvKYlo2C1", "reverse_transfer": false}),
            context: json!({"ticket": "SUP-4421", "ticket_url": "https://support.example.com/tickets/4421", "order": {"id": "ord_9931", "placed": "2026-11-02", "items": [{"sku": "LAMP-02", "quantity": 2}, {"sku": "CABLE-1", "quantity": 1}]}, "customer_since": 2021}),
            claims: Claims {
                reason: Some("The lamp arrived broken and the customer has sent photographs. The second one works, but they do not want it without the first.".to_owned()),
                requested_by: Some("Lena Brandt".to_owned()),
                ..Claims::default()
            },
            risk: Risk::Medium,
            priority: Priority::Medium,
            cost: Some("500.00"),
            policy: Some("small-refunds"),
            age: 184,
            time: 1800,
        }
    }
}

impl Ask {
    /// As the engine answers while it waits.
    pub(super) fn view(self) -> ApprovalView {
        let sentence = compose(self.agent, self.action, &self.inputs, &self.context, self.cost);
        let object = |value: Value| value.as_object().cloned().unwrap_or_default();
        let conditions = vec![Report {
            expression: "context.amount <= 50".to_owned(),
            result: Outcome::False,
            saw: Some(json!("500.00")),
            error: None,
        }];
        let content = Content {
            inputs: object(self.inputs),
            context: object(self.context),
            claims: self.claims,
            conditions,
            call: None,
            erased: false,
        };
        let raw = RawId([self.number; 16]);
        let policy = self.policy.map(|name| PolicyRef {
            id: signoff_core::id::PolicyId(raw),
            name: name.to_owned(),
            version: 3,
        });
        let agent = signoff_core::id::AgentId(RawId([7; 16]));
        let row = ApprovalRow {
            id: ApprovalId(raw),
            agent,
            application: None,
            action: self.action.to_owned(),
            digest: Hash32([self.number; 32]),
            edits: vec![],
            priority: self.priority,
            risk: self.risk,
            cost: self.cost.map(|cost| Cost::parse(cost).expect("a cost")),
            claimed: None,
            accepts: Accepts {
                edits: false,
                info_requests: true,
                answers: false,
            },
            require_approval: false,
            timeout: None,
            policy,
            requirement: Requirement::of(vec![Approver::Role(Role::Member)], 1, 1),
            valid_for: Micros::seconds(3600),
            escalate: None,
            notify: vec![],
            status: ApprovalStatus::Pending,
            submitted_seq: 40,
            last_seq: 40,
            created_at: ago(self.age),
            decide_by: (self.time > 0).then(|| ago(self.age - self.time)),
            escalate_at: None,
            escalated_at: None,
            votes: vec![],
            stages_done: vec![],
            info: vec![],
            decided_at: None,
            decided_by: None,
            decided_seq: None,
            code: None,
            note: None,
            replaces: None,
            superseded_by: None,
            counted: None,
            call: None,
        };
        ApprovalView {
            stages: vec![],
            row: Arc::new(row),
            agent: Named {
                id: agent,
                name: self.agent.to_owned(),
            },
            owner: Some(person("Dana Okafor")),
            content: Arc::new(content),
            sentence,
            editors: vec![],
            votes: vec![],
            info: vec![],
            decided_by: None,
            decision_reason: None,
            execution: None,
            held: false,
            told: vec![],
            now: NOW,
        }
    }
}

/// The same request after its end.
pub(super) fn ended(
    mut view: ApprovalView,
    status: ApprovalStatus,
    by: Option<&str>,
    words: Option<&str>,
) -> ApprovalView {
    let row = Arc::make_mut(&mut view.row);
    row.status = status;
    row.decided_at = Some(ago(60));
    view.decided_by = by.map(person);
    view.decision_reason = words.map(str::to_owned);
    if status == ApprovalStatus::Approved {
        view.execution = Some(ExecutionRow {
            id: view.row.id.action().execution(),
            agent: view.row.agent,
            action: view.row.action.clone(),
            digest: view.row.digest,
            source: ExecutionSource::Approved,
            policy: None,
            state: ExecutionState::Ready,
            submitted_seq: 40,
            edited_seq: None,
            standing: None,
            created_at: ago(60),
            run_by: ago(-3540),
            consumed_at: None,
            ended_at: None,
            outcome: None,
            reported_seq: None,
            released_at: None,
            counted: None,
            call: None,
        });
    }
    view
}

/// Texts that mislead, in every place where an agent can write.
pub(super) fn hostile() -> Ask {
    Ask {
        number: 2,
        agent: "support-bot",
        action: "email.send",
        inputs: json!({
            "to": "ops@p\u{430}ypal.com\u{202e}moc.elgoog@",
            "subject": "</span><script>alert(1)</script><img src=x onerror=alert(1)>",
            "body": format!("Already approved by security.\n\n\n\n\n\n\n\n\n\nAmount: $9,000\u{200b}.00{}transfer", " ".repeat(300)),
            "\u{202e}key\" onmouseover=\"alert(1)": "quoted",
            "zalgo": "p\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}\u{307}\u{308}\u{309}\u{30a}ay",
            "tags": "ok\u{e0061}\u{e0070}\u{e0070}\u{e0072}\u{e006f}\u{e0076}\u{e0065}",
        }),
        context: json!({
            "link": "https://accounts.google.com@evil.example/login",
            "number": "http://2130706433/admin",
            "markdown": "[paypal.com](https://evil.example/pay)",
            "script": "javascript:alert(document.domain)",
            "hebrew": "סכום 500 שקל",
            "digits": "٥٠٠",
            "terminal": "\u{1b}[2J\u{1b}[31mAPPROVED\u{7}",
        }),
        claims: Claims {
            reason: Some("SYSTEM: this request was already approved by the CFO. Press Approve at once.\r\nBcc: everyone@example.com".to_owned()),
            description: Some("<b>Harmless</b> newsletter &amp; nothing else \u{2066}hidden\u{2069}".to_owned()),
            requested_by: Some("admin".to_owned()),
            ..Claims::default()
        },
        policy: Some("mail-to-strangers"),
        age: 1500,
        ..Ask::default()
    }
}

/// A request with far more text than a page can show at once.
pub(super) fn long() -> Ask {
    let log: Vec<Value> = (0..120)
        .map(|step| json!({"step": step, "tool": "search", "query": format!("how to migrate table {step}")}))
        .collect();
    Ask {
        number: 3,
        agent: "migration-agent",
        action: "db.drop_table",
        inputs: json!({"database": "billing", "table": "invoices_2019", "sql": "DROP TABLE invoices_2019 CASCADE; ".repeat(90)}),
        context: json!({"steps": log, "deep": {"a": {"b": {"c": {"d": {"e": {"f": "here"}}}}}}}),
        claims: Claims {
            reason: Some("Old partition, not read for 400 days. ".repeat(40)),
            ..Claims::default()
        },
        risk: Risk::High,
        priority: Priority::High,
        cost: None,
        policy: Some("schema-changes"),
        age: 50,
        time: 7200,
    }
}

/// A production deploy with the highest risk.
pub(super) fn critical() -> Ask {
    Ask {
        number: 4,
        agent: "release-train",
        action: "deploy.production",
        inputs: json!({}),
        context: json!({"version": "v2.1.0", "commit": "9f31c2a", "changes": 14}),
        claims: Claims {
            reason: Some("Weekly release.".to_owned()),
            ..Claims::default()
        },
        risk: Risk::Critical,
        priority: Priority::Critical,
        cost: None,
        policy: Some("production-deploys"),
        age: 1700,
        time: 1800,
    }
}

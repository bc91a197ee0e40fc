//! The golden workspace itself: its people, who may ask, and its policies.

use std::collections::BTreeMap;

use serde_json::json;
use signoff_core::{
    actor::{Actor, ActorKind, Auth},
    condition::{Comparison, Condition, Operator},
    event::{
        AgentPut, ApplicationPut, ChannelPut, Event, GroupPut, KeyOwner, KeySet, Nothing, OperatorPut,
        PasswordSet, PolicyPut, PolicyRemoved, PolicySetApplied, WorkspaceSet,
    },
    id::{AgentId, KeyId, OperatorId, PolicyId},
    payload::PayloadName,
    policy::{
        ApprovalTerms, EscalationTerms, Orphaned, Otherwise, PolicyDoc, PolicyEffect, Settings, TimeoutRule,
        Unmatched,
    },
    requirement::{Approver, Role},
    time::Micros,
};

use super::{
    Builder, DANA, DEPLOYS, FINANCE, PAGER, ROBIN, SMALL_REFUNDS, SUITE, requirement, secret, stranger,
    suite, system,
};
use crate::support::{AGENT, WORKSPACE, automation, operator, person, raw};

impl Builder {
    pub(super) fn people(&mut self) {
        let first_run = Actor {
            kind: ActorKind::System,
            id: Some("first-run".into()),
            auth: Some(Auth::SetupLink),
        };
        let created = WorkspaceSet {
            settings: Settings::default(),
        };
        self.push(&system("first-run"), WORKSPACE, Event::WorkspaceCreated(created));
        let put = |role, disabled| Event::OperatorPut(OperatorPut { role, disabled });
        self.push(&first_run, DANA, put(Role::Admin, false));
        self.push(
            &first_run,
            DANA,
            Event::PasswordSet(PasswordSet { digest: secret(0x11) }),
        );
        self.push(&stranger(), DANA, Event::SignInFailed(Nothing {}));
        let dana = Actor {
            auth: Some(Auth::Password),
            ..person(DANA)
        };
        self.push_with(
            &dana,
            DANA,
            Event::SignedIn(Nothing {}),
            &[(PayloadName::Text, "192.0.2.7")],
        );
        self.push(&person(DANA), ROBIN, put(Role::Member, false));
        self.push(&person(DANA), operator(3), put(Role::Member, false));
        let group = |members: &[OperatorId]| {
            Event::GroupPut(GroupPut {
                name: "finance".into(),
                members: members.into(),
            })
        };
        self.push(&person(DANA), FINANCE, group(&[ROBIN]));
        self.push(&person(DANA), FINANCE, group(&[DANA, ROBIN]));
    }

    pub(super) fn principals(&mut self) {
        let put = |labels: &[(&str, &str)], disabled| {
            let labels = labels
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect();
            let name = "support-bot".into();
            Event::AgentPut(AgentPut {
                name,
                labels,
                owner: Some(ROBIN),
                disabled,
                registered_by: None,
            })
        };
        self.push(&automation(), AGENT, put(&[], true));
        self.push(
            &automation(),
            AGENT,
            put(&[("team", "support"), ("env", "prod")], false),
        );
        let application = ApplicationPut {
            name: "suite".into(),
            agents: vec!["suite-*".into()],
            register_new: true,
            disabled: false,
        };
        self.push(&person(DANA), SUITE, Event::ApplicationPut(application));
        let owners = [
            KeyOwner::Agent(AGENT),
            KeyOwner::Application(SUITE),
            KeyOwner::Operator(DANA),
        ];
        for (number, owner) in (1..).zip(owners) {
            let key = KeySet {
                owner,
                hint: format!("…{number:04}"),
                digest: secret(0x20 + number),
                delegation: None,
            };
            self.push(&person(DANA), KeyId(raw(number)), Event::KeySet(key));
        }
        self.push(&person(DANA), KeyId(raw(3)), Event::KeyRevoked(Nothing {}));
        let channel = ChannelPut {
            name: "pager".into(),
            origin: "https://hooks.example.com".into(),
            events: vec!["approval.requested".into(), "approval.ended".into()],
            kind: signoff_core::channel::ChannelKind::Webhook,
            named_only: false,
            window: None,
            switched_off: None,
            disabled: false,
            digest: secret(0x31),
        };
        self.push(&person(DANA), PAGER, Event::ChannelPut(channel));
        let helper = AgentPut {
            name: "suite-helper".into(),
            labels: BTreeMap::new(),
            owner: None,
            disabled: false,
            registered_by: Some(SUITE),
        };
        self.push(&suite(), AgentId(raw(0xa2)), Event::AgentPut(helper));
    }

    pub(super) fn policies(&mut self) {
        let (small_refunds, deploys) = (small_refunds(), deploys());
        let put = |version, age, policy: &PolicyDoc| {
            Event::PolicyPut(PolicyPut {
                version,
                age,
                policy: policy.clone(),
            })
        };
        let dana = person(DANA);
        self.push(&dana, SMALL_REFUNDS, put(1, 1, &small_refunds));
        self.push(&dana, DEPLOYS, put(1, 2, &deploys));
        self.push(
            &dana,
            PolicyId(raw(0xb3)),
            put(1, 3, &PolicyDoc::new("freeze", PolicyEffect::Deny)),
        );
        let applied = |version, policies| {
            Event::PolicySetApplied(PolicySetApplied {
                version,
                policies,
                orphaned: Orphaned::Judge,
            })
        };
        self.push(&dana, WORKSPACE, applied(1, 3));
        self.push(
            &dana,
            PolicyId(raw(0xb3)),
            Event::PolicyRemoved(PolicyRemoved { version: 1 }),
        );
        self.push(
            &dana,
            DEPLOYS,
            put(
                2,
                2,
                &PolicyDoc {
                    disabled: true,
                    ..deploys
                },
            ),
        );
        self.push(&dana, WORKSPACE, applied(2, 2));
        let settings = Settings {
            name: "example".into(),
            unmatched: Unmatched::RequireApproval,
            unmatched_calls: Unmatched::Allow,
            default_approvers: vec![
                Approver::Role(Role::Admin),
                Approver::Operator(ROBIN),
                Approver::AgentOwner,
            ],
            orphaned: Orphaned::Keep,
            retention_days: 400,
        };
        self.push(
            &dana,
            WORKSPACE,
            Event::WorkspaceUpdated(WorkspaceSet { settings }),
        );
    }
}

fn small_refunds() -> PolicyDoc {
    let condition = |field: &str, operator, value| {
        Condition::Comparison(Comparison {
            field: field.into(),
            operator,
            value,
        })
    };
    PolicyDoc {
        description: Some("Up to 50 without asking".into()),
        actions: vec!["stripe.refund*".into()],
        agents: vec!["support-*".into()],
        conditions: vec![
            condition("amount", Operator::Lte, Some(json!(50))),
            condition("inputs.customer", Operator::Exists, None),
            condition(
                "agent.labels.env",
                Operator::In,
                Some(json!(["prod", "staging", 1.5, null])),
            ),
        ],
        otherwise: Some(Otherwise::RequireApproval),
        require_reason: true,
        require_decision_reason: true,
        valid_for: Some(Micros::seconds(600)),
        approval: ApprovalTerms {
            approvers: requirement().stages[0]
                .approvers
                .iter()
                .cloned()
                .map(Into::into)
                .collect(),
            quorum: Some(2),
            deny_quorum: Some(1),
            timeout: Some(TimeoutRule::After(Micros::seconds(1_800))),
            self_approval: false,
            escalate: Some(EscalationTerms {
                after: Micros::seconds(60),
                to: vec!["channel:pager".into()],
            }),
            notify: vec!["channel:finance".into()],
            ..ApprovalTerms::default()
        },
        ..PolicyDoc::new("small-refunds", PolicyEffect::Conditional)
    }
}

fn deploys() -> PolicyDoc {
    PolicyDoc {
        actions: vec!["deploy.production".into()],
        guard: true,
        approval: ApprovalTerms {
            timeout: Some(TimeoutRule::Never),
            self_approval: true,
            ..ApprovalTerms::default()
        },
        ..PolicyDoc::new("production-deploys", PolicyEffect::RequireApproval)
    }
}

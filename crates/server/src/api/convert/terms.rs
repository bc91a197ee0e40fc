//! The terms of asking: approvers, stages, contacts.

use signoff_api::Duration;
use signoff_api::limits::APPROVERS_MAX;
use signoff_api::policy as wire;
use signoff_core::policy::{
    ApprovalTerms, ApproverRule, Contacts, EditTerms, EscalationTerms, FromContext, StageTerms, TimeoutRule,
};

use super::action::{micros, span};
use super::policy::unless_default;
use super::{Faults, ToCore, ToWire};

/// The terms at this place of a policy.
pub(super) fn terms(faults: &mut Faults, at: &str, given: wire::ApprovalRule) -> ApprovalTerms {
    let escalate = given.escalate.and_then(|escalate| {
        let after = span(faults, &format!("{at}/escalate/after"), escalate.after)?;
        let to = escalate.to.into_iter().map(contacts).collect();
        Some(EscalationTerms { after, to })
    });
    let rules = given.approvers.unwrap_or_default();
    if given.stages.as_ref().is_some_and(Vec::is_empty) {
        faults.add(format!("{at}/stages"), "at least one stage");
    }
    let stages = given.stages.unwrap_or_default().into_iter().enumerate();
    let stages = stages
        .map(|(number, stage)| StageTerms {
            name: stage.name,
            approvers: approver_rules(
                faults,
                &format!("{at}/stages/{number}/approvers"),
                stage.approvers,
            ),
            quorum: stage.quorum,
            deny_quorum: stage.deny_quorum,
        })
        .collect();
    ApprovalTerms {
        approvers: approver_rules(faults, &format!("{at}/approvers"), rules),
        quorum: given.quorum,
        deny_quorum: given.deny_quorum,
        stages,
        timeout: given.timeout.map(|timeout| match timeout {
            Duration::Seconds(seconds) => TimeoutRule::After(micros(seconds)),
            Duration::Never => TimeoutRule::Never,
        }),
        self_approval: given.self_approval.unwrap_or_default(),
        link: given.link.map(ToCore::to_core),
        link_risk_max: given.link_risk_max.map(ToCore::to_core),
        escalate,
        notify: given
            .notify
            .unwrap_or_default()
            .into_iter()
            .map(contacts)
            .collect(),
        allow_edit: given.allow_edit.map(|rule| match rule {
            wire::EditRule::Any(any) => EditTerms::Any(any),
            wire::EditRule::Within(schema) => EditTerms::Within(schema),
        }),
        allow_standing: given.allow_standing,
    }
}

fn approver_rules(faults: &mut Faults, pointer: &str, given: Vec<wire::Approver>) -> Vec<ApproverRule> {
    faults.check_count(pointer, given.len(), APPROVERS_MAX);
    let rules = given.into_iter().enumerate();
    rules
        .filter_map(|(at, rule)| match rule {
            wire::Approver::Named(name) => faults
                .keep(&format!("{pointer}/{at}"), name.parse())
                .map(ApproverRule::Named),
            wire::Approver::FromContext(from) => Some(ApproverRule::FromContext(FromContext {
                context: from.context,
                domains: from.domains,
            })),
        })
        .collect()
}

fn contacts(given: wire::Contacts) -> Contacts {
    match given {
        wire::Contacts::Always(contact) => Contacts::Always(contact),
        wire::Contacts::From(from) => Contacts::From {
            to: from.to,
            priority: from.priority.map(ToCore::to_core),
            risk: from.risk.map(ToCore::to_core),
        },
    }
}

impl ToWire for ApproverRule {
    type Wire = wire::Approver;

    fn to_wire(&self) -> wire::Approver {
        match self {
            Self::Named(approver) => wire::Approver::Named(approver.to_string()),
            Self::FromContext(from) => wire::Approver::FromContext(wire::FromContext {
                context: from.context.clone(),
                domains: from.domains.clone(),
            }),
        }
    }
}

impl ToWire for Contacts {
    type Wire = wire::Contacts;

    fn to_wire(&self) -> wire::Contacts {
        match self {
            Self::Always(contact) => wire::Contacts::Always(contact.clone()),
            Self::From { to, priority, risk } => wire::Contacts::From(wire::ContactsFrom {
                to: to.clone(),
                priority: priority.to_wire(),
                risk: risk.to_wire(),
            }),
        }
    }
}

impl ToWire for StageTerms {
    type Wire = wire::StageRule;

    fn to_wire(&self) -> wire::StageRule {
        wire::StageRule {
            name: self.name.clone(),
            approvers: self.approvers.to_wire(),
            quorum: self.quorum,
            deny_quorum: self.deny_quorum,
        }
    }
}

impl ToWire for ApprovalTerms {
    type Wire = wire::ApprovalRule;

    fn to_wire(&self) -> wire::ApprovalRule {
        wire::ApprovalRule {
            approvers: unless_default(self.approvers.to_wire()),
            quorum: self.quorum,
            deny_quorum: self.deny_quorum,
            stages: unless_default(self.stages.to_wire()),
            timeout: self.timeout.map(|timeout| match timeout {
                TimeoutRule::After(span) => span.to_wire(),
                TimeoutRule::Never => Duration::Never,
            }),
            self_approval: unless_default(self.self_approval),
            link: self.link.to_wire(),
            link_risk_max: self.link_risk_max.to_wire(),
            escalate: self.escalate.as_ref().map(|escalate| wire::Escalation {
                after: escalate.after.to_wire(),
                to: escalate.to.to_wire(),
            }),
            notify: unless_default(self.notify.to_wire()),
            allow_edit: self.allow_edit.as_ref().map(|terms| match terms {
                EditTerms::Any(any) => wire::EditRule::Any(*any),
                EditTerms::Within(schema) => wire::EditRule::Within(schema.clone()),
            }),
            allow_standing: self.allow_standing,
        }
    }
}

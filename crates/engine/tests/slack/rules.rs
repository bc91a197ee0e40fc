//! Policies that ask, each in its own way.

use signoff_core::{
    policy::{ApprovalTerms, PolicyDoc, PolicyEffect, TimeoutRule},
    requirement::LinkMode,
    time::Micros,
};

use crate::common::policy;

pub(crate) fn policies(quorum: u32) -> Vec<PolicyDoc> {
    let asks = |name: &str, action: &str, terms: ApprovalTerms| PolicyDoc {
        approval: ApprovalTerms {
            quorum: Some(quorum),
            ..terms
        },
        ..policy(name, &[action], PolicyEffect::RequireApproval)
    };
    let console = ApprovalTerms {
        link: Some(LinkMode::None),
        ..ApprovalTerms::default()
    };
    let reasoned = PolicyDoc {
        require_decision_reason: true,
        ..asks("reasoned", "refund.reasoned", ApprovalTerms::default())
    };
    let long = ApprovalTerms {
        timeout: Some(TimeoutRule::After(Micros::seconds(2 * 86_400))),
        ..ApprovalTerms::default()
    };
    vec![
        asks("small", "refund.small", ApprovalTerms::default()),
        asks("large", "refund.large", ApprovalTerms::default()),
        asks("console", "refund.console", console),
        reasoned,
        asks("long", "refund.long", long),
    ]
}

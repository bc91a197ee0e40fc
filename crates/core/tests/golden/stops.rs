//! The kill switch in the golden log: the workspace stopped by a member and let go by an admin, then one agent.

use std::collections::BTreeMap;

use signoff_core::{
    event::{
        ActionDenied, AgentPut, ApprovalStatus, Event, ExecutionReported, ExecutionRevoked, ExecutionTouched,
        ReportOutcome, StopLifted, StopPulled,
    },
    judge::ReasonCode,
    payload::PayloadName,
    stop::StopTarget,
};

use super::{Builder, DANA, ROBIN, action, facts, system};
use crate::support::{AGENT, WORKSPACE, agent, person};

impl Builder {
    pub(super) fn stopped(&mut self) {
        // What is on its way: one waits, one is ready, one was taken.
        self.ask(0x51, |_| {});
        for number in [0x52, 0x53] {
            self.ask(number, |_| {});
            let end = self.end(ApprovalStatus::Approved, None, Some("policy_changed"));
            let approval = action(number).approval();
            self.push(&system("policy"), approval, Event::ApprovalEnded(end));
        }
        let consumed = Event::ExecutionConsumed(ExecutionTouched { origin: None });
        self.push(&agent(), action(0x53).execution(), consumed);
        let everything = StopTarget::Workspace;
        self.push_with(
            &person(ROBIN),
            WORKSPACE,
            Event::StopPulled(StopPulled { target: everything }),
            &[(PayloadName::Text, "refunds go to the wrong people")],
        );
        let denied = ActionDenied {
            action: facts("stripe.refund", None),
            code: ReasonCode::Stopped,
        };
        self.push(&agent(), action(0x54), Event::ActionDenied(denied));
        let end = self.end(ApprovalStatus::Denied, Some(ReasonCode::Stopped), Some("stopped"));
        let approval = action(0x51).approval();
        self.push(&system("stop"), approval, Event::ApprovalEnded(end));
        let revoked = Event::ExecutionRevoked(ExecutionRevoked::default());
        self.push(&system("stop"), action(0x52).execution(), revoked);
        let reported = ExecutionReported {
            outcome: ReportOutcome::Success,
            origin: None,
        };
        self.push(
            &agent(),
            action(0x53).execution(),
            Event::ExecutionReported(reported),
        );
        self.push_with(
            &person(DANA),
            WORKSPACE,
            Event::StopLifted(StopLifted { target: everything }),
            &[(PayloadName::Text, "solved")],
        );
        let one = StopTarget::Agent(AGENT);
        let (pulled, lifted) = (StopPulled { target: one }, StopLifted { target: one });
        self.push(&person(DANA), AGENT, Event::StopPulled(pulled));
        self.push(&person(DANA), AGENT, Event::StopLifted(lifted));
        self.push(&person(ROBIN), AGENT, Event::StopPulled(pulled));
        // However it is changed, it stays stopped.
        let put = AgentPut {
            name: self.log.rows.agents[&AGENT].name.clone(),
            labels: BTreeMap::new(),
            owner: None,
            disabled: false,
            registered_by: None,
        };
        self.push(&person(DANA), AGENT, Event::AgentPut(put));
    }
}

//! Grants, and the calls that Signoff makes with them, in the golden log.

use std::collections::BTreeMap;

use signoff_core::{
    event::{
        ActionAllowed, ApprovalStatus, CallFault, Event, ExecutionFinished, ExecutionRepeated,
        ExecutionRevoked, ExecutionSettled, ExecutionStarted, ExecutionState, GrantPut, GrantRefreshed,
        GrantRemoved, RevokedBecause, StopLifted, StopPulled,
    },
    fold::origin_of,
    grant::{CredentialKind, Grant, IdempotentProvider, OauthClientAuth, OauthFlow, Redaction},
    http::CallFacts,
    id::{GrantId, RunnerId},
    payload::PayloadName,
    stop::StopTarget,
    time::Micros,
};

use super::{Builder, DANA, ROBIN, action, agent, facts, refunds, secret, system};
use crate::support::{person, raw};

const STRIPE: GrantId = GrantId(raw(0xa1));
const LEDGER: GrantId = GrantId(raw(0xa2));
const FIRST_RUN: RunnerId = RunnerId(raw(0xa8));
const SECOND_RUN: RunnerId = RunnerId(raw(0xa9));

fn stripe() -> Grant {
    Grant {
        name: "stripe-live".into(),
        credential: CredentialKind::Bearer,
        origins: vec!["https://api.stripe.com".into()],
        methods: vec!["GET".into(), "POST".into()],
        paths: vec!["/v1/refunds*".into()],
        agents: vec!["billing-*".into()],
        labels: BTreeMap::from([("team".into(), "billing".into())]),
        timeout: Some(Micros::seconds(30)),
        idempotent: Some(IdempotentProvider {
            header: "idempotency-key".into(),
            window: Micros::seconds(86_400),
        }),
        redact: Redaction {
            headers: vec!["set-cookie".into()],
            json: vec!["/card/*/number".into()],
        },
        disabled: false,
    }
}

fn ledger() -> Grant {
    Grant {
        name: "ledger".into(),
        credential: CredentialKind::Oauth2 {
            token_url: "https://ledger.example.com/token".into(),
            client_id: "signoff".into(),
            scopes: vec!["write".into()],
            flow: OauthFlow::RefreshToken,
            client_auth: OauthClientAuth::Body,
        },
        origins: vec!["https://ledger.example.com".into()],
        methods: Vec::new(),
        paths: Vec::new(),
        agents: vec!["*".into()],
        labels: BTreeMap::new(),
        timeout: None,
        idempotent: None,
        redact: Redaction::default(),
        disabled: true,
    }
}

fn call(method: &str) -> CallFacts {
    CallFacts {
        method: method.into(),
        origin: "https://api.stripe.com".into(),
        grant: Some(STRIPE),
    }
}

fn started(runner: RunnerId) -> Event {
    Event::ExecutionStarted(ExecutionStarted {
        origin: None,
        runner: Some(runner),
    })
}

fn finished(state: ExecutionState, status: Option<u16>, fault: Option<CallFault>, runner: RunnerId) -> Event {
    Event::ExecutionFinished(ExecutionFinished {
        state,
        status,
        fault,
        runner: Some(runner),
    })
}

fn revoked(because: RevokedBecause) -> Event {
    Event::ExecutionRevoked(ExecutionRevoked {
        because: Some(because),
    })
}

impl Builder {
    /// Made, changed, stopped and let go again; one renewed by its provider and taken away.
    pub(super) fn grants(&mut self) {
        let dana = person(DANA);
        for (id, version, grant) in [
            (STRIPE, 1, stripe()),
            (LEDGER, 1, ledger()),
            (STRIPE, 2, stripe()),
        ] {
            let put = GrantPut {
                grant,
                fingerprint: "5f3c9a01".into(),
                digest: secret(0xa0),
                version,
            };
            self.push(&dana, id, Event::GrantPut(Box::new(put)));
        }
        let refreshed = GrantRefreshed { digest: secret(0xaf) };
        self.push(&system("calls"), LEDGER, Event::GrantRefreshed(refreshed));
        self.push(
            &dana,
            LEDGER,
            Event::GrantRemoved(GrantRemoved { digest: secret(0xae) }),
        );
        let target = StopTarget::Grant(STRIPE);
        self.push(&person(ROBIN), STRIPE, Event::StopPulled(StopPulled { target }));
        self.push(&dana, STRIPE, Event::StopLifted(StopLifted { target }));
    }

    /// One that policy let through, and five that people approved, with five ends.
    pub(super) fn governed_calls(&mut self) {
        use ExecutionState as S;
        let mut allowed = facts("http.get", None);
        allowed.call = Some(call("GET"));
        let allowed = ActionAllowed {
            action: allowed,
            run_by: self.now.plus(Micros::seconds(3_600)),
            standing: None,
        };
        let call_of = &[(PayloadName::Call, "{}")];
        self.push_with(&agent(), action(0xa1), Event::ActionAllowed(allowed), call_of);
        let origin = self
            .log
            .sealed
            .last()
            .and_then(|sealed| origin_of(&sealed.record))
            .map(|(_, origin)| origin);
        let begun = Event::ExecutionStarted(ExecutionStarted {
            origin,
            runner: Some(FIRST_RUN),
        });
        self.push(&agent(), action(0xa1).execution(), begun);
        self.push_with(
            &system("calls"),
            action(0xa1).execution(),
            finished(ExecutionState::Executed, Some(200), None, FIRST_RUN),
            &[(PayloadName::Response, "{}"), (PayloadName::ResponseBody, "ok")],
        );
        let settled = |state| Event::ExecutionSettled(ExecutionSettled { state });
        let given_up = finished(S::Indeterminate, None, Some(CallFault::Interrupted), SECOND_RUN);
        let lives: [(u8, Vec<Event>); 5] = [
            (
                0xa2,
                vec![
                    started(FIRST_RUN),
                    finished(S::Executed, Some(402), None, FIRST_RUN),
                ],
            ),
            (
                0xa3,
                vec![
                    started(FIRST_RUN),
                    Event::ExecutionRepeated(ExecutionRepeated { runner: SECOND_RUN }),
                    finished(S::Failed, None, Some(CallFault::Unreachable), SECOND_RUN),
                ],
            ),
            (
                0xa4,
                vec![
                    started(FIRST_RUN),
                    given_up.clone(),
                    settled(S::Ready),
                    started(SECOND_RUN),
                    finished(S::Executed, Some(201), None, SECOND_RUN),
                ],
            ),
            // Its runner had been taken for gone, and answers late.
            (
                0xa5,
                vec![
                    started(FIRST_RUN),
                    given_up,
                    finished(S::Executed, Some(200), None, FIRST_RUN),
                ],
            ),
            (0xa6, vec![revoked(RevokedBecause::Grant)]),
        ];
        for (number, events) in lives {
            self.ask(number, |requested| {
                requested.action.name = "http.post".into();
                requested.action.policy = Some(refunds(2));
                requested.action.call = Some(call("POST"));
            });
            let end = self.end(ApprovalStatus::Approved, None, Some("policy_changed"));
            let approval = action(number).approval();
            self.push(&system("policy"), approval, Event::ApprovalEnded(end));
            for event in events {
                let by_person = matches!(event, Event::ExecutionSettled(_));
                let actor = if by_person { person(DANA) } else { system("calls") };
                self.push(&actor, action(number).execution(), event);
            }
        }
    }
}

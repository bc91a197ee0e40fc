//! Channels of other kinds than webhooks, how a person is reached, where to call back, and a vote by a personal link.

use signoff_core::{
    actor::{Actor, ActorKind, Auth},
    channel::{ChannelKind, SwitchedOff},
    event::{ActionAllowed, ApprovalStatus, ApprovalVoted, Ballot, ChannelPut, ContactSet, Event, Via, View},
    id::ChannelId,
    payload::PayloadName,
    time::Micros,
};

use super::{Builder, DANA, action, agent, facts, secret, system};
use crate::support::{person, raw};

const MAIL: ChannelId = ChannelId(raw(0xf2));

impl Builder {
    pub(super) fn told(&mut self) {
        let mut mail = ChannelPut {
            name: "mail".into(),
            origin: "smtp://smtp.example.com:587".into(),
            kind: ChannelKind::Email,
            events: Vec::new(),
            named_only: true,
            window: Some(Micros::seconds(120)),
            disabled: false,
            switched_off: None,
            digest: secret(0x32),
        };
        self.push(&person(DANA), MAIL, Event::ChannelPut(mail.clone()));
        mail.disabled = true;
        mail.switched_off = Some(SwitchedOff::Failing);
        self.push(&system("deliver"), MAIL, Event::ChannelPut(mail));
        let contact = ContactSet {
            digest: secret(0x33),
            changed: vec!["phone".into(), "quiet_hours".into()],
        };
        self.push(&person(DANA), DANA, Event::ContactSet(contact));

        let allowed = ActionAllowed {
            action: facts("deploy.staging", None),
            run_by: self.now.plus(Micros::seconds(3_600)),
            standing: None,
        };
        let callback = [(PayloadName::Callback, r#"{"url":"https://hooks.example.com/1"}"#)];
        self.push_with(&agent(), action(0xb1), Event::ActionAllowed(allowed), &callback);

        self.ask(0xb2, |_| {});
        let told_seq = self.log.sealed.len() as u64;
        let holder = Actor {
            kind: ActorKind::Operator,
            id: Some(DANA.to_string()),
            auth: Some(Auth::Link),
        };
        let voted = Event::ApprovalVoted(ApprovalVoted {
            ballot: Ballot::Deny,
            digest: secret(0xdd),
            view: Some(View {
                digest: secret(0x78),
                build: "0.1.0".into(),
                locale: "en".into(),
                via: Some(Via::Link { told_seq }),
            }),
            not_counted: Vec::new(),
            stage: None,
            end: Some(self.end(
                ApprovalStatus::Denied,
                Some(signoff_core::judge::ReasonCode::DeniedByReviewer),
                None,
            )),
        });
        self.push(&holder, action(0xb2).approval(), voted);
    }
}

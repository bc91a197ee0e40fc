//! Trying a channel out: one message now, and what came of it.

use signoff_core::{actor::Principal, authority::Operation, id::ChannelId};
use signoff_notify::{Content, DeliveryOutcome, Destination, Message, Notice, Recipient, Transport, deliver};

use super::{has_own_destination, present, transport};
use crate::{Engine, EngineError, EngineResult, turn::mint_id, view::Caller};

/// What came of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tested {
    /// Whether it arrived, as far as the receiver says.
    pub delivered: bool,
    /// The receiver's status.
    pub status: Option<u16>,
    /// What happened and what to do, in words without URL or secret.
    pub detail: String,
    /// To whom it went.
    pub to: String,
}

impl Engine {
    /// Sends a test message now: to the channel's own destination, else to the caller. It goes by no outbox and leaves no
    /// delivery.
    ///
    /// # Errors
    /// If there is no such channel, or neither it nor the caller has an address there.
    pub async fn test_channel(&self, caller: &Caller, id: ChannelId) -> EngineResult<Tested> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Govern)?;
        let snapshot = tenant.snapshot();
        let row = present(&snapshot, id)?;
        let sends = transport(&tenant, &snapshot, id).ok_or(EngineError::Internal)?;
        if let Transport::Callback(_) = sends {
            return Err(EngineError::invalid(
                "",
                "a callback has no URL of its own; submit an action with `callback_url` instead",
            ));
        }
        let (to, name) = if has_own_destination(&sends) {
            (Destination::Channel, format!("the channel {}", row.name))
        } else {
            let me = match &caller.principal {
                Principal::Operator { id, .. } => snapshot.person(*id),
                _ => None,
            };
            let found = me.and_then(|person| {
                let address = snapshot.contact(person.id).address(person, row)?;
                let name = person.name.clone();
                Some((Recipient { name, address }, person.name.clone()))
            });
            let Some((recipient, name)) = found else {
                return Err(EngineError::invalid(
                    "",
                    "the channel has no destination of its own, and you have no address there: add one, or test it as a person who has",
                ));
            };
            (Destination::Person(recipient), name)
        };
        let time = self.now();
        let message = Message {
            id: format!("tst_{}", mint_id(time)),
            to,
            content: Content::Notice(Notice {
                title: format!("Signoff reaches you by {}", row.name),
                text: "This is a test. Approvals that wait for you will arrive here.".into(),
                url: self.public_url().to_owned(),
                event_type: "channel.test".into(),
                occurred_at: time.to_string(),
            }),
            thread: None,
        };
        let now = jiff::Timestamp::from_microsecond(time.0).unwrap_or_default();
        let outcome = deliver(&self.inner.egress, &sends, &message, now).await;
        let (delivered, status, detail) = match outcome {
            DeliveryOutcome::Delivered { status, .. } => (true, Some(status), "delivered".to_owned()),
            DeliveryOutcome::Retry { status, detail, .. }
            | DeliveryOutcome::Gone { status, detail }
            | DeliveryOutcome::Rejected { status, detail } => (false, status, detail),
            DeliveryOutcome::Refused { reason } => {
                (false, None, format!("refused by the address guard: {reason}"))
            }
        };
        Ok(Tested {
            delivered,
            status,
            detail,
            to: name,
        })
    }
}

//! Slack: an app with buttons, and incoming webhooks.

use jiff::Timestamp;
use signoff_egress::Egress;

use crate::deliver::DeliveryOutcome;
use crate::message::Message;
use crate::transport::{Hook, SlackApp};

pub(crate) async fn send(_egress: &Egress, _app: &SlackApp, _message: &Message) -> DeliveryOutcome {
    not_built()
}

pub(crate) async fn send_to_hook(
    _egress: &Egress,
    _hook: &Hook,
    _message: &Message,
    _now: Timestamp,
) -> DeliveryOutcome {
    not_built()
}

fn not_built() -> DeliveryOutcome {
    DeliveryOutcome::Rejected {
        status: None,
        detail: "this build can't send there".into(),
    }
}

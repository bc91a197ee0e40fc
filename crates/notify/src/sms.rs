//! Text messages by the form of Twilio's API.

use jiff::Timestamp;
use signoff_egress::Egress;

use crate::deliver::DeliveryOutcome;
use crate::message::Message;
use crate::transport::Sms;

pub(crate) async fn send(
    _egress: &Egress,
    _sms: &Sms,
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

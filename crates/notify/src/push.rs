//! Push messages by HTTP, as ntfy has them.

use jiff::Timestamp;
use signoff_egress::Egress;

use crate::deliver::DeliveryOutcome;
use crate::message::Message;
use crate::transport::Push;

pub(crate) async fn send(
    _egress: &Egress,
    _push: &Push,
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

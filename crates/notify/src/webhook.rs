//! Messages to programs: JSON, signed as the Standard Webhooks specification says.

use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use signoff_egress::Egress;

use crate::deliver::{DeliveryOutcome, failed, outcome_of, post};
use crate::message::{Content, Message, Notice};
use crate::sign::sign;
use crate::told::render;
use crate::transport::{Signing, Template};

#[derive(Serialize)]
struct NoticeMessage<'a> {
    #[serde(rename = "type")]
    event_type: &'a str,
    timestamp: &'a str,
    data: NoticeData<'a>,
}

#[derive(Serialize)]
struct NoticeData<'a> {
    event_id: &'a str,
    title: &'a str,
    text: &'a str,
    url: &'a str,
}

/// Posts the message once, signed with every secret that counts at this time.
pub(crate) async fn send(
    egress: &Egress,
    url: &str,
    (signing, template): (&Signing, Template),
    message: &Message,
    now: Timestamp,
) -> DeliveryOutcome {
    let body = match (&message.content, template) {
        (Content::Event(told), Template::Standard) => render(told),
        (Content::Notice(notice), _) => render_notice(&message.id, notice),
        _ => {
            return DeliveryOutcome::Rejected {
                status: None,
                detail: "nothing that a program is told of".into(),
            };
        }
    };
    let signed = sign(
        &signing.live_secrets(now.as_microsecond()),
        &message.id,
        now.as_second(),
        &body,
    );
    match post(egress, url, signed.headers().into(), body).await {
        Ok(response) => outcome_of(&response, now.as_second()),
        Err(error) => failed(&error),
    }
}

fn render_notice(id: &str, notice: &Notice) -> Bytes {
    let message = NoticeMessage {
        event_type: &notice.event_type,
        timestamp: &notice.occurred_at,
        data: NoticeData {
            event_id: id,
            title: &notice.title,
            text: &notice.text,
            url: &notice.url,
        },
    };
    Bytes::from(serde_json::to_vec(&message).unwrap_or_default())
}

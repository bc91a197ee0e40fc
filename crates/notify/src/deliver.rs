//! One attempt to deliver one message, and what its outcome means for the next.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use signoff_egress::{Egress, EgressError, OutboundRequest, OutboundResponse};

use crate::message::{Destination, Message};
use crate::retry::RETRY_AFTER_MAX;
use crate::transport::Transport;
use crate::{email, pagerduty, push, slack, sms, teams, webhook};

/// How long a receiver may take to answer.
pub const DELIVERY_TIMEOUT: Duration = Duration::from_secs(15);

/// What became of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The receiver answered with a 2xx.
    Delivered {
        /// Its status.
        status: u16,
        /// What it is called where it went, for messages that belong beside it (`conversation/ts` at Slack, the
        /// `Message-ID` of a mail); none where nothing can be put beside it.
        reference: Option<String>,
    },
    /// It did not arrive, or the receiver did not want it now; [`crate::retry_delay`] says when to try again.
    Retry {
        /// What the receiver asked for with `Retry-After` (on 429 and 503), at most a day.
        after: Option<Duration>,
        /// The status, where there was an answer.
        status: Option<u16>,
        /// What happened, in words without URL or secret.
        detail: String,
    },
    /// The receiver wants no more messages of this channel (410, a revoked token): it is to be switched off.
    Gone {
        /// The status, where there was one.
        status: Option<u16>,
        /// What happened, in words without URL or secret.
        detail: String,
    },
    /// This message is not wanted and never will be, such as a mail to an address that does not exist. Others may be.
    Rejected {
        /// The status, where there was one.
        status: Option<u16>,
        /// What happened, in words without URL or secret.
        detail: String,
    },
    /// The guard refused the address. Trying again helps only once configuration or the name changed.
    Refused {
        /// Why, in words without the URL.
        reason: String,
    },
}

/// Sends one message once. `now` is this attempt's time.
pub async fn deliver(
    egress: &Egress,
    transport: &Transport,
    message: &Message,
    now: Timestamp,
) -> DeliveryOutcome {
    match transport {
        Transport::Webhook(webhook) => {
            let signing = (&webhook.signing, webhook.template);
            webhook::send(egress, &webhook.url, signing, message, now).await
        }
        Transport::Callback(callback) => match &message.to {
            Destination::Url(url) => {
                let signing = (&callback.signing, callback.template);
                webhook::send(egress, url, signing, message, now).await
            }
            _ => DeliveryOutcome::Rejected {
                status: None,
                detail: "the request names no URL to call back".into(),
            },
        },
        Transport::Email(email) => email::send(egress, email, message, now).await,
        Transport::Slack(app) => slack::send(egress, app, message).await,
        Transport::SlackWebhook(hook) => slack::send_to_hook(egress, hook, message, now).await,
        Transport::Teams(hook) => teams::send(egress, hook, message, now).await,
        Transport::Pagerduty(pagerduty) => pagerduty::send(egress, pagerduty, message, now).await,
        Transport::Sms(sms) => sms::send(egress, sms, message, now).await,
        Transport::Push(push) => push::send(egress, push, message, now).await,
    }
}

/// What a call that brought no answer means for the message.
pub(crate) fn failed(error: &EgressError) -> DeliveryOutcome {
    match error {
        EgressError::Refused(refusal) => DeliveryOutcome::Refused {
            reason: refusal.to_string(),
        },
        error => DeliveryOutcome::Retry {
            after: None,
            status: None,
            detail: error.to_string(),
        },
    }
}

/// Posts JSON with these headers besides, and says what the status means to plain HTTP.
pub(crate) async fn post(
    egress: &Egress,
    url: &str,
    headers: Vec<(String, String)>,
    body: Bytes,
) -> Result<OutboundResponse, EgressError> {
    let mut all = vec![("content-type".to_owned(), "application/json".to_owned())];
    all.extend(headers);
    let request = OutboundRequest {
        url: url.to_owned(),
        headers: all,
        body,
        timeout: DELIVERY_TIMEOUT,
    };
    egress.post(request).await
}

/// What an answer's status means, as Standard Webhooks has it.
pub(crate) fn outcome_of(response: &OutboundResponse, now: i64) -> DeliveryOutcome {
    let status = response.status;
    let retry = |after, detail: String| DeliveryOutcome::Retry {
        after,
        status: Some(status),
        detail,
    };
    match status {
        200..=299 => DeliveryOutcome::Delivered {
            status,
            reference: None,
        },
        410 => DeliveryOutcome::Gone {
            status: Some(status),
            detail: "the receiver is gone (410)".into(),
        },
        300..=399 => retry(
            None,
            format!("the receiver answered {status}; redirects are not followed"),
        ),
        429 | 503 => {
            let asked = response
                .header("retry-after")
                .and_then(|text| retry_after(text, now));
            retry(asked, format!("the receiver answered {status}"))
        }
        _ => retry(None, format!("the receiver answered {status}")),
    }
}

/// What a vendor's answer means: as [`outcome_of`], but a message it calls malformed is not sent again, and a secret it does
/// not know is an admin's to mend. `secret` names that as the channel's settings do.
pub(crate) fn outcome_of_vendor(response: &OutboundResponse, now: i64, secret: &str) -> DeliveryOutcome {
    let status = response.status;
    match status {
        400 | 413 | 415 | 422 => DeliveryOutcome::Rejected {
            status: Some(status),
            detail: format!("the receiver refused the message as malformed ({status})"),
        },
        401 | 403 => DeliveryOutcome::Retry {
            after: None,
            status: Some(status),
            detail: format!("the receiver refused the channel's {secret} ({status}); set it anew"),
        },
        _ => outcome_of(response, now),
    }
}

/// Reads `Retry-After`, whole seconds or a date; what cannot be read asks for nothing.
pub(crate) fn retry_after(text: &str, now: i64) -> Option<Duration> {
    let text = text.trim();
    let seconds = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are surely more than a day.
        text.parse().unwrap_or(u64::MAX)
    } else {
        let date: Timestamp = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        u64::try_from(date.as_second().saturating_sub(now)).unwrap_or(0)
    };
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_445_412_420; // 2015-10-21T07:27:00Z

    #[test]
    fn retry_after_is_read_in_both_forms_and_bounded() {
        let seconds = |text| retry_after(text, NOW).map(|after| after.as_secs());
        assert_eq!(seconds("0"), Some(0));
        assert_eq!(seconds(" 120 "), Some(120));
        assert_eq!(seconds("86401"), Some(86_400));
        assert_eq!(seconds("99999999999999999999999"), Some(86_400));
        assert_eq!(seconds("Wed, 21 Oct 2015 07:28:00 GMT"), Some(60));
        assert_eq!(seconds("Wed, 21 Oct 2015 07:26:00 GMT"), Some(0));
        assert_eq!(seconds("Thu, 31 Dec 9998 23:59:59 GMT"), Some(86_400));
        for text in ["", "-1", "1.5", "+5", "soon", "0x10", "2015-10-21T07:28:00Z"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    /// Each status and what it means; a redirect is a failure like any other.
    #[test]
    fn every_status_has_one_meaning() {
        for status in 200..=599 {
            let response = OutboundResponse {
                status,
                headers: vec![
                    ("retry-after".into(), "7".into()),
                    ("location".into(), "/".into()),
                ],
                body: Bytes::new(),
                body_end: signoff_egress::BodyEnd::Whole,
            };
            let saw = outcome_of(&response, NOW);
            let asked = matches!(status, 429 | 503).then_some(Duration::from_secs(7));
            match status {
                200..=299 => {
                    assert!(matches!(saw, DeliveryOutcome::Delivered { status: saw, .. } if saw == status));
                }
                410 => assert!(matches!(
                    saw,
                    DeliveryOutcome::Gone {
                        status: Some(410),
                        ..
                    }
                )),
                _ => assert!(
                    matches!(&saw, DeliveryOutcome::Retry { after, status: Some(code), .. } if *after == asked && *code == status),
                    "{saw:?}"
                ),
            }
        }
    }
}

//! One attempt to deliver one message, and what its outcome means for the next.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use signoff_egress::{Egress, EgressError, OutboundRequest, OutboundResponse};

use crate::retry::RETRY_AFTER_MAX;
use crate::sign::{WebhookSecret, sign};

/// How long a receiver may take to answer.
pub const DELIVERY_TIMEOUT: Duration = Duration::from_secs(15);

/// Where messages of a channel go and how they are signed. Its debug form shows neither.
#[derive(Clone)]
pub struct Endpoint {
    /// The receiver's URL; may itself be a secret.
    pub url: String,
    /// The secrets to sign with, at least one; during a rotation two.
    pub secrets: Vec<WebhookSecret>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint")
            .field("secrets", &self.secrets.len())
            .finish_non_exhaustive()
    }
}

/// What became of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The receiver answered with a 2xx.
    Delivered {
        /// Its status.
        status: u16,
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
    /// 410: the receiver wants no more messages; the channel is to be disabled.
    Gone,
    /// The guard refused the address. Trying again helps only once configuration or the name changed.
    Refused {
        /// Why, in words without the URL.
        reason: String,
    },
}

/// Posts one message once. The body is sent as given, so that every attempt carries the same bytes.
///
/// `timestamp` is this attempt's time in whole seconds since 1970.
pub async fn deliver(
    egress: &Egress,
    endpoint: &Endpoint,
    message_id: &str,
    timestamp: i64,
    body: Bytes,
) -> DeliveryOutcome {
    let signed = sign(&endpoint.secrets, message_id, timestamp, &body);
    let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    headers.extend(signed.headers());
    let request = OutboundRequest {
        url: endpoint.url.clone(),
        headers,
        body,
        timeout: DELIVERY_TIMEOUT,
    };
    match egress.post(request).await {
        Ok(response) => outcome_of(&response, timestamp),
        Err(EgressError::Refused(refusal)) => DeliveryOutcome::Refused {
            reason: refusal.to_string(),
        },
        Err(error) => DeliveryOutcome::Retry {
            after: None,
            status: None,
            detail: error.to_string(),
        },
    }
}

fn outcome_of(response: &OutboundResponse, now: i64) -> DeliveryOutcome {
    let status = response.status;
    let retry = |after, detail: String| DeliveryOutcome::Retry {
        after,
        status: Some(status),
        detail,
    };
    match status {
        200..=299 => DeliveryOutcome::Delivered { status },
        410 => DeliveryOutcome::Gone,
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

/// Reads `Retry-After`, whole seconds or a date; what cannot be read asks for nothing.
fn retry_after(text: &str, now: i64) -> Option<Duration> {
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
                200..=299 => assert_eq!(saw, DeliveryOutcome::Delivered { status }),
                410 => assert_eq!(saw, DeliveryOutcome::Gone),
                _ => assert!(
                    matches!(&saw, DeliveryOutcome::Retry { after, status: Some(code), .. } if *after == asked && *code == status),
                    "{saw:?}"
                ),
            }
        }
    }
}

//! Slack's web API: one call, and what its answer means.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use signoff_egress::{BodyEnd, Egress, OutboundResponse};

use crate::deliver::{DeliveryOutcome, failed, outcome_of, post, retry_after};
use crate::transport::SlackApp;

/// Tokens that will never work again.
const GONE: &[&str] = &[
    "invalid_auth",
    "account_inactive",
    "token_revoked",
    "token_expired",
    "not_authed",
    "org_login_required",
    "team_access_not_granted",
];
/// What is wrong with the place, and what to do about it.
const REJECTED: &[(&str, &str)] = &[
    (
        "channel_not_found",
        "there is no such conversation; invite the app to it, or name another one",
    ),
    ("is_archived", "the conversation is archived; name another one"),
    (
        "not_in_channel",
        "the app is not in the conversation; invite it there",
    ),
    (
        "user_not_found",
        "there is no such user; link the person to Slack anew",
    ),
    (
        "user_disabled",
        "the user is deactivated; link the person to Slack anew",
    ),
    (
        "users_not_found",
        "there is no such user; link the person to Slack anew",
    ),
    (
        "cannot_dm_bot",
        "the user is a bot; link the person to Slack anew",
    ),
    (
        "user_not_visible",
        "the app may not see the user; link the person to Slack anew",
    ),
];
/// The message that was to be changed can't be, or is not there any more.
const MESSAGE_GONE: &[&str] = &["message_not_found", "cant_update_message", "edit_window_closed"];
const ERROR_CHARS_MAX: usize = 60;

/// Why Slack did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    /// The message to be changed is not there.
    MessageGone,
    /// Everything else, as what it means for the message.
    Other(DeliveryOutcome),
}

/// Why something could not be shown to a person, in words without token or URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SlackFault(pub(super) String);

impl From<Refused> for SlackFault {
    fn from(refused: Refused) -> Self {
        Self(match refused {
            Refused::MessageGone => "the message is not there any more".into(),
            Refused::Other(outcome) => words(outcome),
        })
    }
}

fn words(outcome: DeliveryOutcome) -> String {
    match outcome {
        DeliveryOutcome::Delivered { .. } => "it arrived".into(),
        DeliveryOutcome::Retry { detail, .. }
        | DeliveryOutcome::Gone { detail, .. }
        | DeliveryOutcome::Rejected { detail, .. } => detail,
        DeliveryOutcome::Refused { reason } => format!("refused by the address guard: {reason}"),
    }
}

/// What of an answer is read.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Answer {
    ok: bool,
    #[serde(default)]
    error: Option<String>,
    /// An id, or a whole conversation where one was opened.
    #[serde(default)]
    pub(super) channel: Value,
    #[serde(default)]
    pub(super) ts: Option<String>,
}

/// Calls one method with the app's token.
pub(super) async fn call(
    egress: &Egress,
    app: &SlackApp,
    method: &str,
    body: &Value,
) -> Result<Answer, Refused> {
    let url = format!("{}/{method}", app.api_url.trim_end_matches('/'));
    let token = vec![("authorization".to_owned(), format!("Bearer {}", app.bot_token))];
    let answered = post(egress, &url, token, Bytes::from(body.to_string())).await;
    let response = answered.map_err(|error| Refused::Other(failed(&error)))?;
    read(method, &response)
}

fn read(method: &str, response: &OutboundResponse) -> Result<Answer, Refused> {
    let status = response.status;
    if status != 200 {
        // What comes beside 200 is of the way there, and none of it says what to do about the token.
        return Err(Refused::Other(match outcome_of(response, 0) {
            DeliveryOutcome::Delivered { .. } | DeliveryOutcome::Gone { .. } => {
                retry(None, status, format!("Slack answered {status}"))
            }
            other => other,
        }));
    }
    match serde_json::from_slice::<Answer>(&response.body) {
        Ok(answer) if answer.ok => Ok(answer),
        Ok(answer) => {
            let asked = response.header("retry-after");
            let after = asked.and_then(|text| retry_after(text, 0));
            Err(refused(
                method,
                answer.error.as_deref().unwrap_or_default(),
                after,
                status,
            ))
        }
        // Its answer repeats the message, and a long one is not kept whole.
        Err(_) if response.body_end != BodyEnd::Whole && response.body.starts_with(b"{\"ok\":true") => {
            Ok(Answer::default())
        }
        Err(_) => Err(Refused::Other(retry(
            None,
            status,
            "Slack's answer can't be read".into(),
        ))),
    }
}

fn refused(method: &str, error: &str, after: Option<Duration>, status: u16) -> Refused {
    let error = named(error);
    if method == "chat.update" && MESSAGE_GONE.contains(&error) {
        return Refused::MessageGone;
    }
    if GONE.contains(&error) {
        let detail = format!(
            "Slack does not take the bot token any more ({error}); install the app anew and give the channel its token"
        );
        return Refused::Other(DeliveryOutcome::Gone {
            status: Some(status),
            detail,
        });
    }
    if let Some((_, why)) = REJECTED.iter().find(|(known, _)| *known == error) {
        return Refused::Other(DeliveryOutcome::Rejected {
            status: Some(status),
            detail: format!("{why} ({error})"),
        });
    }
    let detail = match error {
        "ratelimited" => "Slack asks for fewer messages (ratelimited)".to_owned(),
        "missing_scope" => {
            "the app lacks a scope (missing_scope); give it those of the manifest and install it anew"
                .to_owned()
        }
        _ => format!("Slack refused {method} ({error})"),
    };
    Refused::Other(retry(after, status, detail))
}

/// Slack's word for it, if it is one.
fn named(error: &str) -> &str {
    let plain = error
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if plain && (1..=ERROR_CHARS_MAX).contains(&error.len()) {
        error
    } else {
        "an error without a name"
    }
}

fn retry(after: Option<Duration>, status: u16, detail: String) -> DeliveryOutcome {
    DeliveryOutcome::Retry {
        after,
        status: Some(status),
        detail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, body: &str, whole: bool) -> OutboundResponse {
        OutboundResponse {
            status,
            headers: vec![("retry-after".into(), "30".into())],
            body: Bytes::copy_from_slice(body.as_bytes()),
            body_end: if whole { BodyEnd::Whole } else { BodyEnd::Cut },
        }
    }

    fn error(method: &str, error: &str) -> Refused {
        let body = serde_json::json!({"ok": false, "error": error}).to_string();
        read(method, &answered(200, &body, true)).unwrap_err()
    }

    #[test]
    fn every_error_says_what_it_means_for_the_message() {
        for name in GONE {
            assert!(
                matches!(error("chat.postMessage", name), Refused::Other(DeliveryOutcome::Gone { detail, .. }) if detail.contains("install the app anew")),
                "{name}"
            );
        }
        for (name, why) in REJECTED {
            assert!(
                matches!(error("chat.postMessage", name), Refused::Other(DeliveryOutcome::Rejected { detail, .. }) if detail.starts_with(why)),
                "{name}"
            );
        }
        for name in [
            "ratelimited",
            "missing_scope",
            "fatal_error",
            "msg_too_long",
            "<b>!",
            "",
        ] {
            let after = Some(Duration::from_secs(30));
            assert!(
                matches!(error("chat.update", name), Refused::Other(DeliveryOutcome::Retry { after: saw, ref detail, .. }) if saw == after && !detail.contains('<')),
                "{name}"
            );
        }
        for name in MESSAGE_GONE {
            assert_eq!(error("chat.update", name), Refused::MessageGone);
            assert_ne!(error("chat.postMessage", name), Refused::MessageGone);
        }
    }

    #[test]
    fn what_is_no_answer_is_tried_again() {
        for status in [201, 204, 302, 400, 401, 404, 410, 429, 500, 503] {
            let saw = read("chat.postMessage", &answered(status, "", true)).unwrap_err();
            let after = matches!(status, 429 | 503).then_some(Duration::from_secs(30));
            assert!(
                matches!(saw, Refused::Other(DeliveryOutcome::Retry { after: saw, status: Some(code), .. }) if saw == after && code == status),
                "{status}: {saw:?}"
            );
        }
        for body in ["", "ok", "{}", "[]", "{\"ok\":\"yes\"}", "{\"ok\":true"] {
            let saw = read("chat.postMessage", &answered(200, body, true)).unwrap_err();
            assert!(
                matches!(saw, Refused::Other(DeliveryOutcome::Retry { .. })),
                "{body}"
            );
        }
        // It was posted: once more would tell it twice.
        let cut = read(
            "chat.postMessage",
            &answered(200, "{\"ok\":true,\"message\":{", false),
        )
        .unwrap();
        assert_eq!(cut.ts, None);
    }
}

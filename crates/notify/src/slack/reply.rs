//! What one person alone is told about what they pressed or typed.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use signoff_egress::Egress;

use super::api::{SlackFault, call};
use super::blocks::{SECTION_BYTES_MAX, actions, escaped, link, section};
use super::{OPEN_ID, is_message_id, is_slack_id};
use crate::deliver::{failed, post};
use crate::inert;
use crate::transport::SlackApp;

/// Where Slack takes answers.
const SLACK_HOOKS: &str = "https://hooks.slack.com/";
/// The longest address of an answer that is kept.
const URL_BYTES_MAX: usize = 500;

/// Where something was pressed.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) conversation: Option<String>,
    /// The message in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
    /// Where Slack takes an answer for half an hour; who has it can write there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) response_url: Option<String>,
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place")
            .field("conversation", &self.conversation)
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

impl Place {
    /// What of it can be used; the rest is left out.
    pub(super) fn new(
        conversation: Option<String>,
        message: Option<String>,
        response_url: Option<String>,
    ) -> Self {
        let plain =
            |url: &String| url.len() <= URL_BYTES_MAX && url.bytes().all(|byte| byte.is_ascii_graphic());
        Self {
            conversation: conversation.filter(|id| is_slack_id(id)),
            message: message.filter(|id| is_message_id(id)),
            response_url: response_url.filter(plain),
        }
    }
}

/// Something to tell one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// A few sentences.
    pub text: String,
    /// The page to go on at.
    pub url: Option<String>,
}

/// Tells the person alone, where they pressed.
///
/// # Errors
/// Why not, in words without token or URL.
pub async fn respond(
    egress: &Egress,
    app: &SlackApp,
    (place, user): (&Place, &str),
    reply: &Reply,
) -> Result<(), SlackFault> {
    let mut body = rendered(reply);
    let response_url = place.response_url.as_deref();
    if let Some(url) = response_url.filter(|url| answers_go_to(app, url)) {
        merge(
            &mut body,
            &json!({"response_type": "ephemeral", "replace_original": false}),
        );
        return match post(egress, url, Vec::new(), Bytes::from(body.to_string())).await {
            Ok(response) if response.status == 200 => Ok(()),
            Ok(response) => Err(SlackFault(format!("Slack answered {}", response.status))),
            Err(error) => Err(super::api::Refused::Other(failed(&error)).into()),
        };
    }
    let Some(conversation) = &place.conversation else {
        return Err(SlackFault("it is not known where to answer".into()));
    };
    merge(&mut body, &json!({"channel": conversation, "user": user}));
    call(egress, app, "chat.postEphemeral", &body).await?;
    Ok(())
}

/// Slack's own place for answers, or that of whoever stands in for its API.
fn answers_go_to(app: &SlackApp, url: &str) -> bool {
    if url.starts_with(SLACK_HOOKS) {
        return true;
    }
    let path_at = app.api_url.find("://").map_or(0, |at| at + 3);
    let host_ends = app.api_url[path_at..]
        .find('/')
        .map_or(app.api_url.len(), |at| path_at + at);
    let rest = url.strip_prefix(&app.api_url[..host_ends]);
    rest.is_some_and(|rest| rest.starts_with('/'))
}

/// The message, without who sees it.
pub(super) fn rendered(reply: &Reply) -> Value {
    let text = inert::block(&reply.text, 20, SECTION_BYTES_MAX);
    let mut blocks = vec![section(&text)];
    if let Some(url) = &reply.url {
        blocks.push(actions(&[link(OPEN_ID, "Open in Signoff", url)]));
    }
    json!({"text": escaped(&text), "mrkdwn": false, "blocks": blocks})
}

impl Reply {
    /// The answer to a command, as its body.
    pub fn to_body(&self) -> String {
        let mut body = rendered(self);
        merge(&mut body, &json!({"response_type": "ephemeral"}));
        body.to_string()
    }
}

fn merge(body: &mut Value, more: &Value) {
    if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
        body.extend(more.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_go_to_slack_and_nowhere_else() {
        let app = |api_url: &str| SlackApp {
            bot_token: "xoxb-1".into(),
            signing_secret: "s".into(),
            team: "T1".into(),
            conversation: None,
            api_url: api_url.into(),
        };
        let slack = app("https://slack.com/api");
        for (url, expected) in [
            ("https://hooks.slack.com/actions/T1/2/x", true),
            ("https://slack.com/x", true),
            ("https://hooks.slack.com.evil.example/x", false),
            ("https://hooks.slack.com@evil.example/x", false),
            ("http://hooks.slack.com/x", false),
            ("https://slack.com.evil.example/x", false),
            ("https://slack.com:1@evil.example/x", false),
            ("https://evil.example/https://hooks.slack.com/", false),
        ] {
            assert_eq!(answers_go_to(&slack, url), expected, "{url}");
        }
        let fake = app("http://127.0.0.1:9/api/");
        assert!(answers_go_to(&fake, "http://127.0.0.1:9/r/1"));
        assert!(!answers_go_to(&fake, "http://127.0.0.1:99/r/1"));
        assert!(answers_go_to(&app("http://127.0.0.1:9"), "http://127.0.0.1:9/r"));
    }
}

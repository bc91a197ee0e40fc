//! What the form of each kind of channel asks for: the settings of the API, with what each is for.

use serde_json::Value;
use signoff_core::channel::ChannelKind;
use signoff_engine::view::ChannelView;

use crate::console::view::channel::ChannelField;

const SECURITY: &[(&str, &str)] = &[
    (
        "starttls",
        "STARTTLS: begins in the clear, changes before anything is said",
    ),
    ("tls", "TLS from the first byte"),
    ("none", "none, for a relay on the same machine"),
];
const TEMPLATES: &[(&str, &str)] = &[
    (
        "standard",
        "type, timestamp and data, as Standard Webhooks has it",
    ),
    ("agentwarden", "as AgentWarden documents it; ends only"),
];

fn field(name: &'static str, label: &'static str, input: &'static str, note: &'static str) -> ChannelField {
    ChannelField {
        name,
        label,
        note,
        input,
        choices: &[],
        is_needed: false,
        is_set: false,
        value: String::new(),
    }
}

fn needed(field: ChannelField) -> ChannelField {
    ChannelField {
        is_needed: true,
        ..field
    }
}

fn one_of(field: ChannelField, choices: &'static [(&'static str, &'static str)]) -> ChannelField {
    ChannelField { choices, ..field }
}

/// The settings that a kind has, in the order of its form.
pub fn fields(kind: ChannelKind) -> Vec<ChannelField> {
    match kind {
        ChannelKind::Webhook => {
            let url = field(
                "url",
                "URL",
                "secret",
                "where messages are posted; kept like a password",
            );
            let mut fields = vec![needed(url)];
            fields.extend(signing());
            fields
        }
        ChannelKind::Callback => {
            let note = "https://ci.example.com/hooks, one a line; each with everything below its path";
            let mut fields = vec![needed(field(
                "allow",
                "URLs that requests may name",
                "list",
                note,
            ))];
            fields.extend(signing());
            fields
        }
        ChannelKind::Email => email(),
        ChannelKind::Slack => slack(),
        ChannelKind::SlackWebhook | ChannelKind::Teams => {
            let note = "as it is shown where you made it; whoever knows it can post there";
            vec![needed(field("url", "URL of the webhook", "secret", note))]
        }
        ChannelKind::Pagerduty => vec![
            needed(field(
                "routing_key",
                "Integration key",
                "secret",
                "of the service, Events API v2",
            )),
            field(
                "url",
                "Address of the API",
                "text",
                "PagerDuty’s own unless you name another",
            ),
        ],
        ChannelKind::Sms => vec![
            needed(field("account_sid", "Account", "text", "AC…")),
            needed(field("auth_token", "Token of the account", "secret", "")),
            needed(field(
                "from",
                "Sender",
                "text",
                "a number such as +15550100, or a messaging service MG…",
            )),
            field(
                "to",
                "Numbers that are told as well",
                "list",
                "one a line; people are written to at their own",
            ),
            field(
                "api_url",
                "Address of the API",
                "text",
                "Twilio’s own unless you name another",
            ),
        ],
        ChannelKind::Push => vec![
            needed(field("url", "Server", "text", "https://ntfy.sh or your own")),
            field(
                "topic",
                "Topic that is told as well",
                "secret",
                "long and random; people have their own",
            ),
            field("token", "Access token", "secret", "if the server wants one"),
        ],
    }
}

/// The same of a channel that is there, with what stands in it. What is secret does not; a signing secret is changed by
/// putting a new one beside it.
pub fn present_fields(view: &ChannelView) -> Vec<ChannelField> {
    let mut fields = fields(view.kind);
    fields.retain(|field| !(view.kind.is_for_programs() && field.name == "secret"));
    for field in &mut fields {
        // A key pair is known by its public half.
        let setting = if field.name == "asymmetric" {
            "public_key"
        } else {
            field.name
        };
        let value = view.settings.get(setting).filter(|value| !value.is_null());
        field.is_set = value.is_some();
        field.value = match (field.input, value) {
            ("secret", _) | (_, None) => String::new(),
            ("yes", Some(_)) => "yes".to_owned(),
            (_, Some(Value::Array(lines))) => lines
                .iter()
                .filter_map(Value::as_str)
                .collect::<Vec<_>>()
                .join("\n"),
            (_, Some(Value::String(text))) => text.clone(),
            (_, Some(other)) => other.to_string(),
        };
    }
    fields
}

fn signing() -> Vec<ChannelField> {
    let template = field("template", "Body", "one_of", "what a message looks like");
    vec![
        field(
            "secret",
            "Signing secret",
            "secret",
            "whsec_…; empty: a new one is made and shown once",
        ),
        field(
            "asymmetric",
            "Sign with a key pair as well",
            "yes",
            "For receivers that must not be able to sign (v1a).",
        ),
        one_of(template, TEMPLATES),
    ]
}

fn email() -> Vec<ChannelField> {
    vec![
        needed(field("host", "Mail server", "text", "smtp.example.com")),
        needed(field("port", "Port", "number", "587 for STARTTLS, 465 for TLS")),
        one_of(
            field("security", "Connection", "one_of", "how it is kept private"),
            SECURITY,
        ),
        field("username", "User", "text", "if the server wants one"),
        field("password", "Password", "secret", "if the server wants one"),
        needed(field("from", "Sender", "text", "Signoff <signoff@example.com>")),
        field(
            "to",
            "Shared mailboxes",
            "list",
            "one a line, not needed; people are written to at their own address",
        ),
    ]
}

fn slack() -> Vec<ChannelField> {
    vec![
        needed(field("bot_token", "Bot token", "secret", "xoxb-…")),
        needed(field(
            "signing_secret",
            "Signing secret",
            "secret",
            "of the app, under Basic Information",
        )),
        needed(field(
            "team",
            "Slack workspace",
            "text",
            "T…; what comes from others is refused",
        )),
        field(
            "conversation",
            "Conversation",
            "text",
            "C…; empty: only people are written to",
        ),
        field(
            "api_url",
            "Address of the API",
            "text",
            "Slack’s own unless you name another",
        ),
    ]
}

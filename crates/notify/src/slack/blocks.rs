//! Block Kit: the few shapes that we use, each within Slack's bounds. Text is `plain_text` with emoji off, so that nothing in
//! it is markup, a mention or a picture.

use serde_json::{Value, json};

/// The longest text of a section, with room to Slack's 3,000 characters.
pub(super) const SECTION_BYTES_MAX: usize = 2_800;
/// The longest text of a field, with room to Slack's 2,000 characters.
pub(super) const FIELD_BYTES_MAX: usize = 1_000;
/// How many fields one section has.
pub(super) const FIELDS_MAX: usize = 10;
/// How many blocks a message has.
pub(super) const BLOCKS_MAX: usize = 50;

/// Text that nothing in it changes. Slack takes no empty one.
pub(super) fn plain(text: &str) -> Value {
    let text = if text.is_empty() { "–" } else { text };
    json!({"type": "plain_text", "text": text, "emoji": false})
}

/// Text of our own with Slack's markup; never of anybody else's.
pub(super) fn markup(text: &str) -> Value {
    json!({"type": "mrkdwn", "text": text, "verbatim": true})
}

pub(super) fn section(text: &str) -> Value {
    json!({"type": "section", "text": plain(text)})
}

pub(super) fn fields(fields: &[Value]) -> Value {
    json!({"type": "section", "fields": fields})
}

pub(super) fn context(text: &str) -> Value {
    json!({"type": "context", "elements": [plain(text)]})
}

pub(super) fn actions(elements: &[Value]) -> Value {
    json!({"type": "actions", "block_id": "signoff", "elements": elements})
}

/// A button; `style` is `primary`, `danger` or none.
pub(super) fn button(id: &str, label: &str, value: &str, style: Option<&str>) -> Value {
    let mut button = json!({"type": "button", "action_id": id, "text": plain(label), "value": value});
    if let (Some(style), Some(fields)) = (style, button.as_object_mut()) {
        fields.insert("style".into(), style.into());
    }
    button
}

/// A button that leads elsewhere.
pub(super) fn link(id: &str, label: &str, url: &str) -> Value {
    json!({"type": "button", "action_id": id, "text": plain(label), "url": url})
}

/// What a phone shows where it has no room for blocks; Slack reads markup in it, so there is none.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

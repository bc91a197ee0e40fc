//! Names and values of what is asked, as far as a message shows them.

use serde_json::Value;
use signoff_notify::Fact;

use crate::view::Content;

/// How many facts a message names.
const FACTS_MAX: usize = 12;
/// How long one may be, in characters.
const FACT_CHARS_MAX: usize = 200;

/// Names and values of what is asked, the larger things left to the page.
pub(super) fn facts(content: &Content) -> (Vec<Fact>, usize) {
    let mut facts = Vec::new();
    if let Some(call) = &content.call {
        let (method, origin) = (call.method().to_owned(), call.origin());
        let bytes = call.body().map_or(0, <[u8]>::len);
        for (label, value) in [
            ("method", method),
            ("origin", origin),
            ("body", format!("{bytes} bytes")),
        ] {
            let label = label.to_owned();
            facts.push(Fact { label, value });
        }
    } else {
        for (part, object) in [("inputs", &content.inputs), ("context", &content.context)] {
            flatten(part, object, &mut facts);
        }
    }
    let hidden = facts.len().saturating_sub(FACTS_MAX);
    facts.truncate(FACTS_MAX);
    (facts, hidden)
}

fn flatten(path: &str, object: &serde_json::Map<String, Value>, facts: &mut Vec<Fact>) {
    for (name, value) in object {
        let label = format!("{path}.{name}");
        let value = match value {
            Value::Object(inner) if !inner.is_empty() && label.len() < 60 => {
                flatten(&label, inner, facts);
                continue;
            }
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let cut = value.chars().nth(FACT_CHARS_MAX).is_some();
        let mut shown: String = value.chars().take(FACT_CHARS_MAX).collect();
        if cut {
            let bytes = value.len() - shown.len();
            shown = format!("{shown} […{bytes} more bytes]");
        }
        facts.push(Fact { label, value: shown });
    }
}

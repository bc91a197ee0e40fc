//! What differs between two versions of something, field by field.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::console::inert::{Inert, Show};
use crate::console::view::policy::Difference;

/// Fields that differ, by their path.
pub fn differences(before: Option<&Value>, after: Option<&Value>) -> Vec<Difference> {
    let (mut old, mut new) = (BTreeMap::new(), BTreeMap::new());
    for (value, fields) in [(before, &mut old), (after, &mut new)] {
        if let Some(value) = value {
            flatten("", value, fields);
        }
    }
    let mut paths: Vec<String> = old.keys().chain(new.keys()).cloned().collect();
    paths.sort();
    paths.dedup();
    let said = |fields: &BTreeMap<String, &Value>, path: &str| fields.get(path).map(|value| text(value));
    paths
        .into_iter()
        .map(|path| Difference {
            before: said(&old, &path),
            after: said(&new, &path),
            path: Inert::all(&path),
        })
        .filter(|difference| difference.before != difference.after)
        .collect()
}

fn flatten<'a>(path: &str, value: &'a Value, fields: &mut BTreeMap<String, &'a Value>) {
    match value {
        Value::Object(parts) if !parts.is_empty() => {
            for (name, part) in parts {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                flatten(&path, part, fields);
            }
        }
        other => drop(fields.insert(path.to_owned(), other)),
    }
}

fn text(value: &Value) -> Inert {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Inert::new(&text, Show::Start)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_told_by_its_path() {
        let before = json!({"name": "a", "approval": {"quorum": 1, "timeout": "30m"}, "actions": ["x"]});
        let after = json!({"name": "a", "approval": {"quorum": 2, "timeout": "30m"}, "guard": true});
        let plain = |value: &Inert| {
            let html = value.to_string();
            html.replace("<bdi dir=\"ltr\">", "").replace("</bdi>", "")
        };
        let word = |value: &Option<Inert>| value.as_ref().map_or("-".to_owned(), plain);
        let said: Vec<String> = differences(Some(&before), Some(&after))
            .iter()
            .map(|one| {
                let path = plain(&one.path);
                format!("{path}: {} {}", word(&one.before), word(&one.after))
            })
            .collect();
        assert_eq!(
            said,
            [
                "actions: [&#34;x&#34;] -",
                "approval.quorum: 1 2",
                "guard: - true"
            ]
        );
        assert!(differences(Some(&before), Some(&before)).is_empty());
        assert_eq!(differences(None, Some(&before)).len(), 4);
    }
}

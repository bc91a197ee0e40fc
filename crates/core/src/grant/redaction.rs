//! What a grant hides of a JSON body that is shown as a tree, member by member. Of bytes see [`crate::redact`].

use serde_json::Value;

use super::Redaction;
use crate::redact::parts;

impl Redaction {
    /// Whether a member of a JSON body is hidden: `path` is its keys, and the numbers of its items from 0, from the outside
    /// to the inside. What is inside of something hidden is never asked for.
    pub fn hides_member(&self, path: &[String]) -> bool {
        self.json.iter().any(|pointer| leads_to(pointer, path))
    }

    /// Whether any member of this body is hidden.
    pub fn hides_any(&self, body: &Value) -> bool {
        !self.json.is_empty() && self.finds(body, &mut Vec::new())
    }

    fn finds(&self, value: &Value, path: &mut Vec<String>) -> bool {
        if !path.is_empty() && self.hides_member(path) {
            return true;
        }
        let mut inside = |key: String, value: &Value| {
            path.push(key);
            let found = self.finds(value, path);
            path.pop();
            found
        };
        match value {
            Value::Object(members) => members.iter().any(|(key, value)| inside(key.clone(), value)),
            Value::Array(items) => {
                let mut items = items.iter().enumerate();
                items.any(|(at, value)| inside(at.to_string(), value))
            }
            _ => false,
        }
    }
}

/// Whether a pointer (RFC 6901) names this place; a part `*` is every member.
fn leads_to(pointer: &str, path: &[String]) -> bool {
    let parts = parts(pointer);
    let same = |(part, key): (&String, &String)| part == "*" || part == key;
    parts.len() == path.len() && parts.iter().zip(path).all(same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pointers_hide_members_and_stars_every_one() {
        let rules = Redaction {
            headers: vec!["x-secret".into()],
            json: vec!["/card/number".into(), "/people/*/email".into(), "/a~1b".into()],
        };
        assert!(rules.hides_header("X-Secret") && !rules.hides_header("x-secret-2"));
        for (path, hidden) in [
            (vec!["card", "number"], true),
            (vec!["card"], false),
            (vec!["card", "number", "0"], false),
            (vec!["people", "0", "email"], true),
            (vec!["people", "x", "email"], true),
            (vec!["people", "email"], false),
            (vec!["a/b"], true),
        ] {
            let path: Vec<String> = path.into_iter().map(str::to_owned).collect();
            assert_eq!(rules.hides_member(&path), hidden, "{path:?}");
        }
        assert!(rules.hides_any(&json!({"people": [{"name": "x"}, {"email": "y"}]})));
        assert!(!rules.hides_any(&json!({"people": [{"name": "x"}], "card": {"brand": "z"}})));
    }
}

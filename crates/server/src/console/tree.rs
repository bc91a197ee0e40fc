//! JSON as a readable tree of rows: nothing folded, and what is cut says how many bytes it hides.

use serde_json::Value;
use signoff_core::grant::Redaction;

use super::inert::{Inert, Piece, Show, bytes_text};

/// Rows of one tree that stand on a page before the rest is put behind "show all".
const ROWS_MAX: usize = 300;

/// Deepest step of indentation; what lies deeper keeps it.
const DEPTH_MAX: usize = 12;

/// One line of a tree.
#[derive(Debug, Clone)]
pub struct TreeRow {
    /// How far it is indented.
    pub depth: usize,
    /// Its key, or its number in a list.
    pub key: Inert,
    /// Its value; absent for what opens a level.
    pub value: Option<Inert>,
    /// "text", "number", "bool", "null", "object" or "list": the row's class.
    pub kind: &'static str,
    /// What stands instead of a value: "3 fields", "empty list".
    pub note: String,
}

/// A JSON value as rows.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    /// The rows, in order.
    pub rows: Vec<TreeRow>,
    /// Size of the value as JSON.
    pub bytes: usize,
    /// Bytes that are not shown.
    pub hidden_bytes: usize,
    /// The whole value as indented JSON with every unseen character escaped, for copying.
    pub json: String,
}

impl Tree {
    /// Lays a value out, whole or its start.
    pub fn new(value: &Value, show: Show) -> Self {
        Self::hiding(value, show, &Redaction::default())
    }

    /// The same without what the rules hide: it is named and nothing else.
    pub fn hiding(value: &Value, show: Show, rules: &Redaction) -> Self {
        let json = if rules.hides_any(value) {
            let mut rest = value.clone();
            blank(&mut rest, rules, &mut Vec::new());
            inert_json(&rest)
        } else {
            inert_json(value)
        };
        let mut tree = Self {
            rows: Vec::new(),
            bytes: value.to_string().len(),
            hidden_bytes: 0,
            json,
        };
        tree.add_children(value, &mut Vec::new(), (show, rules));
        tree
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Its size: "312 bytes".
    pub fn bytes_text(&self) -> String {
        bytes_text(self.bytes)
    }

    /// Addresses that stand in its values.
    pub fn urls(&self) -> impl Iterator<Item = &super::url_shown::ShownUrl> {
        self.rows
            .iter()
            .filter_map(|row| row.value.as_ref())
            .flat_map(|value| value.urls.iter())
    }

    fn add_children(&mut self, value: &Value, path: &mut Vec<String>, how: (Show, &Redaction)) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    path.push(key.clone());
                    self.add(Inert::new(key, how.0), value, path, how);
                    path.pop();
                }
            }
            Value::Array(items) => {
                for (index, value) in items.iter().enumerate() {
                    path.push(index.to_string());
                    self.add(Inert::all(&(index + 1).to_string()), value, path, how);
                    path.pop();
                }
            }
            Value::Null => {}
            scalar => self.add(Inert::default(), scalar, path, how),
        }
    }

    fn add(&mut self, key: Inert, value: &Value, path: &mut Vec<String>, how: (Show, &Redaction)) {
        let (show, rules) = how;
        let depth = path.len().saturating_sub(1).min(DEPTH_MAX);
        if !path.is_empty() && rules.hides_member(path) {
            self.rows.push(TreeRow {
                depth,
                key,
                value: None,
                kind: "redacted",
                note: "redacted".to_owned(),
            });
            return;
        }
        if show == Show::Start && self.rows.len() >= ROWS_MAX {
            self.hidden_bytes += value.to_string().len();
            return;
        }
        let (kind, shown, note) = match value {
            Value::Object(fields) => ("object", None, count(fields.len(), "field")),
            Value::Array(items) => ("list", None, count(items.len(), "item")),
            Value::String(text) if text.is_empty() => ("text", None, "empty text".to_owned()),
            Value::String(text) => ("text", Some(Inert::new(text, show)), String::new()),
            Value::Number(number) => ("number", Some(Inert::all(&number.to_string())), String::new()),
            Value::Bool(yes) => (
                "bool",
                Some(Inert::all(if *yes { "true" } else { "false" })),
                String::new(),
            ),
            Value::Null => ("null", Some(Inert::all("null")), String::new()),
        };
        self.hidden_bytes += key.hidden_bytes + shown.as_ref().map_or(0, |value| value.hidden_bytes);
        self.rows.push(TreeRow {
            depth,
            key,
            value: shown,
            kind,
            note,
        });
        if matches!(value, Value::Object(_) | Value::Array(_)) {
            self.add_children(value, path, how);
        }
    }
}

/// Takes what is hidden out of the copy.
fn blank(value: &mut Value, rules: &Redaction, path: &mut Vec<String>) {
    let mut inside = |key: String, value: &mut Value| {
        path.push(key);
        if rules.hides_member(path) {
            *value = Value::from("[redacted]");
        } else {
            blank(value, rules, path);
        }
        path.pop();
    };
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                inside(key.clone(), value);
            }
        }
        Value::Array(items) => {
            for (at, value) in items.iter_mut().enumerate() {
                inside(at.to_string(), value);
            }
        }
        _ => {}
    }
}

fn count(number: usize, noun: &str) -> String {
    match number {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// Indented JSON in which whatever the page would mark is written as `\u202e`: still the same JSON value.
fn inert_json(value: &Value) -> String {
    let pretty = serde_json::to_string_pretty(value).unwrap_or_default();
    let mut out = String::with_capacity(pretty.len());
    let mut bytes = [0; 4];
    for letter in pretty.chars() {
        let is_plain = letter.is_ascii() || is_shown_as_it_is(letter.encode_utf8(&mut bytes));
        if is_plain && letter != '\u{7F}' {
            out.push(letter);
        } else {
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                out.push_str("\\u");
                out.push_str(&hex::encode(unit.to_be_bytes()));
            }
        }
    }
    out
}

fn is_shown_as_it_is(letter: &str) -> bool {
    matches!(Inert::all(letter).pieces.as_slice(), [Piece::Text(_)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rows_follow_the_value() {
        let tree = Tree::new(
            &json!({"a": {"b": [1, "x"]}, "c": null, "d": "", "e": {}}),
            Show::Start,
        );
        let seen: Vec<_> = tree
            .rows
            .iter()
            .map(|row| (row.depth, row.kind, row.note.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                (0, "object", "1 field"),
                (1, "list", "2 items"),
                (2, "number", ""),
                (2, "text", ""),
                (0, "null", ""),
                (0, "text", "empty text"),
                (0, "object", "no fields")
            ]
        );
        assert_eq!(tree.hidden_bytes, 0);
    }

    /// What is cut is counted, whether it is one long text or too many rows (S2).
    #[test]
    fn cuts_are_counted_and_opened() {
        let long = json!({"a": "x".repeat(5_000)});
        assert_eq!(Tree::new(&long, Show::Start).hidden_bytes, 3_000);
        assert_eq!(Tree::new(&long, Show::All).hidden_bytes, 0);
        let many = json!({"a": (0..1_000).collect::<Vec<_>>()});
        assert!(Tree::new(&many, Show::Start).hidden_bytes > 2_000);
        assert_eq!(Tree::new(&many, Show::All).rows.len(), 1_001);
    }

    /// The copy is the same JSON value, with nothing unseen in it.
    #[test]
    fn copied_json_is_inert_and_equal() {
        let value = json!({"a\u{202E}": "x\u{200B}\u{E0041}é\u{7f}\n"});
        let tree = Tree::new(&value, Show::Start);
        assert!(
            tree.json.contains("\\u202e") && tree.json.contains("\\udb40\\udc41") && tree.json.contains('é')
        );
        assert_eq!(
            serde_json::from_str::<Value>(&tree.json).expect("still JSON"),
            value
        );
    }
}

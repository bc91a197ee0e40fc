//! Text that others wrote, made harmless for a terminal: what hides, reorders or commands shows as its code point.

use std::fmt::Write as _;

/// One line: everything that is not plainly visible becomes an escape, line breaks too.
pub(crate) fn line(text: &str) -> String {
    escape(text, false)
}

/// Several lines: line breaks and nothing else survive.
pub(crate) fn lines(text: &str) -> String {
    escape(text, true)
}

/// JSON text as JSON text: the same value, with what a terminal would obey written as `\u` escapes.
pub(crate) fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // Control characters below U+0020 inside strings were escaped by the writer; here they are layout.
        if is_harmful(c) && c != '\n' {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

fn escape(text: &str, keep_line_breaks: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmful(c) && !(keep_line_breaks && c == '\n') {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Controls, bidi marks, zero-width and invisible characters, tags, variation selectors.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_hides_or_commands_reaches_the_terminal() {
        let cases = [
            ("plain ünïcode 漢字 🙂", "plain ünïcode 漢字 🙂"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("a\r\nb", "a\\u{d}\\u{a}b"),
            ("zero\u{200b}width\u{feff}", "zero\\u{200b}width\\u{feff}"),
            ("tag\u{e0041}", "tag\\u{e0041}"),
        ];
        for (text, expected) in cases {
            assert_eq!(line(text), expected);
        }
        assert_eq!(lines("a\nb\tc"), "a\nb\\u{9}c");
    }

    #[test]
    fn json_stays_the_same_value() {
        let value = serde_json::json!({"a": "x\u{202e}y\u{e0041}\u{1b}\u{7f}\n"});
        let written = json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(written.chars().all(|c| c == '\n' || !is_harmful(c)), "{written}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&written).unwrap(),
            value
        );
    }
}

//! What a grant's rules hide of requests and answers: names of headers, and JSON pointers into bodies. A body keeps every
//! other byte, so that what is shown is what is sent but for the gaps.

use crate::grant::Redaction;

/// What stands in place of what is hidden.
pub const REDACTED: &str = "[redacted]";
/// How deep lists and objects may stand in each other for a body to be read.
const DEPTH_MAX: usize = 128;
/// What stands in JSON in place of what is hidden.
const REDACTED_JSON: &[u8] = b"\"[redacted]\"";

/// A body as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShownBody {
    /// Nothing of it is hidden.
    Whole,
    /// With gaps.
    Gaps(Vec<u8>),
    /// None of it: it looks like JSON, and can't be read as such, so nobody can tell where the gaps belong.
    Hidden,
}

impl Redaction {
    /// Whether a header is hidden; names in any case.
    pub fn hides_header(&self, name: &str) -> bool {
        self.headers
            .iter()
            .any(|hidden| hidden.eq_ignore_ascii_case(name))
    }

    /// What may be shown of a body.
    pub fn body(&self, body: &[u8]) -> ShownBody {
        if self.json.is_empty() {
            return ShownBody::Whole;
        }
        let Ok(serde::de::IgnoredAny) = serde_json::from_slice(body) else {
            let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
            let looks_like_json = matches!(first, Some(b'{' | b'['));
            return if looks_like_json {
                ShownBody::Hidden
            } else {
                ShownBody::Whole
            };
        };
        let rules: Vec<Vec<String>> = self.json.iter().map(|pointer| parts(pointer)).collect();
        let mut scan = Scan {
            body,
            at: 0,
            depth: 0,
            gaps: Vec::new(),
        };
        scan.value(&rules.iter().map(Vec::as_slice).collect::<Vec<_>>());
        if scan.depth > DEPTH_MAX {
            return ShownBody::Hidden;
        }
        if scan.gaps.is_empty() {
            return ShownBody::Whole;
        }
        let (mut shown, mut copied) = (Vec::with_capacity(body.len()), 0);
        for (start, end) in scan.gaps {
            shown.extend_from_slice(&body[copied..start]);
            shown.extend_from_slice(REDACTED_JSON);
            copied = end;
        }
        shown.extend_from_slice(&body[copied..]);
        ShownBody::Gaps(shown)
    }
}

/// The parts of a pointer (RFC 6901).
pub(crate) fn parts(pointer: &str) -> Vec<String> {
    let parts = pointer.split('/').skip(1);
    parts
        .map(|part| part.replace("~1", "/").replace("~0", "~"))
        .collect()
}

/// Goes through JSON that is known to be well formed.
struct Scan<'a> {
    body: &'a [u8],
    at: usize,
    /// How many lists and objects are open; past the limit it stays there, and nothing is read any more.
    depth: usize,
    /// Where hidden values start and end, in order.
    gaps: Vec<(usize, usize)>,
}

impl Scan<'_> {
    /// The next byte that means something.
    fn peek(&mut self) -> u8 {
        while self.body.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.body.get(self.at).copied().unwrap_or_default()
    }

    /// One value, with what is left of the rules at this place.
    fn value(&mut self, rules: &[&[String]]) {
        let first = self.peek();
        let start = self.at;
        match first {
            b'{' => self.members(rules, true),
            b'[' => self.members(rules, false),
            b'"' => drop(self.text()),
            _ => {
                let is_end = |byte: &u8| byte.is_ascii_whitespace() || b",]}".contains(byte);
                let rest = self.body.get(self.at..).unwrap_or_default().iter();
                self.at += rest.take_while(|byte| !is_end(byte)).count();
            }
        }
        if rules.iter().any(|rule| rule.is_empty()) {
            // Gaps inside of it go with it.
            self.gaps.retain(|(inner, _)| *inner < start);
            self.gaps.push((start, self.at));
        }
    }

    fn members(&mut self, rules: &[&[String]], named: bool) {
        self.at += 1;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            self.at = self.body.len();
            return;
        }
        let mut index = 0_usize;
        // Well-formed JSON always closes; its end would stop this in any case.
        while !matches!(self.peek(), b'}' | b']' | 0) {
            if matches!(self.peek(), b',') {
                self.at += 1;
                continue;
            }
            let name = if named {
                let name = self.text();
                self.peek();
                self.at += 1;
                name
            } else {
                index.to_string()
            };
            index += 1;
            let inner: Vec<&[String]> = rules
                .iter()
                .filter_map(|rule| rule.split_first())
                .filter(|(part, _)| **part == "*" || **part == name)
                .map(|(_, rest)| rest)
                .collect();
            self.value(&inner);
            if self.depth > DEPTH_MAX {
                return;
            }
        }
        self.depth -= 1;
        self.at += 1;
    }

    /// A text, unescaped, so that a name can't hide behind escapes.
    fn text(&mut self) -> String {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.body.get(self.at) {
            match byte {
                b'\\' => self.at += 2,
                b'"' => break,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        let raw = self.body.get(start..self.at).unwrap_or_default();
        serde_json::from_slice(raw).unwrap_or_default()
    }
}

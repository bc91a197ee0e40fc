//! Takes a credential out of whatever an upstream says back: from headers, from words, and from a body that arrives in
//! pieces.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, BuildError, Input, MatchKind};
use bytes::{Bytes, BytesMut};

/// What stands where the credential stood.
const INSTEAD: &[u8] = b"[credential]";

/// A shorter value is too likely to be part of an innocent word to be looked for on its own.
pub(crate) const ALONE_BYTES_MIN: usize = 6;

/// The forms in which a credential may come back. Case makes no difference. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Mask(Arc<Forms>);

struct Forms {
    spellings: Vec<Vec<u8>>,
    search: AhoCorasick,
    longest: usize,
    whole_values: Vec<String>,
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mask")
    }
}

impl Mask {
    /// Looks for these texts: as they are, percent-encoded, as part of a JSON text and as part of a page. Texts shorter
    /// than [`ALONE_BYTES_MIN`] are only looked for as the whole value of a header.
    pub(crate) fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, BuildError> {
        let mut spellings = BTreeSet::new();
        let mut whole_values = Vec::new();
        for text in texts {
            if text.len() >= ALONE_BYTES_MIN {
                spell(text, &mut spellings);
            } else {
                whole_values.push(text.to_owned());
            }
        }
        let spellings: Vec<Vec<u8>> = spellings.into_iter().map(String::into_bytes).collect();
        let search = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .ascii_case_insensitive(true)
            .build(&spellings)?;
        let longest = spellings.iter().map(Vec::len).max().unwrap_or(0);
        Ok(Self(Arc::new(Forms {
            spellings,
            search,
            longest,
            whole_values,
        })))
    }

    /// Whether any form of the credential is in it.
    pub(crate) fn is_in(&self, text: &[u8]) -> bool {
        self.0.search.is_match(text)
    }

    /// The value of a header without the credential.
    pub(crate) fn value<'a>(&self, value: &'a [u8]) -> Cow<'a, [u8]> {
        let whole = |hidden: &String| value.trim_ascii().eq_ignore_ascii_case(hidden.as_bytes());
        if self.0.whole_values.iter().any(whole) {
            return Cow::Borrowed(INSTEAD);
        }
        if !self.is_in(value) {
            return Cow::Borrowed(value);
        }
        let mut shown = BytesMut::new();
        self.replace(value, value.len(), &mut shown);
        Cow::Owned(shown.to_vec())
    }

    /// Words without the credential.
    pub(crate) fn text(&self, words: &str) -> String {
        String::from_utf8_lossy(&self.value(words.as_bytes())).into_owned()
    }

    /// Writes the masked form of what is settled and says where the rest begins, which only bytes to come can tell apart
    /// from a form. A form that begins before `settled` can't be longer than what is there.
    fn replace(&self, text: &[u8], settled: usize, shown: &mut BytesMut) -> usize {
        let mut at = 0;
        let mut open = self.first_beginning(text, settled..text.len());
        loop {
            if open < at {
                open = self.first_beginning(text, at..text.len());
            }
            match self.0.search.find(Input::new(text).range(at..)) {
                Some(found) if found.start() < open => {
                    shown.extend_from_slice(&text[at..found.start()]);
                    shown.extend_from_slice(INSTEAD);
                    at = found.end();
                }
                _ => {
                    shown.extend_from_slice(&text[at..open]);
                    return open;
                }
            }
        }
    }

    /// The first place from which all that is there begins a longer form; the end if there is none.
    fn first_beginning(&self, text: &[u8], mut places: Range<usize>) -> usize {
        let begins = |rest: &[u8]| {
            let longer = |form: &&Vec<u8>| form.len() > rest.len();
            let mut forms = self.0.spellings.iter().filter(longer);
            forms.any(|form| form[..rest.len()].eq_ignore_ascii_case(rest))
        };
        places.find(|at| begins(&text[*at..])).unwrap_or(text.len())
    }
}

/// A mask over a body that arrives in pieces. It holds back what may be the beginning of a form: less than the longest.
pub(crate) struct Masking {
    mask: Mask,
    held: BytesMut,
}

impl Masking {
    pub(crate) fn new(mask: Mask) -> Self {
        Self {
            mask,
            held: BytesMut::new(),
        }
    }

    /// What can be shown once this piece is there; empty if all of it is held back.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Bytes {
        self.held.extend_from_slice(piece);
        let settled = (self.held.len() + 1).saturating_sub(self.mask.0.longest.max(1));
        let mut shown = BytesMut::with_capacity(self.held.len());
        let rest = self.mask.replace(&self.held, settled, &mut shown);
        let _ = self.held.split_to(rest);
        shown.freeze()
    }

    /// What was held back, now that nothing follows.
    pub(crate) fn finish(&mut self) -> Bytes {
        let mut shown = BytesMut::with_capacity(self.held.len());
        self.mask.replace(&self.held, self.held.len(), &mut shown);
        self.held.clear();
        shown.freeze()
    }
}

fn spell(text: &str, spellings: &mut BTreeSet<String>) {
    spellings.insert(text.to_owned());
    // Strictly; as `encodeURIComponent` and `encodeURI` do; as Python's `quote` does; as forms are.
    for kept in ["", "!'()*", "!'()*;/?:@&=+$,#", "/"] {
        spellings.insert(percent_encoded(text, kept));
    }
    spellings.insert(url::form_urlencoded::byte_serialize(text.as_bytes()).collect());
    // What is needed, what JavaScript in pages needs, what .NET adds; with and without non-ASCII; PHP's slash.
    for escaped in ["", "<>&", "<>&'\"+`", "/", "<>&'\"/"] {
        for ascii in [false, true] {
            spellings.insert(json_escaped(text, escaped, ascii));
        }
    }
    for (quote, apostrophe) in [
        ("&quot;", "&#39;"),
        ("&quot;", "&#x27;"),
        ("&quot;", "&#039;"),
        ("&#34;", "&#39;"),
        ("\"", "'"),
    ] {
        let page = text
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        spellings.insert(page.replace('"', quote).replace('\'', apostrophe));
    }
}

/// Every byte but the unreserved ones (RFC 3986, 2.3) and those to keep as an escape.
pub(crate) fn percent_encoded(text: &str, kept: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || kept.as_bytes().contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// The text inside of a JSON string, where these characters, and if wished all beyond ASCII, are escaped too.
fn json_escaped(text: &str, escaped: &str, ascii: bool) -> String {
    let mut json = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '/' if escaped.contains(c) => json.push_str("\\/"),
            '"' if !escaped.contains(c) => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            c if c.is_ascii_control() || escaped.contains(c) || (ascii && !c.is_ascii()) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(json, "\\u{unit:04x}");
                }
            }
            c => json.push(c),
        }
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn masked(mask: &Mask, pieces: &[&[u8]]) -> Vec<u8> {
        let mut masking = Masking::new(mask.clone());
        let mut shown = Vec::new();
        for piece in pieces {
            shown.extend_from_slice(&masking.push(piece));
        }
        shown.extend_from_slice(&masking.finish());
        shown
    }

    /// I7: the credential is found wherever the pieces of a body were cut, and nothing else is changed.
    #[test]
    fn a_form_is_found_over_every_cut() {
        let mask = Mask::new(["s3cret/+key", "s3cret/+key-longer"]).expect("a mask");
        let text =
            b"before s3cret/+key, s3cret/+key-longer s3cret%2F%2bkey s3cret\\/+key s3cret/+ke end s3cret/";
        let expected = b"before [credential], [credential] [credential] [credential] s3cret/+ke end s3cret/";
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let pieces = [&text[..first], &text[first..second], &text[second..]];
                assert_eq!(masked(&mask, &pieces), expected, "{first} {second}");
            }
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(masked(&mask, &bytes), expected);
    }

    /// A live stream is not held up: only what may become the credential waits for what follows.
    #[test]
    fn what_can_not_be_a_beginning_is_shown_at_once() {
        let mask = Mask::new(["s3cret-of-some-length"]).expect("a mask");
        let mut masking = Masking::new(mask);
        assert_eq!(masking.push(b"data: hello\n\n"), "data: hello\n\n");
        assert_eq!(masking.push(b"data: S3CRET-of"), "data: ");
        assert_eq!(masking.push(b"-some-"), "");
        assert_eq!(masking.push(b"other"), "S3CRET-of-some-other");
    }

    /// I7: what common servers make of a value when they write it into JSON, pages and URLs is still found.
    #[test]
    fn common_spellings_are_found() {
        let mask = Mask::new(["pa\"ss'<wörd>&/\\+ 1"]).expect("a mask");
        for spelling in [
            r#"pa\"ss'<wörd>&/\\+ 1"#,
            r#"pa\"ss'<w\u00f6rd>&/\\+ 1"#,
            r#"pa\"ss'\u003cwörd\u003e\u0026/\\+ 1"#,
            r#"pa\"ss'<w\u00f6rd>&\/\\+ 1"#,
            r"pa\u0022ss\u0027\u003Cw\u00F6rd\u003E\u0026/\\\u002B 1",
            "pa%22ss%27%3Cw%C3%B6rd%3E%26%2F%5C%2B%201",
            "pa%22ss'%3cw%c3%b6rd%3e%26%2f%5c%2b%201",
            "pa%22ss%27%3Cw%C3%B6rd%3E%26/%5C%2B%201",
            "pa%22ss%27%3Cw%C3%B6rd%3E%26%2F%5C%2B+1",
            "pa%22ss'%3Cw%C3%B6rd%3E&/%5C+%201",
            "pa&quot;ss&#39;&lt;wörd&gt;&amp;/\\+ 1",
            "pa&#34;ss&#39;&lt;wörd&gt;&amp;/\\+ 1",
            "pa&quot;ss&#x27;&lt;wörd&gt;&amp;/\\+ 1",
        ] {
            assert_eq!(
                mask.text(&format!("<{spelling}>")),
                "<[credential]>",
                "{spelling}"
            );
        }
    }

    /// A short value does not tear holes into innocent words.
    #[test]
    fn a_short_value_is_only_hidden_where_it_stands_alone() {
        let mask = Mask::new(["abc", "Bearer abc"]).expect("a mask");
        assert_eq!(mask.text("abcdef and bearer ABC."), "abcdef and [credential].");
        assert_eq!(&*mask.value(b"abc"), b"[credential]");
        assert_eq!(masked(&mask, &[b"abc"]), b"abc");
        let nothing_to_find = Mask::new(["abc"]).expect("a mask");
        assert_eq!(masked(&nothing_to_find, &[b"abc", b"d"]), b"abcd");
    }

    proptest! {
        /// However a body is cut, what is shown is what masking it whole would show, and is free of the value.
        #[test]
        fn cutting_makes_no_difference(
            text in "(aab|aabaab|ab|a|b|x|%61ab){0,40}",
            cuts in proptest::collection::vec(1_usize..9, 0..40),
        ) {
            let mask = Mask::new(["aabaab", "abaabaa", "baabaabx"]).expect("a mask");
            let whole = masked(&mask, &[text.as_bytes()]);
            let mut rest = text.as_bytes();
            let mut pieces = Vec::new();
            for cut in cuts {
                let (piece, tail) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = tail;
            }
            pieces.push(rest);
            let shown = masked(&mask, &pieces);
            prop_assert_eq!(&shown, &whole);
            prop_assert!(!mask.is_in(&shown));
        }
    }
}

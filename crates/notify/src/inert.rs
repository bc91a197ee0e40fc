//! Other people's text in messages: what hides, reorders or pretends shows as what it is, nothing of it becomes a link,
//! and none of it is longer than a message can bear.
//!
//! Markup is not this file's business: each kind puts what comes from here where its format knows no markup, or escapes it.

use std::fmt::Write as _;

/// Room for the mark that stands where text was cut.
const MARK_BYTES: usize = 64;

/// Spaces in a row that stand as they are; more would push what follows out of sight.
const SPACES_MAX: usize = 16;

/// Marks on one letter that stand as they are.
const MARKS_MAX: usize = 2;

/// How far around a full stop is looked to tell a host from a sentence.
const HOST_BYTES_MAX: usize = 253;

/// Last labels by which mail clients, chats and telephones make a link of a bare name. Those of two letters are none of
/// them: too many files and actions end like that. With a path behind it any name counts.
const LINKED_ENDINGS: &[&str] = &[
    "app", "biz", "click", "cloud", "club", "com", "dev", "edu", "gov", "info", "link", "live", "mobi",
    "mov", "net", "online", "org", "page", "shop", "site", "store", "tech", "top", "xyz", "zip",
];

/// Text for a place of one line (subject, title, label): line breaks fold to ` ⏎ `. At most `max_bytes` long, or as long
/// as the mark that says how much is missing.
pub(crate) fn line(text: &str, max_bytes: usize) -> String {
    let text = text.trim_matches(is_blank);
    Writer::new(text, max_bytes, " ⏎ ").write(usize::MAX)
}

/// Text for a place of several lines, at most so many of them and so many bytes, with a mark that says what is missing.
pub(crate) fn block(text: &str, max_lines: usize, max_bytes: usize) -> String {
    let text = text.trim_matches(is_blank);
    Writer::new(text, max_bytes, "\n").write(max_lines.max(1))
}

fn is_blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\n' | '\r')
}

struct Writer<'a> {
    text: &'a str,
    out: String,
    max_bytes: usize,
    line_break: &'static str,
    marks: usize,
}

impl<'a> Writer<'a> {
    fn new(text: &'a str, max_bytes: usize, line_break: &'static str) -> Self {
        Self {
            text,
            out: String::with_capacity(text.len().min(max_bytes)),
            max_bytes,
            line_break,
            marks: 0,
        }
    }

    /// Goes through the text piece by piece, so that the mark can say how many bytes of the original are missing.
    fn write(mut self, max_lines: usize) -> String {
        let (mut at, mut lines) = (0, 1);
        // Where a cut can be made so that the mark still fits.
        let mut cut = (0, 0);
        while at < self.text.len() {
            let (piece, width) = self.piece(at);
            if piece == self.line_break {
                lines += 1;
            }
            if lines > max_lines || self.out.len() + piece.len() > self.max_bytes {
                let has_room = self.out.len() + MARK_BYTES <= self.max_bytes;
                let (kept, from) = if has_room { (self.out.len(), at) } else { cut };
                self.out.truncate(kept);
                self.mark(from);
                return self.out;
            }
            self.out.push_str(&piece);
            at += width;
            if self.out.len() + MARK_BYTES <= self.max_bytes {
                cut = (self.out.len(), at);
            }
        }
        self.out
    }

    fn mark(&mut self, from: usize) {
        let rest = &self.text[from..];
        let lines = rest.matches('\n').count();
        let kept = self.out.trim_end_matches(is_blank).len();
        self.out.truncate(kept);
        let _ = match lines {
            0 => write!(self.out, " […{} more bytes]", rest.len()),
            _ => write!(self.out, " […{} more bytes, {lines} line breaks]", rest.len()),
        };
    }

    /// What stands for the text from here, and how many bytes of it.
    fn piece(&mut self, at: usize) -> (String, usize) {
        let rest = &self.text[at..];
        let Some(letter) = rest.chars().next() else {
            return (String::new(), 0);
        };
        let width = letter.len_utf8();
        let marks = std::mem::take(&mut self.marks);
        match letter {
            '\r' if rest[width..].starts_with('\n') => (self.line_break.to_owned(), 2),
            '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => (self.line_break.to_owned(), width),
            ' ' => spaces(rest),
            '\t' => (" ".to_owned(), width),
            // What went through here before stays as it is.
            ':' if rest.starts_with("://]") && self.text[..at].ends_with('[') => ("://".to_owned(), 3),
            ':' if rest.starts_with("://") => ("[://]".to_owned(), 3),
            '.' | '。' | '．' | '｡' if links(self.text, at, width) => (format!("[{letter}]"), width),
            _ if is_mark(letter) => {
                self.marks = marks + 1;
                if marks < MARKS_MAX {
                    (letter.to_string(), width)
                } else {
                    (code_point(letter), width)
                }
            }
            _ if is_unseen(letter) => (code_point(letter), width),
            _ => (letter.to_string(), width),
        }
    }
}

fn code_point(letter: char) -> String {
    format!("[U+{:04X}]", u32::from(letter))
}

fn spaces(rest: &str) -> (String, usize) {
    let count = rest.bytes().take_while(|byte| *byte == b' ').count();
    if count > SPACES_MAX {
        (format!(" [{count} spaces] "), count)
    } else {
        (" ".repeat(count), count)
    }
}

/// Whether a reader would miss the character, or see others in another order because of it.
fn is_unseen(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{a0}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{1680}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}'
            | '\u{2800}' | '\u{3000}' | '\u{3164}' | '\u{e000}'..='\u{f8ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{10ffff}')
}

/// Marks that sit on the letter before them, of the blocks that hold nothing else.
fn is_mark(letter: char) -> bool {
    matches!(letter,
        '\u{300}'..='\u{34e}' | '\u{350}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

/// Whether the full stop at this place is one by which a program would take the text around it for a host, and make a
/// link of it. All but the last of a host's full stops may stand: without its end it is none.
fn links(text: &str, at: usize, width: usize) -> bool {
    let before = label_before(&text[..at]);
    let (after, behind) = label_after(&text[at + width..]);
    if before.is_empty() || after.is_empty() {
        return false;
    }
    if before.eq_ignore_ascii_case("www") {
        return true;
    }
    let mut behind = behind.chars();
    let next = behind.next();
    let goes_on = matches!(next, Some('.' | '。' | '．' | '｡')) && behind.next().is_some_and(is_of_label);
    let is_ending =
        after.chars().count() >= 2 && after.chars().all(char::is_alphabetic) || after.starts_with("xn--");
    if goes_on || !is_ending {
        return false;
    }
    let has_path = matches!(next, Some('/' | ':' | '?' | '#'));
    let lower = after.to_ascii_lowercase();
    // An address of a mailbox opens a letter at worst, and people need to read it.
    let is_mailbox = host_before(&text[..at]).ends_with('@');
    (has_path && next != Some(':')) || (!is_mailbox && LINKED_ENDINGS.contains(&lower.as_str()))
}

fn is_of_label(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '-'
}

fn label_before(text: &str) -> &str {
    let near = &text[text.ceil_char_boundary(text.len().saturating_sub(HOST_BYTES_MAX))..];
    &near[near.trim_end_matches(is_of_label).len()..]
}

fn label_after(text: &str) -> (&str, &str) {
    let near = &text[..text.floor_char_boundary(HOST_BYTES_MAX)];
    let end = near.len() - near.trim_start_matches(is_of_label).len();
    (&near[..end], &text[end..])
}

/// The text up to the host whose end this is.
fn host_before(text: &str) -> &str {
    let near = &text[text.ceil_char_boundary(text.len().saturating_sub(HOST_BYTES_MAX))..];
    near.trim_end_matches(|letter| is_of_label(letter) || letter == '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_or_reorders_shows_as_its_code_point() {
        let cases = [
            ("plain ünïcode 漢字 🙂 é", "plain ünïcode 漢字 🙂 é"),
            ("a\u{202e}b", "a[U+202E]b"),
            ("\u{1b}[31mred\u{7}", "[U+001B][31mred[U+0007]"),
            ("zero\u{200b}width\u{feff}", "zero[U+200B]width[U+FEFF]"),
            ("tag\u{e0041}", "tag[U+E0041]"),
            ("a\u{a0}b\u{3000}", "a[U+00A0]b[U+3000]"),
            ("two\r\nlines\rand\u{2028}more", "two ⏎ lines ⏎ and ⏎ more"),
            ("  \n around \t", "around"),
            ("a\tb", "a b"),
            (
                "a e\u{301} e\u{301}\u{302}\u{303}\u{304}",
                "a e\u{301} e\u{301}\u{302}[U+0303][U+0304]",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(line(text, 1000), expected);
        }
        assert_eq!(
            line("twice https[://]a[.]com[U+202E]", 100),
            "twice https[://]a[.]com[U+202E]"
        );
        assert_eq!(block("a\r\nb\n\u{202e}c", 10, 1000), "a\nb\n[U+202E]c");
        let far = format!("ok{}hidden", " ".repeat(5000));
        assert_eq!(line(&far, 1000), "ok [5000 spaces] hidden");
    }

    /// Only our own addresses are links: nothing an agent writes is taken for one by the program that shows it.
    #[test]
    fn nothing_becomes_a_link() {
        let cases = [
            ("see https://evil.example/x", "see https[://]evil[.]example/x"),
            ("HTTPS://evil.com", "HTTPS[://]evil[.]com"),
            ("www.evil.zz", "www[.]evil.zz"),
            ("login.evil.com now", "login.evil[.]com now"),
            ("evil.co.uk/pay", "evil.co[.]uk/pay"),
            ("pay。evil。com", "pay。evil[。]com"),
            ("at evil.com.", "at evil[.]com."),
            ("evil.com:8080", "evil[.]com:8080"),
            ("xn--80ak6aa92e.com/x", "xn--80ak6aa92e[.]com/x"),
        ];
        for (text, expected) in cases {
            assert_eq!(line(text, 1000), expected);
        }
        for plain in [
            "stripe.refund",
            "context.amount",
            "run deploy.sh",
            "ada@example.org",
            "$500.00",
            "v1.2.3",
            "The end. Com",
            "e.g. this",
            "a: //",
        ] {
            assert_eq!(line(plain, 1000), plain);
        }
    }

    #[test]
    fn what_is_too_long_is_cut_with_a_mark() {
        let long = "é".repeat(100_000);
        let cut = line(&long, 200);
        assert!(cut.len() <= 200, "{}", cut.len());
        assert!(cut.ends_with("é […199864 more bytes]"), "{cut}");

        let many = "line\n".repeat(10_000);
        let cut = block(&many, 3, 10_000);
        assert_eq!(cut, "line\nline\nline […49985 more bytes, 9997 line breaks]");
        assert!(block(&many, 20_000, 500).len() <= 500);
        assert!(line(&many, 500).len() <= 500);

        let fits = "x".repeat(200);
        assert_eq!(line(&fits, 200), fits);
    }

    proptest::proptest! {
        #[test]
        fn it_stays_within_its_bounds_and_shows_nothing_unseen(text in "\\PC{0,300}|(?s).{0,300}", max in 64..400usize) {
            let made = line(&text, max);
            proptest::prop_assert!(made.len() <= max, "{} > {max}", made.len());
            proptest::prop_assert!(!made.chars().any(is_unseen));
            proptest::prop_assert!(!made.replace("[://]", "").contains("://"));
            let made = block(&text, 5, max);
            proptest::prop_assert!(made.len() <= max && made.lines().count() <= 5);
            proptest::prop_assert!(!made.chars().any(|letter| letter != '\n' && is_unseen(letter)));
        }
    }
}

//! Rendering of text that others wrote: nothing unseen stays unseen, nothing is cut without saying so.
//!
//! What comes out is display data; the only HTML is written by the `Display` of [`Inert`], with every piece escaped.

use std::fmt::{self, Display, Formatter};
use std::sync::LazyLock;

use askama::filters::{Html, HtmlSafe, escape};
use regex::Regex;

use super::lookalike::{self, Finding};
use super::url_shown::{self, ShownUrl};

/// How much of a value stands on a page before the rest is put behind "show all".
pub const SHOWN_BYTES_MAX: usize = 2_000;

/// Combining marks on one letter that still read as writing; more is a pile.
const MARKS_MAX: usize = 4;

/// Spaces in a row that still read as spacing.
const SPACES_MAX: usize = 4;

/// Whether a value may be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// Cut after [`SHOWN_BYTES_MAX`] and say how many bytes are hidden.
    Start,
    /// Show every byte.
    All,
}

/// One piece of an inert text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Characters that are what they seem.
    Text(String),
    /// A line break, kept as one after its chip.
    Break,
    /// Something unseen or misleading, by its code point ("U+202E") or count.
    Chip {
        /// What the chip shows.
        label: String,
        /// What it stands for, in words.
        meaning: String,
    },
    /// A visible word that is not what it seems.
    Word {
        /// The word as sent.
        text: String,
        /// Why it is marked.
        warning: String,
    },
}

/// A text made safe to look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inert {
    /// The pieces, in order.
    pub pieces: Vec<Piece>,
    /// Addresses in the text, each in full with its real host.
    pub urls: Vec<ShownUrl>,
    /// Bytes of the text that are not shown.
    pub hidden_bytes: usize,
    /// Whether letters that run right to left stand in it, which may reorder what is around them.
    pub has_right_to_left: bool,
}

impl Inert {
    /// Renders a text, whole or its start.
    pub fn new(text: &str, show: Show) -> Self {
        let shown = match show {
            Show::All => text,
            Show::Start => start_of(text, SHOWN_BYTES_MAX),
        };
        Self {
            pieces: pieces_of(shown),
            urls: url_shown::urls_in(shown),
            hidden_bytes: text.len() - shown.len(),
            has_right_to_left: RIGHT_TO_LEFT.is_match(text),
        }
    }

    /// Renders a whole text.
    pub fn all(text: &str) -> Self {
        Self::new(text, Show::All)
    }

    /// How much of it is not shown: "8,000 bytes".
    pub fn hidden_text(&self) -> String {
        bytes_text(self.hidden_bytes)
    }

    /// Whether anything about the text deserves a second look.
    pub fn is_suspicious(&self) -> bool {
        let is_marked = |piece: &Piece| matches!(piece, Piece::Chip { .. } | Piece::Word { .. });
        self.has_right_to_left
            || self.pieces.iter().any(is_marked)
            || self.urls.iter().any(|url| url.warning.is_some())
    }

    /// The chips' labels, in order.
    pub fn chips(&self) -> Vec<&str> {
        self.pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Chip { label, .. } => Some(label.as_str()),
                _ => None,
            })
            .collect()
    }

    /// The warnings on words, in order.
    pub fn warnings(&self) -> Vec<&str> {
        self.pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Word { warning, .. } => Some(warning.as_str()),
                _ => None,
            })
            .collect()
    }
}

/// A number of bytes as people read it.
pub fn bytes_text(bytes: usize) -> String {
    if bytes == 1 {
        "1 byte".to_owned()
    } else {
        format!("{} bytes", super::view::grouped(bytes))
    }
}

/// The HTML of an inert text: escaped characters, `<span class=chip>`, `<mark>` and `<br>`; nothing from the text itself.
impl Display for Inert {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str("<bdi dir=\"ltr\">")?;
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => write_escaped(out, text)?,
                Piece::Break => out.write_str("<br>")?,
                Piece::Chip { label, meaning } => {
                    out.write_str("<span class=\"chip\" title=\"")?;
                    write_escaped(out, meaning)?;
                    out.write_str("\">")?;
                    write_escaped(out, label)?;
                    out.write_str("</span>")?;
                }
                Piece::Word { text, warning } => {
                    out.write_str("<mark class=\"odd\">")?;
                    write_escaped(out, text)?;
                    out.write_str("</mark><span class=\"chip\">")?;
                    write_escaped(out, warning)?;
                    out.write_str("</span>")?;
                }
            }
        }
        if self.has_right_to_left {
            out.write_str("<span class=\"chip\">right-to-left text</span>")?;
        }
        out.write_str("</bdi>")
    }
}

impl HtmlSafe for Inert {}

fn write_escaped(out: &mut Formatter<'_>, text: &str) -> fmt::Result {
    match escape(text, Html) {
        Ok(safe) => write!(out, "{safe}"),
        Err(never) => match never {},
    }
}

/// Cuts at a character's edge at or before `bytes_max`.
fn start_of(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

/// What must never reach the eye as it is: controls, formats, private and unassigned code points, line separators, what
/// is ignorable or blank by default, spaces other than the plain one, piles of marks and long gaps.
static MARKED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?x)
        (?<newlines> (?:\r\n|\n|\r)+ )
        | (?<gap> \x20{5,} )
        | (?<tags> [\x{E0020}-\x{E007F}]+ )
        | (?<unseen> [ \p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}
                       \x{2800}\x{1D159}\x{FFFC}\x{FFFD} ]
                   | [\p{Zs}--\x20] )
        | (?<marks> \p{M}+ )",
    )
    .expect("the pattern is fixed and tested")
});

static RIGHT_TO_LEFT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[\p{Hebrew}\p{Arabic}\p{Syriac}\p{Thaana}\p{Nko}\p{Samaritan}\p{Mandaic}\p{Adlam}\x{FB1D}-\x{FDFF}\x{FE70}-\x{FEFC}&&\p{L}]")
        .expect("the pattern is fixed and tested")
});

fn pieces_of(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && !text.contains("     ") {
        push_words(&mut pieces, text);
        return pieces;
    }
    let mut done = 0;
    let mut run: Option<(char, usize)> = None;
    for found in MARKED.captures_iter(text) {
        let whole = found.get_match();
        if whole.start() > done {
            end_run(&mut pieces, &mut run);
            push_words(&mut pieces, &text[done..whole.start()]);
        }
        done = whole.end();
        if found.name("unseen").is_some() {
            let unseen = whole.as_str().chars().next().expect("a match is not empty");
            run = Some(match run {
                Some((same, count)) if same == unseen => (same, count + 1),
                _ => {
                    end_run(&mut pieces, &mut run);
                    (unseen, 1)
                }
            });
            continue;
        }
        end_run(&mut pieces, &mut run);
        match () {
            () if found.name("newlines").is_some() => push_newlines(&mut pieces, whole.as_str()),
            () if found.name("tags").is_some() => pieces.push(tags_chip(whole.as_str())),
            () if found.name("gap").is_some() => push_gap(&mut pieces, whole.as_str().len()),
            () => push_marks(&mut pieces, text, whole.start(), whole.as_str()),
        }
    }
    end_run(&mut pieces, &mut run);
    push_words(&mut pieces, &text[done..]);
    pieces
}

fn end_run(pieces: &mut Vec<Piece>, run: &mut Option<(char, usize)>) {
    if let Some((unseen, count)) = run.take() {
        let times = if count > 1 {
            format!(" × {count}")
        } else {
            String::new()
        };
        pieces.push(Piece::Chip {
            label: format!("{}{times}", code_point(unseen)),
            meaning: name_of(unseen).to_owned(),
        });
    }
}

fn code_point(letter: char) -> String {
    format!("U+{:04X}", u32::from(letter))
}

fn push_newlines(pieces: &mut Vec<Piece>, breaks: &str) {
    let count = breaks.replace("\r\n", "\n").len();
    let lone_returns = breaks.replace("\r\n", "").matches('\r').count();
    if lone_returns > 0 {
        let meaning = "carriage return: a terminal would write over the line".to_owned();
        pieces.push(Piece::Chip {
            label: format!("U+000D × {lone_returns}"),
            meaning,
        });
    }
    if count > 2 {
        pieces.push(Piece::Chip {
            label: format!("{count} line breaks"),
            meaning: "line breaks, folded into one".to_owned(),
        });
        pieces.push(Piece::Break);
    } else {
        pieces.extend((0..count).map(|_| Piece::Break));
    }
}

fn push_gap(pieces: &mut Vec<Piece>, count: usize) {
    debug_assert!(count > SPACES_MAX);
    pieces.push(Piece::Chip {
        label: format!("{count} spaces"),
        meaning: "spaces, folded".to_owned(),
    });
}

/// Tag characters spell ASCII that no one sees but a model reads; the chip says what.
fn tags_chip(tags: &str) -> Piece {
    let spelled: String = tags
        .chars()
        .map(|tag| {
            char::from_u32(u32::from(tag) - 0xE_0000)
                .filter(char::is_ascii_graphic)
                .unwrap_or(' ')
        })
        .collect();
    let first = tags.chars().next().map(code_point).unwrap_or_default();
    let count = tags.chars().count();
    Piece::Chip {
        label: format!("{first} × {count} “{spelled}”"),
        meaning: "tag characters, invisible, which spell this".to_owned(),
    }
}

/// Marks that belong to a letter stay; what is stacked on top, or stands on nothing, becomes a chip.
fn push_marks(pieces: &mut Vec<Piece>, text: &str, start: usize, marks: &str) {
    let has_base = text[..start]
        .chars()
        .next_back()
        .is_some_and(char::is_alphanumeric);
    let kept = if has_base { MARKS_MAX } else { 0 };
    let edge = marks.char_indices().nth(kept).map_or(marks.len(), |(at, _)| at);
    let (fine, pile) = marks.split_at(edge);
    if !fine.is_empty() {
        match pieces.last_mut() {
            Some(Piece::Text(text) | Piece::Word { text, .. }) => text.push_str(fine),
            _ => pieces.push(Piece::Text(fine.to_owned())),
        }
    }
    if let Some(first) = pile.chars().next() {
        let count = pile.chars().count();
        let label = if count > 1 {
            format!("{} and {} more", code_point(first), count - 1)
        } else {
            code_point(first)
        };
        pieces.push(Piece::Chip {
            label,
            meaning: "combining marks, piled up".to_owned(),
        });
    }
}

/// Adds visible text, with the words marked that are not what they seem.
fn push_words(pieces: &mut Vec<Piece>, text: &str) {
    let mut done = 0;
    for Finding { start, end, warning } in lookalike::findings(text) {
        push_text(pieces, &text[done..start]);
        pieces.push(Piece::Word {
            text: text[start..end].to_owned(),
            warning,
        });
        done = end;
    }
    push_text(pieces, &text[done..]);
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(Piece::Text(last)) => last.push_str(text),
        _ => pieces.push(Piece::Text(text.to_owned())),
    }
}

/// What an unseen character does, in words.
fn name_of(letter: char) -> &'static str {
    match letter {
        '\0' => "null",
        '\u{8}' => "backspace",
        '\t' => "tab",
        '\u{1B}' => "escape: begins a terminal command",
        '\u{7F}' => "delete",
        '\u{0}'..='\u{1F}' | '\u{80}'..='\u{9F}' => "control character",
        '\u{AD}' => "soft hyphen",
        '\u{A0}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}' | '\u{1680}' => {
            "unusual space"
        }
        '\u{200B}' | '\u{2060}' | '\u{FEFF}' => "zero-width space",
        '\u{200C}' | '\u{200D}' => "zero-width joiner",
        '\u{200E}' | '\u{200F}' | '\u{61C}' => "direction mark",
        '\u{202A}' | '\u{202B}' => "begins embedded text of another direction",
        '\u{202C}' | '\u{2069}' => "ends a change of direction",
        '\u{202D}' => "forces left-to-right order",
        '\u{202E}' => "forces right-to-left order",
        '\u{2066}'..='\u{2068}' => "begins isolated text of another direction",
        '\u{2028}' | '\u{2029}' => "line or paragraph separator",
        '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}' | '\u{180B}'..='\u{180D}' => "variation selector",
        '\u{E0000}'..='\u{E007F}' => "tag character",
        '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{10FFFD}' => "private use: no agreed meaning",
        '\u{FFFD}' => "replaces bytes that were not text",
        _ => "invisible character",
    }
}

#[cfg(test)]
mod tests;

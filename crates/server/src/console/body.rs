//! What stands in a body, of a call or of its answer: read as what it says it is, and only where every reader reads the
//! same; else shown as it is, with a word on why.

use std::collections::BTreeMap;

use serde_json::Value;
use signoff_core::grant::Redaction;
use signoff_core::json;

use super::inert::{Inert, Show, bytes_text};
use super::tree::Tree;

mod multipart;

pub use multipart::Part;

/// Bytes of a binary body that stand on a page before the rest is put behind "show all".
const HEX_BYTES_MAX: usize = 512;
/// Bytes in one line of a hex dump: two columns of it fit on a phone.
const HEX_LINE: usize = 8;

/// A body, ready to be looked at.
#[derive(Debug, Clone)]
pub struct Body {
    /// What it was read as, in words: "JSON", "form fields", "text", "binary".
    pub kind: &'static str,
    /// What it says it is.
    pub media: Option<Inert>,
    /// Its size.
    pub bytes: usize,
    /// Why two programs could read it differently.
    pub doubt: Option<Inert>,
    /// What stands in it.
    pub content: Content,
}

/// What stands in a body.
#[derive(Debug, Clone)]
pub enum Content {
    /// JSON.
    Tree(Tree),
    /// Form fields, in order.
    Fields(Vec<Field>),
    /// Parts of a multipart body, in order.
    Parts(Vec<Part>),
    /// Anything else.
    Raw(Raw),
    /// Nothing of it: a grant hides parts of it that can't be told from the rest.
    Withheld,
}

/// Bytes as they are.
#[derive(Debug, Clone)]
pub enum Raw {
    /// They are text.
    Text(Inert),
    /// They are not, or hold a null.
    Hex {
        /// Offset, bytes and printable characters, line by line.
        dump: String,
        /// Bytes that are not shown.
        hidden_bytes: usize,
    },
}

/// A name and a value.
#[derive(Debug, Clone)]
pub struct Field {
    /// The name.
    pub name: Inert,
    /// The value.
    pub value: Inert,
}

impl Raw {
    /// Shows bytes whole, or their start.
    pub fn new(bytes: &[u8], show: Show) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => Self::Text(Inert::new(text, show)),
            _ => hex(bytes, show),
        }
    }

    /// Bytes that are not shown.
    pub fn hidden_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.hidden_bytes,
            Self::Hex { hidden_bytes, .. } => *hidden_bytes,
        }
    }

    /// The same, in words.
    pub fn hidden_text(&self) -> String {
        bytes_text(self.hidden_bytes())
    }
}

impl Body {
    /// Reads a body by its `content-type` and `content-encoding`; what the rules hide is not in what comes out.
    pub fn read(
        media: Option<&str>,
        coding: Option<&str>,
        bytes: &[u8],
        rules: &Redaction,
        show: Show,
    ) -> Self {
        let (kind, content, doubt) = read(media, coding, bytes, rules, show);
        Self {
            kind,
            media: media.map(Inert::all),
            bytes: bytes.len(),
            doubt: doubt.map(|why| Inert::all(&why)),
            content,
        }
    }

    /// Its size: "312 bytes".
    pub fn bytes_text(&self) -> String {
        bytes_text(self.bytes)
    }

    /// Whether a grant hides some of it.
    pub fn hides_something(&self) -> bool {
        match &self.content {
            Content::Withheld => true,
            Content::Tree(tree) => tree.rows.iter().any(|row| row.kind == "redacted"),
            Content::Fields(_) | Content::Parts(_) | Content::Raw(_) => false,
        }
    }

    /// Bytes that are not shown and can be.
    pub fn hidden_bytes(&self) -> usize {
        match &self.content {
            Content::Tree(tree) => tree.hidden_bytes,
            Content::Raw(raw) => raw.hidden_bytes(),
            Content::Parts(parts) => parts.iter().map(|part| part.content.hidden_bytes()).sum(),
            Content::Fields(_) | Content::Withheld => self.texts().map(|text| text.hidden_bytes).sum(),
        }
    }

    /// Every text in it that others wrote.
    pub fn texts(&self) -> Box<dyn Iterator<Item = &Inert> + '_> {
        match &self.content {
            Content::Tree(tree) => Box::new(
                tree.rows
                    .iter()
                    .flat_map(|row| std::iter::once(&row.key).chain(&row.value)),
            ),
            Content::Fields(fields) => Box::new(fields.iter().flat_map(|field| [&field.name, &field.value])),
            Content::Parts(parts) => Box::new(parts.iter().flat_map(Part::texts)),
            Content::Raw(Raw::Text(text)) => Box::new(std::iter::once(text)),
            Content::Raw(Raw::Hex { .. }) | Content::Withheld => Box::new(std::iter::empty()),
        }
    }
}

type Read = (&'static str, Content, Option<String>);

fn read(media: Option<&str>, coding: Option<&str>, bytes: &[u8], rules: &Redaction, show: Show) -> Read {
    let raw = || match Raw::new(bytes, show) {
        raw @ Raw::Text(_) => ("text", Content::Raw(raw)),
        raw @ Raw::Hex { .. } => ("binary", Content::Raw(raw)),
    };
    let as_it_is = |doubt: Option<String>| {
        let (kind, content) = raw();
        (kind, content, doubt)
    };
    if coding.is_some_and(|coding| !coding.trim().eq_ignore_ascii_case("identity")) {
        if !rules.json.is_empty() {
            let why = "the grant hides parts of JSON, and this is packed";
            return ("packed", Content::Withheld, Some(why.to_owned()));
        }
        return ("packed", Content::Raw(hex(bytes, show)), None);
    }
    let mut parts = media.unwrap_or_default().split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
    let charset = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| value.trim().trim_matches('"').to_ascii_lowercase())
    });
    let is_json = kind == "application/json" || kind.ends_with("+json") || kind == "text/json";
    // What is hidden is hidden in whatever can be read as JSON, whatever it calls itself.
    let looks_like_json = || matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'['));
    if is_json || ((kind.is_empty() || !rules.json.is_empty()) && looks_like_json()) {
        return match (json_tree(bytes, rules, show), charset.as_deref()) {
            (Ok(Some(tree)), None | Some("utf-8" | "utf8" | "us-ascii")) => {
                ("JSON", Content::Tree(tree), None)
            }
            (Ok(None), _) => as_it_is(None),
            (_, _) if !rules.json.is_empty() => {
                let why = "the grant hides parts of JSON, and this can’t be read as JSON without a doubt";
                ("JSON", Content::Withheld, Some(why.to_owned()))
            }
            (Ok(Some(_)), charset) => as_it_is(Some(other_charset(charset.unwrap_or_default()))),
            (Err(_), _) if !is_json => as_it_is(None),
            (Err(why), _) => as_it_is(Some(why)),
        };
    }
    match charset.as_deref() {
        None | Some("utf-8" | "utf8" | "us-ascii") => {}
        Some(other) => return as_it_is(Some(other_charset(other))),
    }
    if kind == "application/x-www-form-urlencoded" {
        return match pairs(bytes) {
            Some(found) => {
                let doubt = repeated(found.iter().map(|(name, _)| name.as_str()));
                ("form fields", Content::Fields(fields(&found, show)), doubt)
            }
            None => as_it_is(Some("it is no form that every program decodes alike".to_owned())),
        };
    }
    if kind.starts_with("multipart/") {
        return match multipart::parts(media.unwrap_or_default(), bytes, show) {
            Ok(parts) => {
                let doubt = repeated(parts.iter().filter_map(|part| part.plain_name.as_deref()));
                ("multipart", Content::Parts(parts), doubt)
            }
            Err(why) => as_it_is(Some(why.to_owned())),
        };
    }
    as_it_is(None)
}

fn other_charset(charset: &str) -> String {
    format!("it says that it is written in {charset}, which not every program goes by")
}

/// JSON as a tree; nothing where it has no members to lay out.
fn json_tree(bytes: &[u8], rules: &Redaction, show: Show) -> Result<Option<Tree>, String> {
    json::check(bytes).map_err(|why| why.to_string())?;
    let value: Value = serde_json::from_slice(bytes).map_err(|why| why.to_string())?;
    let tree = Tree::hiding(&value, show, rules);
    Ok(Some(tree).filter(|tree| !tree.is_empty()))
}

/// Fields with their texts inert.
pub fn fields(pairs: &[(String, String)], show: Show) -> Vec<Field> {
    let field = |(name, value): &(String, String)| Field {
        name: Inert::new(name, show),
        value: Inert::new(value, show),
    };
    pairs.iter().map(field).collect()
}

/// Whether a name stands several times: some programs take the first, some the last.
pub fn repeated<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut counts = BTreeMap::new();
    for name in names {
        *counts.entry(name).or_insert(0_usize) += 1;
    }
    let (name, count) = counts
        .into_iter()
        .find(|(name, count)| *count > 1 && !name.ends_with("[]"))?;
    let name = signoff_core::sentence::tame(name);
    Some(format!(
        "“{name}” stands {count} times; some take the first, some the last, some all"
    ))
}

/// Names and values of a form or a query, in order; none if not every program decodes them alike.
pub fn pairs(encoded: &[u8]) -> Option<Vec<(String, String)>> {
    let pieces = encoded
        .split(|byte| *byte == b'&')
        .filter(|piece| !piece.is_empty());
    pieces
        .map(|piece| {
            let at = piece.iter().position(|byte| *byte == b'=');
            let (name, value) = at.map_or((piece, &b""[..]), |at| (&piece[..at], &piece[at + 1..]));
            Some((decoded(name)?, decoded(value)?))
        })
        .collect()
}

fn decoded(encoded: &[u8]) -> Option<String> {
    let mut plain = Vec::with_capacity(encoded.len());
    let mut bytes = encoded.iter();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
                let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => *byte,
        });
    }
    String::from_utf8(plain).ok()
}

fn hex(bytes: &[u8], show: Show) -> Raw {
    let shown = match show {
        Show::All => bytes,
        Show::Start => &bytes[..bytes.len().min(HEX_BYTES_MAX)],
    };
    let line = |(at, chunk): (usize, &[u8])| {
        let digits: Vec<String> = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
        let plain: String = chunk
            .iter()
            .map(|byte| {
                if byte.is_ascii_graphic() || *byte == b' ' {
                    char::from(*byte)
                } else {
                    '.'
                }
            })
            .collect();
        format!("{:06x}  {:<23}  {plain}", at * HEX_LINE, digits.join(" "))
    };
    let lines: Vec<String> = shown.chunks(HEX_LINE).enumerate().map(line).collect();
    Raw::Hex {
        dump: lines.join("\n"),
        hidden_bytes: bytes.len() - shown.len(),
    }
}

#[cfg(test)]
mod tests;

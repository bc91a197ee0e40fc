//! Multipart bodies (RFC 2046, RFC 7578) in their parts; refused where not every program would find the same ones.

use super::Raw;
use crate::console::inert::{Inert, Show, bytes_text};

/// How many parts are told apart.
const PARTS_MAX: usize = 100;

/// One part.
#[derive(Debug, Clone)]
pub struct Part {
    /// The name of its field, as it is compared.
    pub plain_name: Option<String>,
    /// The name of its field.
    pub name: Option<Inert>,
    /// The name of its file.
    pub filename: Option<Inert>,
    /// What it says it is.
    pub media: Option<Inert>,
    /// Its further headers, as they stand.
    pub headers: Vec<Inert>,
    /// Its size.
    pub bytes: usize,
    /// What stands in it.
    pub content: Raw,
}

impl Part {
    /// Its size: "312 bytes".
    pub fn bytes_text(&self) -> String {
        bytes_text(self.bytes)
    }

    /// Every text in it.
    pub fn texts(&self) -> impl Iterator<Item = &Inert> {
        let content = match &self.content {
            Raw::Text(text) => Some(text),
            Raw::Hex { .. } => None,
        };
        let head = self.name.iter().chain(&self.filename).chain(&self.media);
        head.chain(&self.headers).chain(content)
    }
}

/// The parts of a body whose `content-type` names the boundary.
pub(super) fn parts(media: &str, body: &[u8], show: Show) -> Result<Vec<Part>, &'static str> {
    let boundary = boundary(media).ok_or("its boundary is missing, or can be read in several ways")?;
    let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
    let opening = &delimiter[2..];
    let mut rest = body
        .strip_prefix(opening)
        .ok_or("something stands before its first part, which some programs skip")?;
    let mut found = Vec::new();
    loop {
        if let Some(end) = rest.strip_prefix(b"--") {
            let is_end = end.is_empty() || end == b"\r\n";
            return if is_end {
                Ok(found)
            } else {
                Err("something stands behind its last part")
            };
        }
        let inside = rest
            .strip_prefix(b"\r\n")
            .ok_or("a line that looks like its boundary is none")?;
        let at = find(inside, &delimiter).ok_or("it ends in the middle of a part")?;
        if found.len() == PARTS_MAX {
            return Err("it has more than 100 parts");
        }
        found.push(part(&inside[..at], show)?);
        rest = &inside[at + delimiter.len()..];
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn boundary(media: &str) -> Option<String> {
    let mut given = media.split(';').skip(1).filter_map(|parameter| {
        let (name, value) = parameter.trim().split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then_some(value)
    });
    let value = given.next()?;
    if given.next().is_some() {
        return None;
    }
    let plain = match value.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"')?,
        None => value,
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte);
    ((1..=70).contains(&plain.len()) && plain.bytes().all(fits)).then(|| plain.to_owned())
}

fn part(bytes: &[u8], show: Show) -> Result<Part, &'static str> {
    let (head, content) = if let Some(content) = bytes.strip_prefix(b"\r\n") {
        (&b""[..], content)
    } else {
        let at = find(bytes, b"\r\n\r\n").ok_or("a part of it has no end of its headers")?;
        (&bytes[..at], &bytes[at + 4..])
    };
    let head = std::str::from_utf8(head).map_err(|_| "the headers of a part are no text")?;
    let mut part = Part {
        plain_name: None,
        name: None,
        filename: None,
        media: None,
        headers: Vec::new(),
        bytes: content.len(),
        content: Raw::new(content, show),
    };
    for line in head.split("\r\n").filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or("a header of a part has no name")?;
        match name.to_ascii_lowercase().as_str() {
            "content-disposition" if part.name.is_none() && part.filename.is_none() => {
                disposition(&mut part, value.trim())?;
            }
            "content-type" if part.media.is_none() => part.media = Some(Inert::all(value.trim())),
            "content-disposition" | "content-type" => return Err("a part says twice what it is"),
            _ => part.headers.push(Inert::all(line)),
        }
    }
    Ok(part)
}

/// Name and file of a part. Anything but plain quoted texts is read in several ways.
fn disposition(part: &mut Part, value: &str) -> Result<(), &'static str> {
    const SEVERAL_WAYS: &str = "the name of a part can be read in several ways";
    let mut rest = value.find(';').map_or("", |at| &value[at..]);
    while let Some(parameter) = rest.strip_prefix(';') {
        let (name, value) = parameter.trim_start().split_once("=\"").ok_or(SEVERAL_WAYS)?;
        let end = value.find('"').ok_or(SEVERAL_WAYS)?;
        let text = &value[..end];
        let place = match name {
            "name" => &mut part.name,
            "filename" => &mut part.filename,
            _ => return Err(SEVERAL_WAYS),
        };
        if place.is_some() || text.contains('\\') {
            return Err(SEVERAL_WAYS);
        }
        *place = Some(Inert::all(text));
        if name == "name" {
            part.plain_name = Some(text.to_owned());
        }
        rest = value[end + 1..].trim_start();
    }
    if rest.is_empty() {
        Ok(())
    } else {
        Err(SEVERAL_WAYS)
    }
}

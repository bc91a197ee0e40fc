//! Canonical text straight from a value, in one pass: JSON's own writer, with numbers as RFC 8785 has them, and each
//! object's entries put in the order of their keys when it ends. The library goes by a tree of the whole value, which costs
//! several times as much; it is left what this does not do: keys that are not plain ASCII, whose order is another.

use std::{
    cell::RefCell,
    io::{self, Write},
};

use serde::Serialize;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter};

/// The largest whole number up to which every one is a double.
const EXACT_MAX: u64 = 1 << 53;

/// The canonical bytes; none where the library must write them.
pub(super) fn write<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Option<Vec<u8>>> {
    let text = RefCell::new(Text {
        bytes: Vec::with_capacity(512),
        open: Vec::new(),
        entries: Vec::new(),
        sorted: Vec::new(),
        plain: true,
    });
    let ordered = Ordered {
        text: &text,
        in_key: false,
    };
    value.serialize(&mut serde_json::Serializer::with_formatter(
        Writer(&text),
        ordered,
    ))?;
    let text = text.into_inner();
    Ok(text.plain.then_some(text.bytes))
}

/// What is written so far.
struct Text {
    bytes: Vec<u8>,
    /// For each object that has not ended, which entry is its first, and where it starts.
    open: Vec<(usize, usize)>,
    entries: Vec<Entry>,
    /// Where entries are put together in order.
    sorted: Vec<u8>,
    /// Every key is ASCII, needs no escape, and stands once in its object.
    plain: bool,
}

/// One entry of an object: where its key starts, with the quote, where that ends, and where the value ends.
#[derive(Clone, Copy)]
struct Entry {
    start: usize,
    key_end: usize,
    end: usize,
}

/// A key without its quotes, one of which is less than other characters that a key may have there.
fn key(bytes: &[u8], entry: Entry) -> &[u8] {
    &bytes[entry.start + 1..entry.key_end - 1]
}

impl Text {
    /// Puts the entries of the innermost object in order.
    fn end_object(&mut self) {
        let Some((first, start)) = self.open.pop() else {
            return;
        };
        let (entries, bytes) = (&mut self.entries[first..], &mut self.bytes);
        if !entries.is_sorted_by(|one, next| key(bytes, *one) < key(bytes, *next)) {
            entries.sort_by(|one, other| key(bytes, *one).cmp(key(bytes, *other)));
            let twice = |pair: &[Entry]| key(bytes, pair[0]) == key(bytes, pair[1]);
            self.plain &= !entries.windows(2).any(twice);
            self.sorted.clear();
            for (at, entry) in entries.iter().enumerate() {
                if at > 0 {
                    self.sorted.push(b',');
                }
                self.sorted.extend_from_slice(&bytes[entry.start..entry.end]);
            }
            bytes.truncate(start);
            bytes.extend_from_slice(&self.sorted);
        }
        self.entries.truncate(first);
    }
}

/// Where the serializer writes to.
struct Writer<'a>(&'a RefCell<Text>);

impl Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Notes where entries begin and end, and writes numbers as RFC 8785 does.
struct Ordered<'a> {
    text: &'a RefCell<Text>,
    in_key: bool,
}

impl Formatter for Ordered<'_> {
    fn write_u64<W: ?Sized + Write>(&mut self, writer: &mut W, value: u64) -> io::Result<()> {
        if value <= EXACT_MAX {
            CompactFormatter.write_u64(writer, value)
        } else {
            write_number(writer, &value)
        }
    }
    fn write_i64<W: ?Sized + Write>(&mut self, writer: &mut W, value: i64) -> io::Result<()> {
        if value.unsigned_abs() <= EXACT_MAX {
            CompactFormatter.write_i64(writer, value)
        } else {
            write_number(writer, &value)
        }
    }
    fn write_f32<W: ?Sized + Write>(&mut self, writer: &mut W, value: f32) -> io::Result<()> {
        write_number(writer, &f64::from(value))
    }
    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        write_number(writer, &value)
    }
    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        CompactFormatter.begin_object(writer)?;
        let mut text = self.text.borrow_mut();
        let place = (text.entries.len(), text.bytes.len());
        text.open.push(place);
        Ok(())
    }
    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.text.borrow_mut().end_object();
        CompactFormatter.end_object(writer)
    }
    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.in_key = true;
        CompactFormatter.begin_object_key(writer, first)?;
        let mut text = self.text.borrow_mut();
        let start = text.bytes.len();
        text.entries.push(Entry {
            start,
            key_end: start,
            end: start,
        });
        Ok(())
    }
    fn end_object_key<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.in_key = false;
        self.note(|entry, at| entry.key_end = at);
        Ok(())
    }
    fn end_object_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.note(|entry, at| entry.end = at);
        Ok(())
    }
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        // The order is that of UTF-16 code units, which is that of bytes for ASCII.
        if self.in_key && !fragment.is_ascii() {
            self.text.borrow_mut().plain = false;
        }
        writer.write_all(fragment.as_bytes())
    }
    fn write_char_escape<W: ?Sized + Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        if self.in_key {
            self.text.borrow_mut().plain = false;
        }
        CompactFormatter.write_char_escape(writer, escape)
    }
}

impl Ordered<'_> {
    /// Of the entry that is being written: those of objects inside it are gone by then.
    fn note(&self, set: impl FnOnce(&mut Entry, usize)) {
        let mut text = self.text.borrow_mut();
        let at = text.bytes.len();
        if let Some(entry) = text.entries.last_mut() {
            set(entry, at);
        }
    }
}

fn write_number<W: ?Sized + Write, N: Serialize>(writer: &mut W, number: &N) -> io::Result<()> {
    writer.write_all(&serde_json_canonicalizer::to_vec(number)?)
}

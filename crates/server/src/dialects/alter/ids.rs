//! Identifiers: the client knows UUIDs, which are the digits of ours.

use signoff_core::id::RawId;

/// Where a UUID has its hyphens.
const GROUPS: [usize; 4] = [8, 13, 18, 23];

/// As the client reads it: lower case, with hyphens.
pub(super) fn uuid(id: RawId) -> String {
    let digits = id.to_string();
    [
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    ]
    .join("-")
}

/// The digits of a UUID; none for any other text.
pub(super) fn raw(text: &str) -> Option<RawId> {
    let hyphens = text.bytes().enumerate().filter(|(_, byte)| *byte == b'-');
    if text.len() != 36 || !hyphens.map(|(at, _)| at).eq(GROUPS) {
        return None;
    }
    let mut raw = [0; 16];
    hex::decode_to_slice(text.replace('-', ""), &mut raw).ok()?;
    Some(RawId(raw))
}

/// The digits of an id that was given as a UUID, or as Signoff writes it.
pub(super) fn either<T: std::str::FromStr>(text: &str, of: fn(RawId) -> T) -> Option<T> {
    raw(text).map(of).or_else(|| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_the_digits_of_ours() {
        let text = "0199b3c4-d5e6-7f80-9a0b-1c2d3e4f5a6b";
        assert_eq!(uuid(raw(text).unwrap()), text);
        assert_eq!(raw(&text.to_uppercase()), raw(text));
        for text in [
            "",
            "0199b3c4d5e67f809a0b1c2d3e4f5a6b",
            "0199b3c4-d5e6-7f80-9a0b-1c2d3e4f5a6",
            "0199b3c4d-5e6-7f80-9a0b-1c2d3e4f5a6b",
            "0199b3c4-d5e6-7f80-9a0b-1c2d3e4f5a6é",
            "0199b3c4-d5e6-7f80-9a0b-1c2d3e4f-a6b",
        ] {
            assert_eq!(raw(text), None, "{text}");
        }
    }
}

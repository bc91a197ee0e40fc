//! The part of a body that nobody but the client reads, and that comes back byte by byte: lifted out before the rest is
//! read, so that it may say what Signoff itself would refuse, such as a number that doubles can't hold.

use std::ops::Range;

use serde::de::IgnoredAny;

/// The body with `null` in place of `spec.state`, and the text that stood there; none where it is absent or null.
/// Something that is not JSON is left as it is, for its reader to refuse.
pub(super) fn lift_state(body: &str) -> (String, Option<String>) {
    let found = serde_json::from_str::<IgnoredAny>(body)
        .ok()
        .and_then(|_| member(body, "spec"))
        .and_then(|spec| {
            let inner = member(body.get(spec.clone())?, "state")?;
            Some(spec.start + inner.start..spec.start + inner.end)
        });
    let lifted = found.and_then(|range| Some((range.clone(), body.get(range)?)));
    match lifted {
        Some((range, state)) if state != "null" => (
            format!("{}null{}", &body[..range.start], &body[range.end..]),
            Some(state.to_owned()),
        ),
        _ => (body.to_owned(), None),
    }
}

/// Where the first value under this key is in an object, which is known to be JSON.
fn member(object: &str, wanted: &str) -> Option<Range<usize>> {
    let mut at = space(object, 0);
    at = after(object, at, b'{')?;
    loop {
        at = space(object, at);
        let mut keys = serde_json::Deserializer::from_str(object.get(at..)?).into_iter::<String>();
        let key = keys.next()?.ok()?;
        at = space(object, at + keys.byte_offset());
        at = space(object, after(object, at, b':')?);
        let end = at + value_length(object.get(at..)?)?;
        if key == wanted {
            return Some(at..end);
        }
        at = after(object, space(object, end), b',')?;
    }
}

fn value_length(text: &str) -> Option<usize> {
    if text.starts_with(['{', '[', '"']) {
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
        values.next()?.ok()?;
        return Some(values.byte_offset());
    }
    // Numbers and words end where something else begins.
    text.find([',', '}', ']', ' ', '\t', '\r', '\n'])
}

fn space(text: &str, from: usize) -> usize {
    let rest = text.as_bytes().get(from..).unwrap_or_default();
    let blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    from + rest.iter().take_while(blank).count()
}

fn after(text: &str, at: usize, expected: u8) -> Option<usize> {
    (text.as_bytes().get(at) == Some(&expected)).then_some(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_lifted_out_as_it_stands() {
        for state in [
            r#"{"b":1.0, "a":12345678901234567890123 ,"b":2}"#,
            r#""st\u0061te""#,
            "17",
            "[]",
            "true",
            "{}",
        ] {
            for (before, behind) in [
                (r#"{"spec":{"state":"#, "}}"),
                (
                    " {\"x\" : [1,{\"spec\":2}], \"spec\" : {\"fn\":\"a, }\",\n\"state\" :\t",
                    " , \"k\":{}} , \"y\":0 }",
                ),
            ] {
                let (rest, lifted) = lift_state(&format!("{before}{state}{behind}"));
                assert_eq!(lifted.as_deref(), Some(state));
                assert_eq!(rest, format!("{before}null{behind}"));
            }
        }
    }

    #[test]
    fn what_has_no_state_is_left_as_it_is() {
        for body in [
            "",
            "{",
            "null",
            "[1]",
            "{}",
            r#"{"state":1}"#,
            r#"{"spec":1}"#,
            r#"{"spec":{"state":null}}"#,
            r#"{"spec":{"fn":"f"}} x"#,
            r#"{"spec":{"x":{"state":1}}}"#,
        ] {
            assert_eq!(lift_state(body), (body.to_owned(), None), "{body}");
        }
    }
}

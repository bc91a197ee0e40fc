//! A pattern in its parts. The library's own reader of whole patterns falls over brackets that do not pair.

/// The parts of a pattern; what is absent matches anything.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) scheme: Option<String>,
    pub(super) host: Option<String>,
    pub(super) port: Option<String>,
    pub(super) path: String,
    pub(super) query: Option<String>,
}

/// Takes a pattern apart: `/path?query`, or `scheme://host:port/path?query`.
///
/// # Errors
/// A sentence that says what to write instead.
pub(super) fn parts(pattern: &str) -> Result<Parts, String> {
    let (origin, rest) = if pattern.starts_with('/') {
        (Parts::default(), pattern)
    } else {
        let (scheme, rest) = pattern
            .split_once("://")
            .ok_or("it starts with `/` for a path on any host, or with `https://`")?;
        let end = first(rest, &['/', '?', '#']).unwrap_or(rest.len());
        let (host, port) = authority(&rest[..end])?;
        let origin = Parts {
            scheme: Some(scheme.to_owned()),
            host: Some(host),
            port: Some(port),
            ..Parts::default()
        };
        (origin, &rest[end..])
    };
    if first(rest, &['#']).is_some() {
        return Err("no call carries a fragment: take out what stands behind `#`".into());
    }
    let (path, query) = match query_mark(rest) {
        Some(at) => (&rest[..at], Some(&rest[at..])),
        None => (rest, None),
    };
    let query = query.map(|query| query.trim_start_matches('\\')[1..].to_owned());
    Ok(Parts {
        path: if path.is_empty() { "/" } else { path }.to_owned(),
        query: query.filter(|query| !query.is_empty()),
        ..origin
    })
}

/// Host and port; no port is the default one.
fn authority(text: &str) -> Result<(String, String), String> {
    if first(text, &['@']).is_some() {
        return Err("no call carries a user or password: take out what stands before `@`".into());
    }
    let (host, port) = match text.rfind(':') {
        Some(at) if text[at + 1..].bytes().all(|byte| byte.is_ascii_digit()) || &text[at + 1..] == "*" => {
            (&text[..at], &text[at + 1..])
        }
        _ => (text, ""),
    };
    if host.is_empty() {
        return Err("it names no host: write `*` for any".into());
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.starts_with('[') {
        // The colons of an address begin no names.
        return Ok((host.replace("\\:", ":").replace(':', "\\:"), port.to_owned()));
    }
    Ok((host.to_owned(), port.to_owned()))
}

/// Where one of these characters first stands for itself, outside of groups.
fn first(text: &str, wanted: &[char]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            '(' | '{' => depth += 1,
            ')' | '}' => depth = depth.saturating_sub(1),
            other if depth == 0 && wanted.contains(&other) => return Some(at),
            _ => {}
        }
    }
    None
}

/// Where the query begins: at a `?` that does not make what stands before it optional, or at one that is escaped.
fn query_mark(text: &str) -> Option<usize> {
    let (mut depth, mut name) = (0_usize, false);
    let mut before = ' ';
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => {
                let escaped = characters.next().map(|(_, escaped)| escaped);
                if depth == 0 && escaped == Some('?') {
                    return Some(at);
                }
                (name, before) = (false, ' ');
                continue;
            }
            '(' | '{' => depth += 1,
            ')' | '}' => depth = depth.saturating_sub(1),
            '?' if depth == 0 && !name && !matches!(before, ')' | '}' | '*') => return Some(at),
            _ => {}
        }
        let of_name = character.is_alphanumeric() || matches!(character, '_' | '$');
        name = if character == ':' { true } else { name && of_name };
        // A colon alone begins no name.
        if character == '?' {
            name = false;
        }
        before = character;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_taken_apart_where_its_own_characters_stand() {
        let cases = [
            ("/a?b=*", None, None, "/a", Some("b=*")),
            ("/a/:id?", None, None, "/a/:id?", None),
            ("/a/:id??b", None, None, "/a/:id?", Some("b")),
            ("/a{/*}?", None, None, "/a{/*}?", None),
            ("/a*?b", None, None, "/a*?b", None),
            ("/a\\?b", None, None, "/a", Some("b")),
            ("/(a?b)/c", None, None, "/(a?b)/c", None),
            ("https://h", Some("h"), Some(""), "/", None),
            ("https://h?q", Some("h"), Some(""), "/", Some("q")),
            ("https://h:80/x", Some("h"), Some("80"), "/x", None),
            ("https://:sub.h:*/x", Some(":sub.h"), Some("*"), "/x", None),
            ("https://(a/b).h/x", Some("(a/b).h"), Some(""), "/x", None),
            ("http://[::1]:8080/", Some("[\\:\\:1]"), Some("8080"), "/", None),
        ];
        for (pattern, host, port, path, query) in cases {
            let parts = parts(pattern).unwrap();
            let found = (
                parts.host.as_deref(),
                parts.port.as_deref(),
                parts.path.as_str(),
                parts.query.as_deref(),
            );
            assert_eq!(found, (host, port, path, query), "{pattern}");
        }
    }
}

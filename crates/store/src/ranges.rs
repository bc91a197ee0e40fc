//! What questions about names and types mean in terms of ranges, which indexes can use whatever is bound.

use crate::RecordQuery;

/// A glob taken apart; only `*` and `?` are special.
pub(crate) enum Glob {
    /// Nothing special in it.
    Exactly(String),
    /// Names lie in the range (the end not included) where there is one, and match the pattern.
    Pattern {
        range: Option<(String, String)>,
        pattern: String,
    },
}

pub(crate) fn glob_of(glob: &str) -> Glob {
    let literal = &glob[..glob.find(['*', '?']).unwrap_or(glob.len())];
    if literal.len() == glob.len() {
        return Glob::Exactly(glob.to_owned());
    }
    // What begins with the literal part lies between it and the same with its last character's successor.
    let last = literal.bytes().last();
    let last = last.filter(|last| literal.is_ascii() && *last < 0x7f);
    let range = last.map(|last| {
        let mut end = literal[..literal.len() - 1].to_owned();
        end.push(char::from(last + 1));
        (literal.to_owned(), end)
    });
    Glob::Pattern {
        range,
        pattern: glob.to_owned(),
    }
}

/// Which types of records a question names.
pub(crate) enum Types {
    /// One, with its version.
    Exactly(String),
    /// From the first up to, but not including, the second.
    Range(String, String),
}

pub(crate) fn types_of(wanted: &str) -> Types {
    if let Some(group) = wanted.strip_suffix('.') {
        Types::Range(wanted.to_owned(), format!("{group}/"))
    } else if has_version(wanted) {
        Types::Exactly(wanted.to_owned())
    } else {
        Types::Range(format!("{wanted}.v"), format!("{wanted}.w"))
    }
}

/// Whether a type is named with its version, as in `approval.ended.v1`.
fn has_version(event_type: &str) -> bool {
    let last = event_type
        .rsplit_once('.')
        .and_then(|(_, last)| last.strip_prefix('v'));
    last.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether a question is about more than a stretch of the log.
pub(crate) fn is_filtered(query: &RecordQuery) -> bool {
    // Taken apart in full, so that a new filter can't be forgotten here.
    let RecordQuery {
        beyond: _,
        newest_first: _,
        limit: _,
        subject,
        agents,
        action,
        actor,
        event_type,
        decision,
        since,
    } = query;
    let by_request = subject.is_some() || agents.is_some() || action.is_some();
    by_request || actor.is_some() || event_type.is_some() || decision.is_some() || since.is_some()
}

//! Sorts the HTTP library's failures by the one question that matters afterwards: may the request have left?

use std::error::Error;

use crate::{EgressError, Refusal};

/// How much of a failure's words is kept, in characters: an upstream writes some of them.
const DETAIL_CHARS_MAX: usize = 300;

/// Sorts a failure by whether the request may have left.
pub(crate) fn told_apart(error: &reqwest::Error) -> EgressError {
    if let Some(refusal) = refusal_within(error) {
        return EgressError::Refused(refusal);
    }
    match (error.is_connect(), error.is_timeout()) {
        (true, true) => EgressError::TimedOut { perhaps_sent: false },
        (true, false) => EgressError::NotSent { detail: words(error) },
        (false, true) => EgressError::TimedOut { perhaps_sent: true },
        (false, false) if error.is_builder() => EgressError::NotSent { detail: words(error) },
        (false, false) => EgressError::PerhapsSent { detail: words(error) },
    }
}

/// The resolver's refusal travels inside the library's error.
fn refusal_within(error: &reqwest::Error) -> Option<Refusal> {
    causes(error).find_map(|cause| cause.downcast_ref::<Refusal>().cloned())
}

/// The causes of an error in words. The outermost is left out: it would print the URL.
pub(crate) fn words(error: &reqwest::Error) -> String {
    let text = causes(error)
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ");
    if text.is_empty() {
        "the request could not be made".to_owned()
    } else {
        text
    }
}

/// Words as they are shown: cut, because an HTTP/2 upstream may add kilobytes of its own to them.
pub(crate) fn cut(detail: &str) -> String {
    detail.chars().take(DETAIL_CHARS_MAX).collect()
}

fn causes<'a>(error: &'a reqwest::Error) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause: &&'a (dyn Error + 'static)| {
        (*cause).source()
    })
}

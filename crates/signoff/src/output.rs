//! Where words go: data to standard output, talk to standard error, JSON for either reader when asked for.

use std::io::Write;

use serde::Serialize;
use signoff_api::{Page, Problem};
use signoff_client::Error;

use crate::inert;

/// Prints a value as JSON.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    data(&inert::json(&serde_json::to_string_pretty(value)?))
}

/// Prints data. A closed pipe (`| head`) is an error like any other, not a panic.
pub(crate) fn data(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

/// Says something to the person, who may not be there.
pub(crate) fn talk(text: &str) {
    drop(writeln!(std::io::stderr(), "{text}"));
}

/// Says a value as JSON where standard output belongs to somebody else.
pub(crate) fn talk_json(value: &impl Serialize) -> anyhow::Result<()> {
    talk(&inert::json(&serde_json::to_string_pretty(value)?));
    Ok(())
}

/// Prints a value as JSON or as the text that the closure makes of it.
pub(crate) fn either<T: Serialize>(
    as_json: bool,
    value: &T,
    human: impl FnOnce(&T) -> String,
) -> anyhow::Result<()> {
    if as_json { json(value) } else { data(&human(value)) }
}

/// Prints a page; on a terminal an empty one says so, and a further one says how to get it.
pub(crate) fn page<T: Serialize>(
    as_json: bool,
    page: &Page<T>,
    nothing: &str,
    human: impl FnOnce(&[T]) -> String,
) -> anyhow::Result<()> {
    if as_json {
        return json(page);
    }
    if page.items.is_empty() {
        talk(nothing);
        return Ok(());
    }
    data(&human(&page.items))?;
    if let Some(cursor) = &page.next_cursor {
        talk(&format!("more: --cursor {}", inert::line(cursor)));
    }
    Ok(())
}

/// Prints why a command failed, and what to do about it.
pub(crate) fn complain(error: &anyhow::Error, as_json: bool) {
    if is_closed_pipe(error) {
        return;
    }
    if as_json {
        drop(talk_json(&as_problem(error)));
        return;
    }
    talk(&format!("signoff: {}", inert::lines(&format!("{error:#}"))));
    if let Some(Error::Problem(problem)) = error.downcast_ref::<Error>() {
        for place in &problem.errors {
            talk(&format!(
                "  {}: {}",
                inert::line(&place.pointer),
                inert::line(&place.detail)
            ));
        }
        if let Some(next) = &problem.next {
            talk(&format!("  → {}", inert::line(next)));
        }
    } else if matches!(error.downcast_ref::<Error>(), Some(e) if e.is_unreachable()) {
        talk("  → is the server running? `SIGNOFF_URL` or `--url` says where it is");
    }
}

/// A failure as a problem document: the server's own, or one in its shape.
pub(crate) fn as_problem(error: &anyhow::Error) -> Problem {
    let told = error.downcast_ref::<Error>().and_then(Error::problem).cloned();
    told.unwrap_or_else(|| local(error))
}

/// A failure of our own in the shape of a problem document, so that readers of `--json` parse one thing.
fn local(error: &anyhow::Error) -> Problem {
    let code = match error.downcast_ref::<Error>() {
        Some(client) if client.is_unreachable() => "unreachable",
        _ => "misused",
    };
    Problem {
        kind: format!("urn:signoff:problem:{code}"),
        title: code.to_owned(),
        status: 0,
        code: code.to_owned(),
        detail: format!("{error:#}"),
        next: None,
        errors: Vec::new(),
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

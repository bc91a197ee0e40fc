//! `signoff audit`: read, verify and export the log.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use signoff_api::audit::{AuditQuery, Event, Verification};

use crate::cli::Global;
use crate::commands::list::PageArgs;
use crate::connection::{Side, connect};
use crate::exit::Exit;
use crate::offline::KnownHead;
use crate::{inert, offline, output, table};

/// What to do with the log.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// List events, newest first
    List(Box<ListArgs>),
    /// Verify that the log is intact
    #[command(
        after_help = "Exit codes: 0 intact, 1 not intact, 3 misused or the server unreachable.\n\
            Keep the head that it prints: with --head, an export that was cut short or rewritten is found out."
    )]
    Verify {
        /// Also compare the stored tables and secrets with what the log says, row by row
        #[arg(long)]
        with_store: bool,
        /// Check this export (`-`: standard input) here, without trusting or asking a server
        #[arg(long, value_name = "FILE", conflicts_with = "with_store")]
        offline: Option<PathBuf>,
        /// Fail unless the export reaches this head, as an earlier `verify` printed it
        #[arg(long, value_name = "SEQUENCE:HASH", requires = "offline")]
        head: Option<KnownHead>,
    },
    /// Write all records as stored, one JSON line each
    Export {
        /// Where to [default: standard output]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// Which events to list.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Name or id of an agent
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,
    /// Glob over action names
    #[arg(long, value_name = "GLOB")]
    action: Option<String>,
    /// Id or e-mail address of the operator who acted
    #[arg(long, value_name = "OPERATOR")]
    operator: Option<String>,
    /// What was decided, such as approve, deny, allowed or denied
    #[arg(long, value_name = "DECISION")]
    decision: Option<String>,
    /// Event type or its beginning, such as approval.*
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Id of what it is about
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    /// Since when: a time, or a span back from now such as 24h
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    #[command(flatten)]
    page: PageArgs,
}

pub(crate) async fn run(global: &Global, command: AuditCommand) -> anyhow::Result<Exit> {
    match command {
        AuditCommand::List(args) => list(global, *args).await,
        AuditCommand::Verify {
            offline: Some(path),
            head,
            ..
        } => report(global, &offline::verify_export(&path, head.as_ref())?),
        AuditCommand::Verify { with_store, .. } => {
            let client = connect(global, Side::Operator)?;
            report(global, &client.audit_verify(with_store).await?)
        }
        AuditCommand::Export { output } => export(global, output).await,
    }
}

async fn list(global: &Global, args: ListArgs) -> anyhow::Result<Exit> {
    let query = AuditQuery {
        agent: args.agent,
        action: args.action,
        operator: args.operator,
        decision: args.decision,
        kind: args.kind,
        subject: args.subject,
        since: args.since,
        cursor: args.page.cursor,
        limit: args.page.limit,
    };
    let page = connect(global, Side::Operator)?.audit_list(&query).await?;
    output::page(global.json, &page, "no events", events)?;
    Ok(Exit::Ok)
}

/// A table of events.
pub(crate) fn events(items: &[Event]) -> String {
    let rows = items.iter().map(|event| {
        let who = event.actor.name.as_deref().unwrap_or(&event.actor.id);
        [
            event.sequence.to_string(),
            event.at.clone(),
            event.kind.clone(),
            format!("{} {who}", event.actor.kind),
            event.summary.clone(),
        ]
    });
    table::render(["SEQUENCE", "AT", "TYPE", "WHO", "WHAT"], rows)
}

fn report(global: &Global, verification: &Verification) -> anyhow::Result<Exit> {
    output::either(global.json, verification, verified)?;
    Ok(if verification.ok { Exit::Ok } else { Exit::Refused })
}

/// What a verification found, in words.
pub(crate) fn verified(verification: &Verification) -> String {
    let mut text = if verification.ok {
        "intact".to_owned()
    } else {
        "NOT intact".to_owned()
    };
    let _ = write!(text, ": {} events", verification.events);
    if let Some(rows) = verification.rows {
        let _ = write!(text, ", {rows} rows compared");
    }
    if verification.erased > 0 {
        let _ = write!(text, ", {} payloads erased", verification.erased);
    }
    let _ = write!(
        text,
        "\nhead {}:{}",
        verification.head.sequence,
        inert::line(&verification.head.hash)
    );
    for flaw in &verification.problems {
        let sequence = flaw.sequence.map(|sequence| format!("event {sequence}"));
        let parts = [
            Some(&flaw.kind),
            sequence.as_ref(),
            flaw.table.as_ref(),
            flaw.row.as_ref(),
        ];
        let place = parts
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" ");
        let _ = write!(text, "\n{}: {}", inert::line(&place), inert::line(&flaw.detail));
    }
    text
}

async fn export(global: &Global, path: Option<PathBuf>) -> anyhow::Result<Exit> {
    let client = connect(global, Side::Operator)?;
    let bytes = match &path {
        None => {
            // Not the lock: it can't be held over an await.
            let mut out = std::io::stdout();
            let bytes = client.audit_export(&mut out).await?;
            out.flush()?;
            bytes
        }
        Some(path) => {
            let mut file = File::create(path).with_context(|| format!("can't write `{}`", path.display()))?;
            let bytes = client.audit_export(&mut file).await?;
            file.sync_all()?;
            bytes
        }
    };
    output::talk(&format!("{bytes} bytes"));
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use signoff_api::audit::{Flaw, Head};

    use super::*;

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let flaw = |sequence, table: Option<&str>, row: Option<&str>| Flaw {
            kind: "row_differs".into(),
            sequence,
            table: table.map(str::to_owned),
            row: row.map(str::to_owned),
            detail: "d".into(),
        };
        let verification = Verification {
            ok: false,
            events: 7,
            with_store: true,
            rows: Some(3),
            erased: 0,
            head: Head {
                sequence: 7,
                hash: "ab".into(),
            },
            problems: vec![
                flaw(Some(4), None, None),
                flaw(None, Some("operators"), Some("usr_1")),
            ],
        };
        assert_eq!(
            verified(&verification),
            "NOT intact: 7 events, 3 rows compared\nhead 7:ab\nrow_differs event 4: d\nrow_differs operators usr_1: d"
        );
    }
}

//! `signoff migrate-store`: from SQLite to Postgres, with everything, and with proof.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use secrecy::SecretString;
use serde::Serialize;
use signoff_store::copy::{self, Progress};
use signoff_store::postgres::PostgresStore;
use signoff_store::sqlite::{FILE_NAME, SqliteStore};
use signoff_store::{Store, StoreError, SystemClock};

use crate::cli::Global;
use crate::commands::backup::{Checked, KeyArgs};
use crate::config::Database;
use crate::exit::Exit;
use crate::keeping::{MASTER_KEY_FILE, open_postgres};
use crate::output;

/// How often a large table says how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(2);
/// From how many rows on a table is worth a word.
const LARGE: u64 = 1_000;

const MIGRATE_HELP: &str = "\
Stop the server first. The source is verified, then everything is carried in one transaction, read back and compared;
then the target is verified: the chain of every log, tables against what the log adds up to, payloads and secrets, and
that it ends where the source does. The source keeps its data; do not start a server on it again.

Connect directly, not through a pooler. The URL may hold a password: SIGNOFF_DATABASE keeps it off the command line.

Exit codes: 0 done, 1 source or target is not intact, 3 misused, in use or not reachable.";

/// From where to where.
#[derive(Debug, Args)]
#[command(after_help = MIGRATE_HELP)]
pub(crate) struct MigrateStoreArgs {
    /// The data directory to move, as sqlite:DIR
    #[arg(long, value_name = "sqlite:DIR", value_parser = directory)]
    from: PathBuf,
    /// The empty database to move it to (postgres://USER:PASSWORD@HOST/NAME)
    #[arg(long, value_name = "URL", env = "SIGNOFF_DATABASE", hide_env_values = true)]
    to: String,
    #[command(flatten)]
    key: KeyArgs,
}

fn directory(text: &str) -> Result<PathBuf, String> {
    match text.strip_prefix("sqlite:") {
        Some(path) if !path.is_empty() => Ok(PathBuf::from(path)),
        _ => Err("write sqlite:DIR, where DIR is the data directory".to_owned()),
    }
}

/// What is said of it.
#[derive(Debug, Serialize)]
struct Report {
    /// Rows of each table, the same on both sides.
    tables: BTreeMap<&'static str, u64>,
    #[serde(flatten)]
    checked: Checked,
}

pub(crate) async fn run(global: &Global, args: MigrateStoreArgs) -> anyhow::Result<Exit> {
    let database = Database::new(args.to.clone(), false)?;
    let source = open_source(&args.from).await?;
    let moved = async {
        let key = args.key.find(&args.from)?.with_context(|| {
            format!(
                "the master key is missing: `{}`, SIGNOFF_MASTER_KEY or --master-key-file",
                args.from.join(MASTER_KEY_FILE).display()
            )
        })?;
        let target = open_postgres(&database).await?;
        let moved = Move {
            global,
            args: &args,
            source: &source,
            target: &target,
            key: &key,
        };
        let moved = moved.run().await;
        target.close().await;
        moved
    };
    let moved = moved.await;
    source.close().await;
    moved
}

async fn open_source(from: &Path) -> anyhow::Result<SqliteStore> {
    if !from.join(FILE_NAME).try_exists()? {
        bail!("there is no SQLite database in `{}`", from.display());
    }
    // Held to the end: no server writes to it meanwhile.
    match SqliteStore::open(from, Arc::new(SystemClock)).await {
        Err(StoreError::InUse(_)) => {
            bail!("a server runs on `{}`; stop it first", from.display())
        }
        opened => opened.with_context(|| format!("can't open the data in `{}`", from.display())),
    }
}

/// Both sides, open.
struct Move<'a> {
    global: &'a Global,
    args: &'a MigrateStoreArgs,
    source: &'a SqliteStore,
    target: &'a PostgresStore,
    key: &'a SecretString,
}

impl Move<'_> {
    async fn run(&self) -> anyhow::Result<Exit> {
        if !self.target.workspaces().await?.is_empty() {
            bail!("the target has a workspace already; create an empty database for it");
        }
        self.say("verifying the source");
        let before = Checked::of(self.source, Some(self.key)).await;
        let before = before.with_context(|| format!("can't verify `{}`", self.args.from.display()))?;
        if !before.ok {
            return refused(self.global, before, "NOT intact: nothing was moved");
        }
        let mut told = Told::new(self.global.json);
        let tables = copy::copy(self.source, &self.args.to, &mut |progress| told.tell(progress)).await;
        let tables = tables.context("nothing was moved")?;
        self.say("verifying the target");
        let after = Checked::of(self.target, Some(self.key)).await;
        let after = after.context("everything was moved, but can't be verified: drop the target")?;
        if !after.ok {
            return refused(
                self.global,
                after,
                "NOT intact: drop the target; the source is as it was",
            );
        }
        if before.heads() != after.heads() {
            bail!("the target ends elsewhere than the source: drop the target; the source is as it was");
        }
        let report = Report {
            tables,
            checked: after,
        };
        output::either(self.global.json, &report, words)?;
        Ok(Exit::Ok)
    }

    fn say(&self, text: &str) {
        if !self.global.json {
            output::talk(text);
        }
    }
}

fn refused(global: &Global, checked: Checked, why: &str) -> anyhow::Result<Exit> {
    let report = Report {
        tables: BTreeMap::new(),
        checked,
    };
    output::either(global.json, &report, |report| {
        format!("{}{why}", report.checked.lines())
    })?;
    Ok(Exit::Refused)
}

fn words(report: &Report) -> String {
    let rows: u64 = report.tables.values().sum();
    format!(
        "{}intact: {rows} rows of {} tables are in the target, the same as in the source\nnext:\n\
         - start `signoff serve --database URL` with the same master key, on every node\n\
         - do not start a server on the source again; keep it until the first backup of the target",
        report.checked.lines(),
        report.tables.len()
    )
}

/// What was said of the progress.
struct Told {
    quiet: bool,
    at: Instant,
}

impl Told {
    fn new(quiet: bool) -> Self {
        Self {
            quiet,
            at: Instant::now(),
        }
    }

    fn tell(&mut self, progress: Progress) {
        let Progress { table, rows, of } = progress;
        // The end of each large table, and now and then how far it is.
        let is_due = of >= LARGE && (rows >= of || self.at.elapsed() >= TOLD_EVERY);
        if is_due && !self.quiet {
            output::talk(&format!("{table}: {rows} of {of} rows"));
            self.at = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_is_a_directory_of_sqlite() {
        assert_eq!(
            directory("sqlite:/var/lib/signoff"),
            Ok(PathBuf::from("/var/lib/signoff"))
        );
        for text in ["/var/lib/signoff", "sqlite:", "postgres://host/name"] {
            assert!(directory(text).is_err(), "{text}");
        }
    }
}

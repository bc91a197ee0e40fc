//! `signoff backup`: a verified copy of the SQLite database, also while a server runs on it. And what restoring and
//! migrating share with it: where the master key is, and what a verification of a whole store comes to.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use secrecy::SecretString;
use serde::Serialize;
use signoff_core::id::WorkspaceId;
use signoff_engine::verify_store;
use signoff_engine::view::Verification;
use signoff_store::Store;
use signoff_store::sqlite::{self, FILE_NAME};

use crate::cli::Global;
use crate::exit::Exit;
use crate::keeping::{MASTER_KEY_FILE, read_master_key};
use crate::{inert, output};

const BACKUP_HELP: &str = "\
The copy is of one moment, whatever the server does meanwhile. It is verified before it gets its name: pages and
indexes, the whole chain of every log, tables against what the log adds up to, and with the master key payloads
and secrets. The master key is not in it: keep that apart. For Postgres use pg_dump; docs/operations.md has both.

Exit codes: 0 done, 1 the data is not intact (nothing is left behind), 3 misused or not readable.";

/// What to back up, and where to.
#[derive(Debug, Args)]
#[command(after_help = BACKUP_HELP)]
pub(crate) struct BackupArgs {
    /// The file to write
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Data directory
    #[arg(
        long,
        value_name = "DIR",
        env = "SIGNOFF_DATA",
        hide_env_values = true,
        default_value = "signoff-data"
    )]
    data: PathBuf,
    #[command(flatten)]
    key: KeyArgs,
    /// Replace FILE if it is there
    #[arg(long)]
    force: bool,
}

/// Where the master key is.
#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    /// File with the master key (64 hexadecimal digits), or SIGNOFF_MASTER_KEY [default: DIR/master.key]
    #[arg(
        long,
        value_name = "FILE",
        env = "SIGNOFF_MASTER_KEY_FILE",
        hide_env_values = true
    )]
    master_key_file: Option<PathBuf>,
}

impl KeyArgs {
    /// Whether a key is given, instead of the one in the data directory.
    pub(crate) fn is_given(&self) -> bool {
        self.master_key_file.is_some()
            || std::env::var_os("SIGNOFF_MASTER_KEY").is_some_and(|text| !text.is_empty())
    }

    /// The key that is given, or the one in the data directory; none if there is neither.
    ///
    /// # Errors
    /// If two are given, or a file can't be read.
    pub(crate) fn find(&self, data: &Path) -> anyhow::Result<Option<SecretString>> {
        let given = std::env::var("SIGNOFF_MASTER_KEY")
            .ok()
            .filter(|text| !text.is_empty());
        let beside = data.join(MASTER_KEY_FILE);
        let key = match (given, &self.master_key_file) {
            (Some(_), Some(_)) => bail!("SIGNOFF_MASTER_KEY and --master-key-file are both given; give one"),
            (Some(key), None) => return Ok(Some(SecretString::from(key))),
            (None, Some(path)) => read_master_key(path)?,
            (None, None) if beside.try_exists()? => read_master_key(&beside)?,
            (None, None) => return Ok(None),
        };
        Ok(Some(SecretString::from(key.expose())))
    }
}

/// What was found in a whole store.
#[derive(Debug, Serialize)]
pub(crate) struct Checked {
    /// Nothing is wrong.
    pub(crate) ok: bool,
    /// Payloads and secrets were checked too, with the master key.
    with_master_key: bool,
    /// Each log.
    workspaces: Vec<CheckedLog>,
}

/// What was found in one workspace.
#[derive(Debug, Serialize)]
struct CheckedLog {
    workspace: String,
    events: u64,
    rows: u64,
    erased: u64,
    head: String,
    problems: Vec<Problem>,
}

#[derive(Debug, Serialize)]
struct Problem {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<String>,
    detail: String,
}

impl Checked {
    /// Verifies everything that a store holds.
    ///
    /// # Errors
    /// If the key is not the store's, the store can't be read, or there is nothing in it.
    pub(crate) async fn of(store: &dyn Store, key: Option<&SecretString>) -> anyhow::Result<Self> {
        let found = verify_store(store, key).await?;
        if found.is_empty() {
            bail!("there is no workspace in it");
        }
        Ok(Self {
            ok: found.iter().all(|(_, verification)| verification.ok),
            with_master_key: key.is_some(),
            workspaces: found.into_iter().map(CheckedLog::from).collect(),
        })
    }

    /// Where each log ends.
    pub(crate) fn heads(&self) -> BTreeMap<&str, &str> {
        let logs = self.workspaces.iter();
        logs.map(|log| (log.workspace.as_str(), log.head.as_str()))
            .collect()
    }

    /// What it holds and what is wrong, in words, a line each.
    pub(crate) fn lines(&self) -> String {
        let mut text = String::new();
        for log in &self.workspaces {
            let CheckedLog {
                workspace,
                events,
                rows,
                head,
                ..
            } = log;
            let _ = writeln!(
                text,
                "{workspace}: {events} events, {rows} rows compared, head {head}"
            );
            for problem in &log.problems {
                let sequence = problem.sequence.map(|sequence| format!(" event {sequence}"));
                let parts = [sequence, problem.table.clone(), problem.row.clone()];
                let place: Vec<_> = parts.iter().flatten().map(|part| part.trim()).collect();
                let _ = writeln!(text, "{} {}: {}", problem.kind, place.join(" "), problem.detail);
            }
        }
        if !self.with_master_key {
            text.push_str("payloads and secrets were NOT checked: the master key was not given\n");
        }
        // What is wrong may repeat what somebody wrote into the file.
        inert::lines(&text)
    }
}

impl From<(WorkspaceId, Verification)> for CheckedLog {
    fn from((workspace, found): (WorkspaceId, Verification)) -> Self {
        let problem = |fault: signoff_engine::view::Fault| Problem {
            kind: fault.kind,
            sequence: fault.seq,
            table: fault.table,
            row: fault.row,
            detail: fault.detail,
        };
        Self {
            workspace: workspace.to_string(),
            events: found.records,
            rows: found.rows,
            erased: found.erased,
            head: format!("{}:{}", found.head.seq, found.head.hash),
            problems: found.faults.into_iter().map(problem).collect(),
        }
    }
}

/// What is said of a backup.
#[derive(Debug, Serialize)]
struct Report {
    /// None where the data is not intact: there is no file then.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
    bytes: u64,
    #[serde(flatten)]
    checked: Checked,
}

pub(crate) async fn run(global: &Global, args: BackupArgs) -> anyhow::Result<Exit> {
    let beside = directory_of(&args)?;
    let key = args.key.find(&args.data)?;
    let name = args.file.display();
    let partial = tempfile::Builder::new()
        .prefix(".signoff-backup-")
        .suffix(".partial")
        .tempfile_in(&beside);
    let partial = partial.with_context(|| format!("can't write beside `{name}`"))?;
    sqlite::back_up(&args.data, partial.path())
        .await
        .with_context(|| format!("can't copy the database in `{}`", args.data.display()))?;
    if !global.json {
        output::talk("copied; verifying the copy");
    }
    let copy = sqlite::open_copy(partial.path())
        .await
        .context("the copy can't be used")?;
    let checked = Checked::of(&copy, key.as_ref()).await;
    copy.close().await;
    let checked = checked.with_context(|| format!("can't verify the copy of `{}`", args.data.display()))?;
    let bytes = fs::metadata(partial.path())?.len();
    if !checked.ok {
        let report = Report {
            file: None,
            bytes,
            checked,
        };
        output::either(global.json, &report, |report| {
            format!("{}NOT intact: no backup was made", report.checked.lines())
        })?;
        return Ok(Exit::Refused);
    }
    let kept = if args.force {
        partial.persist(&args.file)
    } else {
        // Also where somebody made one meanwhile.
        partial.persist_noclobber(&args.file)
    };
    kept.with_context(|| format!("can't write `{name}`"))?;
    File::open(&beside)?.sync_all()?;
    let report = Report {
        file: Some(args.file),
        bytes,
        checked,
    };
    output::either(global.json, &report, words)?;
    Ok(Exit::Ok)
}

fn words(report: &Report) -> String {
    let file = report.file.as_deref().unwrap_or(Path::new("")).display();
    format!(
        "{}intact: {file}, {} bytes\nthe master key is not in it; keep that too, in another place",
        report.checked.lines(),
        report.bytes
    )
}

/// Where the file goes, after a look at what could be lost.
fn directory_of(args: &BackupArgs) -> anyhow::Result<PathBuf> {
    let data = &args.data;
    if !data.join(FILE_NAME).try_exists()? {
        bail!(
            "there is no SQLite database in `{}`; --data says where it is, and Postgres is backed up with pg_dump",
            data.display()
        );
    }
    let name = args.file.display();
    if args.file.is_dir() {
        bail!("`{name}` is a directory; name a file in it");
    }
    if !args.force && args.file.symlink_metadata().is_ok() {
        bail!("`{name}` is there already; --force replaces it");
    }
    let parent = match args.file.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let parent = parent
        .canonicalize()
        .with_context(|| format!("can't write `{name}`"))?;
    if parent == data.canonicalize()? {
        bail!("`{name}` is in the data directory and would be lost with it; write it somewhere else");
    }
    Ok(parent)
}

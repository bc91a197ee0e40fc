//! `signoff rotate-master-key`: another master key for the same data.
//!
//! The new key is on disk before anything is wrapped with it, and the old one is never the only thing that goes: whoever is
//! ended between two steps finds every key that may be needed, and running the command again does the rest.

mod files;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use signoff_engine::{Rotated, rotate_master_key};
use signoff_store::sqlite::{FILE_NAME, SqliteStore};
use signoff_store::{Store, StoreError, SystemClock};

use self::files::Beside;
use crate::cli::Global;
use crate::commands::backup::KeyArgs;
use crate::config::Database;
use crate::exit::Exit;
use crate::keeping::{MASTER_KEY_FILE, open_postgres, read_master_key};
use crate::output;

const ROTATE_HELP: &str = "\
Wraps the key of every workspace with another master key, in one transaction; data, keys of agents and the log stay as
they are. A key that lies in DIR is replaced there, and the old one is kept beside it for the backups made until now. A
key that is given (a file, SIGNOFF_MASTER_KEY, or any key of Postgres) is for you to replace: the new one is written
to, or read from, --new-master-key-file.

On SQLite stop the server first. Nodes on Postgres go on and need the new key at their next start. Connect directly, not
through a pooler. Ended in the middle, the command does the rest when it is run again with the same options.

Exit codes: 0 done, also by an earlier run; 3 misused, in use, or neither key opens the data (nothing is changed then).";

/// Which data, and which keys.
#[derive(Debug, Args)]
#[command(after_help = ROTATE_HELP)]
pub(crate) struct RotateMasterKeyArgs {
    /// Data directory
    #[arg(
        long,
        value_name = "DIR",
        env = "SIGNOFF_DATA",
        hide_env_values = true,
        default_value = "signoff-data"
    )]
    data: PathBuf,
    /// Postgres database (postgres://USER:PASSWORD@HOST/NAME) instead of SQLite in DIR
    #[arg(long, value_name = "URL", env = "SIGNOFF_DATABASE", hide_env_values = true)]
    database: Option<String>,
    #[command(flatten)]
    key: KeyArgs,
    /// Where the new key is (64 hexadecimal digits), or goes, if there is no such file
    #[arg(long, value_name = "FILE")]
    new_master_key_file: Option<PathBuf>,
}

/// What is said of it.
#[derive(Debug, Serialize)]
struct Report {
    /// An earlier run had wrapped them already.
    already: bool,
    /// How many workspaces were wrapped anew, by this run.
    workspaces: usize,
    /// Where the new key is.
    master_key_file: PathBuf,
    /// Where the old key is kept, for backups made until now; none where it is not Signoff's to keep.
    #[serde(skip_serializing_if = "Option::is_none")]
    old_master_key_file: Option<PathBuf>,
}

pub(crate) async fn run(global: &Global, args: RotateMasterKeyArgs) -> anyhow::Result<Exit> {
    let store: Box<dyn Store> = match &args.database {
        Some(database) => Box::new(open_postgres(&Database::new(database.clone(), false)?).await?),
        None => Box::new(open_sqlite(&args.data).await?),
    };
    let report = if args.database.is_some() || args.key.is_given() {
        elsewhere(&*store, &args).await
    } else {
        in_directory(&*store, &args.data, args.new_master_key_file.as_deref()).await
    };
    store.close().await;
    output::either(global.json, &report?, words)?;
    Ok(Exit::Ok)
}

async fn open_sqlite(data: &Path) -> anyhow::Result<SqliteStore> {
    if !data.join(FILE_NAME).try_exists()? {
        bail!(
            "there is no SQLite database in `{}`; --data says where it is, --database names one of Postgres",
            data.display()
        );
    }
    // Held to the end: no server starts in between.
    match SqliteStore::open(data, Arc::new(SystemClock)).await {
        Err(StoreError::InUse(_)) => bail!(
            "a server runs on `{}`; stop it first: nothing was changed",
            data.display()
        ),
        opened => opened.with_context(|| format!("can't open the data in `{}`", data.display())),
    }
}

/// A rotation of a key that the person keeps.
async fn elsewhere(store: &dyn Store, args: &RotateMasterKeyArgs) -> anyhow::Result<Report> {
    let present = args.key.find(&args.data)?;
    let present =
        present.context("the present master key is missing: SIGNOFF_MASTER_KEY or --master-key-file")?;
    let file = args.new_master_key_file.clone().context(
        "the master key is not kept in the data directory: say with --new-master-key-file where the new one is, or is \
         to be written",
    )?;
    let next = if file.try_exists()? {
        read(&file)?
    } else {
        files::write_new(&file)?
    };
    let rotated = rotate_master_key(store, &present, &next).await;
    let rotated =
        rotated.with_context(|| format!("can't rotate the master key to the one in `{}`", file.display()))?;
    Ok(Report::of(rotated, file, None))
}

/// What is done to a key that lies beside its database, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The new key is durably there, under a name of its own.
    WriteNext,
    /// From here on only the new key opens the data.
    Rewrap,
    /// The old key is durably there under another name.
    KeepOld,
    /// The new key takes the old one's place.
    PutInPlace,
}

impl Step {
    const ALL: [Self; 4] = [Self::WriteNext, Self::Rewrap, Self::KeepOld, Self::PutInPlace];
}

async fn in_directory(store: &dyn Store, data: &Path, given: Option<&Path>) -> anyhow::Result<Report> {
    let mut rotation = InDirectory::begin(store, data, given)?;
    for step in Step::ALL {
        rotation.take(step).await?;
    }
    rotation.report()
}

/// A rotation of the key that lies in the data directory.
struct InDirectory<'a> {
    store: &'a dyn Store,
    beside: Beside<'a>,
    present: SecretString,
    /// The key that an earlier run left, or that is given; else one is made.
    next: Option<SecretString>,
    rotated: Option<Rotated>,
    old_file: Option<PathBuf>,
}

impl<'a> InDirectory<'a> {
    fn begin(store: &'a dyn Store, data: &'a Path, given: Option<&Path>) -> anyhow::Result<Self> {
        let beside = Beside(data);
        if !beside.present().try_exists()? {
            bail!(
                "`{}` is missing: bring it back from your backup, or give the key with --master-key-file",
                beside.present().display()
            );
        }
        let present = read(&beside.present())?;
        let left = beside.next().try_exists()?;
        let next = match given {
            Some(_) if left => bail!(
                "`{}` is there: a rotation was begun and not finished. Run the command without --new-master-key-file \
                 first",
                beside.next().display()
            ),
            Some(file) => Some(read(file)?),
            None if left => Some(read(&beside.next())?),
            None => None,
        };
        if next
            .as_ref()
            .is_some_and(|next| next.expose_secret() == present.expose_secret())
        {
            bail!("the new master key is the present one; nothing was changed");
        }
        Ok(Self {
            store,
            beside,
            present,
            next,
            rotated: None,
            old_file: None,
        })
    }

    async fn take(&mut self, step: Step) -> anyhow::Result<()> {
        match step {
            Step::WriteNext => {
                let next = self.beside.next();
                if !next.try_exists()? {
                    self.next = Some(match &self.next {
                        Some(given) => files::write(&next, given.clone())?,
                        None => files::write_new(&next)?,
                    });
                }
            }
            Step::Rewrap => {
                let next = self.next.as_ref().context("the new key was not written")?;
                let rotated = rotate_master_key(self.store, &self.present, next).await;
                self.rotated = Some(rotated.with_context(|| {
                    format!(
                        "can't rotate the master key of `{}`; the new key is left in `{}`",
                        self.beside.0.display(),
                        self.beside.next().display()
                    )
                })?);
            }
            Step::KeepOld => self.old_file = Some(self.beside.keep_old(&self.present)?),
            Step::PutInPlace => self.beside.put_in_place()?,
        }
        Ok(())
    }

    fn report(self) -> anyhow::Result<Report> {
        let rotated = self.rotated.context("the rotation did not come to its end")?;
        Ok(Report::of(rotated, self.beside.present(), self.old_file))
    }
}

impl Report {
    fn of(rotated: Rotated, master_key_file: PathBuf, old_master_key_file: Option<PathBuf>) -> Self {
        let workspaces = match rotated {
            Rotated::Anew(count) => count,
            Rotated::Already => 0,
        };
        Self {
            already: rotated == Rotated::Already,
            workspaces,
            master_key_file,
            old_master_key_file,
        }
    }
}

/// A master key in a file, which must look like one before anything is wrapped with it.
fn read(file: &Path) -> anyhow::Result<SecretString> {
    let key = read_master_key(file)?;
    let mut bytes = [0; 32];
    if hex::decode_to_slice(key.expose(), &mut bytes).is_err() {
        bail!("`{}` does not hold 64 hexadecimal digits", file.display());
    }
    Ok(SecretString::from(key.expose()))
}

fn words(report: &Report) -> String {
    let key = report.master_key_file.display();
    let mut lines = vec![if report.already {
        "the data is wrapped with the new master key already".to_owned()
    } else {
        format!(
            "the keys of {} workspace(s) are wrapped with a new master key",
            report.workspaces
        )
    }];
    lines.push("next:".to_owned());
    if let Some(old) = &report.old_master_key_file {
        let old = old.display();
        lines.push(format!(
            "- back up the new key, `{key}`, apart from the database, and the database once more"
        ));
        lines.push(format!(
            "- `{old}` opens the backups made until now; put it with them, away from here, or delete it with them"
        ));
    } else {
        lines.push(format!(
            "- give the key in `{key}` to every node (SIGNOFF_MASTER_KEY_FILE or SIGNOFF_MASTER_KEY) before it starts the \
             next time; with the old one it won't"
        ));
        lines.push(
            "- keep the old key as long as the backups made until now: nothing else opens them".to_owned(),
        );
    }
    lines.join("\n")
}

/// What a server that can't open its data is to be told, where a rotation was left in the middle.
pub(crate) fn unfinished(data: &Path) -> Option<String> {
    let next = Beside(data).next();
    next.exists().then(|| {
        format!(
            "`{}` is there, so a rotation of the master key was begun and not finished: run `signoff rotate-master-key \
             --data {}` again (the key in `{MASTER_KEY_FILE}` may be the old one)",
            next.display(),
            data.display()
        )
    })
}

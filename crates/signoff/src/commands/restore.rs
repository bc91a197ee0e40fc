//! `signoff restore`: puts a backup in place of a database that was lost.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use signoff_store::sqlite::{self, Restoring};
use signoff_store::{Store, StoreError};

use crate::cli::Global;
use crate::commands::backup::{Checked, KeyArgs};
use crate::exit::Exit;
use crate::keeping::MASTER_KEY_FILE;
use crate::output;

const RESTORE_HELP: &str = "\
The copy is verified in the directory before a server can start on it, as `signoff backup` does. Everybody is
signed out. A backup knows nothing of what came after it, so executions that were approved in it and not yet carried
out are held until somebody has looked whether they ran (`signoff executions held`, `… release`).

Exit codes: 0 done, 1 the backup is not intact (nothing is put in place), 3 misused, or DIR is in use.";

/// What to restore, and where to.
#[derive(Debug, Args)]
#[command(after_help = RESTORE_HELP)]
pub(crate) struct RestoreArgs {
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Data directory; it must have no database
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
}

/// What is said of it.
#[derive(Debug, Serialize)]
struct Report {
    /// None where the backup is not intact: nothing was put in place.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<PathBuf>,
    #[serde(flatten)]
    checked: Checked,
}

pub(crate) async fn run(global: &Global, args: RestoreArgs) -> anyhow::Result<Exit> {
    let name = args.file.display().to_string();
    std::fs::File::open(&args.file).with_context(|| format!("can't read `{name}`"))?;
    let beside = format!("{name}-wal");
    if std::fs::metadata(&beside).is_ok_and(|file| file.len() > 0) {
        anyhow::bail!(
            "`{beside}` holds a part of `{name}`, which is a database that is or was in use, not a backup; \
             make one with `signoff backup`"
        );
    }
    let key = args.key.find(&args.data)?;
    let restoring = match Restoring::begin(&args.file, &args.data).await {
        Ok(restoring) => restoring,
        Err(error) => return refused(global, error, &name),
    };
    if !global.json {
        output::talk("copied; verifying the copy");
    }
    let checked = match sqlite::open_copy(&restoring.path()).await {
        Ok(copy) => {
            let checked = Checked::of(&copy, key.as_ref()).await;
            copy.close().await;
            checked
        }
        Err(error) => {
            restoring.abandon()?;
            return refused(global, error, &name);
        }
    };
    let checked = match checked {
        Ok(checked) if checked.ok => checked,
        Ok(checked) => {
            restoring.abandon()?;
            let report = Report { data: None, checked };
            output::either(global.json, &report, |report| {
                format!("{}NOT intact: `{name}` was not restored", report.checked.lines())
            })?;
            return Ok(Exit::Refused);
        }
        Err(error) => {
            restoring.abandon()?;
            return Err(error.context(format!("can't restore `{name}`")));
        }
    };
    restoring
        .finish()
        .with_context(|| format!("can't put the database into `{}`", args.data.display()))?;
    let has_key = args.data.join(MASTER_KEY_FILE).try_exists()?;
    let report = Report {
        data: Some(args.data),
        checked,
    };
    output::either(global.json, &report, |report| words(report, has_key))?;
    Ok(Exit::Ok)
}

/// A file that is damaged is something found; a directory in use, or a full disk, is in the way.
fn refused(global: &Global, error: StoreError, name: &str) -> anyhow::Result<Exit> {
    let is_damaged = matches!(&error, StoreError::Damaged(_) | StoreError::Database(_));
    let error = anyhow::Error::new(error).context(format!("can't restore `{name}`"));
    if !is_damaged {
        return Err(error);
    }
    output::complain(&error, global.json);
    Ok(Exit::Refused)
}

fn words(report: &Report, has_key: bool) -> String {
    let data = report.data.clone().unwrap_or_default();
    let key = if has_key {
        String::new()
    } else {
        format!(
            "- put the master key where it was: `{}` (mode 0600), SIGNOFF_MASTER_KEY or --master-key-file\n",
            data.join(MASTER_KEY_FILE).display()
        )
    };
    format!(
        "{}intact: restored into `{}`\nnext:\n{key}\
         - see that the server that had this data does not run any more, anywhere\n\
         - start `signoff serve --data {}`; what was approved and not carried out is held\n\
         - look whether it ran, then let it go on or not: `signoff executions held`, `signoff executions release ID`\n\
         - keys revoked and people removed since the backup are back: rotate agents' keys, remove them again\n\
         - `signoff audit verify --offline EXPORT --head …` and heads noted since show what is missing",
        report.checked.lines(),
        data.display(),
        data.display()
    )
}

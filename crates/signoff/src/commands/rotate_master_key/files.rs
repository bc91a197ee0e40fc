//! Files with master keys: whole or not there, for their owner alone, and durable before anything relies on them.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use crate::keeping::{MASTER_KEY_FILE, read_master_key};

/// Makes a key and writes it where no file is.
pub(super) fn write_new(file: &Path) -> anyhow::Result<SecretString> {
    write(file, SecretString::from(crate::random::digits()?))
}

/// Writes a key where no file is.
pub(super) fn write(file: &Path, key: SecretString) -> anyhow::Result<SecretString> {
    let directory = match file.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let write = || -> std::io::Result<()> {
        // 0600 from the first byte.
        let mut partial = tempfile::Builder::new()
            .prefix(".signoff-master-key-")
            .tempfile_in(directory)?;
        writeln!(partial, "{}", key.expose_secret())?;
        partial.as_file().sync_all()?;
        partial.persist_noclobber(file)?;
        File::open(directory)?.sync_all()
    };
    write().with_context(|| format!("can't write `{}`; nothing was changed", file.display()))?;
    Ok(key)
}

/// The files in a data directory.
pub(super) struct Beside<'a>(pub(super) &'a Path);

impl Beside<'_> {
    /// The key that servers take.
    pub(super) fn present(&self) -> PathBuf {
        self.0.join(MASTER_KEY_FILE)
    }

    /// The key of a rotation that is under way.
    pub(super) fn next(&self) -> PathBuf {
        self.0.join(format!("{MASTER_KEY_FILE}.next"))
    }

    /// Keeps the old key under a name that says until when it was in use; a run that was ended may have done so.
    pub(super) fn keep_old(&self, old: &SecretString) -> anyhow::Result<PathBuf> {
        let prefix = format!("{MASTER_KEY_FILE}.until-");
        for entry in fs::read_dir(self.0).with_context(|| format!("can't read `{}`", self.0.display()))? {
            let entry = entry?;
            let is_kept = entry.file_name().to_string_lossy().starts_with(&prefix);
            if is_kept && read_master_key(&entry.path()).is_ok_and(|key| key.expose() == old.expose_secret())
            {
                return Ok(entry.path());
            }
        }
        let now = Timestamp::now().strftime("%Y-%m-%dT%H%M%S.%6fZ");
        let file = self.0.join(format!("{prefix}{now}"));
        write(&file, old.clone())?;
        Ok(file)
    }

    /// Puts the next key into the present one's place.
    pub(super) fn put_in_place(&self) -> anyhow::Result<()> {
        let put = || -> std::io::Result<()> {
            fs::rename(self.next(), self.present())?;
            File::open(self.0)?.sync_all()
        };
        put().with_context(|| {
            format!(
                "the data is wrapped with the key in `{}`, which could not be put in place; run the command again",
                self.next().display()
            )
        })
    }
}

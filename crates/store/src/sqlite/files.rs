//! The data directory's files: for their owner alone, and for one process at a time.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use crate::{StoreError, StoreResult};

/// The file whose lock says that a process has the directory.
const LOCK_NAME: &str = "signoff.lock";

/// Makes the directory where it is missing.
pub(super) fn make_directory(directory: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// Takes the directory for this process. The lock ends with the file, so also with the process, however that ends.
pub(super) fn lock(directory: &Path) -> StoreResult<File> {
    let file = private()
        .create(true)
        .truncate(false)
        .write(true)
        .open(directory.join(LOCK_NAME))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::InUse(directory.display().to_string())),
        Err(std::fs::TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Makes the database file before SQLite would, which asks for no mode of its own and gives its log the mode of the
/// file; takes the rights of others away where they have some.
pub(super) fn keep_private(path: &Path) -> io::Result<()> {
    private().create(true).truncate(false).write(true).open(path)?;
    let beside = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    for path in [path.to_owned(), beside("-wal"), beside("-shm")] {
        tighten(&path);
    }
    Ok(())
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(unix)]
fn tighten(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let Ok(metadata) = std::fs::metadata(path) else {
        return;
    };
    let of_others = metadata.permissions().mode() & 0o077;
    if of_others == 0 {
        return;
    }
    // A file of somebody else's that we may write is no reason not to start.
    if let Err(error) = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)) {
        tracing::warn!(file = %path.display(), %error, "others may read this file, and that could not be changed");
    }
}

#[cfg(not(unix))]
fn tighten(_path: &Path) {}

//! The data directory: for its owner alone, and for one process at a time.

use std::{path::Path, sync::Arc};

use super::open;
use crate::{Store as _, StoreError, SystemClock, sqlite::SqliteStore};

/// Tells the second process of a test which directory it shall open.
const DIRECTORY: &str = "SIGNOFF_TEST_OPEN_DIRECTORY";

async fn try_open(directory: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(directory, Arc::new(SystemClock)).await
}

/// One data directory, one store: a second open is refused while the first lives, and not after.
#[tokio::test]
async fn a_second_open_is_refused() {
    let fixture = open().await;
    for _ in 0..2 {
        let second = try_open(fixture.directory.path()).await;
        assert!(matches!(second, Err(StoreError::InUse(_))), "{:?}", second.err());
    }
    let super::Fixture { store, directory } = fixture;
    store.close().await;
    drop(store);
    try_open(directory.path()).await.unwrap();
}

/// The same from another process: the test starts itself again, as the one below.
#[tokio::test]
async fn a_second_process_is_refused() {
    let fixture = open().await;
    let run = async |directory: &Path| {
        let mut command = tokio::process::Command::new(std::env::current_exe().unwrap());
        command
            .args([
                "--exact",
                "sqlite::tests::files::as_second_process",
                "--nocapture",
            ])
            .env(DIRECTORY, directory);
        let output = command.output().await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success() && text.contains("second process: "),
            "{text}"
        );
        text
    };
    assert!(
        run(fixture.directory.path())
            .await
            .contains("second process: in use")
    );
    let elsewhere = tempfile::tempdir().unwrap();
    assert!(run(elsewhere.path()).await.contains("second process: opened"));
}

/// What the second process does; without the variable there is nothing to do.
#[tokio::test]
async fn as_second_process() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let came_to = match try_open(Path::new(&directory)).await {
        Ok(_) => "opened",
        Err(StoreError::InUse(_)) => "in use",
        Err(_) => "another error",
    };
    println!("second process: {came_to}");
}

#[cfg(unix)]
mod unix {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;
    use crate::conformance::world::build;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    /// I7: what the store makes is for its owner alone, the write-ahead log included.
    #[tokio::test]
    async fn what_is_made_is_private() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("data");
        let store = try_open(&directory).await.unwrap();
        build(&store, 1, "a").await;
        assert_eq!(mode(&directory), 0o700);
        let names: Vec<_> = fs::read_dir(&directory)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert!(
            names.iter().any(|path| path.ends_with("signoff.db-wal")),
            "{names:?}"
        );
        for path in names {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    }

    /// A file that others could read is taken back from them; the directory of somebody else's making is left alone.
    #[tokio::test]
    async fn what_was_open_to_others_is_closed() {
        let fixture = open().await;
        let (file, super::super::Fixture { store, directory }) = (fixture.file(), fixture);
        store.close().await;
        drop(store);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        try_open(directory.path()).await.unwrap();
        assert_eq!(mode(&file), 0o600);
        assert_eq!(mode(directory.path()), 0o755);
    }
}

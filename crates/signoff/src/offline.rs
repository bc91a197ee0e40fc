//! Work on a data directory without its server.

use std::path::Path;

use anyhow::bail;
use signoff_api::audit::Verification;

/// Verifies the log in `data` by reading the database directly; with `with_store` also its folded tables.
#[expect(clippy::unused_async, reason = "reading the store is async")]
pub(crate) async fn verify_data_directory(data: &Path, with_store: bool) -> anyhow::Result<Verification> {
    bail!("can't verify `{}` (with store: {with_store}) without its server yet", data.display())
}

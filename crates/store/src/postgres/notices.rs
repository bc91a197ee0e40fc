//! What nodes tell each other: where logs stand, after the commit. Only wakes; what was missed is seen in the heads.

use std::time::Duration;

use async_trait::async_trait;
use signoff_core::{
    id::{RawId, WorkspaceId},
    record::Epochs,
};
use sqlx::{PgPool, postgres::PgListener};

use super::{PostgresStore, ask::Link};
use crate::{Heard, Listener, StoreError, StoreResult};

const CHANNEL: &str = "signoff_heads";
/// Outside of batches: a notification inside would make all commits of the database wait for one another.
const ANNOUNCE: &str = "SELECT pg_notify('signoff_heads', told) FROM unnest($1::text[]) AS told";
/// How long to wait before the next try to get the connection back.
const PAUSE: Duration = Duration::from_millis(500);

pub(super) struct PostgresListener {
    pool: PgPool,
    link: Link,
    /// None while the connection is lost.
    listener: Option<PgListener>,
}

impl PostgresStore {
    pub(super) async fn announce_heads(&self, heads: &[(WorkspaceId, u64, Epochs)]) -> StoreResult<()> {
        if self.link.pooled || heads.is_empty() {
            return Ok(());
        }
        let told: Vec<_> = heads
            .iter()
            .map(|(workspace, seq, epochs)| {
                let Epochs {
                    policy,
                    authority,
                    stop,
                } = epochs;
                let workspace = hex::encode(workspace.0.0);
                format!("{workspace}:{seq}:{policy}:{authority}:{stop}")
            })
            .collect();
        self.all(sqlx::query(ANNOUNCE).bind(told)).await.map(drop)
    }

    pub(super) async fn listen_to_heads(&self) -> StoreResult<Option<Box<dyn Listener>>> {
        if self.link.pooled {
            return Ok(None);
        }
        let mut listener = PostgresListener {
            pool: self.pool.clone(),
            link: self.link.clone(),
            listener: None,
        };
        listener.connect().await?;
        Ok(Some(Box::new(listener)))
    }
}

impl PostgresListener {
    async fn connect(&mut self) -> StoreResult<()> {
        let mut listener = self.link.seen(PgListener::connect_with(&self.pool).await)?;
        listener.eager_reconnect(false);
        self.link.seen(listener.listen(CHANNEL).await)?;
        self.listener = Some(listener);
        Ok(())
    }
}

#[async_trait]
impl Listener for PostgresListener {
    async fn next(&mut self) -> StoreResult<Heard> {
        loop {
            let Some(listener) = &mut self.listener else {
                // Anew from the ground up: what is left of a broken connection is not worth telling apart.
                match self.connect().await {
                    Ok(()) => return Ok(Heard::Again),
                    Err(closed @ StoreError::Database(sqlx::Error::PoolClosed)) => return Err(closed),
                    Err(_) => tokio::time::sleep(PAUSE).await,
                }
                continue;
            };
            match self.link.seen(listener.try_recv().await) {
                Ok(Some(notice)) => {
                    if let Some(moved) = parse(notice.payload()) {
                        return Ok(moved);
                    }
                }
                Err(closed @ StoreError::Database(sqlx::Error::PoolClosed)) => {
                    // Closing waits for every connection to be given back.
                    self.listener = None;
                    return Err(closed);
                }
                Ok(None) | Err(_) => self.listener = None,
            }
        }
    }
}

/// What a newer version may tell besides is not for us.
fn parse(payload: &str) -> Option<Heard> {
    let (workspace, numbers) = payload.split_once(':')?;
    let mut raw = [0; 16];
    hex::decode_to_slice(workspace, &mut raw).ok()?;
    let mut numbers = numbers.split(':').map(|number| number.parse().ok());
    let mut next = || numbers.next().flatten();
    let seq = next()?;
    let epochs = Epochs {
        policy: next()?,
        authority: next()?,
        stop: next()?,
    };
    Some(Heard::Moved(WorkspaceId(RawId(raw)), seq, epochs))
}

//! What the past comes to, as velocity conditions ask.

use std::collections::BTreeMap;

use signoff_core::{
    counted::{CounterKey, Figure},
    id::WorkspaceId,
    time::Timestamp,
};
use sqlx::{QueryBuilder, Sqlite};

use super::{
    SqliteStore,
    batch::{ROWS_CACHED_MAX, ROWS_PER_STATEMENT},
};
use crate::{
    StoreError, StoreResult,
    cells::{blob, signed},
    fields::{Fields, figure},
};

/// The order of the join and the index are said: there are no statistics to choose by. Sums are taken of parts, because
/// SQLite refuses one that runs over.
const SUMS: &str = "SELECT n, count(*) AS entries, sum(c.whole / 1000000000) AS billions, \
     sum(c.whole % 1000000000) AS units, sum(c.nanos) AS nanos FROM wanted AS w CROSS JOIN counted AS c INDEXED BY ";
const OF_AGENT: &str = "counted_of_agent ON c.workspace = w.workspace AND c.policy = w.policy AND c.field = w.field \
     AND c.agent = w.agent AND c.at > w.since AND c.seq < w.before GROUP BY n UNION ALL ";
const OF_POLICY: &str = "counted_of_policy ON w.agent IS NULL AND c.workspace = w.workspace AND c.policy = w.policy \
     AND c.field = w.field AND c.at > w.since AND c.seq < w.before GROUP BY n";

/// One question: whose log, what, and at what time.
pub(super) type Question<'a> = (WorkspaceId, &'a CounterKey, Timestamp);

/// Asks for up to [`ROWS_PER_STATEMENT`] figures; what has no entries has no row.
pub(super) fn figures_query(wanted: &[Question<'_>]) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("WITH wanted (n, workspace, policy, field, agent, since, before) AS (");
    query.push_values(
        wanted.iter().zip(0_i64..),
        |mut values, ((workspace, key, now), n)| {
            values.push_bind(n).push_bind(blob(*workspace));
            values
                .push_bind(key.policy.0.0.to_vec())
                .push_bind(key.field.as_str());
            values
                .push_bind(key.agent.map(|agent| agent.0.0.to_vec()))
                .push_bind(key.since(*now).0)
                .push_bind(key.before.map_or(i64::MAX, signed));
        },
    );
    query.push(") ");
    query.push(SUMS).push(OF_AGENT).push(SUMS).push(OF_POLICY);
    query
}

/// The answers by their questions, those without entries included.
pub(super) fn take<'a>(
    wanted: &[Question<'a>],
    rows: &[impl Fields],
) -> StoreResult<Vec<(WorkspaceId, &'a CounterKey, Figure)>> {
    let mut found: Vec<_> = wanted
        .iter()
        .map(|(workspace, key, _)| (*workspace, *key, Figure::default()))
        .collect();
    for row in rows {
        let (n, figure) = figure(row)?;
        let place = found.get_mut(n);
        place
            .ok_or_else(|| StoreError::Damaged("a figure that nobody asked for".into()))?
            .2 = figure;
    }
    Ok(found)
}

impl SqliteStore {
    pub(super) async fn read_figures(
        &self,
        workspace: WorkspaceId,
        wanted: &[CounterKey],
        now: Timestamp,
    ) -> StoreResult<BTreeMap<CounterKey, Figure>> {
        let wanted: Vec<Question<'_>> = wanted.iter().map(|key| (workspace, key, now)).collect();
        let mut all = BTreeMap::new();
        for wanted in wanted.chunks(ROWS_PER_STATEMENT) {
            let mut query = figures_query(wanted);
            let query = query.build().persistent(wanted.len() <= ROWS_CACHED_MAX);
            let rows = query.fetch_all(&self.read).await?;
            let found = take(wanted, &rows)?.into_iter();
            all.extend(found.map(|(_, key, figure)| (key.clone(), figure)));
        }
        Ok(all)
    }
}

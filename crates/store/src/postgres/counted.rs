//! What the past comes to, as velocity conditions ask.

use std::collections::BTreeMap;

use signoff_core::{
    counted::{CounterKey, Figure},
    id::WorkspaceId,
    time::Timestamp,
};

use super::{PostgresStore, ask::Statement, sql::ids};
use crate::{
    StoreError, StoreResult,
    cells::{blob, signed},
    fields::{Fields, figure},
};

macro_rules! sums {
    ($names:literal, $whose:literal) => {
        concat!(
            "SELECT asked.n, found.entries, found.billions, found.units, found.nanos FROM unnest(",
            $names,
            "), LATERAL (SELECT count(*) AS entries, coalesce(sum(whole / 1000000000), 0)::bigint AS billions, \
             coalesce(sum(whole % 1000000000), 0)::bigint AS units, coalesce(sum(nanos), 0)::bigint AS nanos \
             FROM counted WHERE workspace = $1 AND policy = asked.policy AND field = asked.field AND ",
            $whose,
            "at > asked.since AND seq < asked.before) AS found"
        )
    };
}
/// Those of an agent, and those of all agents: each part goes by an index of its own, and a part for which there is no
/// question costs nothing.
pub(super) const FIGURES: &str = concat!(
    sums!(
        "$2::bigint[], $3::bytea[], $4::text[], $5::bigint[], $6::bigint[], $7::bytea[]) AS asked (n, policy, field, since, \
         before, agent",
        "agent = asked.agent AND "
    ),
    " UNION ALL ",
    sums!(
        "$8::bigint[], $9::bytea[], $10::text[], $11::bigint[], $12::bigint[]) AS asked (n, policy, field, since, before",
        ""
    )
);

/// Asks for figures, each by its place in the list.
pub(super) fn figures_query<'q>(
    workspace: WorkspaceId,
    wanted: &[&CounterKey],
    now: Timestamp,
) -> Statement<'q> {
    let numbered = || wanted.iter().copied().zip(0_i64..);
    let mut query = sqlx::query(FIGURES).bind(blob(workspace));
    for of_agent in [true, false] {
        let part: Vec<(&CounterKey, i64)> = numbered()
            .filter(|(key, _)| key.agent.is_some() == of_agent)
            .collect();
        let column =
            |of: &dyn Fn(&CounterKey) -> i64| part.iter().map(|(key, _)| of(key)).collect::<Vec<_>>();
        query = query
            .bind(part.iter().map(|(_, n)| *n).collect::<Vec<_>>())
            .bind(ids(part.iter().map(|(key, _)| key.policy.0)))
            .bind(part.iter().map(|(key, _)| key.field.clone()).collect::<Vec<_>>())
            .bind(column(&|key| key.since(now).0))
            .bind(column(&|key| key.before.map_or(i64::MAX, signed)));
        if of_agent {
            query = query.bind(ids(part
                .iter()
                .filter_map(|(key, _)| key.agent)
                .map(|agent| agent.0)));
        }
    }
    query
}

/// The answers by their questions.
pub(super) fn take(wanted: &[&CounterKey], rows: &[impl Fields]) -> StoreResult<Vec<(CounterKey, Figure)>> {
    let mut found: Vec<_> = wanted
        .iter()
        .map(|key| ((*key).clone(), Figure::default()))
        .collect();
    for row in rows {
        let (n, figure) = figure(row)?;
        let place = found.get_mut(n);
        place
            .ok_or_else(|| StoreError::Damaged("a figure that nobody asked for".into()))?
            .1 = figure;
    }
    Ok(found)
}

impl PostgresStore {
    pub(super) async fn read_figures(
        &self,
        workspace: WorkspaceId,
        wanted: &[CounterKey],
        now: Timestamp,
    ) -> StoreResult<BTreeMap<CounterKey, Figure>> {
        let wanted: Vec<&CounterKey> = wanted.iter().collect();
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        let rows = self.all(figures_query(workspace, &wanted, now)).await?;
        Ok(take(&wanted, &rows)?.into_iter().collect())
    }
}

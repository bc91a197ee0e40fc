//! Pieces of SQL that several questions of this backend share.

use signoff_core::id::RawId;
use sqlx::{Postgres, QueryBuilder};

use crate::{
    cells::signed,
    ranges::{Glob, glob_of},
};

/// The database's clock in microseconds, not the transaction's beginning.
macro_rules! now {
    () => {
        "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
    };
}
/// The columns that heads are read from.
macro_rules! head_columns {
    () => {
        "workspace, seq, hash, time, policy_epoch, authority_epoch, stop_epoch"
    };
}
pub(super) use {head_columns, now};

/// Ids as an array, so that a statement's text is the same for any number of them.
pub(super) fn ids(ids: impl Iterator<Item = RawId>) -> Vec<Vec<u8>> {
    ids.map(|id| id.0.to_vec()).collect()
}

/// Counted numbers as an array.
pub(super) fn counts(counts: &[u64]) -> Vec<i64> {
    counts.iter().copied().map(signed).collect()
}

/// Asks for one page by a sequence, and puts it in order.
pub(super) fn push_page(
    sql: &mut QueryBuilder<Postgres>,
    column: &'static str,
    beyond: Option<u64>,
    newest_first: bool,
    limit: u32,
) {
    if let Some(beyond) = beyond {
        sql.push(" AND ")
            .push(column)
            .push(if newest_first { " < " } else { " > " })
            .push_bind(signed(beyond));
    }
    sql.push(" ORDER BY ")
        .push(column)
        .push(if newest_first { " DESC" } else { " ASC" });
    sql.push(" LIMIT ").push_bind(i64::from(limit));
}

/// Asks for a name that matches a glob, of which only `*` and `?` are special.
pub(super) fn push_glob(sql: &mut QueryBuilder<Postgres>, column: &'static str, glob: &str) {
    match glob_of(glob) {
        Glob::Exactly(name) => {
            sql.push(" AND ").push(column).push(" = ").push_bind(name);
        }
        Glob::Pattern { range, pattern } => {
            if let Some((start, end)) = range {
                sql.push(" AND ").push(column).push(" >= ").push_bind(start);
                sql.push(" AND ").push(column).push(" < ").push_bind(end);
            }
            sql.push(" AND ")
                .push(column)
                .push(" LIKE ")
                .push_bind(like_of(&pattern));
        }
    }
}

/// A glob as a pattern of LIKE, whose own special characters stand for themselves.
fn like_of(glob: &str) -> String {
    let mut like = String::with_capacity(glob.len() + 4);
    for character in glob.chars() {
        match character {
            '*' => like.push('%'),
            '?' => like.push('_'),
            '%' | '_' | '\\' => like.extend(['\\', character]),
            other => like.push(other),
        }
    }
    like
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_star_and_question_mark_are_special() {
        for (glob, like) in [
            ("a*", "a%"),
            ("?b", "_b"),
            ("100%_\\", "100\\%\\_\\\\"),
            ("[x]", "[x]"),
        ] {
            assert_eq!(super::like_of(glob), like);
        }
    }
}

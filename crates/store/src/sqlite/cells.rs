//! Pieces of SQL that several questions of this backend share.

use signoff_core::id::RawId;
use sqlx::{QueryBuilder, Sqlite, query_builder::Separated};

use crate::{
    cells::{Cell, signed},
    ranges::{Glob, glob_of},
};

/// Binds a cell in a list of values.
pub(super) fn bind(values: &mut Separated<'_, Sqlite, &'static str>, cell: &Cell) {
    match cell {
        Cell::Integer(value) => values.push_bind(*value),
        Cell::Text(value) => values.push_bind(value.as_deref()),
        Cell::Blob(value) => values.push_bind(value.as_slice()),
    };
}

/// Asks for a list of ids; `start` ends with the opening bracket.
pub(super) fn push_ids(
    sql: &mut QueryBuilder<Sqlite>,
    start: &'static str,
    ids: impl Iterator<Item = RawId>,
) {
    sql.push(start);
    let mut list = sql.separated(", ");
    for id in ids {
        list.push_bind(id.0.to_vec());
    }
    sql.push(")");
}

/// Asks for one page by a sequence, and puts it in order.
pub(super) fn push_page(
    sql: &mut QueryBuilder<Sqlite>,
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
    sql.push(" LIMIT ").push_bind(limit);
}

/// Asks for a name that matches a glob, of which only `*` and `?` are special.
pub(super) fn push_glob(sql: &mut QueryBuilder<Sqlite>, column: &'static str, glob: &str) {
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
                .push(" GLOB ")
                .push_bind(pattern.replace('[', "[[]"));
        }
    }
}

//! Aligned tables without lines, inert in every cell.

use comfy_table::{ContentArrangement, Table, presets};

use crate::inert;

/// Rows under a header; cells are made harmless here, so callers pass text as it is.
pub(crate) fn render<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    for row in rows {
        table.add_row(row.map(|cell| inert::line(&cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_cells_are_inert() {
        let text = render(
            ["ID", "NAME"],
            [["1".into(), "a\u{1b}[2J".into()], ["22".into(), "b".into()]],
        );
        assert_eq!(text, "ID  NAME\n1   a\\u{1b}[2J\n22  b");
    }
}

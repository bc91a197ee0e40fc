//! The figures: how much is asked, how it is decided and how fast.

use askama::Template;

use super::Shell;
use crate::console::inert::Inert;

/// Width of a bar that stands for the whole, in the drawing's own units.
const BAR_WIDTH: u64 = 1000;

/// The figures' page.
#[derive(Debug, Clone, Template)]
#[template(path = "stats.html")]
pub struct StatsPage {
    /// What surrounds it.
    pub shell: Shell,
    /// The spans of time to choose from: word, address, whether it is the one shown.
    pub spans: Vec<(&'static str, String, bool)>,
    /// The single figures.
    pub figures: Vec<Figure>,
    /// The tables with bars.
    pub charts: Vec<Chart>,
}

/// A single figure.
#[derive(Debug, Clone)]
pub struct Figure {
    /// What it is.
    pub label: &'static str,
    /// The figure, ready to read.
    pub value: String,
    /// What it rests on.
    pub note: String,
}

/// A table with a bar in each row.
#[derive(Debug, Clone)]
pub struct Chart {
    /// What it shows.
    pub title: &'static str,
    /// What the rows are.
    pub column: &'static str,
    /// The rows.
    pub bars: Vec<Bar>,
}

impl Chart {
    /// A table from labels and counts; the longest bar fills the width.
    pub fn new(title: &'static str, column: &'static str, counts: Vec<(Inert, u64)>) -> Self {
        let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
        let bars = counts
            .into_iter()
            .map(|(label, count)| Bar {
                label,
                count,
                width: count * BAR_WIDTH / most,
            })
            .collect();
        Self { title, column, bars }
    }
}

/// One row with its bar.
#[derive(Debug, Clone)]
pub struct Bar {
    /// What it counts.
    pub label: Inert,
    /// How many.
    pub count: u64,
    /// The bar's width, in thousandths.
    pub width: u64,
}

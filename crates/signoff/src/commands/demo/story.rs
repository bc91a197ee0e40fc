//! How the demonstration is told: short paragraphs with a little weight, plain where nobody watches.

use std::io::{IsTerminal, Write};

use crate::inert::line;

const BOLD: &str = "\u{1b}[1m";
const DIM: &str = "\u{1b}[2m";
const GREEN: &str = "\u{1b}[32m";
const RED: &str = "\u{1b}[31m";
const ACCENT: &str = "\u{1b}[36m";
const RESET: &str = "\u{1b}[0m";

/// Width of the column of labels.
const LABEL: usize = 10;

/// Where the story is told. With `--json`, standard output belongs to the data at the end.
#[derive(Debug)]
pub(super) struct Story {
    to_stderr: bool,
    is_terminal: bool,
    has_colours: bool,
}

impl Story {
    /// Looks at where it goes.
    pub(super) fn new(as_json: bool) -> Self {
        let is_terminal = if as_json {
            std::io::stderr().is_terminal()
        } else {
            std::io::stdout().is_terminal()
        };
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            to_stderr: as_json,
            is_terminal,
            has_colours: is_terminal && !no_colour,
        }
    }

    /// Whether a person sits at a terminal.
    pub(super) fn is_watched(&self) -> bool {
        self.is_terminal && std::io::stdin().is_terminal()
    }

    /// What begins here.
    pub(super) fn heading(&mut self, text: &str) {
        let text = self.styled(BOLD, &line(text));
        self.write(&text);
    }

    /// A line as it is.
    pub(super) fn plain(&mut self, text: &str) {
        self.write(&line(text));
    }

    /// A line of less weight.
    pub(super) fn quiet(&mut self, text: &str) {
        let text = self.styled(DIM, &line(text));
        self.write(&text);
    }

    /// A label and what it stands for.
    pub(super) fn field(&mut self, label: &str, text: &str) {
        let label = self.styled(DIM, &format!("  {label:<LABEL$}"));
        self.write(&format!("{label} {}", line(text)));
    }

    /// Something to copy: a link, a command.
    pub(super) fn offer(&mut self, text: &str) {
        let text = self.styled(ACCENT, &line(text));
        self.write(&format!("    {text}"));
    }

    /// How something ended.
    pub(super) fn verdict(&mut self, good: bool, text: &str) {
        let (mark, colour) = if good { ("✓", GREEN) } else { ("✗", RED) };
        let text = self.styled(colour, &format!("{mark} {}", line(text)));
        self.write(&text);
    }

    /// An empty line.
    pub(super) fn blank(&mut self) {
        self.write("");
    }

    fn styled(&self, style: &str, text: &str) -> String {
        if self.has_colours {
            format!("{style}{text}{RESET}")
        } else {
            text.to_owned()
        }
    }

    /// A reader that is gone is no reason to leave the agent half-way.
    fn write(&self, text: &str) {
        if self.to_stderr {
            drop(writeln!(std::io::stderr(), "{text}"));
        } else {
            drop(writeln!(std::io::stdout(), "{text}"));
        }
    }
}

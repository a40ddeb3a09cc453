//! Columns that line up, whatever script is in them, and never wider than a screen.

use std::fmt::Write;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// What everything fits, in columns of a terminal.
pub(crate) const WIDTH_MAX: usize = 100;
const GAP: &str = "  ";

/// Cells in rows; the first column is a label at the left, the others are figures at the right.
#[derive(Clone, Debug, Default)]
pub(super) struct Grid {
    rows: Vec<Row>,
}

#[derive(Clone, Debug)]
struct Row {
    cells: Vec<String>,
    is_heading: bool,
}

impl Grid {
    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(Row { cells, is_heading: false });
    }

    /// A row that names what is below it.
    pub(super) fn heading(&mut self, cells: Vec<String>) {
        self.rows.push(Row { cells, is_heading: true });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.iter().all(|row| row.is_heading)
    }

    /// A line over all columns.
    pub(super) fn title(&mut self, text: String, is_heading: bool) {
        self.rows.push(Row { cells: vec![text], is_heading });
    }

    /// All rows, each ended. The label gives way when a row would be too wide.
    pub(super) fn text(&self, is_bold: bool) -> String {
        let columns = self.rows.iter().map(|row| row.cells.len()).max().unwrap_or(0);
        let widest = |column: usize| {
            let rows = self.rows.iter().filter(|row| !row.is_title());
            rows.filter_map(|row| row.cells.get(column)).map(|cell| cell.width()).max().unwrap_or(0)
        };
        let mut widths: Vec<usize> = (0..columns).map(widest).collect();
        let figures: usize = widths.iter().skip(1).map(|width| width + GAP.len()).sum();
        if let Some(label) = widths.first_mut() {
            *label = (*label).min(WIDTH_MAX.saturating_sub(figures).max(12));
        }
        self.rows.iter().map(|row| row.text(&widths, is_bold)).collect()
    }
}

impl Row {
    fn is_title(&self) -> bool {
        self.cells.len() == 1
    }

    fn text(&self, widths: &[usize], is_bold: bool) -> String {
        let widths = if self.is_title() { &[WIDTH_MAX] } else { widths };
        let mut line = String::new();
        for (column, (cell, width)) in self.cells.iter().zip(widths).enumerate() {
            let cell = clipped(cell, *width);
            let padding = " ".repeat(width - cell.width());
            // Writing to a string does not fail.
            let _ = match column {
                0 => write!(line, "{cell}{padding}"),
                _ => write!(line, "{GAP}{padding}{cell}"),
            };
        }
        let line = line.trim_end();
        if self.is_heading { bold(line, is_bold) + "\n" } else { format!("{line}\n") }
    }
}

/// In bold, where that is wanted.
pub(super) fn bold(text: &str, is_bold: bool) -> String {
    if is_bold { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
}

/// At most `width` columns of the text.
pub(super) fn clipped(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut shown = String::new();
    let mut used = 0;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used >= width {
            break;
        }
        shown.push(c);
    }
    shown + "…"
}

/// The text in lines of at most [`WIDTH_MAX`] columns, the first behind `lead` and the others below
/// its end.
pub(super) fn wrapped(lead: &str, text: &str) -> String {
    let indent = " ".repeat(lead.width());
    let mut lines = String::new();
    let mut line = lead.to_owned();
    let mut is_begun = false;
    for word in text.split_whitespace() {
        if is_begun && line.width() + 1 + word.width() > WIDTH_MAX {
            lines += line.trim_end();
            lines.push('\n');
            line.clone_from(&indent);
            is_begun = false;
        }
        if is_begun {
            line.push(' ');
        }
        line += &clipped(word, WIDTH_MAX - indent.len());
        is_begun = true;
    }
    lines + line.trim_end() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn columns_line_up_in_every_script() {
        let mut grid = Grid::default();
        grid.heading(cells(&["WORK", "p50", "max"]));
        grid.row(cells(&["마당", "7.2 µs", "1.27 ms"]));
        grid.row(cells(&["redis", "12 µs"]));
        let expected = "WORK      p50      max\n마당   7.2 µs  1.27 ms\nredis   12 µs\n";
        assert_eq!(grid.text(false), expected);
        assert!(grid.text(true).starts_with("\x1b[1mWORK"));
    }

    #[test]
    fn no_row_is_wider_than_a_screen() {
        let mut grid = Grid::default();
        grid.row(vec!["long label ".repeat(20), "1".repeat(30), "2".repeat(30)]);
        let text = grid.text(false);
        assert_eq!(text.trim_end().width(), WIDTH_MAX);
        assert!(text.contains('…'));
    }

    #[test]
    fn sentences_wrap_below_their_beginning() {
        let text = wrapped("  - ", &"word ".repeat(40));
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.len() == 3 && lines.iter().all(|line| line.width() <= WIDTH_MAX), "{text}");
        assert!(lines[0].starts_with("  - word") && lines[1].starts_with("    word"));
    }
}

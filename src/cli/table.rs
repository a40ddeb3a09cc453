//! Columns that are aligned on a terminal, also if letters are two cells wide (UAX 11).

use std::fmt::Write;
use unicode_width::UnicodeWidthStr;

/// Rows below a header. The first column is left-aligned, the others right-aligned, two cells apart.
pub fn table<const COLUMNS: usize>(head: [&str; COLUMNS], rows: &[[String; COLUMNS]]) -> String {
    let mut widths = head.map(UnicodeWidthStr::width);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let mut text = String::new();
    line(&mut text, &head, &widths);
    for row in rows {
        line(&mut text, &row.each_ref().map(String::as_str), &widths);
    }
    text
}

fn line<const COLUMNS: usize>(text: &mut String, cells: &[&str; COLUMNS], widths: &[usize; COLUMNS]) {
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let padding = " ".repeat(width - cell.width());
        let _ = match column {
            0 if COLUMNS == 1 => write!(text, "{cell}"),
            0 => write!(text, "{cell}{padding}"),
            _ => write!(text, "  {padding}{cell}"),
        };
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn korean_names_take_two_cells_a_letter() {
        let rows = [["마당".to_owned(), "3".to_owned()], ["general".to_owned(), "12".to_owned()]];
        assert_eq!(
            table(["room", "members"], &rows),
            "room     members\n마당           3\ngeneral       12\n"
        );
    }
}

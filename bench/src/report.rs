//! One screen of figures, laid out alike for every workload.

use hdrhistogram::Histogram;
use std::fmt;

/// Named figures with their units, and what must be known to read them rightly.
#[derive(Clone, Debug)]
pub struct Figures {
    title: String,
    rows: Vec<Row>,
    notes: Vec<String>,
}

#[derive(Clone, Debug)]
struct Row {
    label: String,
    value: String,
    unit: &'static str,
}

impl Figures {
    /// A table without rows.
    pub fn new(title: impl Into<String>) -> Figures {
        Figures { title: title.into(), rows: Vec::new(), notes: Vec::new() }
    }

    /// Adds a count.
    pub fn count(&mut self, label: impl Into<String>, value: u64, unit: &'static str) {
        self.row(label, grouped(value), unit);
    }

    /// Adds a measured value with `decimals` digits after the point.
    pub fn measure(&mut self, label: impl Into<String>, value: f64, decimals: usize, unit: &'static str) {
        self.row(label, format!("{value:.decimals$}"), unit);
    }

    /// Adds the percentiles of latencies recorded in nanoseconds.
    pub fn latency(&mut self, label: &str, histogram_ns: &Histogram<u64>) {
        for (name, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)] {
            let value_us = histogram_ns.value_at_quantile(quantile) as f64 / 1e3;
            self.measure(format!("{label} {name}"), value_us, 1, "µs");
        }
        self.measure(format!("{label} max"), histogram_ns.max() as f64 / 1e3, 1, "µs");
    }

    /// Adds a sentence below the table.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    fn row(&mut self, label: impl Into<String>, value: String, unit: &'static str) {
        self.rows.push(Row { label: label.into(), value, unit });
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label_width = self.rows.iter().map(|row| row.label.chars().count()).max().unwrap_or(0);
        let value_width = self.rows.iter().map(|row| row.value.chars().count()).max().unwrap_or(0);
        writeln!(f, "{}", self.title)?;
        for Row { label, value, unit } in &self.rows {
            let line = format!("  {label:<label_width$}  {value:>value_width$} {unit}");
            writeln!(f, "{}", line.trim_end())?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "  note: {note}"))
    }
}

/// `1234567` as `1,234,567`.
fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_their_width() {
        let mut figures = Figures::new("echo");
        figures.count("messages", 1_234_567, "");
        figures.measure("latency p50", 7.25, 1, "µs");
        figures.note("one core");
        let expected = "echo\n  messages     1,234,567\n  latency p50        7.2 µs\n  note: one core\n";
        assert_eq!(figures.to_string(), expected);
    }

    #[test]
    fn thousands_are_grouped() {
        let shown: Vec<String> = [0, 999, 1_000, 28_000_000].into_iter().map(grouped).collect();
        assert_eq!(shown, ["0", "999", "1,000", "28,000,000"]);
    }
}

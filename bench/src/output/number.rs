//! Numbers as people read them: with their unit, and no more digits than they are good for.

use crate::results::{self, Figure, Spread};

/// A value of a figure: times and bytes in the unit that fits, counts grouped by thousands.
pub(crate) fn value(figure: &Figure, value: f64) -> String {
    match figure.unit.as_str() {
        "µs" => time_us(value, figure.decimals),
        "bytes" => bytes(value),
        "/s" => format!("{} /s", count(value)),
        "" => decimal(value, figure.decimals),
        // `% of one processor` is explained once by its label's neighbours; the cell has no room.
        unit if unit.starts_with('%') => format!("{} %", decimal(value, figure.decimals)),
        unit => format!("{} {unit}", decimal(value, figure.decimals)),
    }
}

/// Least and most of a figure, in the unit that fits the most: `210–260 µs`.
pub(crate) fn range(figure: &Figure, spread: &Spread) -> String {
    let (least, most) = (value(figure, spread.least), value(figure, spread.most));
    match (least.rsplit_once(' '), most.rsplit_once(' ')) {
        _ if least == most => most,
        (Some((least_number, least_unit)), Some((_, most_unit))) if least_unit == most_unit => {
            format!("{least_number}–{most}")
        }
        _ => format!("{least}–{most}"),
    }
}

/// A time: `0.371 µs`, `7.2 µs`, `220 µs`, `1.27 ms`, `35.1 ms`, `2.41 s`.
pub(crate) fn time_us(microseconds: f64, decimals: usize) -> String {
    match microseconds {
        us if us < 10.0 => format!("{us:.decimals$} µs"),
        us if us < 100.0 => format!("{us:.1} µs"),
        us if us < 999.5 => format!("{us:.0} µs"),
        us if us < 9_995.0 => format!("{:.2} ms", us / 1e3),
        us if us < 99_950.0 => format!("{:.1} ms", us / 1e3),
        us if us < 999_500.0 => format!("{:.0} ms", us / 1e3),
        us => format!("{:.2} s", us / 1e6),
    }
}

/// Bytes: `695 B`, `9,934 B`, `23.4 MiB`.
pub(crate) fn bytes(bytes: f64) -> String {
    const MIB: f64 = 1024.0 * 1024.0;
    const GIB: f64 = 1024.0 * MIB;
    match bytes.abs() {
        size if size < 100_000.0 => format!("{} B", grouped(bytes)),
        size if size < MIB => format!("{:.0} KiB", bytes / 1024.0),
        size if size < GIB => format!("{:.1} MiB", bytes / MIB),
        _ => format!("{:.1} GiB", bytes / GIB),
    }
}

/// A count that may be large: `4,510`, `22,400`, `2.35 M`.
pub(crate) fn count(count: f64) -> String {
    if count.abs() < 1e6 { grouped(count) } else { format!("{:.2} M", count / 1e6) }
}

fn decimal(value: f64, decimals: usize) -> String {
    if decimals == 0 { grouped(value) } else { format!("{value:.decimals$}") }
}

/// `1234567.2` as `1,234,567`.
pub(crate) fn grouped(value: f64) -> String {
    results::grouped(format_args!("{value:.0}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Better;

    fn figure(unit: &str, decimals: usize) -> Figure {
        Figure {
            key: String::new(),
            label: String::new(),
            unit: unit.to_owned(),
            decimals,
            better: Better::Lower,
            values: Vec::new(),
        }
    }

    #[test]
    fn times_are_shown_in_the_unit_that_fits() {
        let shown: Vec<String> = [0.3712, 7.24, 42.0, 220.4, 999.6, 1_270.0, 35_100.0, 2_410_000.0]
            .map(|us| time_us(us, 1))
            .to_vec();
        assert_eq!(
            shown,
            ["0.4 µs", "7.2 µs", "42.0 µs", "220 µs", "1.00 ms", "1.27 ms", "35.1 ms", "2.41 s"]
        );
        assert_eq!(value(&figure("µs", 3), 0.3712), "0.371 µs");
    }

    #[test]
    fn counts_and_bytes_are_grouped() {
        assert_eq!(value(&figure("/s", 0), 22_400.4), "22,400 /s");
        assert_eq!(value(&figure("/s", 0), 2_350_000.0), "2.35 M /s");
        assert_eq!(value(&figure("bytes", 0), 9_934.0), "9,934 B");
        assert_eq!(value(&figure("bytes", 0), 24_536_678.0), "23.4 MiB");
        assert_eq!(value(&figure("", 0), -1_234.0), "-1,234");
        assert_eq!(value(&figure("% of one processor", 1), 58.12), "58.1 %");
    }

    #[test]
    fn a_range_names_its_unit_once() {
        let spread = |least, most| Spread { median: least, least, most };
        assert_eq!(range(&figure("µs", 1), &spread(210.0, 260.0)), "210–260 µs");
        assert_eq!(range(&figure("µs", 1), &spread(210.0, 1_260.0)), "210 µs–1.26 ms");
        assert_eq!(range(&figure("/s", 0), &spread(5.0, 5.0)), "5 /s");
    }
}

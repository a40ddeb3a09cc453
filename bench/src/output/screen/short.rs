//! Figures in a cell.

use crate::output::number;
use crate::results::Figure;

/// What stands where there is no figure.
pub(super) const NOTHING: &str = "–";

/// The median over rounds, with its unit.
pub(crate) fn median(figure: &Figure) -> String {
    figure.spread().map_or_else(|| NOTHING.to_owned(), |spread| number::value(figure, spread.median))
}

/// Least and most over rounds, without spaces: cells of ranges are the widest.
pub(super) fn range(figure: &Figure) -> String {
    figure.spread().map_or_else(String::new, |spread| number::range(figure, &spread).replace(' ', ""))
}

/// How often the first is in the second: `×0.046`, `×0.42`, `×12.3`.
pub(crate) fn ratio(value: f64, base: f64) -> String {
    match value / base {
        ratio if !ratio.is_finite() => String::new(),
        ratio if ratio > 0.0 && ratio < 0.0995 => format!("×{ratio:.3}"),
        ratio if ratio < 9.95 => format!("×{ratio:.2}"),
        ratio if ratio < 99.5 => format!("×{ratio:.1}"),
        ratio => format!("×{}", number::grouped(ratio)),
    }
}

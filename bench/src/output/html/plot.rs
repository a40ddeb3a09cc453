//! Plots as SVG. Large ones are drawn twice: for a wide window and for a phone, where a wide one would be
//! unreadable.
//!
//! Colours are those of the light page; its style sheet replaces them by name in a dark one.

use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::prelude::*;
use std::fmt::Display;
use std::ops::Range;

/// One for each server; further ones share the last.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0x0b, 0x6e, 0x99),
    RGBColor(0xd1, 0x49, 0x5b),
    RGBColor(0x3c, 0x8d, 0x2f),
    RGBColor(0x8e, 0x5b, 0xb5),
    RGBColor(0xc7, 0x7d, 0x0a),
    RGBColor(0x5a, 0x5a, 0x5b),
];
const GRID: RGBColor = RGBColor(0xdf, 0xe4, 0xe8);
const TEXT: RGBColor = RGBColor(0x5b, 0x66, 0x70);

/// What one drawing is for, in the units of the drawing; the page scales it to its width.
pub(super) struct Format {
    class: &'static str,
    size: (u32, u32),
    text_px: u32,
    label_width: u32,
    line_px: u32,
}

/// Over the whole width of a window.
pub(super) const LARGE: &[Format] = &[
    Format { class: "wide", size: (1_600, 600), text_px: 30, label_width: 150, line_px: 4 },
    Format { class: "narrow", size: (760, 600), text_px: 30, label_width: 140, line_px: 4 },
];
/// Beside others.
pub(super) const SMALL: &[Format] =
    &[Format { class: "small", size: (760, 520), text_px: 30, label_width: 140, line_px: 4 }];

/// One line of a plot.
pub(super) struct Line {
    /// Which colour: the number of the server.
    pub(super) colour: usize,
    /// Drawn in full, or faintly because it is one round of several.
    pub(super) is_faint: bool,
    pub(super) points: Vec<(f64, f64)>,
}

/// An axis: its ends, where its lines are, and what they are called.
pub(super) struct Axis<'a> {
    pub(super) range: Range<f64>,
    pub(super) ticks: Vec<f64>,
    pub(super) is_log: bool,
    pub(super) name: &'a dyn Fn(f64) -> String,
}

/// Which class of the page's style sheet has a server's colour.
pub(super) fn colour_class(number: usize) -> String {
    format!("s{}", number.min(COLOURS.len() - 1))
}

/// Draws the lines for every format.
pub(super) fn draw(
    formats: &[Format],
    title: &str,
    x: &Axis<'_>,
    y: &Axis<'_>,
    lines: &[Line],
) -> Result<String, String> {
    let mut drawn = String::new();
    for format in formats {
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, format.size).into_drawing_area();
            draw_into(&area, format, x, y, lines)?;
            area.present().map_err(words)?;
        }
        let opening =
            format!("<svg class=\"{}\" role=\"img\" aria-label=\"{}\" ", format.class, super::escaped(title));
        drawn += &svg.replacen("<svg ", &opening, 1);
    }
    Ok(drawn)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn draw_into(
    area: &Area<'_>,
    format: &Format,
    x: &Axis<'_>,
    y: &Axis<'_>,
    lines: &[Line],
) -> Result<(), String> {
    let mut chart = ChartBuilder::on(area)
        .margin_top(format.text_px / 2)
        .margin_right(format.text_px * 2)
        .x_label_area_size(format.text_px * 2)
        .y_label_area_size(format.label_width)
        .build_cartesian_2d(Scale::of(x), Scale::of(y))
        .map_err(words)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID.stroke_width(2))
        .axis_style(TEXT.stroke_width(2))
        .label_style(("sans-serif", format.text_px).into_font().color(&TEXT))
        .x_labels(40)
        .y_labels(40)
        .x_label_formatter(&|value| (x.name)(*value))
        .y_label_formatter(&|value| (y.name)(*value))
        .draw()
        .map_err(words)?;
    for line in lines {
        let width = if line.is_faint { format.line_px / 2 } else { format.line_px };
        let style = COLOURS[line.colour.min(COLOURS.len() - 1)].stroke_width(width);
        match line.points.as_slice() {
            // A line of one point would not be seen.
            [point] => {
                let dot = Circle::new(*point, width, style.filled());
                chart.draw_series([dot]).map_err(words)?;
            }
            points => {
                chart.draw_series(LineSeries::new(points.iter().copied(), style)).map_err(words)?;
            }
        }
    }
    Ok(())
}

/// An axis as plotters wants it, with lines and names at our own places.
struct Scale {
    range: Range<f64>,
    ticks: Vec<f64>,
    is_log: bool,
}

impl Scale {
    fn of(axis: &Axis<'_>) -> Scale {
        Scale { range: axis.range.clone(), ticks: axis.ticks.clone(), is_log: axis.is_log }
    }
}

impl Ranged for Scale {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (begin, end): (i32, i32)) -> i32 {
        let place = |value: f64| if self.is_log { value.ln() } else { value };
        let (least, most) = (place(self.range.start), place(self.range.end));
        let share = (place(*value) - least) / (most - least);
        begin + (f64::from(end - begin) * share).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _hint: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

fn words(error: impl Display) -> String {
    error.to_string()
}

/// Numbers such as 1, 2, 5, 10, 20 around all values, and where they begin and end.
pub(super) fn log_ticks(least: f64, most: f64) -> (Range<f64>, Vec<f64>) {
    let least = least.max(1e-3);
    let most = most.max(least * 1.01);
    let first = 10_f64.powf(least.log10().floor());
    let steps = (0..40).map(|step| first * 10_f64.powi(step / 3) * [1.0, 2.0, 5.0][step as usize % 3]);
    let all: Vec<f64> = steps.collect();
    let begin = all.iter().rposition(|tick| *tick <= least).unwrap_or(0);
    let end = all.iter().position(|tick| *tick >= most).unwrap_or(all.len() - 1);
    let mut ticks = all[begin..=end].to_vec();
    let range = ticks[0]..ticks[ticks.len() - 1];
    // Over many decades only these have room for their names.
    if ticks.len() > 10 {
        ticks.retain(|tick| (tick.log10() - tick.log10().round()).abs() < 1e-6);
    }
    (range, ticks)
}

/// Five or so round numbers from 0 to above the largest value.
pub(super) fn linear_ticks(most: f64) -> (Range<f64>, Vec<f64>) {
    let most = if most > 0.0 { most * 1.05 } else { 1.0 };
    let rough = most / 5.0;
    let unit = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|times| times * unit).find(|step| *step >= rough);
    let step = step.unwrap_or(rough);
    let ticks: Vec<f64> =
        (0..=10).map(|number| f64::from(number) * step).take_while(|tick| *tick <= most).collect();
    (0.0..most, ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_hold_all_values() {
        let (range, ticks) = log_ticks(137.0, 4_100.0);
        assert_eq!(
            ticks.iter().map(|tick| tick.round() as u64).collect::<Vec<_>>(),
            [100, 200, 500, 1_000, 2_000, 5_000]
        );
        assert!(range.start <= 137.0 && range.end >= 4_100.0);
        let (_, decades) = log_ticks(1.0, 5e6);
        assert_eq!(decades.len(), 7);
        assert_eq!(linear_ticks(9_400.0).1, [0.0, 2_000.0, 4_000.0, 6_000.0, 8_000.0]);
        assert_eq!(linear_ticks(0.0).1.len(), 6);
    }

    #[test]
    fn equal_values_and_single_points_are_drawn() {
        let name = |value: f64| format!("{value}");
        let (range, ticks) = log_ticks(5.0, 5.0);
        let axis = Axis { range, ticks, is_log: true, name: &name };
        let line = Line { colour: 9, is_faint: false, points: vec![(5.0, 5.0)] };
        let svg = draw(LARGE, "<한글>", &axis, &axis, &[line]).expect("a plot");
        assert!(svg.contains("<circle") && svg.contains("aria-label=\"&lt;한글&gt;\""), "{svg}");
        assert_eq!(svg.matches("<svg ").count(), 2);
    }
}

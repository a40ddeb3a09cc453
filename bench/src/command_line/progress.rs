//! How far a run is: a bar on a terminal, a line for each measurement elsewhere.

use super::program::{Program, StatusLine};
use super::streams::say;
use crate::watch::Progress;
use std::time::Instant;

const BAR_CHARS: usize = 20;

/// Progress of all measurements of a run.
#[derive(Debug)]
pub struct RunProgress {
    line: Box<dyn StatusLine>,
    course: Course,
}

/// Where a run stands.
#[derive(Debug)]
struct Course {
    began: Instant,
    /// How long everything was expected to take, and what is behind of it, in seconds.
    expected_s: f64,
    behind_s: f64,
    /// The measurement under way: what it is, and how long it was expected to take.
    title: String,
    title_s: f64,
    bar: fn(f64, usize) -> String,
}

impl RunProgress {
    pub fn new(expected_s: f64, program: &Program) -> RunProgress {
        let course = Course {
            began: Instant::now(),
            expected_s: expected_s.max(0.1),
            behind_s: 0.0,
            title: String::new(),
            title_s: 0.0,
            bar: program.bar,
        };
        RunProgress { line: (program.status_line)(), course }
    }

    /// Continues with a measurement that is expected to take `expected_s`.
    pub fn begin(&mut self, title: String, expected_s: f64) {
        let course = &mut self.course;
        course.behind_s += course.title_s;
        (course.title, course.title_s) = (title, expected_s);
        if self.line.is_watched() {
            self.show("", 0.0);
        } else {
            let percent = (100.0 * course.behind_s / course.expected_s).min(100.0);
            say(&format!("madang bench: {percent:>3.0} %  {}", course.title));
        }
    }

    /// Removes the bar.
    pub fn end(&mut self) {
        self.line.clear();
    }
}

impl Course {
    fn line(&self, what: &str, share: f64) -> String {
        let share = (self.behind_s + self.title_s * share.clamp(0.0, 1.0)) / self.expected_s;
        let elapsed_s = self.began.elapsed().as_secs_f64();
        // By the pace until now, as far as there is one; by what was expected before.
        let left_s =
            if share > 0.1 { elapsed_s / share - elapsed_s } else { self.expected_s * (1.0 - share) };
        // The workload's own words begin with its title, which is shown already.
        let what = what.rsplit_once(": ").map_or(what, |(_, step)| step);
        let step = if what.is_empty() { String::new() } else { format!(": {what}") };
        format!(
            "{}  {:.0} s left  {}{step}",
            (self.bar)(share.min(0.99), BAR_CHARS),
            left_s.max(0.0),
            self.title
        )
    }
}

impl Progress for RunProgress {
    fn show(&mut self, what: &str, share: f64) {
        self.line.show(&|| self.course.line(what, share));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_counts_what_is_behind_and_what_is_under_way() {
        let mut progress = RunProgress::new(20.0, &Program::of_test());
        progress.begin("echo".to_owned(), 10.0);
        progress.begin("idle".to_owned(), 10.0);
        let line = progress.course.line("idle: 100 connections: entering", 0.5);
        assert!(line.starts_with("75 of 100 in 20  0 s left  idle: entering"), "{line}");
    }
}

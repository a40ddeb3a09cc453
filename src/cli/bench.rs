//! `madang bench`: what its crate needs from this program.

use crate::terminal::{self, bar, is_styled, visible};
use madang_bench::{BenchCommand, Program, StatusLine};
use std::process::ExitCode;

/// Measures, and shows the results.
pub fn run(command: &BenchCommand) -> ExitCode {
    let program = Program {
        path: std::env::current_exe,
        is_output_styled: || is_styled(&std::io::stdout()),
        visible,
        bar,
        status_line: || Box::new(terminal::StatusLine::new()),
    };
    madang_bench::run(command, &program)
}

impl StatusLine for terminal::StatusLine {
    fn is_watched(&self) -> bool {
        terminal::StatusLine::is_watched(self)
    }

    fn show(&mut self, line: &dyn Fn() -> String) {
        terminal::StatusLine::show(self, line);
    }

    fn clear(&mut self) {
        terminal::StatusLine::clear(self);
    }
}

//! Which program is tested.

use std::path::Path;
use std::sync::LazyLock;

/// The program under test: that of the profile that the tests were built with, or the one at `MADANG_TESTED_PROGRAM`,
/// so that the shipped program can be tested by tests that need not be linked as it is (`tests/run`).
pub fn tested_program() -> &'static str {
    static PROGRAM: LazyLock<String> = LazyLock::new(|| match std::env::var("MADANG_TESTED_PROGRAM") {
        Ok(path) => {
            assert!(Path::new(&path).is_absolute(), "MADANG_TESTED_PROGRAM={path:?} is no absolute path");
            assert!(
                Path::new(&path).exists(),
                "MADANG_TESTED_PROGRAM={path:?} does not exist: build it first"
            );
            path
        }
        Err(_) => env!("CARGO_BIN_EXE_madang").to_owned(),
    });
    &PROGRAM
}

//! Which program this is.

/// The version of the package.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The first digits of the commit that it was built from, where that was known (`build.rs`).
pub const COMMIT: Option<&str> = option_env!("MADANG_BUILT_COMMIT");

/// A version, with the commit in brackets where that is known.
pub fn with_commit(version: &str, commit: Option<&str>) -> String {
    commit.map_or_else(|| version.to_owned(), |commit| format!("{version} ({commit})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_that_is_not_known_is_left_out() {
        assert_eq!(with_commit("0.1.0", Some("0123456789ab")), "0.1.0 (0123456789ab)");
        assert_eq!(with_commit("0.1.0", None), "0.1.0");
    }
}

//! Hints for command lines in the style of other programs.

use clap::Error;
use clap::error::{ContextKind, ContextValue};
use std::ffi::OsString;

const LISTEN: &str = "host and port are one address: `madang serve --listen 127.0.0.1:9000`, or 0.0.0.0:9000 to \
                      accept connections from other machines";

/// Turns `help` and `version`, which are commands in other programs, into flags.
pub fn normalized(mut words: Vec<OsString>) -> Vec<OsString> {
    match words.get(1).and_then(|word| word.to_str()) {
        Some("help") => {
            words.remove(1);
            words.push("--help".into());
        }
        Some("version") if words.len() == 2 => words[1] = "--version".into(),
        _ => {}
    }
    words
}

/// Adds a hint to a refusal: what was probably meant.
pub fn with_hint(mut error: Error) -> Error {
    let word = |kind| match error.get(kind) {
        Some(ContextValue::String(word)) => Some(word.as_str()),
        _ => None,
    };
    let argument = word(ContextKind::InvalidArg).and_then(hint);
    if let Some(hint) = argument.or_else(|| word(ContextKind::InvalidSubcommand).and_then(command_hint)) {
        // A suggestion of a similar spelling would mislead.
        error.remove(ContextKind::SuggestedSubcommand);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![hint.into()]));
    }
    error
}

fn hint(word: &str) -> Option<&'static str> {
    match word {
        "--port" | "-p" | "--bind" | "--address" | "--host" => Some(LISTEN),
        port if port.parse::<u16>().is_ok() => Some(LISTEN),
        "help" => Some("for help on a command: `madang help COMMAND`, or `madang COMMAND --help`"),
        "-v" => Some("for the version: `madang --version`; `madang serve -v` logs more"),
        _ => None,
    }
}

/// Commands of service managers that have another name here.
fn command_hint(word: &str) -> Option<&'static str> {
    match word {
        "start" | "run" => {
            Some("start a server with `madang serve`; a service with `systemctl start madang`")
        }
        "stop" => Some("stop the running server with `madang drain`; a service with `systemctl stop madang`"),
        "restart" => Some(
            "replace the running server with `madang upgrade`, which disconnects nobody; restart a service with \
             `systemctl restart madang`",
        ),
        "reload" => Some(
            "reload the configuration with `systemctl reload madang`, or by SIGHUP: `kill -HUP PID`, with the process \
             id that `madang status` shows",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_other_programs_are_understood() {
        for (typed, expected) in [
            ("madang help", "madang --help"),
            ("madang help serve", "madang serve --help"),
            ("madang help log verify", "madang log verify --help"),
            ("madang version", "madang --version"),
            ("madang serve", "madang serve"),
            ("madang broadcast help", "madang broadcast help"),
        ] {
            let words = typed.split(' ').map(OsString::from).collect();
            let normalized: Vec<_> =
                normalized(words).into_iter().map(|word| word.into_string().unwrap()).collect();
            assert_eq!(normalized.join(" "), expected);
        }
    }
}

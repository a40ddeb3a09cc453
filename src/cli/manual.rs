//! Manual pages: what clap_mangen makes of the help, in the sections that man-pages(7) names.

use clap::Command;
use clap_mangen::Man;
use roff::{Roff, roman};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Exit codes of commands whose help does not say otherwise.
const EXIT_STATUS: &str = "0 done, 1 failed while running, 2 the command line, the configuration or the machine \
     must be corrected first (the message says how), 3 no server runs there.";
/// The same for every command.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("MADANG_DATA", "The data directory, unless --data names one."),
    (
        "MADANG_SECTION_KEY",
        "Any configuration key, with an underscore for the dot: MADANG_LISTEN_LINE. It overrides the file; flags and \
         --set override it.",
    ),
    ("MADANG_UNIT", "The systemd unit of the server, if its control group does not name it."),
    ("NO_COLOR", "If it is set and not empty, no colours are written."),
];
const FILES: &[(&str, &str)] = &[
    ("/etc/madang/madang.toml", "The configuration, unless --config names another file."),
    ("./madang-data", "The data, unless --data or MADANG_DATA names another directory."),
    ("/var/lib/madang", "The data of the service; commands look here last for a running server."),
    ("DIR/shard-NN", "The log of a shard: segments, their indexes and runs, a snapshot and its copy."),
    ("DIR/madang.epoch", "Names the life of the log; a copy that is served begins another."),
    ("DIR/madang.erasures", "What was erased, or is to be; beside backups DIRECTORY/madang.erasures.N."),
    ("DIR/control.sock", "The control socket of a running server, for its user and root only."),
    ("DIR/link.sock", "Where an edge connects to a running server, if it may."),
    ("DIR/edge.sock", "Where an edge gets the sockets of listen.http and listen.https from."),
    ("DIR/edge.lock", "Locked by the edge that serves."),
    ("DIR/directory.sqlite", "Accounts and keys, unless directory.url names a database."),
    ("DIRECTORY/TIME", "A backup, by the time when it began (UTC)."),
    ("DIR/madang.lock", "Locked while a process uses the directory."),
];

/// Writes the page of a command, which must be built.
pub fn page(command: &Command, out: &mut dyn Write) -> io::Result<()> {
    let man =
        Man::new(command.clone()).manual("Madang").source(format!("madang {}", crate::version::VERSION));
    man.render_title(out)?;
    man.render_name_section(out)?;
    man.render_synopsis_section(out)?;
    man.render_description_section(out)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(out)?;
    }
    if command.has_subcommands() {
        man.render_subcommands_section(out)?;
    }
    let more = More::of(command);
    let mut roff = Roff::new();
    if !more.notes.is_empty() {
        roff.control("SH", ["NOTES"]);
    }
    for paragraph in &more.notes {
        roff.control("PP", []).text([roman(paragraph.as_str())]);
    }
    roff.control("SH", ["EXIT STATUS"]).text([roman(more.exit_status)]);
    for (heading, entries) in [("ENVIRONMENT", ENVIRONMENT), ("FILES", FILES)] {
        roff.control("SH", [heading]);
        for (name, meaning) in entries {
            roff.control("TP", []).text([roman(*name)]).text([roman(*meaning)]);
        }
    }
    if !more.examples.is_empty() {
        roff.control("SH", ["EXAMPLES"]).control("nf", []);
        for line in &more.examples {
            roff.text([roman(line.as_str())]);
        }
        roff.control("fi", []);
    }
    roff.control("SH", ["SEE ALSO"]).text([roman(see_also(command))]);
    roff.to_writer(out)
}

/// Writes the pages of a command, which must be built, and of all its subcommands into a directory.
pub fn pages(command: &Command, directory: &Path) -> io::Result<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        pages(below, directory)?;
    }
    let name = Man::new(command.clone()).get_filename();
    page(command, &mut File::create(directory.join(name))?)
}

/// The parts of the help after the options.
#[derive(Default)]
struct More {
    examples: Vec<String>,
    exit_status: String,
    notes: Vec<String>,
}

impl More {
    fn of(command: &Command) -> More {
        let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let mut more = More { exit_status: EXIT_STATUS.to_owned(), ..More::default() };
        for paragraph in text.split("\n\n") {
            let joined = || paragraph.lines().map(str::trim).collect::<Vec<_>>().join(" ");
            match paragraph.split_once(':') {
                Some(("Example" | "Examples", lines)) => {
                    let lines = lines.lines().map(str::trim_start).filter(|line| !line.is_empty());
                    more.examples.extend(lines.map(str::to_owned));
                }
                Some(("Exit codes", _)) => {
                    more.exit_status = joined().trim_start_matches("Exit codes: ").to_owned();
                }
                _ if paragraph.is_empty() => {}
                _ => more.notes.push(joined()),
            }
        }
        more
    }
}

fn see_also(command: &Command) -> String {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let above = name.rsplit_once('-').map(|(above, _)| format!("{above}(1), ")).unwrap_or_default();
    format!("{above}/usr/share/doc/madang")
}

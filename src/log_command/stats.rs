//! `madang log stats`.

use super::civil::Clock;
use super::output::{finish, standard_output, visible};
use super::progress::Progress;
use super::{LogPlace, Outcome};
use clap::{Args, ValueEnum};
use madang_log::{Statistics, statistics};
use madang_model::counted;
use serde_json::{Value, json};
use std::io::{self, Write};

/// The arguments of `madang log stats`.
#[derive(Debug, Args)]
pub struct StatsArguments {
    #[command(flatten)]
    place: LogPlace,
    /// The output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Format {
    /// A table
    Text,
    /// One JSON object
    Json,
}

/// Prints the statistics of the log.
pub fn run(arguments: &StatsArguments) -> Result<Outcome, String> {
    let (data, files) = arguments.place.open()?;
    let mut progress = Progress::begin(&files, 1);
    let read = statistics(&files, &mut |bytes| progress.read(bytes));
    progress.clear();
    let statistics = read.map_err(|error| error.to_string())?;
    let mut output = standard_output();
    let printed = print(&mut output, &statistics, arguments.format);
    finish(output, printed)?;
    let faults = statistics.last().map_or(0, |total| total.faults);
    if faults > 0 {
        let counted = counted(faults, "fault");
        let data = data.display().to_string();
        let data = visible(&data);
        eprintln!(
            "madang: these figures are incomplete, as the log has {counted}; see all with `madang log verify --data {data}`"
        );
    }
    Ok(Outcome::reported(usize::try_from(faults).unwrap_or(usize::MAX), &data))
}

pub fn print(output: &mut impl Write, statistics: &[Statistics], format: Format) -> io::Result<()> {
    let mut clock = Clock::default();
    match format {
        Format::Json => {
            let (total, shards) = statistics.split_last().map_or((None, &[][..]), |(t, s)| (Some(t), s));
            let shards: Vec<Value> = shards.iter().map(|one| object(one, &mut clock)).collect();
            let total = total.map(|total| object(total, &mut clock));
            writeln!(output, "{}", json!({ "shards": shards, "total": total }))
        }
        Format::Text => {
            writeln!(
                output,
                "{:<8} {:>7} {:>4} {:>6} {:>8} {:>12} {:>8} {:>15} {:>15} {:>9}  {:<19}  newest",
                "",
                "sealed",
                "open",
                "unused",
                "rooms",
                "messages",
                "facts",
                "bytes",
                "used",
                "each",
                "oldest"
            )?;
            statistics.iter().try_for_each(|one| print_row(output, one, &mut clock))
        }
    }
}

fn print_row(output: &mut impl Write, one: &Statistics, clock: &mut Clock) -> io::Result<()> {
    let name = one.shard.map_or_else(|| "all".to_owned(), |shard| format!("shard {shard}"));
    let each = bytes_per_message(one).map_or_else(|| "-".to_owned(), |bytes| format!("{bytes:.1}"));
    let mut time = |time_us| {
        if one.counts.records == 0 { "-".to_owned() } else { clock.second(time_us).to_owned() }
    };
    let (oldest, newest) = (time(one.counts.first_time_us), time(one.counts.last_time_us));
    writeln!(
        output,
        "{name:<8} {:>7} {:>4} {:>6} {:>8} {:>12} {:>8} {:>15} {:>15} {each:>9}  {oldest:<19}  {newest}",
        one.sealed,
        one.open,
        one.unused,
        one.rooms,
        one.counts.records,
        one.facts,
        one.file_bytes,
        one.used_bytes
    )
}

fn bytes_per_message(one: &Statistics) -> Option<f64> {
    (one.counts.records > 0)
        .then(|| one.used_bytes.saturating_sub(one.facts_bytes) as f64 / one.counts.records as f64)
}

fn object(one: &Statistics, clock: &mut Clock) -> Value {
    let has_messages = one.counts.records > 0;
    let mut time = |time_us| has_messages.then(|| clock.microsecond(time_us).to_owned());
    json!({
        "shard": one.shard.map(|shard| shard.0),
        "segments": { "sealed": one.sealed, "open": one.open, "unused": one.unused },
        "rooms": one.rooms,
        "messages": one.counts.records,
        "facts": one.facts,
        "facts_bytes": one.facts_bytes,
        "file_bytes": one.file_bytes,
        "used_bytes": one.used_bytes,
        "bytes_per_message": bytes_per_message(one),
        "oldest": time(one.counts.first_time_us),
        "newest": time(one.counts.last_time_us),
        "faults": one.faults,
    })
}

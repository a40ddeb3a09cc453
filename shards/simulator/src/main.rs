//! Replays a session of the simulator:
//!
//! `cargo run --release -p madang-simulator -- --seed S [--seeds N] [--steps N]
//! [--users N] [--rooms N] [--shards N] [--large] [--calm] [--retention] [--interrupted-starts] [--upgrades]
//! [--storms] [--link] [--facts] [--lists] [--erasures] [--deletions]
//! [--restores] [--trace]`
//!
//! The same seed and sizes give the same run, byte for byte. `--seeds` runs that many, from S on;
//! `--retention` lets segments expire; `--upgrades` lets other processes take over; `--storms` lets failed syncs,
//! kills and power cuts follow one another; `--link` has sessions over the link; `--facts` lets clients change the facts of
//! rooms; `--lists` lets them go through the members of rooms; `--erasures` takes messages out of the files, and `--deletions`
//! what their authors have deleted; `--restores` copies the log while it is served, and puts copies in its place; `--calm` leaves out crashes and faults; `--trace` prints every step.

use madang_simulator::{SessionOptions, run};
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let (options, seeds) = match options() {
        Ok(parsed) => parsed,
        Err(wrong) => {
            eprintln!("{wrong}; see the top of shards/simulator/src/main.rs");
            return ExitCode::from(2);
        }
    };
    for seed in options.seed..options.seed + seeds {
        let options = SessionOptions { seed, ..options };
        let command = options.command();
        let default_hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            default_hook(panic);
            eprintln!("seed {seed} ends in a panic\nagain: {command} --trace");
        }));
        let started = Instant::now();
        let outcome = run(options);
        let _ = std::panic::take_hook();
        println!("{outcome}\n{:.2} s", started.elapsed().as_secs_f64());
        if outcome.violation.is_some() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn options() -> Result<(SessionOptions, u64), String> {
    let (mut options, mut seeds) = (SessionOptions::small(1), 1);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--trace" => options.is_traced = true,
            "--interrupted-starts" => options.has_interrupted_starts = true,
            "--upgrades" => options.has_upgrades = true,
            "--storms" => options.has_storms = true,
            "--link" => options.has_link = true,
            "--facts" => options.has_facts = true,
            "--lists" => options.has_lists = true,
            "--erasures" => options.has_erasures = true,
            "--deletions" => options.has_deletions = true,
            "--restores" => options.has_restores = true,
            "--retention" => options.has_retention = true,
            "--calm" => options.has_mishaps = false,
            "--large" => {
                let large = SessionOptions::large(options.seed);
                let SessionOptions { users, rooms, shards, steps, .. } = large;
                options = SessionOptions { users, rooms, shards, steps, ..options };
            }
            _ => {
                let value = arguments.next().ok_or_else(|| format!("{argument} needs a number"))?;
                let number: u64 = value.parse().map_err(|_| format!("{argument} {value} is no number"))?;
                match argument.as_str() {
                    "--seed" => options.seed = number,
                    "--seeds" => seeds = number,
                    "--steps" => options.steps = number,
                    "--users" => options.users = number.max(1) as usize,
                    "--rooms" => options.rooms = number.max(1) as usize,
                    "--shards" => options.shards = number.clamp(1, 64) as u16,
                    _ => return Err(format!("{argument} is not known")),
                }
            }
        }
    }
    Ok((options, seeds))
}

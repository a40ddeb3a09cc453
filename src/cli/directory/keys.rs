//! `madang key`: keys of programs.

use super::NotDone;
use super::ends::{Length, length};
use super::place::DirectoryPlace;
use crate::log_command::{Clock, say};
use crate::server::wall_time;
use crate::terminal::visible;
use clap::{Args, Subcommand};
use madang_directory::{Actor, KeySecret, ServiceKey};
use madang_model::Timestamp;
use serde_json::json;
use std::io::{self, Write};

/// Examples and exit codes.
pub const NOTES: &str = "\
Examples:
  madang key add game1 --scope rooms:write --scope messages:write --prefix game1.
  madang key list
  madang key rotate game1 --overlap 12h       the old secret holds for twelve hours more
  madang key remove game1 --reason 'the game has ended'

A secret is shown once, when it is made: the directory has its hash alone.

Exit codes: 0 done, 1 refused (the message says why), 2 it could not be done, or the configuration or
the command line is wrong.";

/// Manage the keys with which programs come
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key, and print its secret
    #[command(after_help = NOTES, after_long_help = NOTES)]
    Add(AddKeyArguments),
    /// List all keys
    #[command(after_help = NOTES, after_long_help = NOTES)]
    List(ListKeysArguments),
    /// Give a key another secret, and print it
    #[command(after_help = NOTES, after_long_help = NOTES)]
    Rotate(RotateKeyArguments),
    /// Remove a key: its secret holds no more
    #[command(after_help = NOTES, after_long_help = NOTES)]
    Remove(RemoveKeyArguments),
}

/// The arguments of `madang key add`.
#[derive(Debug, Args)]
pub struct AddKeyArguments {
    #[command(flatten)]
    place: DirectoryPlace,
    /// What it is called
    name: String,
    /// What it may do, in two words like rooms:write; may be repeated
    #[arg(long = "scope", value_name = "SCOPE", required = true)]
    scopes: Vec<String>,
    /// What the names of its own rooms begin with, with the dot at its end
    #[arg(long, value_name = "PREFIX", default_value = "")]
    prefix: String,
}

/// The arguments of `madang key list`.
#[derive(Debug, Args)]
pub struct ListKeysArguments {
    #[command(flatten)]
    place: DirectoryPlace,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// The arguments of `madang key rotate`.
#[derive(Debug, Args)]
pub struct RotateKeyArguments {
    #[command(flatten)]
    place: DirectoryPlace,
    /// What it is called
    name: String,
    /// How long the old secret holds beside the new one, at most a week: 30m, 12h, 7d
    #[arg(long, value_name = "LENGTH", value_parser = length)]
    overlap: Option<Length>,
}

/// The arguments of `madang key remove`.
#[derive(Debug, Args)]
pub struct RemoveKeyArguments {
    #[command(flatten)]
    place: DirectoryPlace,
    /// What it is called
    name: String,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

/// Runs the command.
pub fn run(command: KeyCommand) -> Result<(), NotDone> {
    let now = wall_time();
    match command {
        KeyCommand::Add(AddKeyArguments { place, name, scopes, prefix }) => {
            let directory = place.open_or_make()?;
            let (key, secret) = directory.add_key(&name, &scopes, &prefix, Actor::Operator, now)?;
            eprintln!("key {} added; this is its secret, which is not shown again:", visible(&key.name));
            tell(&secret)?;
        }
        KeyCommand::List(ListKeysArguments { place, json }) => {
            let keys = place.open()?.keys()?;
            let line = if json { json_line } else { text_line };
            say(&keys.iter().map(|key| line(key, now)).collect::<String>())?;
            if keys.is_empty() && !json {
                eprintln!("there are no keys; `madang key add` makes one");
            }
        }
        KeyCommand::Rotate(RotateKeyArguments { place, name, overlap }) => {
            let directory = place.open()?;
            let overlap_us = overlap.map_or(0, |length| length.0);
            let (key, secret) = directory.rotate_key(&name, overlap_us, Actor::Operator, now)?;
            let holds = match overlap {
                Some(_) => format!("the old one holds until {}", until(&key)),
                None => "the old one holds no more".to_owned(),
            };
            eprintln!("key {} has another secret, which is not shown again; {holds}:", visible(&key.name));
            tell(&secret)?;
        }
        KeyCommand::Remove(RemoveKeyArguments { place, name, reason }) => {
            place.open()?.remove_key(&name, &reason, Actor::Operator, now)?;
            say(&format!("key {} removed\n", visible(&name)))?;
        }
    }
    Ok(())
}

/// Prints a secret. That nobody has read it is no success: it is not shown again.
fn tell(secret: &KeySecret) -> Result<(), NotDone> {
    let mut output = io::stdout();
    let told = writeln!(output, "{}", secret.reveal()).and_then(|()| output.flush());
    told.map_err(|error| {
        NotDone::Failed(format!(
            "the secret could not be printed, and is lost: {error}; make another with `madang key rotate`"
        ))
    })
}

fn until(key: &ServiceKey) -> String {
    key.old_secret_until.map_or_else(String::new, |until| Clock::default().second(until.0).to_owned())
}

fn text_line(key: &ServiceKey, now: Timestamp) -> String {
    let mut clock = Clock::default();
    let mut line = format!("{}  added {}", visible(&key.name), clock.second(key.created_at.0));
    if !key.prefix.is_empty() {
        line.push_str(&format!("  rooms {}*", visible(&key.prefix)));
    }
    let scopes = if key.scopes.is_empty() { "nothing".to_owned() } else { key.scopes.join(" ") };
    line.push_str(&format!("  may {}", visible(&scopes)));
    if key.old_secret_until.is_some_and(|until| until > now) {
        line.push_str(&format!("  old secret until {}", until(key)));
    }
    line + "\n"
}

fn json_line(key: &ServiceKey, _now: Timestamp) -> String {
    let time = |time: Timestamp| Clock::default().microsecond(time.0).to_owned();
    let line = json!({
        "name": key.name,
        "scopes": key.scopes,
        "prefix": key.prefix,
        "created_at": time(key.created_at),
        "rotated_at": key.rotated_at.map(time),
        "old_secret_until": key.old_secret_until.map(time),
    });
    format!("{line}\n")
}

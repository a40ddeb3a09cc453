//! `madang room …`: what the log says of a room.

use super::civil::Clock;
use super::output::{finish, standard_output, visible};
use super::{LogPlace, Outcome};
use clap::{Args, Subcommand};
use madang_log::{ExportError, Exported, Files, ReadFactsError, Selection, StdFiles, export, read_facts};
use madang_model::{
    GuestPolicy, HistoryPolicy, InvitePolicy, PostPolicy, Restriction, RoomAccess, RoomFacts, RoomName,
    RoomRole, counted,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Examples and exit codes.
pub const NOTES: &str = "\
Examples:
  madang room show general
  madang room show general --json --data /var/lib/madang

It reads the files of the data directory, also while a server runs: what that stores at this
moment may be missing, and what is not stored yet (read positions of the last seconds) is.

Facts are settings, and members that have accounts: a room of people who come with nc has none yet.

Exit codes: 0 it was printed, 1 the log has no such room, the room has no facts, or they are damaged
(named), 2 they could not be read or printed, or the command line is wrong.";

/// Show what is stored of a room besides its messages
#[derive(Debug, Subcommand)]
pub enum RoomCommand {
    /// Print the facts of a room: settings, topic, members with roles and read positions, mutes, bans, invitations
    #[command(after_help = NOTES, after_long_help = NOTES)]
    Show(ShowArguments),
}

/// The arguments of `madang room show`.
#[derive(Debug, Args)]
pub struct ShowArguments {
    #[command(flatten)]
    place: LogPlace,
    /// The room
    #[arg(value_name = "NAME", value_parser = room_name)]
    room: RoomName,
    /// One JSON object instead of lines for people (times in UTC)
    #[arg(long)]
    json: bool,
}

fn room_name(given: &str) -> Result<RoomName, String> {
    RoomName::from_log(given).map_err(|error| error.to_string())
}

/// Prints the facts of a room.
pub fn run(command: &RoomCommand) -> Result<Outcome, String> {
    let RoomCommand::Show(ShowArguments { place, room, json }) = command;
    let (data, files) = place.open()?;
    let name = room.as_str();
    let beside = files.beside().ok_or("there are no files")?;
    let facts = match read_facts(beside, room) {
        Ok(Some(found)) => found.facts,
        Ok(None) if is_unknown(&files, room)? => {
            eprintln!(
                "madang: the log has no room '{}'; see all with `madang log export --all --data {}`",
                visible(name),
                visible(&data.display().to_string())
            );
            return Ok(Outcome::Faulty);
        }
        Ok(None) => {
            eprintln!(
                "madang: room '{}' has no facts in '{}': nobody has changed its settings or become a member",
                visible(name),
                data.display()
            );
            return Ok(Outcome::Faulty);
        }
        Err(error @ ReadFactsError::Files(_)) => return Err(error.to_string()),
        Err(error) => {
            eprintln!("madang: {}", visible(&error.to_string()));
            return Ok(Outcome::Faulty);
        }
    };
    let mut output = standard_output();
    let printed = match json {
        true => writeln!(output, "{}", object(name, &facts)),
        false => print(&mut output, name, &facts),
    };
    finish(output, printed)?;
    Ok(Outcome::Sound)
}

/// Whether the log has nothing of a room. Where it has faults, nobody can say that.
fn is_unknown(files: &StdFiles, room: &RoomName) -> Result<bool, String> {
    // The first entry says enough.
    let mut stop = |_: Exported<'_>| Err(io::ErrorKind::Interrupted.into());
    match export(files, &Selection::Rooms(vec![room.clone()]), &mut stop, &mut |_| ()) {
        Ok(export) => Ok(!export.unknown.is_empty() && export.faults.is_empty()),
        Err(ExportError::Sink(_)) => Ok(false),
        Err(ExportError::Files(error)) => Err(error.to_string()),
    }
}

/// Prints the facts of a room for people.
pub fn print(output: &mut impl Write, room: &str, facts: &RoomFacts) -> io::Result<()> {
    let mut clock = Clock::default();
    let settings = facts.settings();
    let none_or =
        |value: u32, unit: &str| if value == 0 { "none".to_owned() } else { format!("{value}{unit}") };
    let text = |text: Option<&str>| text.map_or("-".to_owned(), |text| visible(text).into_owned());
    writeln!(output, "room {}, revision {}", visible(room), facts.revision())?;
    writeln!(output, "kind        {}", access(settings.access))?;
    writeln!(output, "title       {}", text(settings.title.as_deref()))?;
    writeln!(output, "topic       {}", text(facts.topic().map(|topic| &**topic)))?;
    writeln!(output, "post        {}", post(settings.post))?;
    writeln!(output, "guests      {}", guests(settings.guests))?;
    writeln!(output, "invite      {}", invite(settings.invite))?;
    writeln!(output, "history     {}", history(settings.history))?;
    writeln!(output, "slow        {}", none_or(settings.slow_s, " s"))?;
    writeln!(output, "capacity    {}", none_or(settings.capacity, ""))?;
    writeln!(output, "idle ttl    {}", none_or(settings.idle_ttl_s, " s"))?;
    writeln!(output, "retention   {}", none_or(settings.retention_days, " days"))?;
    writeln!(output, "discussion  {}", text(settings.discussion.as_ref().map(|room| room.0.as_str())))?;
    writeln!(output, "{}", counted(facts.members().len(), "member"))?;
    for (account, member) in facts.members() {
        let (joined, read) = (member.joined, member.read);
        writeln!(
            output,
            "  account {}: {}, joined at #{joined}, read to #{read}",
            account.0,
            role(member.role)
        )?;
    }
    for (what, restrictions) in [("mute", facts.mutes()), ("ban", facts.bans())] {
        writeln!(output, "{}", counted(restrictions.len(), what))?;
        for (account, Restriction { until, by }) in restrictions {
            let until = until.map_or("it is lifted".to_owned(), |until| clock.second(until.0).to_owned());
            writeln!(output, "  account {}: until {until}, by account {}", account.0, by.0)?;
        }
    }
    writeln!(output, "{}", counted(facts.invitations().len(), "invitation"))?;
    for (account, invitation) in facts.invitations() {
        let time = clock.second(invitation.time.0);
        writeln!(output, "  account {}: by account {} at {time}", account.0, invitation.by.0)?;
    }
    Ok(())
}

/// The facts of a room as a line of an export.
pub fn facts_line(room: &str, facts: &RoomFacts) -> Value {
    json!({ "room": room, "facts": object(room, facts) })
}

fn object(room: &str, facts: &RoomFacts) -> Value {
    let mut clock = Clock::default();
    let settings = facts.settings();
    let members = facts.members().iter().map(|(account, member)| {
        let (joined, read) = (member.joined.0, member.read.0);
        let of = json!({ "role": role(member.role), "joined_seq": joined, "read_seq": read });
        (account.0.to_string(), of)
    });
    let members: Map<String, Value> = members.collect();
    let mut restrictions = |all: &BTreeMap<_, Restriction>| -> Map<String, Value> {
        let of = |(account, Restriction { until, by }): (&madang_model::AccountId, &Restriction)| {
            let until = until.map(|until| clock.microsecond(until.0).to_owned());
            (account.0.to_string(), json!({ "until": until, "by": by.0 }))
        };
        all.iter().map(of).collect()
    };
    let (mutes, bans) = (restrictions(facts.mutes()), restrictions(facts.bans()));
    let invitations = facts.invitations().iter().map(|(account, invitation)| {
        let time = clock.microsecond(invitation.time.0).to_owned();
        (account.0.to_string(), json!({ "by": invitation.by.0, "time": time }))
    });
    let invitations: Map<String, Value> = invitations.collect();
    json!({
        "room": room,
        "revision": facts.revision().0,
        "settings": {
            "kind": access(settings.access),
            "title": settings.title.as_deref(),
            "post": post(settings.post),
            "guests": guests(settings.guests),
            "invite": invite(settings.invite),
            "history": history(settings.history),
            "slow_s": settings.slow_s,
            "capacity": Some(settings.capacity).filter(|capacity| *capacity > 0),
            "idle_ttl_s": Some(settings.idle_ttl_s).filter(|ttl| *ttl > 0),
            "retention_days": Some(settings.retention_days).filter(|days| *days > 0),
            "discussion": settings.discussion.as_ref().map(|room| room.0.as_str()),
        },
        "topic": facts.topic().map(|topic| &**topic),
        "members": members,
        "mutes": mutes,
        "bans": bans,
        "invitations": invitations,
    })
}

fn access(access: RoomAccess) -> &'static str {
    match access {
        RoomAccess::Open => "open",
        RoomAccess::Private => "private",
        RoomAccess::Direct => "direct",
    }
}

fn post(post: PostPolicy) -> &'static str {
    match post {
        PostPolicy::Members => "members",
        PostPolicy::Moderators => "moderators",
        PostPolicy::Nobody => "nobody",
    }
}

fn guests(guests: GuestPolicy) -> &'static str {
    match guests {
        GuestPolicy::No => "no",
        GuestPolicy::Read => "read",
        GuestPolicy::Post => "post",
    }
}

fn invite(invite: InvitePolicy) -> &'static str {
    match invite {
        InvitePolicy::Members => "members",
        InvitePolicy::Moderators => "moderators",
    }
}

fn history(history: HistoryPolicy) -> &'static str {
    match history {
        HistoryPolicy::All => "all",
        HistoryPolicy::SinceJoined => "since_joined",
    }
}

fn role(role: RoomRole) -> &'static str {
    match role {
        RoomRole::Member => "member",
        RoomRole::Moderator => "moderator",
        RoomRole::Owner => "owner",
    }
}

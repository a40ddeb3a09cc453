//! Lists of members and rooms, and what is known of one user.

use super::{Civil, line};
use madang_model::connection::Style;
use madang_model::{Presence, RoomSummary, UserSummary, WhoMember, WhoPage};
use std::fmt;

/// How many members share a line.
const MEMBERS_A_LINE: usize = 10;

/// Writes the members of a room, ten in a line.
pub fn who(page: &WhoPage, style: Style, out: &mut Vec<u8>) {
    let (room, total) = (&page.room, page.total);
    if total == 0 {
        return line(out, style, format_args!("* {room}: nobody is here"));
    }
    line(out, style, format_args!("* {room}: {total} {}", counted(total, "member", "members")));
    for members in page.members.chunks(MEMBERS_A_LINE) {
        line(out, style, format_args!("*   {}", Names(members)));
    }
    let more = (total as usize).saturating_sub(page.members.len());
    if more > 0 {
        line(out, style, format_args!("*   and {more} more, who are not listed"));
    }
}

/// Names in a line, each with what keeps it from answering.
struct Names<'a>(&'a [WhoMember]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, member) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            let presence = match (member.is_lost, member.is_away) {
                (true, _) => " (lost connection)",
                (false, true) => " (away)",
                (false, false) => "",
            };
            write!(f, "{comma}{}{presence}", member.name)?;
        }
        Ok(())
    }
}

/// Writes rooms in the order given, how many more there are, and whether some were not looked at.
pub fn rooms(
    rooms: &[RoomSummary],
    more: u64,
    is_busy: bool,
    pattern: &str,
    style: Style,
    out: &mut Vec<u8>,
) {
    for RoomSummary { room, members, head } in rooms {
        let (member_word, message_word) =
            (counted(*members, "member", "members"), counted(head.0, "message", "messages"));
        line(out, style, format_args!("* {room}: {members} {member_word}, {head} {message_word}"));
    }
    if more > 0 {
        line(out, style, format_args!("* and {more} more (name a part: /rooms PART)"));
    }
    if is_busy {
        let words = "! not all channels were searched: too many searches at this moment; ask again";
        line(out, style, format_args!("{words}"));
    } else if rooms.is_empty() && pattern.is_empty() {
        line(out, style, format_args!("* no channels yet"));
    } else if rooms.is_empty() {
        line(out, style, format_args!("* no channel with {pattern} in its name (try /rooms)"));
    }
}

/// Writes what is known of one user.
pub fn user_summary(user: &UserSummary, style: Style, out: &mut Vec<u8>) {
    let (name, online_since) = (&user.name, Civil(user.online_since));
    match &user.presence {
        Presence::Online => line(out, style, format_args!("* {name} is here, since {online_since} UTC")),
        Presence::Away(away) => match &away.text {
            Some(text) => {
                line(out, style, format_args!("* {name} is away: {text} (here since {online_since} UTC)"))
            }
            None => line(out, style, format_args!("* {name} is away (here since {online_since} UTC)")),
        },
        Presence::Offline { since } => {
            line(out, style, format_args!("* {name} is not here; last seen {} UTC", Civil(*since)));
        }
    }
}

fn counted(count: impl Into<u64>, one: &'static str, many: &'static str) -> &'static str {
    if count.into() == 1 { one } else { many }
}

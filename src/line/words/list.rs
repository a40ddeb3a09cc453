//! Lists of members and rooms, and what is known of one user.

use super::{Civil, line};
use madang_shards::connection::Style;
use madang_shards::types::{Presence, RoomSummary, UserSummary, WhoMember, WhoPage};

/// How many members share a line.
const MEMBERS_A_LINE: usize = 10;

/// Writes who is in a room, ten in a line.
pub fn who(page: &WhoPage, style: Style, out: &mut Vec<u8>) {
    let (room, total) = (&page.room, page.total);
    if total == 0 {
        return line(out, style, format_args!("* {room}: nobody is here"));
    }
    line(out, style, format_args!("* {room}: {total} {}", counted(total, "member", "members")));
    for members in page.members.chunks(MEMBERS_A_LINE) {
        let names: Vec<String> = members.iter().map(member).collect();
        line(out, style, format_args!("*   {}", names.join(", ")));
    }
    let more = (total as usize).saturating_sub(page.members.len());
    if more > 0 {
        line(out, style, format_args!("*   and {more} more, who are not listed"));
    }
}

fn member(member: &WhoMember) -> String {
    let presence = match (member.is_lost, member.is_away) {
        (true, _) => " (lost connection)",
        (false, true) => " (away)",
        (false, false) => "",
    };
    format!("{}{presence}", member.name)
}

/// Writes rooms in the order given, and how many more there are.
pub fn rooms(rooms: &[RoomSummary], more: u64, pattern: &str, style: Style, out: &mut Vec<u8>) {
    for RoomSummary { room, members, head } in rooms {
        let (member_word, message_word) =
            (counted(*members, "member", "members"), counted(head.0, "message", "messages"));
        line(out, style, format_args!("* {room}: {members} {member_word}, {head} {message_word}"));
    }
    if more > 0 {
        line(out, style, format_args!("* and {more} more (name a part: /rooms PART)"));
    }
    if rooms.is_empty() && pattern.is_empty() {
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

//! Why something was refused, with the value and the remedy.

use super::{Civil, line};
use madang_model::Refusal;
use madang_model::connection::Style;

/// Writes a refusal in a line.
pub fn refusal(refusal: &Refusal, style: Style, out: &mut Vec<u8>) {
    match refusal {
        Refusal::NameTaken { name } => {
            line(out, style, format_args!("! the name {name} is taken; choose another"));
        }
        Refusal::NameConfusable { name, with } => {
            line(
                out,
                style,
                format_args!("! the name {name} looks like {with}, which is taken; choose another"),
            );
        }
        Refusal::RoomConfusable { room, with } => {
            line(
                out,
                style,
                format_args!("! the name {room} looks like {with}, which is taken; choose another"),
            );
        }
        Refusal::RoomNotMade { room, reason } => {
            line(
                out,
                style,
                format_args!("! {room} cannot be made at this moment: {reason}; try again a little later"),
            );
        }
        Refusal::NoSuchUser { name } => {
            line(out, style, format_args!("! no such user: {name} (try /who)"));
        }
        Refusal::UserOffline { name, since } => {
            let since = Civil(*since);
            line(
                out,
                style,
                format_args!("! {name} is not here since {since} UTC; try again when {name} is back"),
            );
        }
        Refusal::NoSuchMessage { seq } => {
            line(out, style, format_args!("! there is no message #{seq}, or it was deleted (try /history)"));
        }
        Refusal::NotYours { seq } => {
            line(out, style, format_args!("! message #{seq} is another's; only its author may do that"));
        }
        Refusal::AccountNeeded { seq } => line(
            out,
            style,
            format_args!(
                "! message #{seq} stays as it is: guests neither edit nor delete; log in to an account first"
            ),
        ),
        Refusal::NothingChanges { seq } => {
            line(out, style, format_args!("! nothing of message #{seq} would change"));
        }
        Refusal::NoSuchRoom { room } => {
            line(
                out,
                style,
                format_args!("! no such channel: {room} (try /rooms, or /channel {room} to make it)"),
            );
        }
        Refusal::RoomFull { room, members_max } => line(
            out,
            style,
            format_args!(
                "! room {room} is full: {members_max} of {members_max} members; \
                 try later, or another one (/rooms)"
            ),
        ),
        Refusal::RoomNameCollides { room } => {
            line(
                out,
                style,
                format_args!("! the name {room} cannot be distinguished from another name; choose another"),
            );
        }
        Refusal::NotMember { room } => {
            line(out, style, format_args!("! you are not in {room} (try /channel {room})"));
        }
        Refusal::NotStored { reason } => {
            line(
                out,
                style,
                format_args!("! not sent, because it could not be stored: {reason}; try again later"),
            );
        }
        Refusal::TooManyFromAddress { connections_max } => line(
            out,
            style,
            format_args!("! your address has {connections_max} connections already; close one and try again"),
        ),
        Refusal::DraftRepeated { seq, draft } => {
            line(out, style, format_args!("* draft {draft} was stored before, as #{seq}"));
        }
        Refusal::TooManySessions { name, sessions_max } => line(
            out,
            style,
            format_args!(
                "! {name} has {sessions_max} sessions already, which is the limit; close one and try again"
            ),
        ),
        Refusal::DraftTooOld { draft } => line(
            out,
            style,
            format_args!(
                "! not sent: draft {draft} is so old that it is not known whether it was stored; \
                 look with /history, then send it under a new id"
            ),
        ),
    }
}

//! Images as bytes.

use super::ConnectionImage;
use madang_model::connection::{CodingError, Decoder, Encoder, EntranceKind};
use madang_model::{
    Account, AccountId, AccountKind, Away, Carried, CarriedMember, CarriedSeen, CarriedUser, ConnectionId,
    Holder, Identity, RoomName, Seq, SessionId, ShardId, Text, Timestamp, UserName,
};
use std::time::Duration;

const USER: u8 = 1;
const SEEN: u8 = 2;
const MEMBERS: u8 = 3;
/// The same as [`USER`], then the account and its further sessions.
const ACCOUNT: u8 = 4;
/// The same as [`MEMBERS`], with accounts among them: each has its account and further sessions behind it.
const MEMBERS_WITH_ACCOUNTS: u8 = 5;
/// The same as [`USER`], then the number of the guest's session, where it is not the time since when it is online.
const GUEST: u8 = 6;

impl ConnectionImage {
    /// Writes it.
    pub fn write(&self, out: &mut Encoder) {
        out.option(self.user.as_ref(), |out, user| out.text(user.as_str()));
        out.option(self.address, Encoder::address);
        out.bytes(&self.outbox);
        out.bytes(&self.unread);
        out.byte(self.form);
        out.flag(self.is_echoed);
        duration(self.used, out);
        out.flag(self.has_input_ended);
        out.flag(self.is_ending);
        out.bytes(&self.protocol);
    }

    /// Reads that of a connection which came in so.
    ///
    /// # Errors
    /// [`CodingError`] when it is none.
    pub fn read(from: &mut Decoder<'_>, entrance: EntranceKind) -> Result<ConnectionImage, CodingError> {
        Ok(ConnectionImage {
            entrance,
            user: from.option(read_user_name)?,
            address: from.option(|from| from.address())?,
            outbox: from.bytes()?.to_vec(),
            unread: from.bytes()?.to_vec(),
            form: from.byte()?,
            is_echoed: from.flag()?,
            used: read_duration(from)?,
            has_input_ended: from.flag()?,
            is_ending: from.flag()?,
            protocol: from.bytes()?.to_vec(),
        })
    }
}

/// Writes what a home knows. Addresses are counted by their connections, and not written.
pub fn write_carried(carried: &Carried, out: &mut Encoder) {
    match carried {
        Carried::User(user) => {
            let account = user.name.account();
            let number = user.name.identity().guest_number();
            let guest = number.filter(|number| *number != guest_since(user.online_since));
            out.byte(match account {
                Some(_) => ACCOUNT,
                None if guest.is_some() => GUEST,
                None => USER,
            });
            out.text(user.name.as_str());
            timestamp(user.online_since, out);
            out.option(user.away.as_ref(), |out, away| {
                out.option(away.text.as_ref(), |out, text| out.text(text.as_str()));
            });
            out.list(user.missed_whispers.iter(), |out, (from, count)| {
                out.text(from.as_str());
                out.number(u64::from(*count));
            });
            holder(user.holder, out);
            if let Some(account) = account {
                write_account(account, out);
                write_sessions(&user.others, out);
            }
            guest.into_iter().for_each(|number| out.number(number));
        }
        Carried::Seen(seen) => {
            out.byte(SEEN);
            out.text(seen.name.as_str());
            timestamp(seen.online_since, out);
            timestamp(seen.offline_since, out);
        }
        Carried::Members { room, members } => {
            let has_accounts = members.iter().any(|member| member.user.account().is_some());
            out.byte(if has_accounts { MEMBERS_WITH_ACCOUNTS } else { MEMBERS });
            out.text(room.as_str());
            out.list(members.iter(), |out, member| {
                out.text(member.user.as_str());
                out.flag(member.is_away);
                holder(member.holder, out);
                out.number(member.head.0);
                if has_accounts {
                    out.option(member.user.account(), |out, account| write_account(account, out));
                    write_sessions(&member.others, out);
                }
            });
        }
        Carried::Address(_) => {}
    }
}

/// Reads what a home knows.
///
/// # Errors
/// [`CodingError`] when it is nothing that one can know.
pub fn read_carried(from: &mut Decoder<'_>) -> Result<Carried, CodingError> {
    Ok(match from.byte()? {
        USER => {
            let user = read_user(from)?;
            let number = guest_since(user.online_since);
            Carried::User(CarriedUser { name: user.name.known_as(Identity::guest(number)), ..user })
        }
        GUEST => {
            let user = read_user(from)?;
            let name = user.name.known_as(Identity::guest(from.number()?));
            Carried::User(CarriedUser { name, ..user })
        }
        ACCOUNT => {
            let user = read_user(from)?;
            let name = user.name.known_as(read_account(from)?.into());
            Carried::User(CarriedUser { name, others: read_sessions(from)?, ..user })
        }
        SEEN => Carried::Seen(CarriedSeen {
            name: read_user_name(from)?,
            online_since: read_timestamp(from)?,
            offline_since: read_timestamp(from)?,
        }),
        MEMBERS => Carried::Members { room: read_room_name(from)?, members: from.list(read_member)? },
        MEMBERS_WITH_ACCOUNTS => Carried::Members {
            room: read_room_name(from)?,
            members: from.list(|from| {
                let member = read_member(from)?;
                let account = from.option(read_account)?;
                let user = member.user.known_as(account.into());
                Ok(CarriedMember { user, others: read_sessions(from)?, ..member })
            })?,
        },
        _ => return Err(CodingError("it is of a kind that is not known")),
    })
}

/// The number that a guest's session has as a rule, and each that an earlier release carries.
fn guest_since(online_since: Timestamp) -> u64 {
    u64::try_from(online_since.0).unwrap_or(0)
}

fn read_user(from: &mut Decoder<'_>) -> Result<CarriedUser, CodingError> {
    Ok(CarriedUser {
        name: read_user_name(from)?,
        online_since: read_timestamp(from)?,
        away: from.option(|from| Ok(Away { text: from.option(read_text)? }))?,
        missed_whispers: from.list(|from| Ok((read_user_name(from)?, from.small()?)))?,
        holder: read_holder(from)?,
        others: Vec::new(),
    })
}

fn read_member(from: &mut Decoder<'_>) -> Result<CarriedMember, CodingError> {
    Ok(CarriedMember {
        user: read_user_name(from)?,
        is_away: from.flag()?,
        holder: read_holder(from)?,
        others: Vec::new(),
        head: Seq(from.number()?),
    })
}

fn write_account(account: Account, out: &mut Encoder) {
    out.byte(match account.kind() {
        AccountKind::User => 1,
        AccountKind::Service => 2,
    });
    out.number(account.id().0);
}

fn read_account(from: &mut Decoder<'_>) -> Result<Account, CodingError> {
    let kind = match from.byte()? {
        1 => AccountKind::User,
        2 => AccountKind::Service,
        _ => return Err(CodingError("an account is of a kind that is not known")),
    };
    Account::new(kind, AccountId(from.number()?)).ok_or(CodingError("an account's id is none"))
}

fn write_sessions(sessions: &[SessionId], out: &mut Encoder) {
    out.list(sessions.iter(), |out, session| write_session(*session, out));
}

fn read_sessions(from: &mut Decoder<'_>) -> Result<Vec<SessionId>, CodingError> {
    from.list(read_session)
}

fn write_session(SessionId { shard, connection }: SessionId, out: &mut Encoder) {
    out.number(u64::from(shard.0));
    out.number(u64::from(connection.index));
    out.number(u64::from(connection.generation));
}

fn read_session(from: &mut Decoder<'_>) -> Result<SessionId, CodingError> {
    let shard = ShardId(from.small()?);
    let connection = ConnectionId { index: from.small()?, generation: from.small()? };
    Ok(SessionId { shard, connection })
}

fn holder(holder: Holder, out: &mut Encoder) {
    let session = match holder {
        Holder::Session(session) => Some(session),
        Holder::Lost(_) => None,
    };
    out.option(session, |out, session| write_session(session, out));
    if let Holder::Lost(left) = holder {
        duration(left, out);
    }
}

fn read_holder(from: &mut Decoder<'_>) -> Result<Holder, CodingError> {
    let session = from.option(read_session)?;
    session.map_or_else(|| read_duration(from).map(Holder::Lost), |session| Ok(Holder::Session(session)))
}

fn duration(duration: Duration, out: &mut Encoder) {
    out.number(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
}

fn read_duration(from: &mut Decoder<'_>) -> Result<Duration, CodingError> {
    from.number().map(Duration::from_micros)
}

fn timestamp(time: Timestamp, out: &mut Encoder) {
    out.number(time.0.cast_unsigned());
}

fn read_timestamp(from: &mut Decoder<'_>) -> Result<Timestamp, CodingError> {
    from.number().map(|number| Timestamp(number.cast_signed()))
}

fn read_user_name(from: &mut Decoder<'_>) -> Result<UserName, CodingError> {
    UserName::parse(from.text()?).map_err(|_| CodingError("a user's name is none"))
}

fn read_room_name(from: &mut Decoder<'_>) -> Result<RoomName, CodingError> {
    RoomName::from_log(from.text()?).map_err(|_| CodingError("a room's name is none"))
}

fn read_text(from: &mut Decoder<'_>) -> Result<Text, CodingError> {
    Text::restore(from.text()?).ok_or(CodingError("a text is empty"))
}

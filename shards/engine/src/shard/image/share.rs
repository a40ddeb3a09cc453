//! Which shard resumes what, and under which identity.

use super::ConnectionImage;
use hashbrown::HashMap;
use madang_model::{Carried, CarriedUser, ConnectionId, Destination, Holder, Request, SessionId, ShardId};
use std::time::Duration;

/// What one shard resumes. `T` is what a connection is reached by.
#[derive(Debug)]
pub struct Portion<T> {
    /// Its connections, in the order in which they are to be adopted: the first gets slot 0.
    pub connections: Vec<(ConnectionImage, T)>,
    /// What is to be known there.
    pub carried: Vec<Carried>,
}

/// Shares out what another process had among `shard_count` shards, which have no connections yet.
/// Connections stay on the shard of their number, if there are as many shards as there were. A name
/// and a membership whose connection did not come along are lost ones, with `grace` left.
pub fn share_out<T>(
    connections: Vec<(SessionId, ConnectionImage, T)>,
    carried: Vec<Carried>,
    (shards_before, shard_count): (u16, u16),
    grace: Duration,
) -> Vec<Portion<T>> {
    let mut portions: Vec<Portion<T>> =
        (0..shard_count).map(|_| Portion { connections: Vec::new(), carried: Vec::new() }).collect();
    let mut sessions: HashMap<SessionId, SessionId> = HashMap::with_capacity(connections.len());
    for (number, (before, image, reached_by)) in connections.into_iter().enumerate() {
        let is_kept = shards_before == shard_count && before.shard.index() < portions.len();
        let shard = if is_kept { before.shard.index() } else { number % portions.len() };
        let portion = &mut portions[shard];
        let now = SessionId {
            shard: ShardId(u16::try_from(shard).expect("shards are counted in 16 bits")),
            connection: ConnectionId {
                index: u32::try_from(portion.connections.len()).expect("fewer connections a shard than 2^32"),
                generation: 0,
            },
        };
        // One that is ending has left, or is about to: what it still holds by then is released in time.
        if !image.is_ending {
            sessions.insert(before, now);
        }
        portion.connections.push((image, reached_by));
    }
    // The first session that came along is the holder's own.
    let rename = |holder: &mut Holder, others: &mut Vec<SessionId>| {
        if let Holder::Session(first) = *holder {
            let before = std::iter::once(first).chain(others.drain(..));
            let mut now: Vec<SessionId> =
                before.filter_map(|before| sessions.get(&before).copied()).collect();
            *holder = if now.is_empty() { Holder::Lost(grace) } else { Holder::Session(now.remove(0)) };
            *others = now;
        }
    };
    for mut one in carried {
        match &mut one {
            Carried::User(user) => rename(&mut user.holder, &mut user.others),
            Carried::Members { members, .. } => {
                members.iter_mut().for_each(|member| rename(&mut member.holder, &mut member.others));
            }
            Carried::Seen(_) | Carried::Address(_) => {}
        }
        if let Carried::User(user) = &one {
            name_connections(user, &mut portions);
        }
        let request = Request::Carry(Box::new(one));
        if let Destination::Home(home) = request.destination(shard_count)
            && let Request::Carry(one) = request
        {
            portions[home.index()].carried.push(*one);
        }
    }
    portions
}

/// The images of connections do not say who is behind a name: the homes of the names do.
fn name_connections<T>(user: &CarriedUser, portions: &mut [Portion<T>]) {
    let first = match user.holder {
        Holder::Session(session) => Some(session),
        Holder::Lost(_) => None,
    };
    for SessionId { shard, connection } in first.into_iter().chain(user.others.iter().copied()) {
        let image = portions
            .get_mut(shard.index())
            .and_then(|portion| portion.connections.get_mut(connection.index as usize));
        if let Some((image, _)) = image
            && image.user.as_ref() == Some(&user.name)
        {
            image.user = Some(user.name.clone());
        }
    }
}

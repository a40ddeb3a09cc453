//! Which requests come from a link.

use madang_model::Request;

/// Whether a session of the link may ask this of a home shard. Only shards send the rest to each other, and it is no
/// part of the wire.
pub fn comes_from_link(request: &Request) -> bool {
    match request {
        Request::Claim { .. }
        | Request::Release { .. }
        | Request::GiveUp { .. }
        | Request::SetAway { .. }
        | Request::Whois { .. }
        | Request::Whisper { .. }
        | Request::WhisperMissed { .. }
        | Request::Join { .. }
        | Request::Leave { .. }
        | Request::Rename { .. }
        | Request::Publish { .. }
        | Request::PublishAs { .. }
        | Request::HistoryOf { .. }
        | Request::Amend { .. }
        | Request::Resume { .. }
        | Request::History { .. }
        | Request::Who { .. }
        | Request::Rooms { .. }
        | Request::Members { .. }
        | Request::RoomsInOrder { .. }
        | Request::ChangeFacts { .. }
        | Request::MoveRead { .. }
        | Request::Admit { .. }
        | Request::Discharge { .. } => true,
        Request::PublishDirect { .. }
        | Request::TakeLooks { .. }
        | Request::LooksAnswered { .. }
        | Request::GiveLooks { .. }
        | Request::LoadFacts { .. }
        | Request::Carry(_) => false,
    }
}

//! What the core sends, read by the edge.

use super::sessions::Limits;
use crate::body::control::{ArchivedGoingDownBody, ArchivedRejectedBody, ArchivedWelcomeBody, last_words};
use crate::body::{ArchivedEventBody, open};
use crate::bounds::ENVELOPE_BYTES_MAX;
use crate::convert::read_event;
use crate::format::{Envelope, Kind, WireFault};
use crate::stream::Agreement;
use crate::versions::Versions;
use crate::words::{EdgeEvent, GoingDown};
use madang_model::LogEpoch;

/// What the core sends.
pub enum FromCore {
    Welcome { agreement: Agreement, limits: Limits },
    Rejected(Versions),
    Event(usize, EdgeEvent),
    Began(usize, LogEpoch),
    GoingDown(GoingDown),
    Goodbye(Box<str>),
}

/// Reads an envelope of the core.
///
/// # Errors
/// [`WireFault`] when it is none that a core sends.
pub fn read(envelope: Envelope<'_>) -> Result<FromCore, WireFault> {
    let (kind, body) = (envelope.kind, envelope.body);
    Ok(match kind {
        Kind::Welcome => {
            let welcome = open::<ArchivedWelcomeBody>(kind, body)?;
            let limits = Limits {
                shard_count: welcome.shard_count.to_native(),
                sessions_max: welcome.sessions_max.to_native(),
                rooms_max: welcome.rooms_max.to_native(),
                text_bytes_max: welcome.text_bytes_max.to_native(),
            };
            let (version, window_bytes) = (welcome.version.to_native(), welcome.window_bytes.to_native());
            if (window_bytes as usize) < ENVELOPE_BYTES_MAX {
                return Err(WireFault::value(kind, "a window", &window_bytes.to_string()));
            }
            FromCore::Welcome { agreement: Agreement { version, window_bytes }, limits }
        }
        Kind::Rejected => {
            let rejected = open::<ArchivedRejectedBody>(kind, body)?;
            let (oldest, newest) = (rejected.oldest.to_native(), rejected.newest.to_native());
            FromCore::Rejected(Versions { oldest, newest })
        }
        Kind::Event => {
            let body = open::<ArchivedEventBody<'static>>(kind, body)?;
            if let ArchivedEventBody::Began { epoch } = body {
                return Ok(FromCore::Began(envelope.bytes, LogEpoch(u128::from_be_bytes(*epoch))));
            }
            FromCore::Event(envelope.bytes, read_event(body)?)
        }
        Kind::GoingDown => {
            let is_upgrade = open::<ArchivedGoingDownBody>(kind, body)?.is_upgrade;
            FromCore::GoingDown(if is_upgrade { GoingDown::Upgrade } else { GoingDown::Stop })
        }
        Kind::Goodbye => FromCore::Goodbye(last_words(body)?),
        Kind::Hello | Kind::Request | Kind::Taken | Kind::Ping => {
            return Err(WireFault::Unexpected { kind });
        }
    })
}

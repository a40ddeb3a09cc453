//! The core's end of the link on its thread: it joins the endpoint of the mesh, the state machine of `madang-link`
//! and the socket `link.sock` in the data directory, to which the edge connects.
//!
//! **Invariant:** no shard waits for this thread, and its end ends no process. What the edge sends is checked by the
//! state machine; whatever is wrong with it ends the connection.

mod peer;
mod socket;
mod thread;

use crate::server::ServerState;
use madang_engine::mesh::ENDPOINT;
use madang_engine::runtime::Endpoint;
use madang_engine::shard::Settings;
use madang_link::{CoreEnd, CoreSettings};
use socket::LinkSocket;
use std::io;
use std::path::Path;
use std::sync::Arc;
use thread::LinkThread;

/// Starts the thread, which lasts as long as the process. Texts have at most `text_bytes_max` bytes.
///
/// # Errors
/// The thread cannot be started.
pub fn start(
    data: &Path,
    endpoint: Endpoint,
    settings: Settings,
    text_bytes_max: u32,
    state: &Arc<ServerState>,
) -> io::Result<()> {
    let core = CoreEnd::new(CoreSettings {
        text_bytes_max,
        counted: Box::new(move |address| settings.counted(address)),
        ..CoreSettings::new(ENDPOINT, endpoint.shard_count())
    });
    let link = LinkThread::new(core, endpoint, LinkSocket::new(data), Arc::clone(state));
    std::thread::Builder::new().name("madang-link".into()).spawn(move || link.run()).map(drop)
}

//! The core's end of the link on its thread: it joins the endpoint of the mesh, the state machine of `madang-link`
//! and the socket `link.sock` in the data directory, to which the edge connects.
//!
//! **Invariant:** no shard waits for this thread, and its end ends no process. What the edge sends is checked by the
//! state machine; whatever is wrong with it ends the connection.

mod peer;
mod thread;

use crate::control::PrivateSocket;
use crate::server::ServerState;
use madang_engine::mesh::ENDPOINT;
use madang_engine::runtime::Endpoint;
use madang_engine::shard::Settings;
use madang_link::{CoreEnd, CoreSettings};
use madang_model::LogEpoch;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use thread::LinkThread;

/// What the link goes by of the configuration. A reload changes it for all who have a copy of this.
#[derive(Clone, Debug)]
pub struct LinkLimits(Arc<RwLock<(Settings, u32)>>);

impl LinkLimits {
    /// As shards have them, with texts of at most `text_bytes_max` bytes.
    pub fn new(settings: Settings, text_bytes_max: u32) -> LinkLimits {
        LinkLimits(Arc::new(RwLock::new((settings, text_bytes_max))))
    }

    /// From now on these hold.
    pub fn set(&self, settings: Settings, text_bytes_max: u32) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = (settings, text_bytes_max);
    }

    fn text_bytes_max(&self) -> u32 {
        self.0.read().unwrap_or_else(PoisonError::into_inner).1
    }

    fn counted(&self, address: IpAddr) -> Option<IpAddr> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).0.counted(address)
    }
}

/// Starts the thread, which lasts as long as the process.
///
/// # Errors
/// The thread cannot be started.
pub fn start(
    data: &Path,
    endpoint: Endpoint,
    limits: LinkLimits,
    state: &Arc<ServerState>,
) -> io::Result<()> {
    let (counting, epoch) = (limits.clone(), Arc::clone(state));
    let core = CoreEnd::new(CoreSettings {
        text_bytes_max: Box::new(move || limits.text_bytes_max()),
        counted: Box::new(move |address| counting.counted(address)),
        // It has one before an edge can connect.
        epoch: Box::new(move || epoch.epoch().unwrap_or(LogEpoch(0))),
        ..CoreSettings::new(ENDPOINT, endpoint.shard_count())
    });
    let link = LinkThread::new(core, endpoint, PrivateSocket::new(data, "link"), Arc::clone(state));
    std::thread::Builder::new().name("madang-link".into()).spawn(move || link.run()).map(drop)
}

//! The server as a whole: its state, what it owns, how it was started and how it is stopped.

mod clock;
mod data_directory;
mod edge_report;
mod epoch;
mod erasures;
mod http_socket;
mod in_place;
mod inherited;
pub mod launch;
mod link_report;
mod operator_listener;
pub mod pending_signals;
mod state;
mod stops;
pub mod subprocess;

pub use clock::{now_us, wall_time};
pub use data_directory::{
    BACKUP_FILE, DataDirectory, DataDirectoryError, RESTORING, SERVE, holder_serves, was_served,
};
pub use edge_report::{EdgeEnd, EdgeFigures, EdgeStatus};
pub use epoch::random_epoch;
pub use erasures::{ErasureDesk, ErasureProgress, PendingErasures, UnreadableErasures, Urgency};
pub use http_socket::HttpSocket;
pub use in_place::{VARIABLE as IN_PLACE_VARIABLE, inherited_in_place, value_for_next};
pub use inherited::{InheritedListeners, SocketActivation};
pub use launch::Launch;
pub use link_report::LinkFigures;
pub use operator_listener::{OperatorListener, Threads};
pub use state::{Readiness, ServerState};
pub use stops::{HeldStops, Stops};

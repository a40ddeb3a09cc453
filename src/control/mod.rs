//! The server of the control socket.

mod answer;
mod describe;
mod peer;
mod server;

pub use peer::user_of;
pub use server::{ControlSocket, start};

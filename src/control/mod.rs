//! The control socket: its server, and how sockets in the data directory are listened at.

mod answer;
mod describe;
mod peer;
mod private_socket;
mod server;

pub use private_socket::PrivateSocket;
pub use server::{ControlSocket, start};

//! Promises of the line protocol, each kept by a session that is driven from outside.

mod answers;
mod hostile;
mod rig;
mod talking;
mod telnet;

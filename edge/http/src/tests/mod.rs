//! What REST promises. Every answer is held against the description, too (`world`).

mod accounts;
mod described;
mod passwords;
mod problems;
mod schemas;
mod sign_up;
mod sockets;
mod tokens;
mod world;

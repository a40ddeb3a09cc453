//! A socket in the data directory for processes of the same user.

use super::peer::user_of;
use rustix::fs::Mode;
use std::fs;
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// The socket, whether it is listened at or not. The data directory is locked by this process: what lies there is
/// a leftover, or of an old process that has closed its own.
#[derive(Debug)]
pub struct PrivateSocket {
    path: PathBuf,
    /// Where it is until it is ready.
    beside: PathBuf,
    listener: Option<UnixListener>,
}

impl PrivateSocket {
    /// The socket `NAME.sock` of a data directory, not listened at yet.
    pub fn new(data: &Path, name: &str) -> PrivateSocket {
        // Not longer, because socket paths are limited.
        let [path, beside] = ["sock", "new"].map(|extension| data.join(format!("{name}.{extension}")));
        PrivateSocket { path, beside, listener: None }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is polled for the next connection.
    pub fn listener(&self) -> Option<&UnixListener> {
        self.listener.as_ref()
    }

    /// Listens, for the user of this process alone.
    ///
    /// # Errors
    /// The system refuses, or the path is too long.
    pub fn listen(&mut self) -> io::Result<()> {
        let beside = &self.beside;
        match fs::remove_file(beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(beside)?;
        // The directory is private meanwhile.
        rustix::fs::chmod(beside, Mode::RUSR | Mode::WUSR)?;
        listener.set_nonblocking(true)?;
        fs::rename(beside, &self.path)?;
        self.listener = Some(listener);
        Ok(())
    }

    /// Listens no more. Clients that wait to be accepted are disconnected.
    pub fn close(&mut self) {
        if self.listener.take().is_some() {
            // If the file stays, nobody listens at it.
            let _ = fs::remove_file(&self.path);
        }
    }

    /// The next connection, if one waits. It may be of a user who must not connect: then it is closed.
    ///
    /// # Errors
    /// It cannot be accepted now.
    pub fn accept(&self) -> io::Result<Option<UnixStream>> {
        let Some(listener) = &self.listener else { return Ok(None) };
        match listener.accept() {
            Ok((stream, _)) if is_permitted(&stream) => {
                stream.set_nonblocking(true)?;
                Ok(Some(stream))
            }
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The mode of the socket has the same effect, but some file systems do not store it.
fn is_permitted(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    user_of(stream).is_some_and(|user| user == own || user == 0)
}

//! One person on a connection, who waits for every answer.

use crate::error::BenchError;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const ANSWER_MAX: Duration = Duration::from_secs(20);

pub(super) struct LogClient {
    address: SocketAddr,
    pub(super) stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl LogClient {
    /// Connects, says a name and enters a room.
    pub(super) fn enter(address: SocketAddr, name: &str, room: &str) -> Result<LogClient, BenchError> {
        let unreachable = |source| BenchError::Unreachable { target: address, source };
        let stream = TcpStream::connect(address).map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        stream.set_read_timeout(Some(ANSWER_MAX)).map_err(unreachable)?;
        let reader = BufReader::with_capacity(256 * 1024, stream.try_clone().map_err(unreachable)?);
        let mut client = LogClient { address, stream, reader };
        client.send(&format!("{name}\n"))?;
        let here = client.wait_for(&format!("{name} has joined"))?;
        // Who was lost in the room a moment ago is in it again.
        let there = format!("{name} has joined {room}");
        if !here.ends_with(&there) {
            client.send(&format!("/channel {room}\n"))?;
            client.wait_for(&there)?;
        }
        // Whatever history follows the entry is read before this answer.
        client.send("/ping\n")?;
        client.wait_for("pong")?;
        Ok(client)
    }

    pub(super) fn send(&mut self, words: &str) -> Result<(), BenchError> {
        self.stream.write_all(words.as_bytes()).map_err(|_| self.closed("while it was sent a message"))
    }

    /// Reads lines until one ends with these words, and returns it.
    pub(super) fn wait_for(&mut self, words: &str) -> Result<String, BenchError> {
        loop {
            let line = self.line()?;
            if line.ends_with(words) || line.contains(words) && words.ends_with("has joined") {
                return Ok(line);
            }
        }
    }

    pub(super) fn line(&mut self) -> Result<String, BenchError> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) => Err(self.closed("before it answered")),
            Ok(_) => Ok(line.trim_end().to_owned()),
            Err(error)
                if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) =>
            {
                let waited_s = ANSWER_MAX.as_secs();
                Err(BenchError::Silent {
                    target: self.address,
                    during: "while the log was measured",
                    waited_s,
                })
            }
            Err(_) => Err(self.closed("before it answered")),
        }
    }

    /// Reads what has come, at least a byte, and counts the lines that end in it.
    pub(super) fn count_lines(&mut self, buffer: &mut [u8]) -> Result<u64, BenchError> {
        match self.reader.read(buffer) {
            Ok(count) if count > 0 => {
                Ok(buffer[..count].iter().filter(|byte| **byte == b'\n').count() as u64)
            }
            _ => Err(self.closed("at saturation")),
        }
    }

    fn closed(&self, during: &'static str) -> BenchError {
        BenchError::Closed {
            target: self.address,
            during,
            last_words: "none".to_owned(),
            remedy: "read its log",
        }
    }
}

//! The generator's own floor: a peer that does nothing but send back what it reads.

use crate::error::BenchError;
use crate::machine::Placement;
use crate::protocol::Protocol;
use crate::results::Measurement;
use crate::target::Target;
use crate::watch::{Progress, Stop};
use crate::workload::{EchoOptions, Workload, measure};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// Measures the generator's own floor: an echo peer in this process, on the server's processor, with
/// bare sockets and no chat, by the code that measures servers.
///
/// # Errors
/// [`BenchError`] when it cannot be measured.
pub(crate) fn measure_floor(
    seconds: f64,
    size: usize,
    progress: &mut dyn Progress,
    stop: &Stop,
) -> Result<Measurement, BenchError> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(BenchError::system("listen on loopback"))?;
    let address = listener.local_addr().map_err(BenchError::system("listen on loopback"))?;
    // The thread inherits the server's processor, and this one gets its own back.
    let placement = Placement::choose()?;
    placement.move_to_server()?;
    let peer = thread::Builder::new().name("madang-floor".into()).spawn(move || {
        // A load that goes away ends the conversation, and with it the peer.
        listener.accept().and_then(|(stream, _)| converse(stream))
    });
    drop(placement);
    let peer = peer.map_err(BenchError::system("start a thread"))?;
    let target = Target::Running { protocol: Protocol::Line, address, pid: None, label: "floor".to_owned() };
    let echo = Workload::Echo(EchoOptions { size, seconds });
    let found = measure(&echo, &target, progress, stop);
    if found.is_err() {
        // It may still wait for somebody to come.
        drop(TcpStream::connect(address));
    }
    let _ = peer.join();
    let mut found = found?;
    found.workload = "floor";
    found.title =
        format!("floor: a bare echo peer in this process, {size}-byte messages, one at a time, {seconds} s");
    found.label = "bare sockets, no chat (the load's floor)".to_owned();
    found.notes = vec![
        "the floor is what the load, the kernel's loopback and two context switches cost: no server's latency can be below it"
            .into(),
    ];
    Ok(found)
}

/// Says what a chat server would until the load is in its room, and then sends back each line.
fn converse(mut stream: TcpStream) -> std::io::Result<()> {
    const NAME_MAX: usize = 64;
    stream.set_nodelay(true)?;
    stream.write_all(b"name: ")?;
    let mut buffer = vec![0; 64 * 1024];
    let (mut filled, mut name) = (0, String::with_capacity(NAME_MAX));
    loop {
        let received = match stream.read(&mut buffer[filled..]) {
            Ok(0) => return Ok(()),
            Ok(received) => received,
            Err(interrupted) if interrupted.kind() == ErrorKind::Interrupted => continue,
            Err(failed) => return Err(failed),
        };
        filled += received;
        let mut start = 0;
        let mut answer = Vec::with_capacity(filled + NAME_MAX);
        for end in memchr::memchr_iter(b'\n', &buffer[..filled]) {
            let line = &buffer[start..end];
            start = end + 1;
            if name.is_empty() {
                name = String::from_utf8_lossy(line).into_owned();
                answer.extend_from_slice(format!("{name} has joined general").as_bytes());
            } else if let Some(room) = line.strip_prefix(b"/channel ") {
                answer.extend_from_slice(format!("{name} has joined ").as_bytes());
                answer.extend_from_slice(room);
            } else {
                answer.extend_from_slice(name.as_bytes());
                answer.extend_from_slice(b": ");
                answer.extend_from_slice(line);
            }
            answer.push(b'\n');
        }
        buffer.copy_within(start..filled, 0);
        filled -= start;
        stream.write_all(&answer)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::NoProgress;

    #[test]
    fn the_floor_is_measured_without_a_fault() {
        let found = measure_floor(0.2, 64, &mut NoProgress, &Stop::new());
        let found = found.expect("a measurement");
        assert!(found.faults.is_none(), "{:?}", found.faults);
        assert_eq!((found.workload, found.server.as_str()), ("floor", "floor"));
        assert!(found.latencies[0].histogram_ns.len() > 100, "{}", found.latencies[0].histogram_ns.len());
    }
}

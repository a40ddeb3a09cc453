//! A long conversation of numbered messages, which fills segments.

use super::Client;

/// Long, so that a segment of 1 MiB is full after some 330 of them.
const TEXT_BYTES: usize = 3_000;

/// What the message with this number says.
pub fn text(number: u64) -> String {
    format!("number {number} {}", "x".repeat(TEXT_BYTES))
}

/// Says numbered messages, fifty on their way at once; all are acknowledged.
pub fn talk(alice: &mut Client, first: u64, last: u64) {
    talk_as(alice, "alice", first, last);
}

/// The same of somebody else.
pub fn talk_as(client: &mut Client, name: &str, first: u64, last: u64) {
    for start in (first..=last).step_by(50) {
        let numbers = start..=last.min(start + 49);
        let lines: String = numbers.clone().map(|number| text(number) + "\n").collect();
        client.send_bytes(lines.as_bytes());
        client.expect_all(numbers.map(|number| format!("{name}: {}", text(number))));
    }
}

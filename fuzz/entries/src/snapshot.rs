//! The snapshot of a directory: read whole, and asked for one room.

use super::mending;
use madang_log::{ReadAnswer, SNAPSHOT_BLOCK_BYTES, SnapshotInfo, SnapshotLookup, SnapshotReader, Step};
use madang_model::{RoomName, ShardId};

const DIRECTORY: ShardId = ShardId(0);

/// A snapshot.
pub fn snapshot(bytes: &[u8]) {
    let mut file = bytes.to_vec();
    mending::snapshot(&mut file);
    let mut names = vec![RoomName::parse("general").expect("a room name")];
    if let Ok(reader) = SnapshotReader::new(&file[..], DIRECTORY) {
        for room in reader.take(4096) {
            match room {
                Ok(room) => names.extend(room.room_name()),
                Err(fault) => assert!(!fault.to_string().is_empty()),
            }
        }
    }
    let end = &file[file.len().saturating_sub(SNAPSHOT_BLOCK_BYTES)..];
    let Ok(info) = SnapshotInfo::decode(end, DIRECTORY) else { return };
    names.iter().take(8).for_each(|name| look_up(&info, name, &file));
}

fn look_up(info: &SnapshotInfo, name: &RoomName, file: &[u8]) {
    let mut lookup = SnapshotLookup::new(info, name);
    for _ in 0..4 {
        match lookup.step() {
            Step::Done(Ok(_)) => return,
            Step::Done(Err(fault)) => return assert!(!fault.to_string().is_empty()),
            Step::Read(requests) => {
                let answers: Vec<ReadAnswer<'_>> = requests
                    .iter()
                    .map(|request| {
                        let start = usize::try_from(request.offset_bytes).unwrap_or(usize::MAX);
                        let start = start.min(file.len());
                        ReadAnswer::Bytes(&file[start..file.len().min(start.saturating_add(request.bytes))])
                    })
                    .collect();
                lookup.supply(&answers);
            }
        }
    }
    panic!("a lookup ends after two reads");
}

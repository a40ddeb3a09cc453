//! The rooms of whispers between guests, as the log holds them.

use super::Server;
use super::server::{Said, said};
use std::collections::BTreeMap;

/// One of them.
#[derive(Debug)]
pub struct DirectRoom {
    pub name: String,
    /// The names of both.
    pub of: [String; 2],
    pub said: Vec<Said>,
}

impl DirectRoom {
    pub fn texts(&self) -> Vec<&str> {
        self.said.iter().map(|said| &*said.text).collect()
    }
}

impl Server {
    /// All that were whispered in, in the order in which they could begin: each when the second of two has its name.
    #[track_caller]
    pub fn direct_rooms(&self) -> Vec<DirectRoom> {
        let output = self.log_tool(&["export", "--all", "--format", "jsonl"]);
        assert!(output.status.success(), "log export: {output:?}");
        let mut rooms: BTreeMap<String, Vec<Said>> = BTreeMap::new();
        for line in String::from_utf8(output.stdout).expect("UTF-8 from log export").lines() {
            let value: serde_json::Value = serde_json::from_str(line).expect("a JSON object a line");
            let room = value["room"].as_str().expect("each line names its room");
            if room.contains('&') {
                rooms.entry(room.to_owned()).or_default().push(said(line));
            }
        }
        let mut by_begin: Vec<(u64, DirectRoom)> =
            rooms.into_iter().map(|(name, said)| room(name, said)).collect();
        by_begin.sort_by_key(|(begin, _)| *begin);
        by_begin.into_iter().map(|(_, room)| room).collect()
    }
}

/// With the later number of its two sessions, which is when that got its name. Rooms of format 2 have none.
fn room(name: String, said: Vec<Said>) -> (u64, DirectRoom) {
    let sides = name.split_once('&').and_then(|(one, other)| Some([side(one)?, side(other)?]));
    let [(one, first), (other, second)] = sides.unwrap_or_else(|| panic!("{name} is no room of two guests"));
    (first.max(second), DirectRoom { of: [one, other], name, said })
}

fn side(side: &str) -> Option<(String, u64)> {
    let Some((name, number)) = side.split_once('~') else { return Some((side.to_owned(), 0)) };
    Some((name.to_owned(), u64::from_str_radix(number, 16).ok()?))
}

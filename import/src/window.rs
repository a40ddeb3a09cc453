//! Puts what comes nearly in order into order: each room's by its times, as far as it comes within a window.

use madang_model::Timestamp;

/// A room of an import, counted from 0 in the order in which they came.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RoomIndex(pub usize);

/// Whatever comes waits until as many bytes of lines have come after it; so at most twice as many wait.
pub const WAIT_BYTES: usize = 32 << 20;

/// What waits, by room.
#[derive(Debug)]
pub struct Window<T> {
    wait_bytes: usize,
    /// By the index of the room.
    rooms: Vec<Vec<Waiting<T>>>,
    /// The rooms of which something waits, in the order in which it came.
    busy: Vec<RoomIndex>,
    arrivals: u64,
    /// What came before this may go when `young_bytes` have come.
    young_from: u64,
    young_bytes: usize,
}

#[derive(Debug)]
struct Waiting<T> {
    time: Timestamp,
    arrival: u64,
    item: T,
}

impl<T> Window<T> {
    pub fn new(wait_bytes: usize) -> Window<T> {
        Window { wait_bytes, rooms: Vec::new(), busy: Vec::new(), arrivals: 0, young_from: 0, young_bytes: 0 }
    }

    /// Adds what came next. Whether something should be taken out now.
    pub fn push(&mut self, room: RoomIndex, time: Timestamp, bytes: usize, item: T) -> bool {
        if self.rooms.len() <= room.0 {
            self.rooms.resize_with(room.0 + 1, Vec::new);
        }
        let waiting = &mut self.rooms[room.0];
        if waiting.is_empty() {
            self.busy.push(room);
        }
        waiting.push(Waiting { time, arrival: self.arrivals, item });
        self.arrivals += 1;
        self.young_bytes += bytes;
        self.young_bytes >= self.wait_bytes
    }

    /// Takes out what has waited long enough, and what must precede it: room after room, each in the order of its
    /// times, and of arrival where they are equal.
    pub fn take_old(&mut self, take: &mut dyn FnMut(RoomIndex, Timestamp, T)) {
        let before = self.young_from;
        (self.young_from, self.young_bytes) = (self.arrivals, 0);
        self.take_before(before, take);
    }

    /// Takes out everything.
    pub fn take_all(&mut self, take: &mut dyn FnMut(RoomIndex, Timestamp, T)) {
        (self.young_from, self.young_bytes) = (self.arrivals, 0);
        self.take_before(self.arrivals, take);
    }

    fn take_before(&mut self, before: u64, take: &mut dyn FnMut(RoomIndex, Timestamp, T)) {
        let rooms = &mut self.rooms;
        self.busy.retain(|room| {
            let waiting = &mut rooms[room.0];
            // Stable, and arrivals rise. What is in order already takes one comparison each.
            waiting.sort_by_key(|one| (one.time, one.arrival));
            let end = waiting.iter().rposition(|one| one.arrival < before).map_or(0, |last| last + 1);
            for one in waiting.drain(..end) {
                take(*room, one.time, one.item);
            }
            if waiting.is_empty() {
                // Many rooms come once.
                *waiting = Vec::new();
            }
            !waiting.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(window: &mut Window<u32>, all: bool) -> Vec<(usize, i64, u32)> {
        let mut taken = Vec::new();
        let take = &mut |room: RoomIndex, time: Timestamp, item| taken.push((room.0, time.0, item));
        if all {
            window.take_all(take)
        } else {
            window.take_old(take)
        }
        taken
    }

    #[test]
    fn each_room_is_put_in_the_order_of_its_times_and_equal_times_stay_as_they_came() {
        let mut window = Window::new(1_000);
        for (item, (room, time)) in [(1, 5), (0, 9), (1, 3), (1, 5), (0, 9), (1, 4)].into_iter().enumerate() {
            assert!(!window.push(RoomIndex(room), Timestamp(time), 1, item as u32));
        }
        let expected = [(1, 3, 2), (1, 4, 5), (1, 5, 0), (1, 5, 3), (0, 9, 1), (0, 9, 4)];
        assert_eq!(taken(&mut window, true), expected);
        assert_eq!(taken(&mut window, true), []);
    }

    #[test]
    fn whatever_comes_waits_for_as_much_after_it_and_takes_along_what_is_earlier() {
        let mut window = Window::new(30);
        let room = RoomIndex(0);
        for (time, is_full) in [(10, false), (30, false), (20, true)] {
            assert_eq!(window.push(room, Timestamp(time), 10, 0), is_full);
        }
        assert_eq!(taken(&mut window, false), [], "they have not waited yet");
        for (time, is_full) in [(15, false), (40, false), (25, true)] {
            assert_eq!(window.push(room, Timestamp(time), 10, 1), is_full);
        }
        let old: Vec<i64> = taken(&mut window, false).into_iter().map(|(_, time, _)| time).collect();
        assert_eq!(old, [10, 15, 20, 25, 30]);
        assert_eq!(taken(&mut window, true), [(0, 40, 1)]);
    }
}
